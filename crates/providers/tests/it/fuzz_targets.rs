//! What a fuzzer feeds: each function takes any bytes and panics when a law is broken.
//!
//! The first bytes choose the sides, and where a stream is cut; the rest is what the other side
//! sent. `fuzzed` replays known inputs; `cargo xtask fuzz` looks for new ones.

use ai_gateway_providers::{Dialect, Intake, Surface, classify, translate_error};
use bytes::Bytes;
use serde_json::Value;

use crate::setup::{ANTHROPIC, GEMINI, OPENAI, RESPONSES, SIDES, Side, TARGETS, relay};

/// Bytes of an input that choose.
pub(crate) const CHOICES: usize = 3;

/// An input: what chooses, and what was sent.
type Chosen<'d> = ([u8; CHOICES], &'d [u8]);

fn choose(data: &[u8]) -> Option<Chosen<'_>> {
    let (choices, rest) = data.split_first_chunk()?;
    Some((*choices, rest))
}

fn one_of<const N: usize>(sides: [Side; N], choice: u8) -> Side {
    sides[usize::from(choice) % N]
}

/// A request is refused, or becomes a request that the target can read.
pub(crate) fn request(data: &[u8]) {
    let Some(([from, to, _], body)) = choose(data) else {
        return;
    };
    let (from, to) = (one_of(SIDES, from), one_of(TARGETS, to));
    let body = Bytes::copy_from_slice(body);
    if Intake::read(from.surface, &body).is_err() {
        return;
    }
    if let Ok(encoded) = from.encode(to, &body) {
        let written = encoded.body.into_bytes();
        let read: Result<&serde_json::value::RawValue, _> = serde_json::from_slice(&written);
        // What passes through is only as good as what came; what is made must be good.
        assert!(
            read.is_ok_and(|read| read.get().starts_with('{')) || from.dialect == to.dialect,
            "{}",
            String::from_utf8_lossy(&written)
        );
        assert!(encoded.dropped.len() <= 32);
    }
}

/// An answer is a fault, or becomes an answer that the client can read.
pub(crate) fn response(data: &[u8]) {
    let Some(([client, target, _], body)) = choose(data) else {
        return;
    };
    let (client, target) = (one_of(SIDES, client), one_of(TARGETS, target));
    let exchange = client.exchange(target, false);
    if let Ok(response) = exchange.response(Bytes::copy_from_slice(body)) {
        let read: Result<&serde_json::value::RawValue, _> = serde_json::from_slice(&response.body);
        assert!(
            read.is_ok_and(|read| read.get().starts_with('{')),
            "{}",
            String::from_utf8_lossy(&response.body)
        );
    }
}

/// A stream is relayed alike however it is cut, and one that fails does not look whole.
pub(crate) fn stream(data: &[u8]) {
    let Some(([client, target, cut], stream)) = choose(data) else {
        return;
    };
    relayed_alike(one_of(SIDES, client), one_of(TARGETS, target), cut, stream);
}

/// As [`stream`], where the events pass through.
pub(crate) fn sse(data: &[u8]) {
    let Some(([side, _, cut], stream)) = choose(data) else {
        return;
    };
    let side = one_of([OPENAI, ANTHROPIC, GEMINI, RESPONSES], side);
    relayed_alike(side, side, cut, stream);
}

fn relayed_alike(client: Side, target: Side, cut: u8, stream: &[u8]) {
    let exchange = client.exchange(target, cut.is_multiple_of(2));
    let whole = relay(&exchange, [stream]);
    let pieces = relay(&exchange, stream.chunks(usize::from(cut) % 23 + 1));
    assert_eq!(
        String::from_utf8_lossy(&whole.bytes),
        String::from_utf8_lossy(&pieces.bytes)
    );
    assert_eq!(whole, pieces);
    if whole.fault.is_some() && client.dialect == Dialect::OpenAiChat {
        let text = String::from_utf8_lossy(&whole.bytes);
        assert_ne!(text.trim_end().lines().last(), Some("data: [DONE]"));
    }
}

/// What routing needs is read from a body, or the body is refused.
pub(crate) fn intake(data: &[u8]) {
    let Some(([surface, ..], body)) = choose(data) else {
        return;
    };
    let surfaces = [
        Surface::ChatCompletions,
        Surface::Responses,
        Surface::Completions,
        Surface::Embeddings,
        Surface::Messages,
        Surface::CountTokens,
        Surface::GenerateContent,
        Surface::StreamGenerateContent,
        Surface::Other,
    ];
    let surface = surfaces[usize::from(surface) % surfaces.len()];
    let is_object = serde_json::from_slice::<Value>(body).is_ok_and(|body| body.is_object());
    match Intake::read(surface, body) {
        Ok(intake) => assert_eq!(intake.surface(), surface),
        Err(_) => assert!(!is_object || surface != Surface::Other),
    }
}

/// A refusal in any words becomes one that the client can read, with the same status.
pub(crate) fn error(data: &[u8]) {
    let Some(([client, target, status], body)) = choose(data) else {
        return;
    };
    let (client, target) = (one_of(SIDES, client), one_of(TARGETS, target));
    let status = 400 + u16::from(status) % 200;
    classify(target.dialect, status, |_| None, body);
    let body = Bytes::copy_from_slice(body);
    let (kept, said) = translate_error(client.dialect, target.dialect, status, &body);
    assert_eq!(kept, status);
    let read: Result<&serde_json::value::RawValue, _> = serde_json::from_slice(&said);
    assert!(read.is_ok(), "{}", String::from_utf8_lossy(&said));
}
