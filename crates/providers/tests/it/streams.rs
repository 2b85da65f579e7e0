//! Streams as providers send them.

use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::{Value, json};

/// An answer in the pieces it is streamed in.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    Text(String),
    Thinking(String),
    Call { name: String, input: Vec<String> },
}

pub(crate) fn has_calls(answer: &[Piece]) -> bool {
    answer
        .iter()
        .any(|piece| matches!(piece, Piece::Call { .. }))
}

pub(crate) fn anthropic_stream(answer: &[Piece]) -> String {
    let mut stream = String::new();
    let mut event = |event: Value| {
        write!(
            stream,
            "event: {}\ndata: {event}\n\n",
            event["type"].as_str().unwrap()
        )
        .unwrap();
    };
    event(
        json!({"type": "message_start", "message": {"id": "msg_1", "model": "c", "usage": {"input_tokens": 60, "cache_read_input_tokens": 30, "output_tokens": 1}}}),
    );
    let mut calls = 0;
    for (index, piece) in answer.iter().enumerate() {
        let (block, deltas) = match piece {
            Piece::Text(text) => (
                json!({"type": "text", "text": ""}),
                vec![json!({"type": "text_delta", "text": text})],
            ),
            Piece::Thinking(text) => (
                json!({"type": "thinking", "thinking": ""}),
                vec![json!({"type": "thinking_delta", "thinking": text})],
            ),
            Piece::Call { name, input } => {
                let id = format!("call_{calls}");
                calls += 1;
                let deltas = input
                    .iter()
                    .map(|part| json!({"type": "input_json_delta", "partial_json": part}));
                (
                    json!({"type": "tool_use", "id": id, "name": name, "input": {}}),
                    deltas.collect(),
                )
            }
        };
        event(json!({"type": "content_block_start", "index": index, "content_block": block}));
        for delta in deltas {
            event(json!({"type": "content_block_delta", "index": index, "delta": delta}));
        }
        event(json!({"type": "content_block_stop", "index": index}));
    }
    let stop = if has_calls(answer) {
        "tool_use"
    } else {
        "end_turn"
    };
    event(
        json!({"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": 7}}),
    );
    event(json!({"type": "message_stop"}));
    stream
}

/// Text in its order, then the calls, whose pieces come in turns as `turns` says.
pub(crate) fn openai_stream(answer: &[Piece], turns: &[prop::sample::Index]) -> String {
    let mut stream = String::new();
    let mut delta = |delta: Value, reason: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": reason});
        write!(
            stream,
            "data: {}\n\n",
            json!({"id": "x", "model": "g", "choices": [choice]})
        )
        .unwrap();
    };
    let mut calls: Vec<(usize, std::slice::Iter<'_, String>)> = Vec::new();
    for piece in answer {
        match piece {
            Piece::Text(text) => delta(json!({"content": text}), Value::Null),
            Piece::Thinking(text) => delta(json!({"reasoning_content": text}), Value::Null),
            Piece::Call { name, input } => {
                let index = calls.len();
                calls.push((index, input.iter()));
                let function = json!({"name": name, "arguments": ""});
                let call = json!({"index": index, "id": format!("call_{index}"), "type": "function", "function": function});
                delta(json!({"tool_calls": [call]}), Value::Null);
            }
        }
    }
    let mut turns = turns.iter().cycle();
    while !calls.is_empty() {
        let at = turns.next().unwrap().index(calls.len());
        let (index, parts) = &mut calls[at];
        match parts.next() {
            Some(part) => {
                let call = json!({"index": index, "function": {"arguments": part}});
                delta(json!({"tool_calls": [call]}), Value::Null);
            }
            None => {
                drop(calls.remove(at));
            }
        }
    }
    let stop = if has_calls(answer) {
        "tool_calls"
    } else {
        "stop"
    };
    delta(json!({}), json!(stop));
    let usage = json!({"prompt_tokens": 90, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 30}});
    write!(
        stream,
        "data: {}\n\ndata: [DONE]\n\n",
        json!({"choices": [], "usage": usage})
    )
    .unwrap();
    stream
}
