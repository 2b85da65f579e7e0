//! Requests that stay in Google's dialect and can't stay as they are.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::camel;
use crate::exchange::TargetTraits;
use crate::json::{Object, Writer, items};
use crate::table::CallIds;

/// Leaves out the identifiers of calls and their results where they are refused, and returns `None`
/// when nothing has to change.
pub(crate) fn adapt_request(body: &Bytes, to: &TargetTraits<'_>) -> Option<Bytes> {
    let may_have_ids = memchr::memmem::find(body, b"\"id\"").is_some();
    if to.quirks.call_ids == CallIds::Taken || !may_have_ids {
        return None;
    }
    let fields: Object<'_> = serde_json::from_slice(body).ok()?;
    let mut out = Writer::with_capacity(body.len());
    out.object(|out| {
        for (name, raw) in fields.iter() {
            match name {
                "contents" => write_all(raw, write_content, out.key(name)),
                _ => {
                    out.key(name).raw(raw);
                }
            }
        }
    });
    Some(out.into_bytes())
}

fn write_all(raw: &RawValue, write: fn(&Object<'_>, &mut Writer), out: &mut Writer) {
    let Some(all) = items(raw) else {
        out.raw(raw);
        return;
    };
    out.array(|out| {
        for raw in all {
            match Object::of(raw) {
                Some(one) => write(&one, out),
                None => {
                    out.raw(raw);
                }
            }
        }
    });
}

fn write_content(content: &Object<'_>, out: &mut Writer) {
    out.object(|out| {
        for (name, raw) in content.iter() {
            match name {
                "parts" => write_all(raw, write_part, out.key(name)),
                _ => {
                    out.key(name).raw(raw);
                }
            }
        }
    });
}

fn write_part(part: &Object<'_>, out: &mut Writer) {
    out.object(|out| {
        for (name, raw) in part.iter() {
            let is_call = matches!(camel(name).as_ref(), "functionCall" | "functionResponse");
            match Object::of(raw) {
                Some(call) if is_call => out.key(name).object(|out| {
                    let kept = call.iter().filter(|(name, _)| *name != "id");
                    for (name, raw) in kept {
                        out.key(name).raw(raw);
                    }
                }),
                _ => out.key(name).raw(raw),
            };
        }
    });
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::adapt_request;
    use crate::dialect::Dialect;
    use crate::exchange::TargetTraits;
    use crate::table::{CallIds, Quirks};

    fn adapt(body: &Bytes, call_ids: CallIds) -> Option<Bytes> {
        let quirks = Quirks {
            call_ids,
            ..Quirks::NONE
        };
        let to = TargetTraits {
            dialect: Dialect::GeminiGenerate,
            model: "m",
            path: "/models",
            api_version: None,
            quirks: &quirks,
            default_max_tokens: 1,
        };
        adapt_request(body, &to)
    }

    #[test]
    fn identifiers_of_calls_are_left_out_and_nothing_else() {
        let body = Bytes::from_static(
            br#"{"id":1.0,"contents":[{"role":"user","parts":[{"text":"\ud83e"}]},{"parts":[{"functionCall":{"id":"a","name":"f","args":{"id":"x"}},"thoughtSignature":"s"},{"function_call":{"name":"g","id":null}}]},{"parts":[{"functionResponse":{"id":"a","name":"f","response":{"id":2.50}}},7]},3]}"#,
        );
        assert_eq!(
            adapt(&body, CallIds::Refused).unwrap(),
            r#"{"id":1.0,"contents":[{"role":"user","parts":[{"text":"\ud83e"}]},{"parts":[{"functionCall":{"name":"f","args":{"id":"x"}},"thoughtSignature":"s"},{"function_call":{"name":"g"}}]},{"parts":[{"functionResponse":{"name":"f","response":{"id":2.50}}},7]},3]}"#
        );
        assert_eq!(adapt(&body, CallIds::Taken), None);
        let without = Bytes::from_static(br#"{"contents":[]}"#);
        assert_eq!(adapt(&without, CallIds::Refused), None);
    }
}
