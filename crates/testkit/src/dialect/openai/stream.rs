//! A chat completion as a stream of chunks.

use serde_json::{Value, json};

use super::{CREATED, event, finish_reason, usage};
use crate::answer::{Answer, Asked, Content, ToolCall};

pub(super) fn chat_events(id: &str, asked: &Asked, answer: &Answer) -> Vec<String> {
    let chunk = |choices: Value, usage: Value| {
        let mut chunk = json!({
            "id": id,
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": asked.model,
            "service_tier": "default",
            "system_fingerprint": "fp_standin",
            "choices": choices,
        });
        if asked.wants_usage {
            chunk["usage"] = usage;
        }
        event(&chunk)
    };
    let delta = |delta: Value, finish: Value| {
        let choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish});
        chunk(json!([choice]), Value::Null)
    };
    let first = json!({"role": "assistant", "content": first_content(answer), "refusal": null});
    let mut events = vec![delta(first, Value::Null)];
    events.extend(
        answer
            .thinking
            .iter()
            .map(|piece| delta(json!({"reasoning_content": piece}), Value::Null)),
    );
    match &answer.content {
        Content::Text(pieces) => {
            events.extend(
                pieces
                    .iter()
                    .map(|piece| delta(json!({"content": piece}), Value::Null)),
            );
        }
        Content::Tools(calls) => {
            for (index, made) in calls.iter().enumerate() {
                let deltas = tool_call_deltas(id, index, made);
                let in_chunk = |call: Value| delta(json!({"tool_calls": [call]}), Value::Null);
                events.extend(deltas.into_iter().map(in_chunk));
            }
        }
    }
    events.push(delta(json!({}), json!(finish_reason(answer.stop))));
    if asked.wants_usage {
        events.push(chunk(json!([]), usage(answer)));
    }
    events.push("data: [DONE]\n\n".to_owned());
    events
}

/// A tool call as a stream tells it: who is called, then the arguments in two pieces.
fn tool_call_deltas(id: &str, index: usize, made: &ToolCall) -> [Value; 3] {
    let arguments = made.arguments.to_string();
    let middle = (arguments.len() / 2..=arguments.len())
        .find(|&at| arguments.is_char_boundary(at))
        .unwrap_or(arguments.len());
    let (front, back) = arguments.split_at(middle);
    [
        json!({
            "index": index,
            "id": format!("call_{id}_{index}"),
            "type": "function",
            "function": {"name": made.name, "arguments": ""},
        }),
        json!({"index": index, "function": {"arguments": front}}),
        json!({"index": index, "function": {"arguments": back}}),
    ]
}

fn first_content(answer: &Answer) -> Option<&'static str> {
    match answer.content {
        Content::Text(_) => Some(""),
        Content::Tools(_) => None,
    }
}
