//! What the body of an error says, whichever shape it has.

use crate::event_stream::Message;
use crate::json::{Object, Sort, items, parse_raw};

/// The parts of an error's body. Empty strings stand for what is not said.
#[derive(Clone, Debug, Default)]
pub(crate) struct ErrorBody {
    pub(crate) message: String,
    pub(crate) kind: String,
    pub(crate) code: String,
    /// A status given as a number inside the body, as some do in streams.
    pub(crate) status: Option<u16>,
    pub(crate) param: Option<String>,
    /// The reason or error code in the details.
    pub(crate) reason: String,
    pub(crate) retry_delay: Option<String>,
    pub(crate) request_id: Option<String>,
}

/// No more of a provider's words than this is kept.
const MESSAGE_LIMIT_BYTES: usize = 1024;

impl ErrorBody {
    /// Reads a body; `None` when it is not a JSON object (or an array that begins with one).
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let raw = parse_raw(std::str::from_utf8(body).ok()?)?;
        let outer = match Sort::of(raw) {
            Sort::Array => Object::of(items(raw)?.into_iter().next()?)?,
            _ => Object::of(raw)?,
        };
        let mut said = match outer.object("error") {
            Some(error) => Self::of_error(&error),
            None => Self::of_error(&outer),
        };
        if said.message.is_empty() {
            said.message = bounded(&loose_message(&outer));
        }
        said.request_id = outer.string("request_id").map(Into::into);
        Some(said)
    }

    /// Reads the exception that ends a stream of Amazon's.
    pub(crate) fn of_message(message: &Message) -> Self {
        let mut said = Self::read(&message.payload).unwrap_or_default();
        if said.message.is_empty() {
            said.message = bounded(&message.error);
        }
        said.kind.clone_from(&message.kind);
        said
    }

    fn of_error(error: &Object<'_>) -> Self {
        let string = |name| error.string(name).unwrap_or_default().into_owned();
        let code = error.get("code");
        let number = error
            .number("code")
            .or_else(|| error.string("code").and_then(|code| code.parse().ok()))
            .or_else(|| error.number("status_code"));
        let mut kind = string("type");
        if kind.is_empty() {
            kind = string("status");
        }
        let mut said = Self {
            message: bounded(&string("message")),
            kind,
            code: code
                .filter(|raw| Sort::of(raw) == Sort::String)
                .map(|_| string("code"))
                .unwrap_or_default(),
            status: number
                .and_then(|number| u16::try_from(number).ok())
                .filter(|status| (400..600).contains(status)),
            param: error.string("param").map(Into::into),
            ..Self::default()
        };
        match error.get("details").and_then(items) {
            Some(details) => details
                .into_iter()
                .filter_map(Object::of)
                .for_each(|detail| said.take_detail(&detail)),
            None => {
                if let Some(detail) = error.object("details") {
                    said.take_detail(&detail);
                }
            }
        }
        said
    }

    fn take_detail(&mut self, detail: &Object<'_>) {
        for name in ["reason", "error_code"] {
            if let Some(reason) = detail.string(name) {
                self.reason = reason.into_owned();
            }
        }
        if let Some(delay) = detail.string("retryDelay") {
            self.retry_delay = Some(delay.into_owned());
        }
    }
}

/// Finds words in the shapes that have no `error` object: `{"error": "…"}`, `{"detail": "…"}` and
/// `{"detail": [{"loc": […], "msg": "…"}]}`.
fn loose_message(outer: &Object<'_>) -> String {
    for name in ["error", "detail", "message"] {
        if let Some(text) = outer.string(name) {
            return text.into_owned();
        }
    }
    let details = outer.get("detail").and_then(items).unwrap_or_default();
    let messages: Vec<_> = details
        .into_iter()
        .filter_map(Object::of)
        .filter_map(|detail| detail.string("msg"))
        .collect();
    messages.join("; ")
}

fn bounded(message: &str) -> String {
    let end = message.floor_char_boundary(MESSAGE_LIMIT_BYTES);
    message.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::ErrorBody;

    #[track_caller]
    fn check(body: &str, message: &str) {
        assert_eq!(ErrorBody::read(body.as_bytes()).unwrap().message, message);
    }

    #[test]
    fn the_words_are_found_in_every_shape() {
        check(r#"{"error":{"message":"m","type":"t"}}"#, "m");
        check(
            r#"{"type":"error","error":{"type":"t","message":"m"}}"#,
            "m",
        );
        check(r#"[{"error":{"message":"m"}}]"#, "m");
        check(r#"{"object":"error","message":"m","code":400}"#, "m");
        check(r#"{"error":"m"}"#, "m");
        check(r#"{"detail":"m"}"#, "m");
        check(r#"{"detail":[{"msg":"a"},{"msg":"b"}]}"#, "a; b");
        check("{}", "");
    }

    #[test]
    fn what_is_no_object_says_nothing() {
        for body in [
            &b""[..],
            b"<html>",
            b"\xff",
            b"[]",
            b"[1]",
            b"3",
            b"{\"a\":",
        ] {
            assert!(ErrorBody::read(body).is_none());
        }
    }

    #[test]
    fn words_are_bounded_at_a_character() {
        let body = format!(r#"{{"message":"{}"}}"#, "é".repeat(2_000));
        assert_eq!(
            ErrorBody::read(body.as_bytes()).unwrap().message.len(),
            1024
        );
    }
}
