//! What translation costs: a chat request and its answer, and an event of a stream.
//!
//! `cargo bench -p ai-gateway-providers` prints the time of each; those of streams are for
//! [`EVENTS`] events at once.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that can't run should say so"
)]

use std::fmt::Write as _;
use std::hint::black_box;

use ai_gateway_providers::{
    Dialect, Encoded, Exchange, Intake, Quirks, Stamp, Surface, TargetTraits, encode, provider,
};
use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// How many events a benchmark of a stream relays.
const EVENTS: usize = 1_000;

const STAMP: Stamp<'static> = Stamp {
    created: 1_700_000_000,
    request_id: "0198c0de",
};

/// A target that speaks OpenAI's responses and nothing else.
const RESPONSES: &str = "responses";

fn encoded(surface: Surface, body: &Bytes, to: &str, model: &str) -> Encoded {
    let (dialect, quirks) = match to {
        RESPONSES => (Dialect::OpenAiResponses, &Quirks::NONE),
        // Without the Responses API, so that responses are translated for it.
        "openai" => (Dialect::OpenAiChat, &Quirks::NONE),
        to => {
            let to = provider(to).expect("it is in the table");
            (to.dialect, &to.quirks)
        }
    };
    let traits = TargetTraits {
        path: "/v1/chat/completions",
        api_version: None,
        dialect,
        model,
        quirks,
        default_max_tokens: 4_096,
    };
    let intake = Intake::read(surface, body).expect("the body is valid");
    encode(&intake, body, &traits, STAMP).expect("the body can be encoded")
}

/// A chat of about `size` bytes in turns of at most 1 KiB.
fn chat(size: usize) -> Bytes {
    let turn = "The quick brown fox jumps over the lazy dog, \\\"again\\\".\\n".repeat(16);
    let mut body = String::from(
        r#"{"model":"gpt-4o-mini","temperature":0.7,"max_tokens":500,"messages":[{"role":"system","content":"You are helpful."}"#,
    );
    let mut role = "user";
    while body.len() < size {
        let room = (size - body.len()).min(turn.len()) / 57 * 57;
        let text = turn.get(..room.max(57)).unwrap_or_default();
        write!(body, r#",{{"role":"{role}","content":"{text}"}}"#).expect("a string takes all");
        role = if role == "user" { "assistant" } else { "user" };
    }
    body.push_str("]}");
    body.into()
}

/// The same chat as a client of each dialect asks for it.
fn asked(surface: Surface, chat: &Bytes) -> Bytes {
    let provider = match surface {
        Surface::Messages => "anthropic",
        Surface::GenerateContent => "gemini",
        Surface::Responses => RESPONSES,
        _ => return chat.clone(),
    };
    let asked = encoded(Surface::ChatCompletions, chat, provider, "gemini-2.5-flash");
    asked.body.into_bytes()
}

/// An answer of about `size` bytes, as a target of each dialect gives it.
fn answer(target: &str, size: usize) -> Bytes {
    let text = "The quick brown fox jumps over the lazy dog.\\n".repeat(size / 46 + 1);
    match target {
        "anthropic" => format!(
            r#"{{"id":"msg_013Zva2CMHLNnXjNJJKqJ2EF","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[{{"type":"text","text":"{text}"}}],"stop_reason":"end_turn","stop_sequence":null,"usage":{{"input_tokens":2095,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":503}}}}"#
        ),
        "gemini" => format!(
            r#"{{"candidates":[{{"content":{{"parts":[{{"text":"{text}"}}],"role":"model"}},"finishReason":"STOP","index":0}}],"usageMetadata":{{"promptTokenCount":2095,"candidatesTokenCount":503,"totalTokenCount":2598}},"modelVersion":"gemini-2.5-flash","responseId":"kz2Ka"}}"#
        ),
        "bedrock" => format!(
            r#"{{"output":{{"message":{{"role":"assistant","content":[{{"text":"{text}"}}]}}}},"stopReason":"end_turn","usage":{{"inputTokens":2095,"outputTokens":503,"totalTokens":2598}}}}"#
        ),
        "cohere" => format!(
            r#"{{"id":"c14c80c3","finish_reason":"COMPLETE","message":{{"role":"assistant","content":[{{"type":"text","text":"{text}"}}]}},"usage":{{"tokens":{{"input_tokens":2095,"output_tokens":503}}}}}}"#
        ),
        RESPONSES => format!(
            r#"{{"id":"resp_1","object":"response","created_at":1741570283,"status":"completed","model":"gpt-4o","output":[{{"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[{{"type":"output_text","text":"{text}","annotations":[]}}]}}],"usage":{{"input_tokens":2095,"output_tokens":503,"total_tokens":2598}}}}"#
        ),
        _ => format!(
            r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1741570283,"model":"gpt-4o","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}","refusal":null}},"logprobs":null,"finish_reason":"stop"}}],"usage":{{"prompt_tokens":2095,"completion_tokens":503,"total_tokens":2598}}}}"#
        ),
    }
    .into()
}

fn openai_stream() -> Bytes {
    let mut stream = String::new();
    for event in 0..EVENTS {
        write!(
            stream,
            "data: {{\"id\":\"chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG\",\"object\":\"chat.completion.chunk\",\"created\":1741570283,\"model\":\"gpt-4o-mini-2024-07-18\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_fc9f1d7035\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\" tok{event}\"}},\"logprobs\":null,\"finish_reason\":null}}]}}\n\n"
        )
        .expect("a string takes all");
    }
    stream.into()
}

fn anthropic_stream() -> Bytes {
    let mut stream = String::new();
    for event in 0..EVENTS {
        write!(
            stream,
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\" tok{event}\"}}}}\n\n"
        )
        .expect("a string takes all");
    }
    stream.into()
}

fn bedrock_stream() -> Bytes {
    let text = |text: &'static str| HeaderValue::String(text.into());
    let mut stream = Vec::new();
    for event in 0..EVENTS {
        let payload = format!(
            "{{\"contentBlockIndex\":0,\"delta\":{{\"text\":\" tok{event}\"}},\"p\":\"abcdefghij\"}}"
        );
        let message = Message::new(payload)
            .add_header(Header::new(":event-type", text("contentBlockDelta")))
            .add_header(Header::new(":content-type", text("application/json")))
            .add_header(Header::new(":message-type", text("event")));
        write_message_to(&message, &mut stream).expect("memory takes all");
    }
    stream.into()
}

fn cohere_stream() -> Bytes {
    let mut stream = String::new();
    for event in 0..EVENTS {
        write!(
            stream,
            "event: content-delta\ndata: {{\"type\":\"content-delta\",\"index\":0,\"delta\":{{\"message\":{{\"content\":{{\"text\":\" tok{event}\"}}}}}}}}\n\n"
        )
        .expect("a string takes all");
    }
    stream.into()
}

fn gemini_stream() -> Bytes {
    let mut stream = String::new();
    for event in 0..EVENTS {
        write!(
            stream,
            "data: {{\"candidates\": [{{\"content\": {{\"parts\": [{{\"text\": \" tok{event}\"}}],\"role\": \"model\"}},\"index\": 0}}],\"usageMetadata\": {{\"promptTokenCount\": 9,\"candidatesTokenCount\": {event},\"totalTokenCount\": {},\"promptTokensDetails\": [{{\"modality\": \"TEXT\",\"tokenCount\": 9}}]}},\"modelVersion\": \"gemini-2.5-flash\",\"responseId\": \"kz2KaP3vBN\"}}\r\n\r\n",
            event + 9
        )
        .expect("a string takes all");
    }
    stream.into()
}

fn responses_stream() -> Bytes {
    let mut stream = String::new();
    for event in 0..EVENTS {
        write!(
            stream,
            "event: response.output_text.delta\ndata: {{\"type\":\"response.output_text.delta\",\"sequence_number\":{event},\"item_id\":\"msg_67ccd2bf17f0819081ff3bb2cf6508e6\",\"output_index\":0,\"content_index\":0,\"delta\":\" tok{event}\",\"logprobs\":[],\"obfuscation\":\"aB3dE{event}\"}}\n\n"
        )
        .expect("a string takes all");
    }
    stream.into()
}

fn exchange(surface: Surface, to: &str) -> Exchange {
    let body = Bytes::from_static(
        br#"{"model":"m","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"Hi"}],"contents":[{"parts":[{"text":"Hi"}]}],"input":"Hi"}"#,
    );
    encoded(surface, &body, to, "m").exchange
}

fn whole(criterion: &mut Criterion) {
    for (size, name) in [(1 << 10, "1 KiB"), (100 << 10, "100 KiB")] {
        let (request, own) = (chat(size), answer("anthropic", size));
        let mut group = criterion.benchmark_group(format!("chat of {name}"));
        group.throughput(Throughput::Bytes((request.len() + own.len()) as u64));
        for (target, model) in [
            ("anthropic", "claude-sonnet-4-5"),
            ("openai", "gpt-4o"),
            ("bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0"),
            ("cohere", "command-a-03-2025"),
            ("gemini", "gemini-2.5-flash"),
            (RESPONSES, "gpt-4o"),
        ] {
            group.bench_function(format!("request for {target}"), |bencher| {
                bencher.iter(|| {
                    encoded(Surface::ChatCompletions, black_box(&request), target, model).body
                });
            });
            if target != "openai" {
                let answer = answer(target, size);
                let translated = exchange(Surface::ChatCompletions, target);
                group.bench_function(format!("answer of {target}"), |bencher| {
                    bencher.iter(|| translated.response(black_box(&answer).clone()));
                });
            }
        }
        for (surface, client) in [
            (Surface::Messages, "anthropic"),
            (Surface::GenerateContent, "gemini"),
            (Surface::Responses, RESPONSES),
        ] {
            let request = asked(surface, &request);
            group.bench_function(format!("request of {client} for openai"), |bencher| {
                bencher.iter(|| encoded(surface, black_box(&request), "openai", "gpt-4o").body);
            });
            let answer = answer("openai", size);
            let translated = exchange(surface, "openai");
            group.bench_function(format!("answer of openai for {client}"), |bencher| {
                bencher.iter(|| translated.response(black_box(&answer).clone()));
            });
        }
        let passed = exchange(Surface::Messages, "anthropic");
        group.bench_function("answer passed through", |bencher| {
            bencher.iter(|| passed.response(black_box(&own).clone()));
        });
        group.finish();
    }
}

/// A stream: what it is called, who asks for it, who answers, and with what.
type Stream = (&'static str, Surface, &'static str, fn() -> Bytes);

const STREAMS: [Stream; 12] = [
    (
        "openai passed through",
        Surface::ChatCompletions,
        "openai",
        openai_stream,
    ),
    (
        "anthropic passed through",
        Surface::Messages,
        "anthropic",
        anthropic_stream,
    ),
    (
        "gemini passed through",
        Surface::StreamGenerateContent,
        "gemini",
        gemini_stream,
    ),
    (
        "responses passed through",
        Surface::Responses,
        RESPONSES,
        responses_stream,
    ),
    (
        "gemini to openai",
        Surface::ChatCompletions,
        "gemini",
        gemini_stream,
    ),
    (
        "responses to openai",
        Surface::ChatCompletions,
        RESPONSES,
        responses_stream,
    ),
    (
        "openai to gemini",
        Surface::StreamGenerateContent,
        "openai",
        openai_stream,
    ),
    (
        "openai to responses",
        Surface::Responses,
        "openai",
        openai_stream,
    ),
    (
        "openai to anthropic",
        Surface::Messages,
        "openai",
        openai_stream,
    ),
    (
        "anthropic to openai",
        Surface::ChatCompletions,
        "anthropic",
        anthropic_stream,
    ),
    (
        "bedrock to openai",
        Surface::ChatCompletions,
        "bedrock",
        bedrock_stream,
    ),
    (
        "cohere to openai",
        Surface::ChatCompletions,
        "cohere",
        cohere_stream,
    ),
];

fn streams(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("stream of 1000 events");
    group.throughput(Throughput::Elements(EVENTS as u64));
    for (name, client, target, stream) in STREAMS {
        let stream = stream();
        let exchange = exchange(client, target);
        let mut out: Vec<Bytes> = Vec::with_capacity(EVENTS);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                let mut relay = exchange.stream();
                // As a connection hands them out: a few events at a time.
                let mut rest = stream.clone();
                while !rest.is_empty() {
                    let chunk = rest.split_to(rest.len().min(4_096));
                    relay
                        .push(chunk, &mut out)
                        .expect("the stream is well-formed");
                }
                out.len()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, whole, streams);
criterion_main!(benches);
