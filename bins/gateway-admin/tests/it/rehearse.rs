//! `rehearse`: outages of the guide's upstream, played for a few seconds each.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::kit::{Api, Run, SEED, program};

/// A folder with the guide's upstream, made to come back within a rehearsal of a few seconds.
struct Theatre {
    folder: tempfile::TempDir,
}

impl Theatre {
    fn new() -> Self {
        let mut upstream: Value = serde_json::from_str(SEED).unwrap();
        upstream["health_checks"] =
            json!({ "passive": { "ramp": "300ms" }, "threshold": 3, "interval": "200ms" });
        upstream["timeouts"] = json!({ "first_token": "1500ms" });
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("u.json"), upstream.to_string()).unwrap();
        std::fs::create_dir(folder.path().join("tmp")).unwrap();
        Self { folder }
    }

    fn command(&self, line: &str) -> Command {
        let mut command = program();
        command
            .arg("rehearse")
            .arg("-f")
            .arg(self.folder.path().join("u.json"))
            .args(line.split_whitespace())
            .env("TMPDIR", self.folder.path().join("tmp"));
        command
    }

    #[track_caller]
    fn run(&self, line: &str) -> Run {
        let run = Run::of(&self.command(line).output().unwrap());
        self.nothing_is_left();
        run
    }

    #[track_caller]
    fn nothing_is_left(&self) {
        let left = std::fs::read_dir(self.folder.path().join("tmp")).unwrap();
        assert_eq!(left.count(), 0);
    }
}

/// Plays a scenario where it must come to an end; returns the report.
#[track_caller]
fn play(line: &str, code: i32) -> Value {
    let run = Theatre::new().run(&format!("--for 3s -o json {line}"));
    assert_eq!(run.code, code, "{line}: {}{}", run.stdout, run.stderr);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert!(report["requests"].as_u64() >= Some(50), "{report}");
    // What must never happen, whatever goes wrong.
    assert_eq!(report["failures"]["truncated"], Value::Null, "{report}");
    report
}

#[test]
fn a_provider_that_is_down_is_taken_out_and_comes_back_and_no_request_fails() {
    let report = play(
        "--scenario provider-down --streams 0 --require-availability 100",
        0,
    );
    assert_eq!(report["failed"], 0, "{report}");
    assert!(report["failed_over"].as_u64() >= Some(1), "{report}");
    let fault = &report["faults"][0];
    assert_eq!(
        (&fault["target"], &fault["fault"]),
        (&json!("openai-0"), &json!("refused"))
    );
    assert!(fault["out_after_ms"].is_number(), "{report}");
    assert!(fault["back_after_ms"].is_number(), "{report}");
    assert!(fault["share_before"].as_f64() > Some(0.2), "{report}");
}

#[test]
fn a_provider_that_goes_down_takes_only_the_streams_that_it_had_begun() {
    let report = play("--fault openai=refused@1s..2s --streams 100", 0);
    assert!(report["faults"][0]["out_after_ms"].is_number(), "{report}");
    assert_eq!(report["failed"], report["failed_at_onset"], "{report}");
    let honest = report["failures"]
        .get("error_event")
        .unwrap_or(&json!(0))
        .clone();
    assert_eq!(report["failed"], honest, "{report}");
}

#[test]
fn a_rate_limit_cools_its_target_and_no_request_fails() {
    let report = play("--scenario rate-limited", 0);
    assert_eq!(report["failed"], 0, "{report}");
    let fault = &report["faults"][0];
    assert!(fault["out_after_ms"].is_number(), "{report}");
    assert_eq!(
        fault["reason"], "",
        "a target that cools is not ill: {report}"
    );
}

#[test]
fn a_slow_first_token_is_passed_over_after_the_operator_s_own_deadline() {
    let report = play("--scenario slow --streams 100", 0);
    assert_eq!(report["failed"], 0, "{report}");
    assert!(report["failed_over"].as_u64() >= Some(1), "{report}");
    let worst = &report["latency"]["added_by_failover"]["max_ms"];
    assert!(worst.as_f64() > Some(1000.0), "{report}");
}

#[test]
fn a_stream_that_is_cut_ends_in_an_error_event() {
    let report = play("--scenario mid-stream-cuts --streams 100", 0);
    let cut = &report["failures"]["error_event"];
    assert!(cut.as_u64() >= Some(1), "{report}");
    assert_eq!(report["failed"], *cut, "in no other way: {report}");
}

#[test]
fn when_everything_is_down_clients_are_told_and_so_is_the_operator() {
    let run = Theatre::new().run("--for 3s --scenario everything-down --require-availability 99");
    assert_eq!(run.code, 1, "{}", run.stdout);
    assert!(
        run.stderr.contains("--require-availability asks for 99 %"),
        "{}",
        run.stderr
    );
    for part in [
        "503, until 1.5 s",
        "is taken out",
        " requests failed: ",
        "only a target that",
    ] {
        assert!(
            run.stdout.contains(part),
            "{part:?} is not in {}",
            run.stdout
        );
    }
}

#[test]
fn an_upstream_of_the_running_gateway_is_copied_and_not_touched() {
    let api = Api::start();
    let file = api.file("u.json", SEED);
    api.ok(&format!("create upstream -f {file}"));
    let before = api.ok("get upstreams -o json");
    // Nothing that is meant for a server is heeded: not by the gateway of the rehearsal.
    let environment = [
        ("AIGW_STORE", "sqlite:///nowhere/at/all.db"),
        ("AIGW_DATA_DIR", "/nowhere/at/all"),
        ("AIGW_PROXY_LISTEN", "203.0.113.7:1"),
        ("AIGW_ADMIN_LISTEN", "203.0.113.7:2"),
        ("AIGW_PROVIDER_BASE_URL", "openai=http://203.0.113.7:3"),
    ];
    let line = "rehearse ai-providers-upstream --for 2s --fault anthropic=html@1s.. -o json";
    let run = api.run_with(line, &environment, "");
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.stdout);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["targets"], json!(["openai-0", "anthropic-1"]));
    assert_eq!(report["failed"], 0, "{report}");
    assert_eq!(report["faults"][0]["fault"], "html");
    assert_eq!(api.ok("get upstreams -o json"), before);
    let missing = api.fails("rehearse ai-provider-upstream", 6);
    let hint = "did you mean ai-providers-upstream?";
    assert!(missing.contains(hint), "{missing}");
}

#[test]
fn a_signal_ends_it_with_what_was_seen_and_leaves_nothing() {
    let theatre = Theatre::new();
    let mut command = theatre.command("--for 1m");
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    while !said.contains("  2 s  ") {
        assert!(stdout.read_line(&mut said).unwrap() > 0, "{said}");
    }
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    stdout.read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{said}");
    assert!(said.contains("Interrupted after"), "{said}");
    theatre.nothing_is_left();
}

#[test]
fn what_cannot_be_rehearsed_says_what_can() {
    let theatre = Theatre::new();
    for (line, code, message) in [
        (
            "--fault oepnai-0=503",
            2,
            "did you mean openai-0? (targets: openai-0, anthropic-1;",
        ),
        ("--fault openai=refussed", 2, "did you mean refused?"),
        ("--fault openai=503@5s..1m", 2, "--for 60s"),
        ("--fault openai", 2, "TARGET=FAULT@FROM..UNTIL"),
        ("--scenario earthquake", 2, "provider-down"),
        ("--for 2h", 2, "from 1 s to 1 h"),
        ("--require-availability 101", 2, "from 0 to 100"),
        ("--rate 500 --for 1h", 2, "100000 in all"),
        ("chat", 2, "cannot be used with"),
    ] {
        let run = theatre.run(line);
        assert_eq!(
            (run.code, run.stdout.as_str()),
            (code, ""),
            "{line}: {}",
            run.stderr
        );
        assert!(run.stderr.contains(message), "{line}: {}", run.stderr);
    }
    std::fs::write(
        theatre.folder.path().join("u.json"),
        r#"{"name": "x", "targets": []}"#,
    )
    .unwrap();
    let run = theatre.run("");
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert!(
        run.stderr.contains("/targets: at least one target"),
        "{}",
        run.stderr
    );
}
