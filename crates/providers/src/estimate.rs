//! How many tokens a request has, where nobody can be asked.

use bytes::Bytes;

use crate::json::{Object, Sort, Text, Writer, items, parse_raw};

/// Estimates the input tokens of a request of any dialect, within about a quarter for English
/// text: one for four bytes of its text, names and schemas, and a fixed number for a picture.
///
/// Nothing of a body that is not JSON counts.
pub fn estimate_tokens(body: &[u8]) -> u64 {
    let bytes = std::str::from_utf8(body)
        .ok()
        .and_then(parse_raw)
        .map_or(0, |raw| weigh(raw, DEPTH_LIMIT));
    bytes.div_ceil(BYTES_PER_TOKEN)
}

/// Writes the answer of a call that counts tokens, as Anthropic does.
pub fn render_token_count(tokens: u64) -> Bytes {
    let mut out = Writer::with_capacity(32);
    out.object(|out| {
        out.key("input_tokens").number(tokens);
    });
    out.into_bytes()
}

const BYTES_PER_TOKEN: u64 = 4;

/// What a picture weighs, in bytes of text: about 1 500 tokens, as one of a megapixel costs.
const PICTURE_BYTES: u64 = 6_000;

/// Strings from here on that have no space in them are data, not text.
const DATA_BYTES: usize = 2_048;

/// What is nested deeper does not count.
const DEPTH_LIMIT: usize = 32;

fn weigh(raw: &serde_json::value::RawValue, depth: usize) -> u64 {
    let Some(depth) = depth.checked_sub(1) else {
        return 0;
    };
    match Sort::of(raw) {
        Sort::Null | Sort::Bool | Sort::Number => 1,
        Sort::String => Text::of(raw).map_or(0, |text| weigh_text(&text)),
        Sort::Array => items(raw)
            .unwrap_or_default()
            .into_iter()
            .map(|raw| weigh(raw, depth))
            .sum(),
        Sort::Object => Object::of(raw)
            .unwrap_or_default()
            .iter()
            .map(|(name, raw)| name.len() as u64 + weigh(raw, depth))
            .sum(),
    }
}

fn weigh_text(text: &Text<'_>) -> u64 {
    let text = text.escaped();
    if text.len() >= DATA_BYTES && memchr::memchr(b' ', text.as_bytes()).is_none() {
        return PICTURE_BYTES;
    }
    text.len() as u64
}

#[cfg(test)]
mod tests {
    use super::{estimate_tokens, render_token_count};

    #[test]
    fn system_tools_and_messages_all_count() {
        let plain =
            estimate_tokens(br#"{"messages":[{"role":"user","content":"Hello there, you"}]}"#);
        assert!((8..=12).contains(&plain), "{plain}");
        let more = estimate_tokens(
            br#"{"system":"Be kind to people.","tools":[{"name":"f","input_schema":{"type":"object"}}],"messages":[{"role":"user","content":"Hello there, you"}]}"#,
        );
        assert!(more >= plain + 10, "{more}");
    }

    #[test]
    fn a_picture_counts_the_same_whatever_its_size() {
        let with = |bytes: usize| {
            estimate_tokens(format!(r#"{{"data":"{}"}}"#, "A".repeat(bytes)).as_bytes())
        };
        assert_eq!(with(10_000), with(1_000_000));
        assert!((1_000..2_000).contains(&with(10_000)));
    }

    #[test]
    fn what_is_not_json_or_endlessly_deep_counts_nothing() {
        assert_eq!(estimate_tokens(b"<html>"), 0);
        assert_eq!(estimate_tokens(b"\xff"), 0);
        let deep = format!("{}\"text\"{}", "[".repeat(60), "]".repeat(60));
        assert_eq!(estimate_tokens(deep.as_bytes()), 0);
    }

    #[test]
    fn a_count_is_written_as_anthropic_does() {
        assert_eq!(render_token_count(7), r#"{"input_tokens":7}"#);
    }
}
