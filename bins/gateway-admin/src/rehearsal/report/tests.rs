use serde_json::json;

use super::*;
use crate::rehearsal::{
    observations::{Seen, tests::request},
    script::Line,
    standing::Standing,
};

/// Ten seconds of ten requests a second to two targets in turn; `a` refuses from 3 s to 6 s, is taken
/// out after 200 ms, and is back 1 s after the end. `answers` says whether `b` takes over.
fn play(answers: bool) -> (Cast, Script, Traffic, Observations) {
    let targets =
        json!([{ "name": "a", "provider": "openai" }, { "name": "b", "provider": "anthropic" }]);
    let cast = Cast::read(json!({ "name": "chat", "targets": targets })).unwrap();
    let line: Line = "a=refused@3s..6s".parse().unwrap();
    let length = Duration::from_secs(10);
    let script = Script::of(&[line], &cast, length).unwrap();
    let traffic = Traffic {
        rate: 10,
        length,
        streams: 0,
        tongues: Vec::new(),
        models: Vec::new(),
        targets: Vec::new(),
    };
    let mut seen = Observations::default();
    let secs = Duration::from_secs;
    for number in 0..100 {
        let at = number * 100;
        let is_for_a = number % 2 == 0;
        let finished = match at {
            3000..7000 if !answers => request(at, None, 2),
            3000..3200 if is_for_a => request(at, Some("b"), 2),
            3000..7000 => request(at, Some("b"), 1),
            _ => request(at, Some(if is_for_a { "a" } else { "b" }), 1),
        };
        seen.add(Seen::Finished(finished));
    }
    for (begins, at) in [(true, secs(3)), (false, secs(6))] {
        seen.add(Seen::Cue { cue: 0, begins, at });
    }
    let out = Standing::Out {
        reason: "refused".to_owned(),
    };
    for (at_ms, standing) in [(0, Standing::Takes), (3200, out), (6950, Standing::Takes)] {
        let at = Duration::from_millis(at_ms);
        seen.add(Seen::Standings(at, vec![standing, Standing::Takes]));
    }
    (cast, script, traffic, seen)
}

#[test]
fn an_outage_that_no_client_notices_says_so() {
    let (cast, script, traffic, seen) = play(true);
    let report = Report::of((&cast, &script, &traffic), &seen, true).to_json();
    assert_eq!(report["requests"], 100);
    assert_eq!(
        (&report["failed"], &report["failed_over"]),
        (&json!(0), &json!(1))
    );
    assert_eq!(report["availability_percent"], 100.0);
    let fault = &report["faults"][0];
    assert_eq!(fault["out_after_ms"], 200.0);
    assert_eq!(fault["back_after_ms"], 1010.0);
    assert_eq!(fault["whole_share_after_ms"], 2000.0);
    assert_eq!(
        (&fault["share_before"], &fault["share_during"]),
        (&json!(0.5), &json!(0.0))
    );
    assert_eq!(fault["shares_after"], json!([0.0, 0.5, 0.5]));
    assert_eq!(report["timeline"][2]["answered"], json!({ "a": 5, "b": 5 }));
    let verdict = report["verdict"].to_string();
    assert!(
        verdict.contains("all 100 requests were answered"),
        "{verdict}"
    );
    assert!(
        verdict.contains("a (refused) was taken out 200 ms after it began"),
        "{verdict}"
    );
}

#[test]
fn an_outage_that_clients_notice_says_how() {
    let (cast, script, traffic, seen) = play(false);
    let report = Report::of((&cast, &script, &traffic), &seen, true);
    assert!((report.availability() - 60.0).abs() < 1e-9);
    assert_eq!(report.to_json()["failures"], json!({ "503": 40 }));
    assert_eq!(
        report.verdict()[0],
        "40 of 100 requests failed: 40 answered 503."
    );
}

#[test]
fn a_rehearsal_that_was_interrupted_says_when() {
    let (cast, script, traffic, seen) = play(true);
    let report = Report::of((&cast, &script, &traffic), &seen, false);
    assert_eq!(report.verdict()[0], "Interrupted after 9.9 s.");
    assert_eq!(report.to_json()["complete"], false);
}

#[test]
fn quantiles_are_of_what_was_measured() {
    let of = |count: u64| Quantiles::of((1..=count).map(Duration::from_millis));
    let ms = Duration::from_millis;
    assert_eq!(
        (of(100).p50, of(100).p99, of(100).max),
        (ms(50), ms(99), ms(100))
    );
    assert_eq!((of(1).p50, of(1).p99), (ms(1), ms(1)));
    assert_eq!(of(0).to_json(), Value::Null);
}
