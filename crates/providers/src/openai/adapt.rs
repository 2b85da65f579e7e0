//! Requests that stay in OpenAI's dialect and go to a provider that speaks it its own way.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::is_reasoning_model;
use crate::exchange::{Dropped, EncodeError, TargetTraits};
use crate::intake::Intake;
use crate::json::{Object, Text, Writer, items};
use crate::neutral::tool_names::fit_id;
use crate::table::{DeveloperRole, MaxTokensField, Quirks, StreamUsage, ToolIds};

/// Rewrites the fields that the provider has in another way, and returns `None` when there is
/// nothing to rewrite. The values of all other fields keep their bytes.
pub(crate) fn adapt_request(
    body: &Bytes,
    intake: &Intake,
    to: &TargetTraits<'_>,
    dropped: &mut Dropped,
) -> Result<Option<Bytes>, EncodeError> {
    let quirks = to.quirks;
    let responses = quirks.responses;
    let is_plain = *quirks
        == Quirks {
            responses,
            ..Quirks::NONE
        };
    if is_plain && !is_reasoning_model(to.model) {
        return Ok(None);
    }
    let malformed = |_| EncodeError::new("body", "must be a JSON object");
    let text = std::str::from_utf8(body).map_err(|_| EncodeError::new("body", "must be UTF-8"))?;
    let fields: Object<'_> = serde_json::from_str(text).map_err(malformed)?;
    let adapter = Adapter {
        to,
        names_both: fields.get("max_tokens").is_some()
            && fields.get("max_completion_tokens").is_some(),
    };
    if fields.iter().all(|(name, raw)| adapter.leaves(name, raw)) {
        return Ok(None);
    }
    let mut out = Writer::with_capacity(body.len() + 64);
    out.object(|out| {
        out.key("model").str(to.model);
        for (name, raw) in fields.iter().filter(|(name, _)| *name != "model") {
            adapter.write(name, raw, dropped, out);
        }
        let asks = intake.is_stream() && quirks.stream_usage == StreamUsage::Asked;
        if asks {
            let given = fields.get("stream_options").map(|raw| raw.get().as_bytes());
            out.key("stream_options").verbatim(&usage_option(given));
        }
    });
    Ok(Some(out.into_bytes()))
}

/// Writes `stream_options` with usage asked for, its other fields kept.
pub(crate) fn usage_option(given: Option<&[u8]>) -> String {
    let given = given
        .and_then(|given| std::str::from_utf8(given).ok())
        .and_then(|given| serde_json::from_str::<Object<'_>>(given).ok())
        .unwrap_or_default();
    let mut out = Writer::with_capacity(48);
    out.object(|out| {
        out.key("include_usage").bool(true);
        for (name, raw) in given.iter().filter(|(name, _)| *name != "include_usage") {
            out.key(name).raw(raw);
        }
    });
    out.into_string()
}

struct Adapter<'a> {
    to: &'a TargetTraits<'a>,
    /// Whether both names of the bound on output tokens are given.
    names_both: bool,
}

impl Adapter<'_> {
    /// Tells whether a field can stay as it is.
    fn leaves(&self, name: &str, raw: &RawValue) -> bool {
        let quirks = self.to.quirks;
        if name == "messages" {
            return !self.touches_messages(raw);
        }
        !quirks.refused.contains(&name)
            && self.sent_name(name) == Some(name)
            && !(name == "tool_choice"
                && raw.get() == "\"required\""
                && quirks.any_tool != "required")
    }

    /// The name a field is sent under; `None` when it is not sent.
    fn sent_name<'n>(&self, name: &'n str) -> Option<&'n str> {
        let quirks = self.to.quirks;
        let to_older = quirks.max_tokens == MaxTokensField::MaxTokens;
        match name {
            "max_completion_tokens" if to_older => Some("max_tokens"),
            "max_tokens" if to_older && self.names_both => None,
            "max_tokens" if !to_older && is_reasoning_model(self.to.model) => {
                (!self.names_both).then_some("max_completion_tokens")
            }
            _ => Some(
                quirks
                    .renamed
                    .iter()
                    .find(|(from, _)| *from == name)
                    .map_or(name, |(_, to)| to),
            ),
        }
    }

    fn write(&self, name: &str, raw: &RawValue, dropped: &mut Dropped, out: &mut Writer) {
        let quirks = self.to.quirks;
        // Written anew where it is wanted.
        if name == "stream_options" {
            return;
        }
        if quirks.refused.contains(&name) {
            if raw.get() != "null" {
                dropped.note(name);
            }
            return;
        }
        let Some(sent) = self.sent_name(name) else {
            return;
        };
        match name {
            "messages" if self.touches_messages(raw) => {
                out.key(sent).array(|out| {
                    for raw in items(raw).unwrap_or_default() {
                        self.write_message(raw, out);
                    }
                });
            }
            "tool_choice" if raw.get() == "\"required\"" => {
                out.key(sent).str(quirks.any_tool);
            }
            _ => {
                out.key(sent).raw(raw);
            }
        }
    }

    /// A look at the bytes, to parse no conversation that needs no change.
    fn touches_messages(&self, raw: &RawValue) -> bool {
        let has =
            |needle: &str| memchr::memmem::find(raw.get().as_bytes(), needle.as_bytes()).is_some();
        (self.to.quirks.developer_role == DeveloperRole::AsSystem && has("\"developer\""))
            || (self.to.quirks.tool_ids != ToolIds::Any && has("\"tool_call"))
    }

    fn write_message(&self, raw: &RawValue, out: &mut Writer) {
        let Some(message) = Object::of(raw) else {
            out.raw(raw);
            return;
        };
        out.object(|out| {
            for (name, raw) in message.iter() {
                out.key(name);
                let is_role = name == "role" && raw.get() == "\"developer\"";
                if is_role && self.to.quirks.developer_role == DeveloperRole::AsSystem {
                    out.str("system");
                } else if name == "tool_call_id" {
                    self.write_id(raw, out);
                } else if let ("tool_calls", Some(calls)) = (name, items(raw)) {
                    out.array(|out| calls.into_iter().for_each(|raw| self.write_call(raw, out)));
                } else {
                    out.raw(raw);
                }
            }
        });
    }

    fn write_call(&self, raw: &RawValue, out: &mut Writer) {
        let Some(call) = Object::of(raw) else {
            out.raw(raw);
            return;
        };
        out.object(|out| {
            for (name, raw) in call.iter() {
                out.key(name);
                if name == "id" {
                    self.write_id(raw, out);
                } else {
                    out.raw(raw);
                }
            }
        });
    }

    fn write_id(&self, raw: &RawValue, out: &mut Writer) {
        match Text::of(raw) {
            Some(id) => out.str(&fit_id(&id.decoded(), self.to.quirks.tool_ids)),
            None => out.raw(raw),
        };
    }
}
