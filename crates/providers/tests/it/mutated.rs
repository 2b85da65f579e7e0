//! Documents that are almost what they should be.

use std::fs;
use std::path::Path;

use ai_gateway_providers::{Intake, Surface};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::setup::{ANTHROPIC, OPENAI, SIDES, Side, TARGETS};

/// Every document of `part` among the test data, by the side it comes from.
fn documents(part: &str) -> Vec<(Side, Value)> {
    let mut documents = Vec::new();
    let sides = if part == "request" {
        &SIDES[..]
    } else {
        &TARGETS
    };
    for &side in sides {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src")
            .join(side.name)
            .join("testdata")
            .join(part);
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_input = !path.file_stem().unwrap().to_string_lossy().contains('.');
            if let (true, Ok(value)) = (is_input, serde_json::from_slice(&fs::read(path).unwrap()))
            {
                documents.push((side, value));
            }
        }
    }
    documents
}

/// What a value may be replaced by.
fn odd() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!(""),
        json!(" \n"),
        json!("text"),
        json!("data:image/png;base64,"),
        json!("data:,"),
        json!("{\"a\":"),
        json!([]),
        json!([[], null, 1]),
        json!({}),
        json!({"type": "text"}),
        json!({"type": "tool_use", "input": 3}),
        json!([{"role": "assistant"}]),
    ])
}

/// Replaces the value at the `at`-th place of a document, counted in depth.
fn replace(value: &mut Value, at: &mut usize, by: &Value) {
    if *at == 0 {
        *at = usize::MAX;
        *value = by.clone();
        return;
    }
    *at -= 1;
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, at, by)),
        Value::Object(fields) => fields.values_mut().for_each(|field| replace(field, at, by)),
        _ => {}
    }
}

fn places(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(places).sum(),
        Value::Object(fields) => fields.values().map(places).sum(),
        _ => 0,
    }
}

fn mutated(part: &'static str) -> impl Strategy<Value = (Side, Bytes)> {
    let change = (any::<prop::sample::Index>(), odd());
    let changes = prop::collection::vec(change, 1..4);
    let documents = documents(part);
    (any::<prop::sample::Index>(), changes).prop_map(move |(pick, changes)| {
        let (side, value) = pick.get(&documents);
        let mut value = value.clone();
        for (at, by) in changes {
            let mut at = at.index(places(&value));
            replace(&mut value, &mut at, &by);
        }
        (*side, Bytes::from(value.to_string()))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn an_odd_request_is_refused_or_becomes_valid_json(
        (from, body) in mutated("request"),
        to in prop::sample::select(&TARGETS[..]),
    ) {
        if Intake::read(from.surface, &body).is_ok()
            && let Ok(encoded) = from.encode(to, &body)
        {
            let sent: Result<Value, _> = serde_json::from_slice(&encoded.body.into_bytes());
            prop_assert!(sent.is_ok_and(|sent| sent.is_object()));
        }
    }

    #[test]
    fn an_odd_answer_is_a_fault_or_becomes_valid_json(
        (from, body) in mutated("response"),
        client in prop::sample::select(&SIDES[..]),
    ) {
        if let Ok(response) = client.exchange(from, false).response(body) {
            let answer: Result<Value, _> = serde_json::from_slice(&response.body);
            prop_assert!(answer.is_ok_and(|answer| answer.is_object()));
        }
    }

    #[test]
    fn any_body_is_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..64)) {
        let is_object = serde_json::from_slice::<Value>(&body).is_ok_and(|body| body.is_object());
        prop_assert!(is_object || Intake::read(Surface::ChatCompletions, &body).is_err());
        prop_assert!(Intake::read(Surface::Other, &body).is_ok());
    }
}

#[test]
fn depth_without_end_is_refused_or_passed_on() {
    let depth = 20_000;
    let deep = |open: &str, close: &str| [open.repeat(depth), close.repeat(depth)].concat();
    let result = deep(
        "[{\"type\":\"tool_result\",\"tool_use_id\":\"a\",\"content\":",
        "}]",
    )
    .replacen(":}", ":\"x\"}", 1);
    let value = deep("[", "]");
    let bodies = [
        format!(
            r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":{result}}}]}}"#
        ),
        format!(
            r#"{{"model":"m","max_tokens":9,"messages":{value},"input":{value},"contents":{value}}}"#
        ),
        format!(
            r#"{{"model":"m","max_tokens":9,"tools":{value},"messages":[],"input":[],"contents":[]}}"#
        ),
    ];
    for from in SIDES {
        for to in TARGETS {
            for body in &bodies {
                let body = Bytes::from(body.clone());
                assert!(Intake::read(from.surface, &body).is_ok());
                if let Ok(encoded) = from.encode(to, &body) {
                    assert!(from.dialect == to.dialect && !encoded.body.is_empty());
                }
            }
        }
    }
}

#[test]
fn what_is_left_out_is_listed_within_bounds() {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]});
    for at in 0..50_000 {
        body[format!("field_{at}")] = json!(1);
    }
    body["a\r\nx-injected: 1"] = json!(1);
    let encoded = OPENAI
        .encode(ANTHROPIC, &Bytes::from(body.to_string()))
        .unwrap();
    assert_eq!(encoded.dropped.len(), 32);
    let body = json!({"\r\n": 1, "é": 2, "": 3, "messages": [{"role": "user", "content": "Hi"}]});
    let encoded = OPENAI
        .encode(ANTHROPIC, &Bytes::from(body.to_string()))
        .unwrap();
    assert_eq!(encoded.dropped, ["unnamed"]);
}
