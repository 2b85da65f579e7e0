use bytes::Bytes;
use serde_json::{Value, json};

use super::{Interrupted, Prefill, encode_continuation, may_be_continued};
use crate::dialect::{Dialect, Surface};
use crate::exchange::{Encoded, Stamp, TargetTraits, encode};
use crate::intake::Intake;
use crate::relay::StreamRelay;
use crate::table::Quirks;
use crate::usage::Usage;

/// A request of a client, and the answer to it as far as it came.
struct Client {
    surface: Surface,
    body: Bytes,
}

const STAMP: Stamp<'static> = Stamp {
    created: 7,
    request_id: "r",
};

fn target(dialect: Dialect) -> TargetTraits<'static> {
    TargetTraits {
        dialect,
        model: "other",
        path: "/p",
        api_version: None,
        quirks: &Quirks::NONE,
        default_max_tokens: 4096,
    }
}

impl Client {
    fn new(surface: Surface, body: &Value) -> Self {
        let body = Bytes::from(body.to_string());
        Self { surface, body }
    }

    fn chat() -> Self {
        Self::new(
            Surface::ChatCompletions,
            &json!({
                "model": "m", "stream": true, "max_tokens": 50, "own": 1.0,
                "stream_options": { "include_usage": true },
                "messages": [{ "role": "user", "content": "count" }],
            }),
        )
    }

    fn messages() -> Self {
        Self::new(
            Surface::Messages,
            &json!({
                "model": "m", "stream": true, "max_tokens": 50,
                "messages": [{ "role": "user", "content": "count" }],
            }),
        )
    }

    fn intake(&self) -> Intake {
        Intake::read(self.surface, &self.body).unwrap()
    }

    fn may_be_continued(&self) -> bool {
        may_be_continued(&self.intake(), &self.body)
    }

    /// Begins to bring back what a target of `dialect` sends.
    fn begin(&self, dialect: Dialect, sent: &str) -> (StreamRelay, String) {
        let mut encoded = encode(&self.intake(), &self.body, &target(dialect), STAMP).unwrap();
        encoded.exchange.keep_sent();
        push(encoded.exchange.stream(), sent)
    }

    fn go_on(&self, dialect: Dialect, prefill: Prefill, from: &Interrupted) -> Encoded {
        let to = target(dialect);
        let encoded =
            encode_continuation(&self.intake(), &self.body, &to, STAMP, (prefill, from)).unwrap();
        let mut encoded = encoded;
        encoded.exchange.keep_sent();
        encoded
    }
}

fn push(mut stream: StreamRelay, sent: &str) -> (StreamRelay, String) {
    let mut out: Vec<Bytes> = Vec::new();
    stream
        .push(Bytes::copy_from_slice(sent.as_bytes()), &mut out)
        .unwrap();
    (stream, String::from_utf8(out.concat()).unwrap())
}

fn end(stream: &mut StreamRelay) -> String {
    let mut out: Vec<Bytes> = Vec::new();
    stream.end(&mut out).unwrap();
    String::from_utf8(out.concat()).unwrap()
}

fn written(encoded: Encoded) -> Value {
    serde_json::from_slice(&encoded.body.into_bytes()).unwrap()
}

fn openai(pieces: &[&str]) -> String {
    let chunk = |piece: &&str| {
        let delta = json!({ "content": piece });
        let choices = json!([{ "index": 0, "delta": delta, "finish_reason": null }]);
        let chunk = json!({ "id": "first", "model": "m1", "choices": choices });
        format!("data: {chunk}\n\n")
    };
    pieces.iter().map(chunk).collect()
}

fn openai_end(output: u64) -> String {
    let choices = json!([{ "index": 0, "delta": {}, "finish_reason": "stop" }]);
    let usage = json!({ "prompt_tokens": 10, "completion_tokens": output, "total_tokens": 10 });
    let end = json!({ "choices": choices });
    let counted = json!({ "choices": [], "usage": usage });
    format!("data: {end}\n\ndata: {counted}\n\ndata: [DONE]\n\n")
}

fn anthropic(pieces: &[&str]) -> String {
    let start = json!({ "type": "message_start", "message": {
        "id": "msg_1", "model": "m1", "usage": { "input_tokens": 10, "output_tokens": 1 },
    }});
    let block = json!({ "type": "content_block_start", "index": 0,
        "content_block": { "type": "text", "text": "" } });
    let event = |value: &Value| format!("data: {value}\n\n");
    let delta = |piece: &&str| {
        event(&json!({ "type": "content_block_delta", "index": 0,
            "delta": { "type": "text_delta", "text": piece } }))
    };
    let pieces: String = pieces.iter().map(delta).collect();
    [event(&start), event(&block), pieces].concat()
}

fn anthropic_end(output: u64) -> String {
    let stop = json!({ "type": "content_block_stop", "index": 0 });
    let delta = json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" },
        "usage": { "output_tokens": output } });
    format!(
        "data: {stop}\n\ndata: {delta}\n\ndata: {}\n\n",
        json!({ "type": "message_stop" })
    )
}

fn data(events: &str) -> Vec<Value> {
    let data = events
        .lines()
        .filter_map(|line| line.strip_prefix("data: "));
    data.filter_map(|data| serde_json::from_str(data).ok())
        .collect()
}

fn used(output: u64) -> Usage {
    Usage {
        output,
        ..Usage::default()
    }
}

#[test]
fn a_stream_of_openai_s_goes_on_at_anthropic_s_under_its_own_id() {
    let client = Client::chat();
    let (stream, _) = client.begin(Dialect::OpenAiChat, &openai(&["", "One", " two "]));
    let broken = stream.interrupted(used(2)).unwrap();
    let encoded = client.go_on(Dialect::AnthropicMessages, Prefill::LastMessage, &broken);
    let exchange = encoded.exchange.clone();
    let asked = written(encoded);
    assert_eq!(asked["max_tokens"], 48);
    let last = &asked["messages"][1];
    assert_eq!(last["role"], "assistant");
    assert!(last.to_string().contains("\"One two\""), "{last}");

    let (mut stream, text) = push(exchange.stream(), &anthropic(&[" three", "."]));
    let events = data(&text);
    let said: Vec<_> = events
        .iter()
        .map(|event| {
            event
                .pointer("/choices/0/delta/content")
                .unwrap()
                .as_str()
                .unwrap()
        })
        .collect();
    assert_eq!(
        said,
        ["three", "."],
        "the space is there, and no second beginning"
    );
    assert!(
        events
            .iter()
            .all(|event| event["id"] == "first" && event["model"] == "m1")
    );
    let (_, rest) = push(exchange.stream(), &(anthropic(&["3"]) + &anthropic_end(5)));
    assert!(rest.ends_with("data: [DONE]\n\n"), "{rest}");
    let usage = data(&rest).last().unwrap()["usage"].clone();
    assert_eq!(
        (&usage["prompt_tokens"], &usage["completion_tokens"]),
        (&json!(10), &json!(7))
    );
    assert_eq!(stream.usage().output, 1, "its own alone");
    stream
        .push(Bytes::from(anthropic_end(5)), &mut Vec::new())
        .unwrap();
    assert_eq!(stream.usage().output, 5);
    assert!(stream.interrupted(used(0)).is_none(), "it is whole");
}

#[test]
fn a_message_of_anthropic_s_goes_on_in_its_block() {
    let client = Client::messages();
    let (stream, _) = client.begin(Dialect::AnthropicMessages, &anthropic(&["One", " two"]));
    let broken = stream.interrupted(stream.usage()).unwrap();
    let encoded = client.go_on(Dialect::OpenAiChat, Prefill::FinalMessage, &broken);
    let exchange = encoded.exchange.clone();
    let asked = written(encoded);
    assert_eq!(asked["continue_final_message"], true);
    assert_eq!(asked["add_generation_prompt"], false);
    assert_eq!(
        asked["messages"][1],
        json!({ "role": "assistant", "content": "One two" })
    );

    let (mut stream, text) = push(exchange.stream(), &(openai(&[" three"]) + &openai_end(4)));
    let events = data(&(text + &end(&mut stream)));
    let kinds: Vec<_> = events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    let expected = [
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];
    assert_eq!(kinds, expected);
    assert_eq!(events[0]["index"], 0);
    assert_eq!(events[2]["usage"]["output_tokens"], 5);
    assert_eq!(events[2]["usage"]["input_tokens"], 20);
}

#[test]
fn a_translated_stream_goes_on_too_and_once_more() {
    let client = Client::messages();
    let (stream, mut text) = client.begin(Dialect::OpenAiChat, &openai(&["One"]));
    let broken = stream.interrupted(used(1)).unwrap();
    let encoded = client.go_on(Dialect::OpenAiChat, Prefill::Prefix, &broken);
    let exchange = encoded.exchange.clone();
    assert_eq!(written(encoded)["messages"][1]["prefix"], true);
    // It repeats what it was given.
    let (stream, more) = push(exchange.stream(), &openai(&["On", "e t", "wo"]));
    text += &more;
    let broken = stream.interrupted(used(2)).unwrap();
    let encoded = client.go_on(Dialect::OpenAiChat, Prefill::LastMessage, &broken);
    let exchange = encoded.exchange.clone();
    let asked = written(encoded);
    assert_eq!(
        asked["messages"][1],
        json!({ "role": "assistant", "content": "One two" })
    );
    assert_eq!(asked["max_completion_tokens"], 47);
    let (mut stream, more) = push(exchange.stream(), &(openai(&["!"]) + &openai_end(1)));
    text += &(more + &end(&mut stream));
    let events = data(&text);
    let said: String = events
        .iter()
        .filter_map(|event| event["delta"]["text"].as_str())
        .collect();
    assert_eq!(said, "One two!");
    let count = |kind: &str| events.iter().filter(|event| event["type"] == kind).count();
    assert_eq!(
        (count("message_start"), count("content_block_start")),
        (1, 1)
    );
    assert_eq!((count("content_block_stop"), count("message_stop")), (1, 1));
}

#[test]
fn responses_and_google_s_streams_go_on_where_they_were_translated() {
    let responses = Client::new(
        Surface::Responses,
        &json!({ "model": "m", "stream": true, "input": "count", "max_output_tokens": 9 }),
    );
    let (stream, mut text) = responses.begin(Dialect::OpenAiChat, &openai(&["One"]));
    let broken = stream.interrupted(used(1)).unwrap();
    let encoded = responses.go_on(Dialect::OpenAiChat, Prefill::LastMessage, &broken);
    let exchange = encoded.exchange.clone();
    let asked = written(encoded);
    assert_eq!(asked["messages"][1]["content"], "One");
    let (mut stream, more) = push(exchange.stream(), &(openai(&[" two"]) + &openai_end(1)));
    text += &(more + &end(&mut stream));
    let events = data(&text);
    let whole = &events.last().unwrap()["response"];
    assert_eq!(whole["output"][0]["content"][0]["text"], "One two");
    let numbers = events
        .iter()
        .map(|event| event["sequence_number"].as_u64().unwrap());
    assert!(numbers.eq(0..events.len() as u64), "{text}");

    let google = Client::new(
        Surface::StreamGenerateContent,
        &json!({
            "contents": [{ "role": "user", "parts": [{ "text": "count" }] }],
            "generationConfig": { "maxOutputTokens": 9 },
        }),
    );
    let chunk = json!({ "responseId": "g", "modelVersion": "m1",
        "candidates": [{ "content": { "parts": [{ "text": "One" }] } }] });
    let (stream, _) = google.begin(Dialect::GeminiGenerate, &format!("data: {chunk}\n\n"));
    let broken = stream.interrupted(used(1)).unwrap();
    let encoded = google.go_on(Dialect::OpenAiChat, Prefill::LastMessage, &broken);
    let exchange = encoded.exchange.clone();
    let asked = written(encoded);
    assert_eq!(
        asked["messages"][1],
        json!({ "role": "assistant", "content": "One" })
    );
    let (_, more) = push(exchange.stream(), &(openai(&[" two"]) + &openai_end(1)));
    assert!(
        data(&more).iter().all(|event| event["responseId"] == "g"),
        "{more}"
    );
}

#[test]
fn what_is_not_text_alone_is_not_gone_on_with() {
    let chat = Client::chat();
    let delta = |delta: Value| {
        let choices = json!([{ "index": 0, "delta": delta, "finish_reason": null }]);
        format!("data: {}\n\n", json!({ "choices": choices }))
    };
    let call = json!([{ "index": 0, "id": "c", "function": { "name": "f", "arguments": "" } }]);
    for other in [
        json!({ "tool_calls": call }),
        json!({ "reasoning_content": "hm" }),
        json!({ "refusal": "no" }),
    ] {
        let sent = openai(&["One"]) + &delta(other.clone());
        let (stream, _) = chat.begin(Dialect::OpenAiChat, &sent);
        assert!(stream.interrupted(used(1)).is_none(), "{other}");
        let (stream, _) = Client::messages().begin(Dialect::OpenAiChat, &sent);
        assert!(stream.interrupted(used(1)).is_none(), "{other}");
    }
    let (stream, _) = chat.begin(Dialect::OpenAiChat, &openai(&["", " \n"]));
    assert!(
        stream.interrupted(used(1)).is_none(),
        "white space begins nothing"
    );

    let messages = Client::messages();
    let event = |value: Value| format!("data: {value}\n\n");
    let stop = event(json!({ "type": "content_block_stop", "index": 0 }));
    let second = event(json!({ "type": "content_block_start", "index": 1,
        "content_block": { "type": "server_tool_use", "id": "s", "name": "web" } }));
    for more in [stop.clone(), stop + &second, second] {
        let sent = anthropic(&["One"]) + &more;
        let (stream, _) = messages.begin(Dialect::AnthropicMessages, &sent);
        assert!(stream.interrupted(used(1)).is_none(), "{more}");
    }
    let long = "word ".repeat(60_000);
    let (stream, _) = chat.begin(Dialect::OpenAiChat, &openai(&[&long]));
    assert!(stream.interrupted(used(1)).is_none(), "more than is kept");
    let encoded = encode(
        &chat.intake(),
        &chat.body,
        &target(Dialect::OpenAiChat),
        STAMP,
    )
    .unwrap();
    let (stream, _) = push(encoded.exchange.stream(), &openai(&["One"]));
    assert!(stream.interrupted(used(1)).is_none(), "nothing was kept");
}

#[test]
fn a_bound_on_the_answer_that_is_reached_leaves_nothing_to_ask_for() {
    let client = Client::chat();
    let (stream, _) = client.begin(Dialect::OpenAiChat, &openai(&["One"]));
    let broken = stream.interrupted(used(50)).unwrap();
    let refused = encode_continuation(
        &client.intake(),
        &client.body,
        &target(Dialect::OpenAiChat),
        STAMP,
        (Prefill::LastMessage, &broken),
    );
    assert_eq!(refused.unwrap_err().field, "max_tokens");
}

#[test]
fn only_a_request_for_plain_text_may_be_gone_on_with() {
    assert!(Client::chat().may_be_continued());
    assert!(Client::messages().may_be_continued());
    let with = |more: Value| {
        let mut body: Value = serde_json::from_slice(&Client::chat().body).unwrap();
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        Client::new(Surface::ChatCompletions, &body).may_be_continued()
    };
    let tool = json!([{ "type": "function", "function": { "name": "f" } }]);
    assert!(with(
        json!({ "tools": tool, "tool_choice": "auto", "n": 1, "temperature": 0.5 })
    ));
    for more in [
        json!({ "n": 2 }),
        json!({ "logprobs": true }),
        json!({ "response_format": { "type": "json_object" } }),
        json!({ "reasoning_effort": "low" }),
        json!({ "tools": tool, "tool_choice": "required" }),
        json!({ "functions": [] }),
        json!({ "stream": false }),
        json!({ "messages": [{ "role": "user", "content": "a" },
            { "role": "assistant", "content": "b" }] }),
    ] {
        assert!(!with(more.clone()), "{more}");
    }
}
