//! How a request is tried again, and from when on its answer is the client's.

use std::time::Duration;

use ai_gateway_model::{
    Commit, Hedge, Kind, Prefill, Retry, RetryBudget, Streaming, Timeouts, Upstream,
};
use serde_json::{Value, json};

use crate::kit::{Bench, lines};

fn written(more: &Value) -> Value {
    let mut upstream = json!({ "name": "u", "targets": [{ "provider": "openai" }] });
    for (name, value) in more.as_object().unwrap() {
        upstream[name] = value.clone();
    }
    upstream
}

/// What the document means, both as written and as read again from its canonical form.
#[track_caller]
fn read(more: &Value) -> Upstream {
    let mut bench = Bench::new();
    bench.write(Kind::Upstream, &written(more)).unwrap();
    let first = bench.upstream("u");
    let canonical = bench.record(Kind::Upstream, "u").spec;
    bench.replace(Kind::Upstream, "u", &canonical).unwrap();
    assert_eq!(bench.upstream("u"), first, "{canonical}");
    first
}

#[track_caller]
fn check_faults(more: &Value, expected: &[&str]) {
    let found = Bench::new().draft(Kind::Upstream, &written(more), None);
    assert_eq!(lines(&found.unwrap_err()), expected);
}

#[test]
fn what_is_not_written_is_left_to_the_gateway() {
    let upstream = read(&json!({}));
    assert_eq!(upstream.retry(), Retry::default());
    assert_eq!(upstream.stream(), Streaming::default());
}

#[test]
fn every_setting_of_a_retry_is_kept() {
    let upstream = read(&json!({ "retry": {
        "attempts": 4, "max_wait": "1500ms", "backoff": 0.25,
        "budget": { "percent": 50, "per_second": 0 },
        "hedge": { "percentile": 90, "min_delay": "250ms", "percent": 10 },
        "continue_stream": true,
    } }));
    let expected = Retry {
        attempts: Some(4),
        max_wait: Some(Duration::from_millis(1500)),
        backoff: Some(Duration::from_millis(250)),
        budget: Some(RetryBudget::Limited {
            percent: 50,
            per_second: 0,
        }),
        hedge: Some(Hedge {
            percentile: 90,
            min_delay: Duration::from_millis(250),
            percent: 10,
        }),
        continue_stream: true,
    };
    assert_eq!(upstream.retry(), expected);
}

#[test]
fn a_target_says_how_it_is_told_to_go_on() {
    for (written, meant) in [
        (json!(null), None),
        (json!(false), Some(Prefill::Never)),
        (json!("last_message"), Some(Prefill::LastMessage)),
        (json!("prefix"), Some(Prefill::Prefix)),
        (json!("continue_final_message"), Some(Prefill::FinalMessage)),
    ] {
        let targets = json!([{ "provider": "openai", "prefill": written }]);
        let upstream = read(&json!({ "targets": targets }));
        assert_eq!(upstream.targets()[0].prefill(), meant);
    }
    check_faults(
        &json!({
            "targets": [{ "provider": "openai", "prefill": true }],
            "retry": { "continue_stream": "yes" },
        }),
        &[
            "/targets/0/prefill: must be last_message, prefix, continue_final_message or false",
            "/retry/continue_stream: must be true or false, not a string",
        ],
    );
}

#[test]
fn what_can_be_turned_off_is_turned_off_by_false() {
    let off = json!({ "max_wait": false, "backoff": false, "budget": false });
    let upstream = read(&json!({ "retry": off, "stream": { "keep_alive": false } }));
    let retry = upstream.retry();
    assert_eq!(retry.max_wait, Some(Duration::ZERO));
    assert_eq!(retry.backoff, Some(Duration::ZERO));
    assert_eq!(retry.budget, Some(RetryBudget::Unlimited));
    assert_eq!(upstream.stream().keep_alive, Some(Duration::ZERO));
}

#[test]
fn a_second_target_is_asked_only_where_that_is_written() {
    let hedge = |written| {
        read(&json!({ "retry": { "hedge": written } }))
            .retry()
            .hedge
    };
    assert_eq!(hedge(json!(null)), None);
    assert_eq!(hedge(json!(false)), None);
    assert_eq!(hedge(json!(true)), Some(Hedge::default()));
    assert_eq!(hedge(json!({})), Some(Hedge::default()));
    let at_once = hedge(json!({ "min_delay": false })).unwrap();
    assert_eq!(at_once.min_delay, Duration::ZERO);
}

#[test]
fn a_commit_is_a_word_a_time_or_a_number_of_bytes() {
    for (written, meant) in [
        (json!("first_token"), Commit::FirstToken),
        (json!("complete"), Commit::Complete),
        (json!("500ms"), Commit::After(Duration::from_millis(500))),
        (json!(2), Commit::After(Duration::from_secs(2))),
        (json!({ "bytes": 4096 }), Commit::Bytes(4096)),
    ] {
        let upstream = read(&json!({ "stream": { "commit": written, "hold_bytes": 65536 } }));
        assert_eq!(upstream.stream().commit, Some(meant));
        assert_eq!(upstream.stream().hold_bytes, Some(65_536));
    }
}

#[test]
fn a_target_has_deadlines_of_its_own() {
    let targets = json!([{ "provider": "openai", "timeouts": { "first_token": 5 } }]);
    let upstream = read(&json!({ "targets": targets }));
    let expected = Timeouts {
        first_token: Some(Duration::from_secs(5)),
        ..Timeouts::default()
    };
    assert_eq!(upstream.targets()[0].timeouts(), expected);
}

#[test]
fn every_fault_is_named_where_it_stands() {
    check_faults(
        &json!({
            "retry": { "attempts": 11, "max_wait": true, "budget": { "percent": 101 }, "waits": 1 },
            "stream": { "commit": "last_token", "hold_bytes": 1, "keep_alive": "soon" },
        }),
        &[
            "/retry/attempts: must be a whole number from 1 to 10",
            "/retry/max_wait: must be a time above zero and up to 24 hours: seconds as a number, \
             or a text such as 30s, 500ms or 1m30s",
            "/retry/budget/percent: must be a whole number from 0 to 100",
            "/retry/waits: unknown field waits",
            "/stream/commit: must be first_token, complete, a time such as 500ms, or an object \
             with bytes",
            "/stream/hold_bytes: must be a whole number from 4096 to 67108864",
            "/stream/keep_alive: must be a time above zero and up to 24 hours: seconds as a \
             number, or a text such as 30s, 500ms or 1m30s",
        ],
    );
    check_faults(
        &json!({ "retry": { "hedge": { "percentile": 100, "percent": 0, "delay": 1 } } }),
        &[
            "/retry/hedge/percentile: must be a whole number from 50 to 99",
            "/retry/hedge/percent: must be a whole number from 1 to 100",
            "/retry/hedge/delay: unknown field delay",
        ],
    );
    check_faults(
        &json!({ "retry": { "hedge": 5 } }),
        &["/retry/hedge: must be true, false or an object, not a number"],
    );
    let targets = json!([{ "provider": "openai", "timeouts": { "total": 5 } }]);
    check_faults(
        &json!({ "targets": targets, "stream": { "commit": {} } }),
        &[
            "/targets/0/timeouts/total: belongs to the upstream: it bounds all attempts together",
            "/stream/commit/bytes: bytes is required",
        ],
    );
}
