//! Requests that stay in Anthropic's dialect and can't stay as they are.

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::dialect::Surface;
use crate::exchange::TargetTraits;
use crate::json::{Object, Sort, Writer, items};

/// Leaves out thinking without a signature and citations without proof, puts the version where the platform wants it, and
/// returns `None` when nothing has to change.
///
/// What other providers thought and cited reaches a client without Anthropic's signature. It comes
/// back with the conversation, and Anthropic refuses it.
pub(crate) fn adapt_request(
    body: &Bytes,
    surface: Surface,
    to: &TargetTraits<'_>,
) -> Option<Bytes> {
    let version = to.quirks.version_in_body;
    let is_conversation = surface == Surface::Messages;
    if version.is_none() && !(is_conversation && may_be_unsigned(body)) {
        return None;
    }
    let fields: Object<'_> = serde_json::from_slice(body).ok()?;
    let messages = items(fields.get("messages")?)?;
    let mut out = Writer::with_capacity(body.len());
    out.object(|out| {
        if let Some(version) = version {
            out.key("anthropic_version").str(version);
        }
        // Where the version is here, the path names a conversation's model.
        if version.is_none() || !is_conversation {
            out.key("model").str(to.model);
        }
        for (name, raw) in fields.iter() {
            match name {
                "model" => {}
                "anthropic_version" if version.is_some() => {}
                "messages" if is_conversation => {
                    out.key(name)
                        .array(|out| messages.iter().for_each(|raw| write_message(raw, out)));
                }
                _ => {
                    out.key(name).raw(raw);
                }
            }
        }
    });
    Some(out.into_bytes())
}

/// A look at the bytes, to parse no conversation that needs no change.
fn may_be_unsigned(body: &[u8]) -> bool {
    let is_empty = |name: &str| {
        memchr::memmem::find_iter(body, name.as_bytes()).any(|at| {
            let rest = body.get(at + name.len()..).unwrap_or_default();
            let rest = rest.trim_ascii_start();
            let rest = rest.strip_prefix(b":").unwrap_or_default();
            rest.trim_ascii_start().starts_with(b"\"\"")
        })
    };
    is_empty("\"signature\"") || is_empty("\"encrypted_index\"")
}

fn write_message(raw: &RawValue, out: &mut Writer) {
    let Some(message) = Object::of(raw) else {
        out.raw(raw);
        return;
    };
    let content = message.get("content");
    let Some(blocks) = content.and_then(items) else {
        out.raw(raw);
        return;
    };
    let kept: Vec<_> = blocks.iter().filter(|raw| !is_unsigned(raw)).collect();
    if kept.is_empty() && !blocks.is_empty() {
        return;
    }
    out.object(|out| {
        for (name, raw) in message.iter() {
            out.key(name);
            if name == "content" && Sort::of(raw) == Sort::Array {
                out.array(|out| write_all(&kept, out));
            } else {
                out.raw(raw);
            }
        }
    });
}

fn write_all(blocks: &[&&RawValue], out: &mut Writer) {
    for raw in blocks {
        let block = Object::of(raw).unwrap_or_default();
        let citations = block.get("citations").and_then(items).unwrap_or_default();
        let proven: Vec<_> = citations.iter().filter(|raw| !is_unproven(raw)).collect();
        if proven.len() == citations.len() {
            out.raw(raw);
            continue;
        }
        out.object(|out| {
            for (name, raw) in block.iter() {
                match name {
                    "citations" if proven.is_empty() => {}
                    "citations" => {
                        out.key(name)
                            .array(|out| proven.iter().for_each(|raw| out_raw(raw, out)));
                    }
                    _ => out_raw(raw, out.key(name)),
                }
            }
        });
    }
}

fn out_raw(raw: &RawValue, out: &mut Writer) {
    out.raw(raw);
}

/// Tells a citation that another provider made.
fn is_unproven(raw: &RawValue) -> bool {
    Object::of(raw).is_some_and(|citation| {
        citation
            .text("encrypted_index")
            .is_some_and(|index| index.is_empty())
    })
}

fn is_unsigned(raw: &RawValue) -> bool {
    Object::of(raw).is_some_and(|block| {
        block.string("type").is_some_and(|kind| kind == "thinking")
            && block
                .text("signature")
                .is_none_or(|signature| signature.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::adapt_request;
    use crate::dialect::{Dialect, Surface};
    use crate::exchange::TargetTraits;
    use crate::table::Quirks;

    fn adapt(body: &Bytes, version: Option<&'static str>) -> Option<Bytes> {
        let quirks = Quirks {
            version_in_body: version,
            ..Quirks::NONE
        };
        let to = TargetTraits {
            dialect: Dialect::AnthropicMessages,
            model: "b",
            path: "/v1/messages",
            api_version: None,
            quirks: &quirks,
            default_max_tokens: 1,
        };
        adapt_request(body, Surface::Messages, &to)
    }

    #[test]
    fn thinking_that_is_not_signed_is_left_out_and_nothing_else() {
        let body = Bytes::from_static(
            br#"{"new":1.0,"model":"a","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"thinking","thinking":"x","signature": ""},{"type":"thinking","thinking":"y","signature":"s"},{"type":"text","text":"\ud83e"}]},{"role":"assistant","content":[{"type":"thinking","thinking":"x","signature":""}]}],"max_tokens":5}"#,
        );
        assert_eq!(
            adapt(&body, None).unwrap(),
            r#"{"model":"b","new":1.0,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"thinking","thinking":"y","signature":"s"},{"type":"text","text":"\ud83e"}]}],"max_tokens":5}"#
        );
    }

    #[test]
    fn citations_that_anthropic_did_not_make_are_left_out_and_nothing_else() {
        let body = Bytes::from_static(
            br#"{"model":"b","messages":[{"role":"assistant","content":[{"type":"text","text":"a","citations":[{"url":"x","encrypted_index":""},{"url":"y","encrypted_index":"E"}],"n":1.0},{"citations":[{"encrypted_index": ""}],"type":"text","text":"b"},{"type":"text","text":"c","citations":[]}]}]}"#,
        );
        assert_eq!(
            adapt(&body, None).unwrap(),
            r#"{"model":"b","messages":[{"role":"assistant","content":[{"type":"text","text":"a","citations":[{"url":"y","encrypted_index":"E"}],"n":1.0},{"type":"text","text":"b"},{"type":"text","text":"c","citations":[]}]}]}"#
        );
    }

    #[test]
    fn a_request_without_such_thinking_is_left_alone() {
        let body = Bytes::from_static(
            br#"{"messages":[{"content":[{"type":"thinking","signature":"s"}]},{"content":"\"signature\":\"\""}]}"#,
        );
        assert_eq!(adapt(&body, None), None);
    }

    #[test]
    fn where_the_path_names_the_model_the_body_names_the_version() {
        let body = Bytes::from_static(
            br#"{"model":"a","anthropic_version":"own","messages":[{"x":1.0}],"stream":true}"#,
        );
        assert_eq!(
            adapt(&body, Some("vertex-2023-10-16")).unwrap(),
            r#"{"anthropic_version":"vertex-2023-10-16","messages":[{"x":1.0}],"stream":true}"#
        );
    }
}
