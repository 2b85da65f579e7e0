//! An answer as a stream of binary messages, framed by Amazon's own library.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use serde_json::{Value, json};

use super::{Bytes, stop_reason, tool_id, usage};
use crate::answer::{Answer, Content};

pub(super) fn messages(id: &str, answer: &Answer) -> Vec<Bytes> {
    let mut messages = vec![event("messageStart", json!({"role": "assistant"}))];
    let mut index = 0;
    if !answer.thinking.is_empty() {
        let told = |what: Value| json!({"reasoningContent": what});
        let pieces = answer.thinking.iter();
        let deltas = pieces.map(|piece| told(json!({"text": piece})));
        let signature = super::super::anthropic::sign(&answer.thoughts());
        let signature = told(json!({"signature": signature}));
        push_block(&mut messages, index, None, deltas.chain([signature]));
        index += 1;
    }
    match &answer.content {
        // A text begins with its first piece.
        Content::Text(pieces) => {
            let deltas = pieces.iter().map(|piece| json!({"text": piece}));
            push_block(&mut messages, index, None, deltas);
        }
        Content::Tools(calls) => {
            for (at, made) in calls.iter().enumerate() {
                let start = json!({"toolUseId": tool_id(id, at), "name": made.name});
                let arguments = made.arguments.to_string();
                let pieces = in_three(&arguments);
                let deltas = pieces.map(|piece| json!({"toolUse": {"input": piece}}));
                push_block(&mut messages, index + at, Some(start), deltas.into_iter());
            }
        }
    }
    let end = json!({"stopReason": stop_reason(answer.stop)});
    messages.push(event("messageStop", end));
    let end = json!({"usage": usage(answer), "metrics": {"latencyMs": 1}});
    messages.push(event("metadata", end));
    messages
}

/// A text in pieces: nothing at first, as Bedrock begins, then its halves.
fn in_three(text: &str) -> [&str; 3] {
    let middle = text.floor_char_boundary(text.len() / 2);
    let (front, back) = text.split_at(middle);
    ["", front, back]
}

/// The message that reports an error inside a stream.
pub(in crate::dialect) fn error_message(kind: &str, message: &str) -> Bytes {
    let kind = match kind {
        "rate_limit_error" => "throttlingException",
        "overloaded_error" => "serviceUnavailableException",
        "invalid_request_error" => "validationException",
        "api_error" | "server_error" => "internalServerException",
        other => other,
    };
    let payload = json!({"message": message}).to_string();
    framed(
        payload,
        &[(":exception-type", kind), (":message-type", "exception")],
    )
}

/// A message that is well framed and has no JSON inside.
pub(in crate::dialect) fn malformed_message() -> Bytes {
    let payload = "{\"contentBlockIndex\": 0, \"delta\": {".to_owned();
    let names = [
        (":event-type", "contentBlockDelta"),
        (":message-type", "event"),
    ];
    framed(payload, &names)
}

/// Whether a message is the one that tells why the answer ends.
pub(in crate::dialect) fn is_last_message(message: &[u8]) -> bool {
    let name = b"messageStop";
    message.windows(name.len()).any(|bytes| bytes == name)
}

fn push_block(
    messages: &mut Vec<Bytes>,
    index: usize,
    tool: Option<Value>,
    deltas: impl Iterator<Item = Value>,
) {
    if let Some(tool) = tool {
        let start = json!({"contentBlockIndex": index, "start": {"toolUse": tool}});
        messages.push(event("contentBlockStart", start));
    }
    for delta in deltas {
        let delta = json!({"contentBlockIndex": index, "delta": delta});
        messages.push(event("contentBlockDelta", delta));
    }
    let stop = json!({"contentBlockIndex": index});
    messages.push(event("contentBlockStop", stop));
}

fn event(kind: &str, mut payload: Value) -> Bytes {
    // Filler that hides how long the pieces are.
    payload["p"] = json!("abcdefgh");
    let names = [(":event-type", kind), (":message-type", "event")];
    framed(payload.to_string(), &names)
}

fn framed(payload: String, names: &[(&'static str, &str)]) -> Bytes {
    let mut message = Message::new(payload);
    let media_type = (":content-type", "application/json");
    for (name, value) in names.iter().chain([&media_type]) {
        let value = HeaderValue::String((*value).to_owned().into());
        message = message.add_header(Header::new(*name, value));
    }
    let mut bytes = Vec::new();
    // Only a header of 64 KiB could not be written.
    if let Err(error) = write_message_to(&message, &mut bytes) {
        debug_assert!(false, "{error}");
    }
    bytes.into()
}
