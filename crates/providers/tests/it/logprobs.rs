//! How likely tokens were survives the way there and back, where both dialects can say it.

use std::fmt::Write as _;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::setup::{GEMINI, OPENAI, RESPONSES, relay};

fn token() -> impl Strategy<Value = Value> {
    ("[a-zé\"\\\\\n\u{1f980}]{1,4}", -40_i32..0).prop_map(|(token, eighths)| {
        json!({"token": token, "logprob": f64::from(eighths) / 8.0, "bytes": token.as_bytes()})
    })
}

/// Tokens as a chat completion has them.
fn tokens() -> impl Strategy<Value = Vec<Value>> {
    let scored = (token(), prop::collection::vec(token(), 0..3)).prop_map(|(mut token, top)| {
        token["top_logprobs"] = json!(top);
        token
    });
    prop::collection::vec(scored, 1..6)
}

fn text_of(tokens: &[Value]) -> String {
    let texts = tokens.iter().map(|token| token["token"].as_str().unwrap());
    texts.collect()
}

proptest! {
    #[test]
    fn of_an_answer(tokens in tokens()) {
        let choice = json!({
            "index": 0,
            "message": {"role": "assistant", "content": text_of(&tokens)},
            "logprobs": {"content": tokens},
            "finish_reason": "stop",
        });
        let answer = Bytes::from(json!({"id": "x", "model": "g", "choices": [choice]}).to_string());
        for via in [GEMINI, RESPONSES] {
            let there = via.exchange(OPENAI, false).response(answer.clone()).unwrap();
            let back = OPENAI.exchange(via, false).response(there.body).unwrap();
            let back: Value = serde_json::from_slice(&back.body).unwrap();
            prop_assert_eq!(&back["choices"][0]["logprobs"]["content"], &json!(tokens));
        }
    }

    /// Each event brings the text of its tokens.
    #[test]
    fn of_a_stream(tokens in tokens()) {
        let mut stream = String::new();
        let mut choice = |choice: Value| {
            let chunk = json!({"id": "x", "model": "g", "choices": [choice]});
            write!(stream, "data: {chunk}\n\n").unwrap();
        };
        for token in &tokens {
            choice(json!({
                "index": 0,
                "delta": {"content": token["token"]},
                "logprobs": {"content": [token]},
            }));
        }
        choice(json!({"index": 0, "delta": {}, "finish_reason": "stop"}));
        stream.push_str("data: [DONE]\n\n");
        for via in [GEMINI, RESPONSES] {
            let there = relay(&via.exchange(OPENAI, false), [stream.as_bytes()]);
            prop_assert_eq!(there.fault, None);
            let back = relay(&OPENAI.exchange(via, false), [there.bytes]);
            prop_assert_eq!(back.fault, None);
            let back = String::from_utf8(back.bytes).unwrap();
            let events = back.lines().filter_map(|line| line.strip_prefix("data: {"));
            let choices = events.map(|event| -> Value {
                let event: Value = serde_json::from_str(&format!("{{{event}")).unwrap();
                event["choices"][0].clone()
            });
            let mut came = Vec::new();
            for choice in choices {
                let scored = choice["logprobs"]["content"].as_array();
                let scored = scored.cloned().unwrap_or_default();
                prop_assert_eq!(choice["delta"]["content"].as_str().unwrap_or_default(), text_of(&scored));
                came.extend(scored);
            }
            prop_assert_eq!(&came, &tokens);
        }
    }
}
