//! What passes through costs no memory of its own.

use ai_gateway_providers::StreamRelay;
use bytes::Bytes;

use crate::setup::{SIDES, Side};

const EVENTS: usize = 200;

fn events(side: Side) -> Bytes {
    let event = |at: usize| match side.name {
        "openai" => format!(
            "data: {{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4o\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\" t{at}\"}},\"logprobs\":null,\"finish_reason\":null}}]}}\n\n"
        ),
        "gemini" => format!(
            "data: {{\"candidates\": [{{\"content\": {{\"parts\": [{{\"text\": \" t{at}\"}}],\"role\": \"model\"}},\"index\": 0}}],\"usageMetadata\": {{\"promptTokenCount\": 9,\"candidatesTokenCount\": {at},\"promptTokensDetails\": [{{\"modality\": \"TEXT\",\"tokenCount\": 9}}]}},\"modelVersion\": \"g\"}}\r\n\r\n"
        ),
        "responses" => format!(
            "event: response.output_text.delta\ndata: {{\"type\":\"response.output_text.delta\",\"sequence_number\":{at},\"item_id\":\"m1\",\"output_index\":0,\"content_index\":0,\"delta\":\" t{at}\",\"logprobs\":[],\"obfuscation\":\"o{at}\"}}\n\n"
        ),
        _ => format!(
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\" t{at}\"}}}}\n\n"
        ),
    };
    let stream: String = (0..EVENTS).map(event).collect();
    Bytes::from(stream)
}

/// Relays the events of `stream` behind those that `begin`, which teach the relay their shape, and
/// returns how many allocations that took, and how many tokens of output the events told of.
fn allocations(mut relay: StreamRelay, mut stream: Bytes, begin: usize) -> (u64, u64) {
    let mut out: Vec<Bytes> = Vec::with_capacity(2 * EVENTS);
    // Shared from here on, as bytes of a connection are.
    let begin = stream.split_to(begin);
    relay.push(begin, &mut out).unwrap();
    let seen = out.len();
    let taken = allocation_counter::measure(|| relay.push(stream, &mut out).unwrap());
    assert!(out.len() - seen == EVENTS - 1, "{}", out.len());
    assert_eq!(relay.output_events(), EVENTS as u64);
    (taken.count_total, relay.usage().output)
}

#[test]
fn an_event_that_passes_through_allocates_nothing() {
    for side in SIDES {
        let stream = events(side);
        // An event that the connection cuts is put together, which takes memory.
        let ends = |end: &[u8]| end.ends_with(b"\n\n") || end.ends_with(b"\n\r\n");
        let begin = (0..stream.len()).find(|at| ends(&stream[..*at])).unwrap();
        let relay = side.exchange(side, true).stream();
        let told = if side.name == "gemini" {
            EVENTS as u64 - 1
        } else {
            0
        };
        let seen = allocations(relay, stream, begin);
        assert_eq!(seen, (0, told), "{}", side.name);
    }
}
