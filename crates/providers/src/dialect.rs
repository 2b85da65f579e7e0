//! The wire formats, and the calls of a client that they belong to.

use crate::{gemini, models};

/// A wire format for conversations with a model.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Dialect {
    /// OpenAI's chat completions, and what many other providers speak.
    OpenAiChat,
    /// Anthropic's messages.
    AnthropicMessages,
    /// OpenAI's responses.
    OpenAiResponses,
    /// Google's generateContent, of the Gemini API and of Vertex AI.
    GeminiGenerate,
    /// Converse, of Amazon Bedrock. Spoken by targets alone.
    BedrockConverse,
    /// Cohere's chat, version 2. Spoken by targets alone.
    CohereChat,
}

impl Dialect {
    /// Names the dialect, for logs and settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAiChat => "openai-chat",
            Self::AnthropicMessages => "anthropic-messages",
            Self::OpenAiResponses => "openai-responses",
            Self::GeminiGenerate => "gemini-generate",
            Self::BedrockConverse => "bedrock-converse",
            Self::CohereChat => "cohere-chat",
        }
    }
}

/// What a client called.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Surface {
    /// `POST /v1/chat/completions`.
    ChatCompletions,
    /// `POST /v1/responses`.
    Responses,
    /// `POST /v1/completions`, the older form; only targets that speak OpenAI's dialect have it.
    Completions,
    /// `POST /v1/embeddings`; only targets that speak OpenAI's dialect have it.
    Embeddings,
    /// `POST /v1/messages`.
    Messages,
    /// `POST /v1/messages/count_tokens`; only targets that speak Anthropic's dialect have it, and
    /// [`estimate_tokens`](crate::estimate_tokens) stands in for the others.
    CountTokens,
    /// `POST /v1beta/models/{model}:generateContent`, which names its model in the path.
    GenerateContent,
    /// `POST /v1beta/models/{model}:streamGenerateContent`, the same as a stream of events.
    StreamGenerateContent,
    /// `GET /v1/models`, and `GET /v1beta/models` of Google's, which the gateway answers by itself.
    Models,
    /// `GET /v1/models/{model}`, and `GET /v1beta/models/{model}` of Google's, which the gateway
    /// answers by itself too.
    Model,
    /// Any other call: passed through, never translated.
    Other,
}

impl Surface {
    /// Tells the surface from a request's method and path.
    ///
    /// The path may lack its `/v1`, end in `/` and carry a query.
    pub fn of(method: &str, path: &str) -> Self {
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        let path = path.trim_end_matches('/');
        let call = path.strip_prefix("/v1").unwrap_or(path);
        match (method, call) {
            ("POST", "/chat/completions") => Self::ChatCompletions,
            ("POST", "/responses") => Self::Responses,
            ("POST", "/completions") => Self::Completions,
            ("POST", "/embeddings") => Self::Embeddings,
            ("POST", "/messages") => Self::Messages,
            ("POST", "/messages/count_tokens") => Self::CountTokens,
            ("GET", "/models") => Self::Models,
            ("GET", _) if path == GOOGLE_MODELS => Self::Models,
            ("GET", _) if models::model_of_path(path).is_some() => Self::Model,
            ("POST", _) => match gemini::path::read(path) {
                Some((_, false)) => Self::GenerateContent,
                Some((_, true)) => Self::StreamGenerateContent,
                None => Self::Other,
            },
            _ => Self::Other,
        }
    }

    /// Returns the dialect the client speaks, which errors made by the gateway take too.
    ///
    /// A call that is not known counts as OpenAI's.
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::Messages | Self::CountTokens => Dialect::AnthropicMessages,
            Self::Responses => Dialect::OpenAiResponses,
            Self::GenerateContent | Self::StreamGenerateContent => Dialect::GeminiGenerate,
            Self::ChatCompletions
            | Self::Completions
            | Self::Embeddings
            | Self::Models
            | Self::Model
            | Self::Other => Dialect::OpenAiChat,
        }
    }

    /// Tells whether a target that speaks `target` can serve this call: conversations can be
    /// translated, every other call needs a target of the client's own dialect.
    pub fn reaches(self, target: Dialect) -> bool {
        self.is_conversation() || self.dialect() == target
    }

    /// Tells whether the call is a conversation, which can be translated between dialects.
    pub const fn is_conversation(self) -> bool {
        matches!(
            self,
            Self::ChatCompletions
                | Self::Responses
                | Self::Messages
                | Self::GenerateContent
                | Self::StreamGenerateContent
        )
    }

    /// Returns where a target serves this call, given the path where it serves conversations:
    /// `/v1/chat/completions` becomes `/v1/embeddings`. A path that does not end as its dialect's
    /// paths do is returned as it is.
    pub fn target_path(self, dialect: Dialect, conversation_path: &str) -> String {
        let (end, own) = match (dialect, self) {
            (Dialect::OpenAiChat, Self::Completions) => ("/chat/completions", "/completions"),
            (Dialect::OpenAiChat, Self::Embeddings) => ("/chat/completions", "/embeddings"),
            (Dialect::OpenAiChat, Self::Models) => ("/chat/completions", "/models"),
            (Dialect::AnthropicMessages, Self::CountTokens) => {
                ("/messages", "/messages/count_tokens")
            }
            (Dialect::AnthropicMessages, Self::Models) => ("/messages", "/models"),
            _ => return conversation_path.to_owned(),
        };
        conversation_path.strip_suffix(end).map_or_else(
            || conversation_path.to_owned(),
            |base| format!("{base}{own}"),
        )
    }
}

/// Where Google's clients ask for models.
const GOOGLE_MODELS: &str = "/v1beta/models";

/// Tells the dialect of a target from the end of its path, when no provider is named.
///
/// `None` when the path says nothing; OpenAI's chat completions are then the best guess.
pub fn dialect_of_path(path: &str) -> Option<Dialect> {
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    let path = path.trim_end_matches('/');
    if path.ends_with("/chat/completions") {
        Some(Dialect::OpenAiChat)
    } else if path.ends_with("/responses") {
        Some(Dialect::OpenAiResponses)
    } else if path.ends_with("/messages") {
        Some(Dialect::AnthropicMessages)
    } else if path.ends_with(":generateContent") || path.ends_with(":streamGenerateContent") {
        Some(Dialect::GeminiGenerate)
    } else if path.ends_with("/converse") || path.ends_with("/converse-stream") {
        Some(Dialect::BedrockConverse)
    } else if path.ends_with("/v2/chat") {
        Some(Dialect::CohereChat)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Dialect, Surface, dialect_of_path};

    #[test]
    fn the_surface_follows_from_method_and_whole_path() {
        let of = Surface::of;
        assert_eq!(of("POST", "/v1/chat/completions"), Surface::ChatCompletions);
        assert_eq!(of("POST", "/chat/completions/"), Surface::ChatCompletions);
        assert_eq!(of("POST", "/v1/messages?beta=true"), Surface::Messages);
        assert_eq!(
            of("POST", "/v1/messages/count_tokens"),
            Surface::CountTokens
        );
        assert_eq!(of("GET", "/v1/models"), Surface::Models);
        assert_eq!(of("GET", "/v1beta/models?pageSize=50"), Surface::Models);
        assert_eq!(of("POST", "/v1beta/models"), Surface::Other);
        assert_eq!(of("GET", "/v1/models/gpt-4o"), Surface::Model);
        assert_eq!(of("GET", "/v1beta/models/m"), Surface::Model);
        assert_eq!(of("DELETE", "/v1/models/ft:gpt-4o"), Surface::Other);
        assert_eq!(of("GET", "/v1/models/"), Surface::Models);
        assert_eq!(
            of("POST", "/v1beta/models/m:generateContent"),
            Surface::GenerateContent
        );
        assert_eq!(
            of("GET", "/v1beta/models/m:generateContent"),
            Surface::Model
        );
        assert_eq!(of("GET", "/v1/chat/completions"), Surface::Other);
        assert_eq!(of("POST", "/v1/threads/t1/messages"), Surface::Other);
        assert_eq!(of("POST", "/v1x/messages"), Surface::Other);
    }

    #[test]
    fn a_target_serves_other_calls_beside_its_conversations() {
        let path = |surface: Surface, path| surface.target_path(Dialect::OpenAiChat, path);
        assert_eq!(
            path(Surface::Embeddings, "/openai/v1/chat/completions"),
            "/openai/v1/embeddings"
        );
        assert_eq!(
            path(Surface::ChatCompletions, "/v1/chat/completions"),
            "/v1/chat/completions"
        );
        assert_eq!(path(Surface::Embeddings, "/own"), "/own");
    }

    #[test]
    fn the_end_of_a_path_tells_the_dialect() {
        assert_eq!(
            dialect_of_path("/v1/messages"),
            Some(Dialect::AnthropicMessages)
        );
        assert_eq!(
            dialect_of_path("/x/chat/completions?v=1"),
            Some(Dialect::OpenAiChat)
        );
        assert_eq!(dialect_of_path("/api"), None);
    }
}
