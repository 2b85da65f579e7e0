//! A message as a stream of events.

use serde_json::{Value, json};

use super::content::sign;
use super::{event, message, stop_reason, tool_id, usage};
use crate::answer::{Answer, Asked, Content};

pub(super) fn message_events(id: &str, asked: &Asked, answer: &Answer) -> Vec<String> {
    let mut start = message(id, asked);
    start["usage"] = usage(answer, 1);
    let mut events = vec![event(
        "message_start",
        &json!({"type": "message_start", "message": start}),
    )];
    let first = usize::from(!answer.thinking.is_empty());
    if first > 0 {
        let start = json!({"type": "thinking", "thinking": "", "signature": ""});
        let delta = |piece: &String| json!({"type": "thinking_delta", "thinking": piece});
        let signature = json!({"type": "signature_delta", "signature": sign(&answer.thoughts())});
        let deltas = answer.thinking.iter().map(delta).chain([signature]);
        push_block(&mut events, 0, &start, deltas);
    }
    match &answer.content {
        Content::Text(pieces) => {
            let start = json!({"type": "text", "text": ""});
            let delta = |piece: &String| json!({"type": "text_delta", "text": piece});
            push_block(&mut events, first, &start, pieces.iter().map(delta));
        }
        Content::Tools(calls) => {
            for (index, made) in calls.iter().enumerate() {
                let index = first + index;
                let arguments = made.arguments.to_string();
                let start = json!({
                    "type": "tool_use",
                    "id": tool_id(id, index),
                    "name": made.name,
                    "input": {},
                });
                let deltas = ["", arguments.as_str()]
                    .map(|piece| json!({"type": "input_json_delta", "partial_json": piece}));
                push_block(&mut events, index, &start, deltas.into_iter());
            }
        }
    }
    let end = json!({
        "type": "message_delta",
        "delta": {"stop_reason": stop_reason(answer.stop), "stop_sequence": null},
        "usage": {"output_tokens": answer.output_tokens},
    });
    events.push(event("message_delta", &end));
    events.push(event("message_stop", &json!({"type": "message_stop"})));
    events
}

fn push_block(
    events: &mut Vec<String>,
    index: usize,
    start: &Value,
    deltas: impl Iterator<Item = Value>,
) {
    let start = json!({"type": "content_block_start", "index": index, "content_block": start});
    events.push(event("content_block_start", &start));
    if index == 0 {
        events.push(event("ping", &json!({"type": "ping"})));
    }
    for delta in deltas {
        let delta = json!({"type": "content_block_delta", "index": index, "delta": delta});
        events.push(event("content_block_delta", &delta));
    }
    let stop = json!({"type": "content_block_stop", "index": index});
    events.push(event("content_block_stop", &stop));
}
