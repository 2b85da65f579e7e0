//! The list of models, in a client's shape.

use bytes::Bytes;
use jiff::Timestamp;

use crate::dialect::Dialect;
use crate::json::Writer;

/// One model that a client may ask for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ModelEntry {
    /// The name to ask for.
    pub id: String,
    /// Who serves it: a provider's name.
    pub owned_by: String,
    /// When it was made known, in seconds since 1970 (UTC).
    pub created: u64,
}

/// Writes the answer to `GET /v1/models` in the client's shape.
pub fn render_models(client: Dialect, models: &[ModelEntry]) -> Bytes {
    let mut out = Writer::with_capacity(64 + 96 * models.len());
    match client {
        Dialect::AnthropicMessages => anthropic(models, &mut out),
        Dialect::OpenAiChat
        | Dialect::OpenAiResponses
        | Dialect::BedrockConverse
        | Dialect::CohereChat => openai(models, &mut out),
        Dialect::GeminiGenerate => gemini(models, &mut out),
    }
    out.into_bytes()
}

fn openai(models: &[ModelEntry], out: &mut Writer) {
    out.object(|out| {
        out.key("object").str("list");
        out.key("data").array(|out| {
            for model in models {
                out.object(|out| {
                    out.key("id").str(&model.id);
                    out.key("object").str("model");
                    out.key("created").number(model.created);
                    out.key("owned_by").str(&model.owned_by);
                });
            }
        });
    });
}

fn gemini(models: &[ModelEntry], out: &mut Writer) {
    out.object(|out| {
        out.key("models").array(|out| {
            for model in models {
                out.object(|out| {
                    out.key("name").str(&format!("models/{}", model.id));
                    out.key("displayName").str(&model.id);
                    out.key("supportedGenerationMethods")
                        .verbatim(r#"["generateContent","streamGenerateContent"]"#);
                });
            }
        });
    });
}

fn anthropic(models: &[ModelEntry], out: &mut Writer) {
    let id = |out: &mut Writer, model: Option<&ModelEntry>| {
        match model {
            Some(model) => out.str(&model.id),
            None => out.null(),
        };
    };
    out.object(|out| {
        out.key("data").array(|out| {
            for model in models {
                out.object(|out| {
                    out.key("type").str("model");
                    out.key("id").str(&model.id);
                    out.key("display_name").str(&model.id);
                    out.key("created_at").str(&timestamp(model.created));
                });
            }
        });
        out.key("has_more").bool(false);
        id(out.key("first_id"), models.first());
        id(out.key("last_id"), models.last());
    });
}

/// Writes seconds since 1970 as RFC 3339 does; a time beyond the calendar is its beginning.
fn timestamp(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or_default();
    let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    time.to_string()
}

#[cfg(test)]
mod tests {
    use super::{ModelEntry, render_models, timestamp};
    use crate::dialect::Dialect;

    fn entry(id: &str) -> ModelEntry {
        ModelEntry {
            id: id.to_owned(),
            owned_by: "openai".to_owned(),
            created: 1_709_210_096,
        }
    }

    #[test]
    fn each_dialect_lists_models_in_its_own_shape() {
        let models = [entry("a"), entry("b")];
        assert_eq!(
            render_models(Dialect::OpenAiChat, &models[..1]),
            r#"{"object":"list","data":[{"id":"a","object":"model","created":1709210096,"owned_by":"openai"}]}"#
        );
        assert_eq!(
            render_models(Dialect::AnthropicMessages, &models[..1]),
            r#"{"data":[{"type":"model","id":"a","display_name":"a","created_at":"2024-02-29T12:34:56Z"}],"has_more":false,"first_id":"a","last_id":"a"}"#
        );
        assert_eq!(
            render_models(Dialect::AnthropicMessages, &[]),
            r#"{"data":[],"has_more":false,"first_id":null,"last_id":null}"#
        );
    }

    #[test]
    fn seconds_become_dates() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(1_709_210_096), "2024-02-29T12:34:56Z");
        assert_eq!(timestamp(1_709_251_200), "2024-03-01T00:00:00Z");
        assert_eq!(timestamp(4_102_444_799), "2099-12-31T23:59:59Z");
        assert_eq!(timestamp(u64::MAX), "1970-01-01T00:00:00Z");
    }
}
