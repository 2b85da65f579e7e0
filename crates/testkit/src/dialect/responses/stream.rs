//! A response as a stream of events.

use serde_json::{Value, json};

use super::{Item, begun, text_part, whole};
use crate::answer::{Answer, Asked, Stop};
use crate::dialect::text_of;

pub(super) fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", text_of(data, "type"))
}

pub(super) fn events(id: &str, asked: &Asked, answer: &Answer) -> Vec<String> {
    let mut events = Events::default();
    let start = begun(id, asked);
    events.push("response.created", json!({"response": start}));
    events.push("response.in_progress", json!({"response": start}));
    let items = Item::all(id, answer);
    for (index, item) in items.iter().enumerate() {
        events.push_item(index, item);
    }
    let end = match answer.stop {
        Stop::Length => "response.incomplete",
        Stop::End | Stop::Tools => "response.completed",
    };
    events.push(end, json!({"response": whole(id, asked, answer, &items)}));
    events.written
}

#[derive(Default)]
struct Events {
    written: Vec<String>,
}

impl Events {
    /// Adds an event; each has a number of its own.
    fn push(&mut self, kind: &str, mut data: Value) {
        data["type"] = json!(kind);
        data["sequence_number"] = json!(self.written.len());
        self.written.push(event(&data));
    }

    fn push_item(&mut self, index: usize, item: &Item) {
        let id = item.id();
        self.push(
            "response.output_item.added",
            json!({"output_index": index, "item": added(item)}),
        );
        let of_item = |mut data: Value| {
            data["item_id"] = json!(id);
            data["output_index"] = json!(index);
            data
        };
        match item {
            Item::Thought { pieces, .. } => self.push_thought(pieces, of_item),
            Item::Message { pieces, .. } => self.push_text(pieces, of_item),
            Item::Call {
                arguments, name, ..
            } => {
                let middle = (arguments.len() / 2..=arguments.len())
                    .find(|&at| arguments.is_char_boundary(at))
                    .unwrap_or(arguments.len());
                let (front, back) = arguments.split_at(middle);
                for piece in [front, back] {
                    let delta = of_item(json!({"delta": piece}));
                    self.push("response.function_call_arguments.delta", delta);
                }
                let done = of_item(json!({"arguments": arguments, "name": name}));
                self.push("response.function_call_arguments.done", done);
            }
        }
        self.push(
            "response.output_item.done",
            json!({"output_index": index, "item": item.done()}),
        );
    }

    fn push_thought(&mut self, pieces: &[String], of_item: impl Fn(Value) -> Value) {
        if pieces.is_empty() {
            return;
        }
        let text = pieces.concat();
        let of_part = |mut data: Value| {
            data["summary_index"] = json!(0);
            of_item(data)
        };
        let part = |text: &str| json!({"part": {"type": "summary_text", "text": text}});
        self.push("response.reasoning_summary_part.added", of_part(part("")));
        for piece in pieces {
            let delta = of_part(json!({"delta": piece}));
            self.push("response.reasoning_summary_text.delta", delta);
        }
        let done = of_part(json!({"text": text}));
        self.push("response.reasoning_summary_text.done", done);
        self.push("response.reasoning_summary_part.done", of_part(part(&text)));
    }

    fn push_text(&mut self, pieces: &[String], of_item: impl Fn(Value) -> Value) {
        let text = pieces.concat();
        let of_part = |mut data: Value| {
            data["content_index"] = json!(0);
            of_item(data)
        };
        let part = |text: &str| json!({"part": text_part(text)});
        self.push("response.content_part.added", of_part(part("")));
        for piece in pieces {
            let delta = of_part(json!({"delta": piece, "logprobs": []}));
            self.push("response.output_text.delta", delta);
        }
        let done = of_part(json!({"text": text, "logprobs": []}));
        self.push("response.output_text.done", done);
        self.push("response.content_part.done", of_part(part(&text)));
    }
}

/// The item, with nothing in it yet.
fn added(item: &Item) -> Value {
    let mut value = item.done();
    match item {
        Item::Thought { .. } => value["summary"] = json!([]),
        Item::Message { .. } => {
            value["content"] = json!([]);
            value["status"] = json!("in_progress");
        }
        Item::Call { .. } => {
            value["arguments"] = json!("");
            value["status"] = json!("in_progress");
        }
    }
    value
}
