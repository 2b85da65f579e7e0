use std::sync::Arc;
use std::time::Duration;

use super::Telemetry;
use crate::logs::LogFormat;
use crate::logs::access::AccessLine;
use crate::{
    AttemptOutcome, AttemptRecord, RequestOutcome, RequestRecord, TargetIdentity, TargetMeters,
    TargetSample, TargetState, TokenUsage,
};

fn identity(target: &str) -> TargetIdentity {
    TargetIdentity {
        gateway: "default".into(),
        upstream: "chat".into(),
        target: target.into(),
        provider: "openai".into(),
    }
}

fn meters(telemetry: &Telemetry, target: &str) -> Arc<TargetMeters> {
    telemetry.target(identity(target), ["gpt-4o-mini".into()])
}

fn served(attempts: &[(&Arc<TargetMeters>, AttemptOutcome)], model: &str) -> RequestRecord {
    let mut record = RequestRecord::new("r1".into(), "POST".into(), "/v1/chat/completions".into());
    record.gateway = "default".into();
    record.upstream = "chat".into();
    record.served_model = Some(model.into());
    record.status = 200;
    record.outcome = RequestOutcome::Success;
    record.usage = TokenUsage {
        input: 30,
        output: 12,
        cached_input: 8,
        reasoning: 0,
    };
    record.cost_nano_usd = Some(11_700);
    record.time_to_first_token = Some(Duration::from_millis(150));
    record.duration = Duration::from_millis(900);
    record.attempts = attempts
        .iter()
        .map(|&(target, outcome)| AttemptRecord {
            target: Arc::clone(target),
            outcome,
            duration: Duration::from_millis(5),
        })
        .collect();
    record
}

/// The value of the one series of `name` whose labels hold all of `labels`.
#[track_caller]
fn value(text: &str, name: &str, labels: &[&str]) -> Option<f64> {
    let mut found = text.lines().filter(|line| {
        line.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(['{', ' ']))
            && labels.iter().all(|label| line.contains(label))
    });
    let line = found.next()?;
    assert_eq!(found.next(), None, "two series of {name} with {labels:?}");
    line.rsplit_once(' ')
        .and_then(|(_, value)| value.parse().ok())
}

#[test]
fn a_request_counts_for_the_target_that_answered_and_each_attempt_for_its_own() {
    let telemetry = Telemetry::new("1.2.3");
    let (first, second) = (meters(&telemetry, "a"), meters(&telemetry, "b"));
    let attempts = [
        (&first, AttemptOutcome::Connect),
        (&second, AttemptOutcome::Success),
    ];
    telemetry.record(&served(&attempts, "gpt-4o-mini"));
    let text = telemetry.render();

    let requests = |target| value(&text, "aigw_requests_total", &[target, r#"code="200""#]);
    assert_eq!(
        (requests(r#"target="a""#), requests(r#"target="b""#)),
        (None, Some(1.0))
    );
    let attempts = |labels: &[&str]| value(&text, "aigw_upstream_attempts_total", labels);
    assert_eq!(
        attempts(&[r#"target="a""#, r#"reason="connect""#]),
        Some(1.0)
    );
    assert_eq!(
        attempts(&[r#"target="b""#, r#"reason="success""#]),
        Some(1.0)
    );
    assert_eq!(attempts(&[r#"target="a""#, r#"reason="success""#]), None);
}

#[test]
fn tokens_and_times_reach_their_families() {
    let telemetry = Telemetry::new("1.2.3");
    let target = meters(&telemetry, "a");
    telemetry.record(&served(
        &[(&target, AttemptOutcome::Success)],
        "gpt-4o-mini",
    ));
    let text = telemetry.render();
    let of_model = r#"model="gpt-4o-mini""#;

    for (kind, count) in [
        ("input", 30.0),
        ("output", 12.0),
        ("cache_read", 8.0),
        ("reasoning", 0.0),
    ] {
        let labels = [of_model, &format!(r#"type="{kind}""#)];
        assert_eq!(
            value(&text, "aigw_tokens_total", &labels),
            Some(count),
            "{kind}"
        );
    }
    let cost = value(&text, "aigw_cost_usd_total", &[of_model]).unwrap_or_default();
    assert!((cost - 11.7e-6).abs() < 1e-12, "{cost}");
    let first_token = value(&text, "aigw_time_to_first_token_seconds_sum", &[of_model]);
    assert_eq!(first_token, Some(0.15));
    assert_eq!(
        value(&text, "aigw_request_duration_seconds_sum", &[of_model]),
        Some(0.9)
    );
    let usage = [
        r#"gen_ai_token_type="output""#,
        r#"gen_ai_request_model="gpt-4o-mini""#,
    ];
    assert_eq!(
        value(&text, "gen_ai_client_token_usage_sum", &usage),
        Some(12.0)
    );
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn a_model_that_the_target_does_not_list_counts_as_other() {
    let telemetry = Telemetry::new("1.2.3");
    let target = meters(&telemetry, "a");
    for index in 0..50 {
        let model = format!("made-up-{index}");
        telemetry.record(&served(&[(&target, AttemptOutcome::Success)], &model));
    }
    let text = telemetry.render();
    assert!(!text.contains("made-up"));
    assert_eq!(
        value(&text, "aigw_requests_total", &[r#"model="other""#]),
        Some(50.0)
    );
}

#[test]
fn counts_go_on_while_a_target_stays_and_end_when_it_goes() {
    let telemetry = Telemetry::new("1.2.3");
    let old = meters(&telemetry, "a");
    telemetry.record(&served(&[(&old, AttemptOutcome::Success)], "gpt-4o-mini"));
    let new = telemetry.target(identity("a"), ["gpt-4o-mini".into(), "gpt-4".into()]);
    drop(old);
    telemetry.record(&served(&[(&new, AttemptOutcome::Success)], "gpt-4o-mini"));
    let labels = [r#"target="a""#, r#"model="gpt-4o-mini""#];
    assert_eq!(
        value(&telemetry.render(), "aigw_requests_total", &labels),
        Some(2.0)
    );

    drop(new);
    assert!(!telemetry.render().contains(r#"target="a""#));
}

#[test]
fn a_request_that_no_target_was_asked_for_is_counted_without_one() {
    let telemetry = Telemetry::new("1.2.3");
    let mut record = RequestRecord::new("r1".into(), "POST".into(), "/nowhere".into());
    record.status = 404;
    telemetry.record(&record);
    let labels = [r#"code="404""#, r#"outcome="refused""#, r#"target="""#];
    assert_eq!(
        value(&telemetry.render(), "aigw_requests_total", &labels),
        Some(1.0)
    );
}

#[test]
fn target_gauges_are_read_at_the_scrape() {
    let telemetry = Telemetry::new("1.2.3");
    telemetry.on_scrape(|| {
        vec![TargetSample {
            identity: identity("a"),
            state: TargetState::Draining,
            takes_traffic: false,
            in_flight: 4,
            weight: 50,
            priority: 1,
            ejections: 2,
            picks: 9,
        }]
    });
    let text = telemetry.render();
    let state = |state: &str| {
        value(
            &text,
            "aigw_target_state",
            &[&format!(r#"state="{state}""#)],
        )
    };
    let states = ["healthy", "unhealthy", "draining", "disabled"].map(state);
    assert_eq!(states, [Some(0.0), Some(0.0), Some(1.0), Some(0.0)]);
    assert_eq!(value(&text, "aigw_target_up", &[]), Some(0.0));
    assert_eq!(value(&text, "aigw_target_inflight", &[]), Some(4.0));
    assert_eq!(value(&text, "aigw_target_ejections_total", &[]), Some(2.0));
    assert_eq!(value(&text, "aigw_target_picks_total", &[]), Some(9.0));
}

#[test]
fn a_request_runs_until_its_guard_is_dropped() {
    let telemetry = Telemetry::new("1.2.3");
    let running = telemetry.request_started();
    assert_eq!(
        value(&telemetry.render(), "aigw_requests_inflight", &[]),
        Some(1.0)
    );
    drop(running);
    assert_eq!(
        value(&telemetry.render(), "aigw_requests_inflight", &[]),
        Some(0.0)
    );
}

#[test]
fn a_refused_configuration_keeps_the_revision_in_force() {
    let telemetry = Telemetry::new("1.2.3");
    telemetry.configuration_applied(7, Duration::from_secs(1_700_000_000));
    telemetry.configuration_refused();
    let text = telemetry.render();
    assert_eq!(value(&text, "aigw_config_revision", &[]), Some(7.0));
    assert_eq!(
        value(&text, "aigw_config_last_reload_successful", &[]),
        Some(0.0)
    );
    let at = value(
        &text,
        "aigw_config_last_reload_success_timestamp_seconds",
        &[],
    );
    assert_eq!(at, Some(1_700_000_000.0));
    assert_eq!(
        value(&text, "aigw_build_info", &[r#"version="1.2.3""#]),
        Some(1.0)
    );
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_tells_what_it_uses() {
    let text = Telemetry::new("1.2.3").render();
    for name in [
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_max_fds",
        "process_threads",
        "process_start_time_seconds",
    ] {
        assert!(
            value(&text, name, &[]).is_some_and(|value| value > 0.0),
            "{name}:\n{text}"
        );
    }
    assert!(value(&text, "process_cpu_seconds_total", &[]).is_some());
}

#[test]
fn a_runtime_tells_how_many_tasks_it_has() {
    let telemetry = Telemetry::new("1.2.3");
    let tasks = |text: &str| value(text, "aigw_runtime_tasks", &[]);
    assert_eq!(tasks(&telemetry.render()), None);
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let text = runtime.unwrap().block_on(async {
        let mut running = tokio::task::JoinSet::new();
        running.spawn(std::future::pending::<()>());
        telemetry.render()
    });
    assert_eq!(tasks(&text), Some(1.0));
}

#[test]
fn the_tasks_of_other_runtimes_count_too() {
    let telemetry = Telemetry::new("1.2.3");
    let build = || {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
    };
    let (other, own) = (build(), build());
    telemetry.add_runtime(other.handle().clone());
    let mut running = tokio::task::JoinSet::new();
    running.spawn_on(std::future::pending::<()>(), other.handle());
    running.spawn_on(std::future::pending::<()>(), own.handle());
    let text = own.block_on(async { telemetry.render() });
    assert_eq!(value(&text, "aigw_runtime_tasks", &[]), Some(2.0));
}

#[test]
fn a_request_is_one_line_of_the_log_at_info() {
    let telemetry = Telemetry::new("1.2.3");
    let (first, second) = (meters(&telemetry, "a"), meters(&telemetry, "b"));
    let attempts = [
        (&first, AttemptOutcome::Timeout),
        (&second, AttemptOutcome::Success),
    ];
    let mut record = served(&attempts, "gpt-4o-mini");
    record.asked_model = Some("gpt\n\"4\"".to_owned());
    let line = |format| {
        let mut line = Vec::new();
        let at = Duration::from_millis(1_700_000_000_123);
        AccessLine {
            record: &record,
            at,
        }
        .write(format, &mut line);
        String::from_utf8(line).unwrap()
    };
    assert_eq!(
        line(LogFormat::Json),
        concat!(
            r#"{"timestamp":"2023-11-14T22:13:20.123000Z","level":"INFO","#,
            r#""message":"request served","request_id":"r1","method":"POST","#,
            r#""path":"/v1/chat/completions","status":200,"outcome":"success","#,
            r#""gateway":"default","route":"","service":"","upstream":"chat","target_id":"b","#,
            r#""provider":"openai","asked_model":"gpt\n\"4\"","served_model":"gpt-4o-mini","#,
            r#""is_stream":false,"input_tokens":30,"output_tokens":12,"cost_nano_usd":11700,"first_token_ms":150,"#,
            r#""duration_ms":900,"attempts":"a:timeout:5ms b:success:5ms","#,
            r#""target":"aigw::access"}"#,
            "\n"
        )
    );
    let text = line(LogFormat::Text);
    assert_eq!(text.lines().count(), 1);
    let begins = "2023-11-14T22:13:20.123000Z  INFO aigw::access: request served request_id=\"r1\"";
    assert!(text.starts_with(begins), "{text}");
    assert!(text.contains(" status=200 outcome=\"success\" "), "{text}");
}
