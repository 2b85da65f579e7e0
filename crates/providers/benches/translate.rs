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
    Encoded, Exchange, Intake, Stamp, Surface, TargetTraits, encode, provider,
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

fn encoded(surface: Surface, body: &Bytes, to: &str, model: &str) -> Encoded {
    let to = provider(to).expect("it is in the table");
    let traits = TargetTraits {
        path: "/v1/chat/completions",
        api_version: None,
        dialect: to.dialect,
        model,
        quirks: &to.quirks,
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

fn answer(size: usize) -> Bytes {
    let text = "The quick brown fox jumps over the lazy dog.\\n".repeat(size / 46 + 1);
    format!(
        r#"{{"id":"msg_013Zva2CMHLNnXjNJJKqJ2EF","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[{{"type":"text","text":"{text}"}}],"stop_reason":"end_turn","stop_sequence":null,"usage":{{"input_tokens":2095,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":503}}}}"#
    )
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

fn exchange(surface: Surface, to: &str) -> Exchange {
    let body = Bytes::from_static(
        br#"{"model":"m","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"Hi"}]}"#,
    );
    encoded(surface, &body, to, "m").exchange
}

fn whole(criterion: &mut Criterion) {
    for (size, name) in [(1 << 10, "1 KiB"), (100 << 10, "100 KiB")] {
        let (request, answer) = (chat(size), answer(size));
        let mut group = criterion.benchmark_group(format!("chat of {name}"));
        group.throughput(Throughput::Bytes((request.len() + answer.len()) as u64));
        for (target, model) in [
            ("anthropic", "claude-sonnet-4-5"),
            ("openai", "gpt-4o"),
            ("bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0"),
            ("cohere", "command-a-03-2025"),
            ("gemini", "gemini-2.5-flash"),
        ] {
            group.bench_function(format!("request for {target}"), |bencher| {
                bencher.iter(|| {
                    encoded(Surface::ChatCompletions, black_box(&request), target, model).body
                });
            });
        }
        let translated = exchange(Surface::ChatCompletions, "anthropic");
        group.bench_function("answer translated", |bencher| {
            bencher.iter(|| translated.response(black_box(&answer).clone()));
        });
        let passed = exchange(Surface::Messages, "anthropic");
        group.bench_function("answer passed through", |bencher| {
            bencher.iter(|| passed.response(black_box(&answer).clone()));
        });
        group.finish();
    }
}

fn streams(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("stream of 1000 events");
    group.throughput(Throughput::Elements(EVENTS as u64));
    for (name, client, target, stream) in [
        (
            "openai passed through",
            Surface::ChatCompletions,
            "openai",
            openai_stream(),
        ),
        (
            "anthropic passed through",
            Surface::Messages,
            "anthropic",
            anthropic_stream(),
        ),
        (
            "openai to anthropic",
            Surface::Messages,
            "openai",
            openai_stream(),
        ),
        (
            "anthropic to openai",
            Surface::ChatCompletions,
            "anthropic",
            anthropic_stream(),
        ),
        (
            "bedrock to openai",
            Surface::ChatCompletions,
            "bedrock",
            bedrock_stream(),
        ),
        (
            "cohere to openai",
            Surface::ChatCompletions,
            "cohere",
            cohere_stream(),
        ),
    ] {
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
