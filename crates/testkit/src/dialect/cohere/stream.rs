//! An answer as a stream of events.

use serde_json::{Value, json};

use super::{PLAN, finish_reason, tool_id, usage};
use crate::answer::{Answer, Content};

pub(super) fn events(id: &str, answer: &Answer) -> Vec<String> {
    let empty = json!({
        "role": "assistant",
        "content": [],
        "tool_plan": "",
        "tool_calls": [],
        "citations": [],
    });
    let mut events = vec![event(&json!({
        "id": id,
        "type": "message-start",
        "delta": {"message": empty},
    }))];
    let mut index = 0;
    if !answer.thinking.is_empty() {
        push_content(&mut events, index, "thinking", &answer.thinking);
        index += 1;
    }
    match &answer.content {
        Content::Text(pieces) => push_content(&mut events, index, "text", pieces),
        Content::Tools(calls) => {
            if answer.thinking.is_empty() {
                let pieces = PLAN.split_inclusive(' ');
                events.extend(pieces.map(|piece| {
                    event(&json!({
                        "type": "tool-plan-delta",
                        "delta": {"message": {"tool_plan": piece}},
                    }))
                }));
            }
            for (at, made) in calls.iter().enumerate() {
                push_call(&mut events, at, &tool_id(id, at, made), made);
            }
        }
    }
    events.push(event(&json!({
        "type": "message-end",
        "delta": {"finish_reason": finish_reason(answer.stop), "usage": usage(answer)},
    })));
    events.push("data: [DONE]\n\n".to_owned());
    events
}

/// The event that reports an error inside a stream, and ends it.
pub(in crate::dialect) fn error_event(message: &str) -> String {
    event(&json!({
        "type": "message-end",
        "delta": {"finish_reason": "ERROR", "error": message},
    }))
}

/// An event that has the dialect's frame and no JSON inside.
pub(in crate::dialect) fn malformed_event() -> &'static str {
    "event: content-delta\ndata: {\"type\": \"content-delta\", \"delta\": {\n\n"
}

/// Whether `event` is the one that tells why the answer ends.
pub(in crate::dialect) fn is_last_event(event: &str) -> bool {
    event.starts_with("event: message-end\n")
}

fn push_content(events: &mut Vec<String>, index: usize, kind: &str, pieces: &[String]) {
    let content = |content: Value| json!({"message": {"content": content}});
    events.push(event(&json!({
        "type": "content-start",
        "index": index,
        "delta": content(json!({"type": kind, kind: ""})),
    })));
    events.extend(pieces.iter().map(|piece| {
        event(&json!({
            "type": "content-delta",
            "index": index,
            "delta": content(json!({kind: piece})),
        }))
    }));
    events.push(event(&json!({"type": "content-end", "index": index})));
}

fn push_call(events: &mut Vec<String>, index: usize, id: &str, made: &super::ToolCall) {
    let call = |call: Value| json!({"message": {"tool_calls": call}});
    let function = json!({"name": made.name, "arguments": ""});
    events.push(event(&json!({
        "type": "tool-call-start",
        "index": index,
        "delta": call(json!({"id": id, "type": "function", "function": function})),
    })));
    let arguments = made.arguments.to_string();
    let middle = arguments.floor_char_boundary(arguments.len() / 2);
    let (front, back) = arguments.split_at(middle);
    events.extend([front, back].map(|piece| {
        event(&json!({
            "type": "tool-call-delta",
            "index": index,
            "delta": call(json!({"function": {"arguments": piece}})),
        }))
    }));
    events.push(event(&json!({"type": "tool-call-end", "index": index})));
}

fn event(data: &Value) -> String {
    let kind = data.get("type").and_then(Value::as_str).unwrap_or("");
    format!("event: {kind}\ndata: {data}\n\n")
}
