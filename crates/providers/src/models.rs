//! The list of models, and one of them, in a client's shape.

use std::borrow::Cow;

use bytes::Bytes;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;

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
    /// How many tokens it takes and gives, where that is known.
    pub limits: Option<ModelLimits>,
}

/// How many tokens a model takes and gives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ModelLimits {
    /// A conversation's, its answer included.
    pub context_tokens: u32,
    /// An answer's.
    pub max_output_tokens: u32,
}

impl ModelLimits {
    /// What holds for both: the lesser of each.
    #[must_use]
    pub fn least(self, other: Self) -> Self {
        Self {
            context_tokens: self.context_tokens.min(other.context_tokens),
            max_output_tokens: self.max_output_tokens.min(other.max_output_tokens),
        }
    }
}

/// Tells the model that the path of `GET /v1/models/{model}`, or of Google's
/// `GET /v1beta/models/{model}`, names; `None` for the path of the whole list.
pub fn model_of_path(path: &str) -> Option<Cow<'_, str>> {
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    let path = path.trim_end_matches('/');
    let version = ["/v1beta", "/v1"];
    let call = version
        .iter()
        .find_map(|version| path.strip_prefix(version));
    let model = call.unwrap_or(path).strip_prefix("/models/")?;
    Some(percent_decode_str(model).decode_utf8_lossy())
}

/// Writes the answer to `GET /v1/models/{model}` in the client's shape.
pub fn render_model(client: Dialect, model: &ModelEntry) -> Bytes {
    let mut out = Writer::with_capacity(160);
    match client {
        Dialect::AnthropicMessages => anthropic_entry(model, &mut out),
        Dialect::OpenAiChat
        | Dialect::OpenAiResponses
        | Dialect::BedrockConverse
        | Dialect::CohereChat => openai_entry(model, &mut out),
        Dialect::GeminiGenerate => gemini_entry(model, &mut out),
    }
    out.into_bytes()
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
                openai_entry(model, out);
            }
        });
    });
}

fn openai_entry(model: &ModelEntry, out: &mut Writer) {
    out.object(|out| {
        out.key("id").str(&model.id);
        out.key("object").str("model");
        out.key("created").number(model.created);
        out.key("owned_by").str(&model.owned_by);
    });
}

fn gemini(models: &[ModelEntry], out: &mut Writer) {
    out.object(|out| {
        out.key("models").array(|out| {
            for model in models {
                gemini_entry(model, out);
            }
        });
    });
}

fn gemini_entry(model: &ModelEntry, out: &mut Writer) {
    out.object(|out| {
        out.key("name").str(&format!("models/{}", model.id));
        out.key("displayName").str(&model.id);
        if let Some(limits) = model.limits {
            out.key("inputTokenLimit")
                .number(limits.context_tokens.into());
            out.key("outputTokenLimit")
                .number(limits.max_output_tokens.into());
        }
        out.key("supportedGenerationMethods")
            .verbatim(r#"["generateContent","streamGenerateContent"]"#);
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
                anthropic_entry(model, out);
            }
        });
        out.key("has_more").bool(false);
        id(out.key("first_id"), models.first());
        id(out.key("last_id"), models.last());
    });
}

fn anthropic_entry(model: &ModelEntry, out: &mut Writer) {
    out.object(|out| {
        out.key("type").str("model");
        out.key("id").str(&model.id);
        out.key("display_name").str(&model.id);
        out.key("created_at").str(&timestamp(model.created));
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
    use super::{ModelEntry, ModelLimits, model_of_path, render_model, render_models, timestamp};
    use crate::dialect::Dialect;

    fn entry(id: &str) -> ModelEntry {
        ModelEntry {
            id: id.to_owned(),
            owned_by: "openai".to_owned(),
            created: 1_709_210_096,
            limits: None,
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
    fn one_model_has_the_shape_that_it_has_in_the_list() {
        let mut model = entry("a");
        let limits = |context_tokens, max_output_tokens| ModelLimits {
            context_tokens,
            max_output_tokens,
        };
        model.limits = Some(limits(100, 20).least(limits(90, 30)));
        for dialect in [
            Dialect::OpenAiChat,
            Dialect::AnthropicMessages,
            Dialect::GeminiGenerate,
        ] {
            let one = render_model(dialect, &model);
            let list = render_models(dialect, std::slice::from_ref(&model));
            let one = str::from_utf8(&one).unwrap();
            assert!(str::from_utf8(&list).unwrap().contains(one), "{one}");
        }
        assert_eq!(
            render_model(Dialect::GeminiGenerate, &model),
            r#"{"name":"models/a","displayName":"a","inputTokenLimit":90,"outputTokenLimit":20,"supportedGenerationMethods":["generateContent","streamGenerateContent"]}"#
        );
    }

    #[test]
    fn a_path_names_a_model_or_all_of_them() {
        let check = |path, model: Option<&str>| assert_eq!(model_of_path(path).as_deref(), model);
        check("/v1/models/gpt-4o", Some("gpt-4o"));
        check("/v1beta/models/gemini-2.5-pro/?x=1", Some("gemini-2.5-pro"));
        check("/models/meta/llama%203", Some("meta/llama 3"));
        check("/v1/models", None);
        check("/v1/models/", None);
        check("/v1beta/models", None);
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
