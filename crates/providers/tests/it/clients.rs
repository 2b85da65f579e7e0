//! Streams as their clients put them together.

use serde_json::{Value, json};

/// What a client has in the end: thinking, text, and calls.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Whole {
    pub(crate) thinking: String,
    pub(crate) text: String,
    pub(crate) calls: Vec<(String, String, Value)>,
    pub(crate) stop: String,
    pub(crate) usage: (u64, u64, u64),
}

fn events(stream: &[u8]) -> Vec<Value> {
    let stream = std::str::from_utf8(stream).unwrap();
    stream
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

/// Puts a stream of chunks together as a client of OpenAI's does.
pub(crate) fn read_openai_stream(stream: &[u8]) -> Whole {
    let mut whole = Whole::default();
    let mut inputs: Vec<String> = Vec::new();
    for chunk in events(stream) {
        if let Some(usage) = chunk.get("usage") {
            let cached = &usage["prompt_tokens_details"]["cached_tokens"];
            whole.usage = (
                usage["prompt_tokens"].as_u64().unwrap(),
                cached.as_u64().unwrap(),
                usage["completion_tokens"].as_u64().unwrap(),
            );
            assert_eq!(chunk["choices"], json!([]));
            continue;
        }
        let choice = &chunk["choices"][0];
        let delta = &choice["delta"];
        assert_eq!(whole.stop, "", "nothing follows the reason for the end");
        whole.text += delta["content"].as_str().unwrap_or_default();
        whole.thinking += delta["reasoning_content"].as_str().unwrap_or_default();
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
            if let Some(id) = call["id"].as_str() {
                assert_eq!(index, whole.calls.len());
                let name = call["function"]["name"].as_str().unwrap();
                whole
                    .calls
                    .push((id.to_owned(), name.to_owned(), Value::Null));
                inputs.push(String::new());
            }
            inputs[index] += call["function"]["arguments"].as_str().unwrap();
        }
        whole.stop += choice["finish_reason"].as_str().unwrap_or_default();
    }
    for (call, input) in whole.calls.iter_mut().zip(inputs) {
        call.2 = serde_json::from_str(&input).unwrap();
    }
    whole
}

/// Puts a stream of events together as a client of Anthropic's does, and holds it to the grammar:
/// one block at a time, counted from 0, each piece in a block of its kind.
pub(crate) fn read_anthropic_stream(stream: &[u8]) -> Whole {
    let events = events(stream);
    let kinds: Vec<_> = events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds.first(), Some(&"message_start"));
    assert_eq!(
        kinds
            .iter()
            .filter(|kind| **kind == "message_start")
            .count(),
        1
    );
    assert_eq!(kinds[kinds.len() - 2..], ["message_delta", "message_stop"]);
    let mut blocks = Blocks::default();
    for event in &events {
        blocks.take(event);
    }
    blocks.whole
}

#[derive(Default)]
struct Blocks {
    whole: Whole,
    /// The open block's index, kind, and the input of a call.
    open: Option<(u64, String, String)>,
    count: u64,
}

impl Blocks {
    fn take(&mut self, event: &Value) {
        let index = event["index"].as_u64();
        match event["type"].as_str().unwrap() {
            "content_block_start" => {
                assert!(self.open.is_none());
                assert_eq!(index, Some(self.count));
                self.start(&event["content_block"]);
            }
            "content_block_delta" => {
                assert_eq!(index, self.open.as_ref().map(|(at, ..)| *at));
                self.delta(&event["delta"]);
            }
            "content_block_stop" => {
                let (at, kind, input) = self.open.take().unwrap();
                assert_eq!(index, Some(at));
                if kind == "tool_use" {
                    self.whole.calls.last_mut().unwrap().2 = serde_json::from_str(&input).unwrap();
                }
            }
            "message_delta" => {
                assert!(self.open.is_none());
                event["delta"]["stop_reason"]
                    .as_str()
                    .unwrap()
                    .clone_into(&mut self.whole.stop);
                let count = |name: &str| event["usage"][name].as_u64().unwrap();
                let cached = count("cache_read_input_tokens");
                self.whole.usage = (
                    count("input_tokens") + cached,
                    cached,
                    count("output_tokens"),
                );
            }
            _ => {}
        }
    }

    fn start(&mut self, block: &Value) {
        let kind = block["type"].as_str().unwrap().to_owned();
        if kind == "tool_use" {
            assert_eq!(block["input"], json!({}));
            let string = |name: &str| block[name].as_str().unwrap().to_owned();
            self.whole
                .calls
                .push((string("id"), string("name"), Value::Null));
        }
        self.open = Some((self.count, kind, String::new()));
        self.count += 1;
    }

    fn delta(&mut self, delta: &Value) {
        let (_, kind, input) = self.open.as_mut().unwrap();
        let string = |name: &str| delta[name].as_str().unwrap();
        match (kind.as_str(), delta["type"].as_str().unwrap()) {
            ("text", "text_delta") => self.whole.text += string("text"),
            ("thinking", "thinking_delta") => self.whole.thinking += string("thinking"),
            ("tool_use", "input_json_delta") => *input += string("partial_json"),
            other => panic!("a piece in a block of another kind: {other:?}"),
        }
    }
}
