//! The bodies that clients and the stand-in send: real shapes of the two dialects, at exact sizes.

use serde_json::json;

/// A provider's way to speak.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Dialect {
    /// Chat completions.
    OpenAi,
    /// Messages.
    Anthropic,
}

/// A chat request of exactly `bytes` bytes (at least some 300) for `model`.
pub(crate) fn request(model: &str, bytes: usize, is_streaming: bool) -> Vec<u8> {
    let body = |text: &str| {
        let mut turns =
            vec![json!({"role": "system", "content": "Answer briefly and to the point."})];
        // Past 4 KiB the text is a conversation, as it is in practice.
        let size = text.len().div_ceil(TURNS).max(4096);
        for (index, part) in pieces(text, size).enumerate() {
            let role = if index % 2 == 0 { "user" } else { "assistant" };
            turns.push(json!({"role": role, "content": part}));
        }
        let request = json!({
            "model": model,
            "messages": turns,
            "temperature": 0.7,
            "max_tokens": 1024,
            "stream": is_streaming,
        });
        request.to_string()
    };
    padded(bytes, body)
}

/// A complete answer of exactly `bytes` bytes.
pub(crate) fn answer(dialect: Dialect, bytes: usize) -> Vec<u8> {
    padded(bytes, |text| {
        match dialect {
        Dialect::OpenAi => json!({
            "id": "chatcmpl-B7xKq0000000000000000000000",
            "object": "chat.completion",
            "created": 1_750_000_000,
            "model": "gpt-4o-mini-2024-07-18",
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": null, "annotations": []},
                "logprobs": null,
                "finish_reason": "stop",
            }],
            "usage": {"prompt_tokens": 219, "completion_tokens": 64, "total_tokens": 283},
            "service_tier": "default",
            "system_fingerprint": "fp_0000000000",
        })
        .to_string(),
        Dialect::Anthropic => json!({
            "id": "msg_010000000000000000000000",
            "type": "message",
            "role": "assistant",
            "model": "claude-3-5-sonnet-20241022",
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
            "stop_sequence": null,
            "usage": {"input_tokens": 219, "output_tokens": 64},
        })
        .to_string(),
    }
    })
}

/// What a stream consists of besides its content events.
#[derive(Debug)]
pub(crate) struct Script {
    /// Sent first, with the first content event.
    pub(crate) opening: String,
    /// One content event up to the mark.
    pub(crate) before_mark: String,
    /// The same event behind the mark.
    pub(crate) after_mark: String,
    /// Sent after the last content event.
    pub(crate) closing: String,
}

/// The stream that `dialect` answers with; each content event carries a [`mark`].
pub(crate) fn script(dialect: Dialect) -> Script {
    let text = format!("{HOLE} word");
    match dialect {
        Dialect::OpenAi => {
            let chunk = |delta: serde_json::Value, reason: Option<&str>| {
                let chunk = json!({
                    "id": "chatcmpl-B7xKq0000000000000000000000",
                    "object": "chat.completion.chunk",
                    "created": 1_750_000_000,
                    "model": "gpt-4o-mini-2024-07-18",
                    "service_tier": "default",
                    "system_fingerprint": "fp_0000000000",
                    "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": reason}],
                });
                format!("data: {chunk}\n\n")
            };
            let opening = chunk(json!({"role": "assistant", "content": ""}), None);
            let closing = chunk(json!({}), Some("stop")) + "data: [DONE]\n\n";
            cut(opening, &chunk(json!({"content": text}), None), closing)
        }
        Dialect::Anthropic => {
            let event = |name: &str, fields: serde_json::Value| {
                let fields = fields.to_string();
                let fields = fields.strip_prefix('{').unwrap_or(&fields);
                let comma = if fields == "}" { "" } else { "," };
                format!("event: {name}\ndata: {{\"type\":\"{name}\"{comma}{fields}\n\n")
            };
            let message = json!({
                "id": "msg_010000000000000000000000", "type": "message", "role": "assistant",
                "model": "claude-3-5-sonnet-20241022", "content": [], "stop_reason": null,
                "stop_sequence": null, "usage": {"input_tokens": 219, "output_tokens": 1},
            });
            let block = json!({"type": "text", "text": ""});
            let opening = event("message_start", json!({"message": message}))
                + &event(
                    "content_block_start",
                    json!({"index": 0, "content_block": block}),
                );
            let delta = json!({"index": 0, "delta": {"type": "text_delta", "text": text}});
            let end = json!({"stop_reason": "end_turn", "stop_sequence": null});
            let closing = event("content_block_stop", json!({"index": 0}))
                + &event(
                    "message_delta",
                    json!({"delta": end, "usage": {"output_tokens": 64}}),
                )
                + &event("message_stop", json!({}));
            cut(opening, &event("content_block_delta", delta), closing)
        }
    }
}

/// The mark that carries `stamp_ns` from the stand-in to the load generator, through any gateway.
pub(crate) fn mark(stamp_ns: u64) -> String {
    format!("{MARK}{stamp_ns:016x}")
}

/// Hands the stamp of every mark in a decoded body to `found`, however the body is split.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    carried: Vec<u8>,
}

impl Marks {
    /// Looks through the next piece of the body.
    pub(crate) fn feed(&mut self, piece: &[u8], found: &mut impl FnMut(u64)) {
        if self.carried.is_empty() {
            let rest = scan(piece, found);
            self.carried.extend_from_slice(rest);
        } else {
            self.carried.extend_from_slice(piece);
            let rest = scan(&self.carried, found).len();
            self.carried.drain(..self.carried.len() - rest);
        }
    }
}

/// Scans `text` for marks and returns its end, as far as a mark might go on after it.
fn scan<'a>(text: &'a [u8], found: &mut impl FnMut(u64)) -> &'a [u8] {
    let mut rest = text;
    while let Some(at) = memchr::memmem::find(rest, MARK.as_bytes()) {
        let from_mark = rest.get(at..).unwrap_or(&[]);
        let Some(digits) = from_mark.get(MARK.len()..MARK.len() + STAMP_DIGITS) else {
            return from_mark;
        };
        let stamp = std::str::from_utf8(digits)
            .ok()
            .and_then(|hex| u64::from_str_radix(hex, 16).ok());
        if let Some(stamp) = stamp {
            found(stamp);
        }
        rest = from_mark.get(MARK.len() + STAMP_DIGITS..).unwrap_or(&[]);
    }
    let tail = rest.len().saturating_sub(MARK.len() - 1);
    rest.get(tail..).unwrap_or(&[])
}

/// Fills `body`'s text until the body has exactly `bytes` bytes.
fn padded(bytes: usize, body: impl Fn(&str) -> String) -> Vec<u8> {
    let mut text: String = PROSE.chars().cycle().take(bytes).collect();
    // The text grows in the body by its escapes and turns, so this closes in on the size; a last
    // correction by single letters, which stand for themselves, hits it.
    for _ in 0..64 {
        let length = body(&text).len();
        match length.cmp(&bytes) {
            std::cmp::Ordering::Equal => break,
            std::cmp::Ordering::Greater => {
                let keep = text.len().saturating_sub(length - bytes);
                text.truncate(keep);
            }
            std::cmp::Ordering::Less => text.extend(std::iter::repeat_n('x', bytes - length)),
        }
    }
    body(&text).into_bytes()
}

/// Cuts `text` (ASCII) into pieces of `size`.
fn pieces(text: &str, size: usize) -> impl Iterator<Item = String> {
    let bytes = text.as_bytes();
    bytes
        .chunks(size)
        .map(|piece| String::from_utf8_lossy(piece).into_owned())
}

fn cut(opening: String, event: &str, closing: String) -> Script {
    let (before, after) = event.split_once(HOLE).unwrap_or((event, ""));
    Script {
        opening,
        before_mark: before.to_owned(),
        after_mark: after.to_owned(),
        closing,
    }
}

const PROSE: &str = "The quick brown fox looked at the lazy dog, said \"good morning\", and went on \
    over seven low hills to the river, where nobody had been for a year or two.\n";
const HOLE: &str = "<hole>";
const MARK: &str = "@at:";
const STAMP_DIGITS: usize = 16;
const TURNS: usize = 16;

#[cfg(test)]
mod tests {
    use super::{Dialect, Marks, answer, mark, request, script};

    #[test]
    fn bodies_have_the_size_asked_for_and_are_json() {
        for bytes in [1 << 10, 32 << 10, 256 << 10] {
            let bodies = [
                request("m", bytes, true),
                answer(Dialect::OpenAi, bytes),
                answer(Dialect::Anthropic, bytes),
            ];
            for body in bodies {
                assert_eq!(body.len(), bytes);
                serde_json::from_slice::<serde_json::Value>(&body).expect("json");
            }
        }
    }

    #[test]
    fn every_mark_is_found_once_however_the_stream_is_split() {
        let script = script(Dialect::Anthropic);
        let text: String = (0..5)
            .map(|n| script.before_mark.clone() + &mark(n * 1_000_000_007) + &script.after_mark)
            .collect();
        for step in 1..text.len() {
            let (mut marks, mut found) = (Marks::default(), Vec::new());
            for piece in text.as_bytes().chunks(step) {
                marks.feed(piece, &mut |stamp| found.push(stamp));
            }
            assert_eq!(
                found,
                [
                    0,
                    1_000_000_007,
                    2_000_000_014,
                    3_000_000_021,
                    4_000_000_028
                ]
            );
        }
    }
}
