//! One row a provider.

use crate::continuation::{Prefill, Prefills};
use crate::dialect::Dialect;
use crate::table::{
    Auth, AuthScheme, CallIds, DeveloperRole, Probe, Provider, Quirks, ResponsesApi, StreamUsage,
    TextParts, ToolIds,
};

const BEARER: Auth = Auth {
    header: "authorization",
    scheme: AuthScheme::Bearer,
};

const LIST_MODELS: Probe = Probe {
    method: "GET",
    path: "/models",
    status: 200,
};

/// A provider that speaks OpenAI's dialect at the usual paths.
const fn openai_like(name: &'static str, base_url: &'static str, quirks: Quirks) -> Provider {
    Provider {
        name,
        dialect: Dialect::OpenAiChat,
        base_url,
        chat_path: "/chat/completions",
        probe: LIST_MODELS,
        auth: BEARER,
        required_headers: &[],
        quirks,
        sells: &[],
        signed_as: None,
    }
}

/// The same, for a server of one's own that may ask for no credential.
const fn own_server(name: &'static str, base_url: &'static str, prefills: Prefills) -> Provider {
    Provider {
        auth: Auth {
            header: "authorization",
            scheme: AuthScheme::Optional,
        },
        ..openai_like(
            name,
            base_url,
            Quirks {
                prefills,
                ..Quirks::COMPATIBLE
            },
        )
    }
}

pub(super) const ALL: &[Provider] = &[
    openai_like(
        "openai",
        "https://api.openai.com/v1",
        Quirks {
            responses: ResponsesApi::Served,
            ..Quirks::NONE
        },
    ),
    Provider {
        name: "anthropic",
        dialect: Dialect::AnthropicMessages,
        base_url: "https://api.anthropic.com/v1",
        chat_path: "/messages",
        probe: LIST_MODELS,
        auth: Auth {
            header: "x-api-key",
            scheme: AuthScheme::Plain,
        },
        required_headers: &[("anthropic-version", "2023-06-01")],
        quirks: Quirks {
            tool_ids: ToolIds::Plain,
            prefills: Prefills::OlderClaude,
            ..Quirks::NONE
        },
        sells: &[],
        signed_as: None,
    },
    Provider {
        name: "gemini",
        dialect: Dialect::GeminiGenerate,
        base_url: "https://generativelanguage.googleapis.com/v1beta",
        // Each request's own path names its model.
        chat_path: "/models",
        probe: LIST_MODELS,
        auth: Auth {
            header: "x-goog-api-key",
            scheme: AuthScheme::Plain,
        },
        required_headers: &[],
        quirks: Quirks::NONE,
        sells: &[],
        signed_as: None,
    },
    Provider {
        // The credential is a key of AWS, by which requests are signed, or a key of Bedrock's.
        name: "bedrock",
        dialect: Dialect::BedrockConverse,
        base_url: "https://bedrock-runtime.{region}.amazonaws.com",
        // Each request's own path names its model.
        chat_path: "/model",
        // It lists no models at this host; a model that there is not is refused once the
        // credential is taken.
        probe: Probe {
            method: "POST",
            path: "/model/none/converse",
            status: 400,
        },
        auth: BEARER,
        required_headers: &[],
        quirks: Quirks {
            tool_ids: ToolIds::Plain,
            prefills: Prefills::OlderClaude,
            ..Quirks::NONE
        },
        sells: &["anthropic"],
        signed_as: Some("bedrock"),
    },
    Provider {
        name: "vertex",
        dialect: Dialect::GeminiGenerate,
        base_url: "https://{region}-aiplatform.googleapis.com/v1/projects/{project}/locations/{region}/publishers/google",
        chat_path: "/models",
        // Costs nothing, and refuses a body that is none once the credential is taken.
        probe: Probe {
            method: "POST",
            path: "/models/gemini-2.5-flash:countTokens",
            status: 400,
        },
        auth: BEARER,
        required_headers: &[],
        quirks: Quirks {
            call_ids: CallIds::Refused,
            ..Quirks::NONE
        },
        sells: &["gemini"],
        signed_as: None,
    },
    Provider {
        name: "vertex-anthropic",
        dialect: Dialect::AnthropicMessages,
        base_url: "https://{region}-aiplatform.googleapis.com/v1/projects/{project}/locations/{region}/publishers/anthropic",
        chat_path: "/models",
        probe: Probe {
            method: "POST",
            path: "/models/count-tokens:rawPredict",
            status: 400,
        },
        auth: BEARER,
        required_headers: &[],
        quirks: Quirks {
            tool_ids: ToolIds::Plain,
            version_in_body: Some("vertex-2023-10-16"),
            prefills: Prefills::OlderClaude,
            ..Quirks::NONE
        },
        sells: &["anthropic"],
        signed_as: None,
    },
    Provider {
        // Each customer has a host of their own: a target must give its base URL, such as
        // `https://NAME.openai.azure.com`.
        chat_path: "/openai/v1/chat/completions",
        probe: Probe {
            path: "/openai/v1/models",
            ..LIST_MODELS
        },
        auth: Auth {
            header: "api-key",
            scheme: AuthScheme::Plain,
        },
        sells: &["openai"],
        ..openai_like(
            "azure",
            "",
            Quirks {
                responses: ResponsesApi::Served,
                ..Quirks::NONE
            },
        )
    },
    openai_like(
        "mistral",
        "https://api.mistral.ai/v1",
        Quirks {
            tool_ids: ToolIds::NineAlphanumeric,
            stream_usage: StreamUsage::Always,
            any_tool: "any",
            prefills: Prefills::All(Prefill::Prefix),
            renamed: &[("seed", "random_seed")],
            refused: &[
                "logit_bias",
                "logprobs",
                "top_logprobs",
                "user",
                "store",
                "metadata",
                "service_tier",
                "reasoning_effort",
                "prompt_cache_key",
                "safety_identifier",
                "verbosity",
                "stream_options",
            ],
            ..Quirks::COMPATIBLE
        },
    ),
    openai_like(
        "groq",
        "https://api.groq.com/openai/v1",
        Quirks {
            refused: &[
                "logit_bias",
                "logprobs",
                "top_logprobs",
                "store",
                "metadata",
                "prompt_cache_key",
                "safety_identifier",
                "verbosity",
            ],
            ..Quirks::COMPATIBLE
        },
    ),
    openai_like(
        "deepseek",
        "https://api.deepseek.com/v1",
        Quirks {
            takes_reasoning_back: true,
            ..Quirks::COMPATIBLE
        },
    ),
    openai_like("xai", "https://api.x.ai/v1", Quirks::COMPATIBLE),
    openai_like(
        "openrouter",
        "https://openrouter.ai/api/v1",
        Quirks {
            text_parts: TextParts::Kept,
            ..Quirks::COMPATIBLE
        },
    ),
    openai_like(
        "together",
        "https://api.together.xyz/v1",
        Quirks::COMPATIBLE,
    ),
    openai_like(
        "fireworks",
        "https://api.fireworks.ai/inference/v1",
        Quirks::COMPATIBLE,
    ),
    openai_like(
        "cerebras",
        "https://api.cerebras.ai/v1",
        Quirks {
            refused: &[
                "frequency_penalty",
                "presence_penalty",
                "logit_bias",
                "store",
                "metadata",
            ],
            ..Quirks::COMPATIBLE
        },
    ),
    Provider {
        // It lists no models; a request without a body is refused once the credential is taken.
        probe: Probe {
            method: "POST",
            path: "/chat/completions",
            status: 400,
        },
        ..openai_like(
            "perplexity",
            "https://api.perplexity.ai",
            Quirks::COMPATIBLE,
        )
    },
    openai_like(
        "nvidia",
        "https://integrate.api.nvidia.com/v1",
        Quirks::COMPATIBLE,
    ),
    openai_like(
        "deepinfra",
        "https://api.deepinfra.com/v1/openai",
        Quirks::COMPATIBLE,
    ),
    openai_like(
        "huggingface",
        "https://router.huggingface.co/v1",
        Quirks::COMPATIBLE,
    ),
    Provider {
        name: "cohere",
        dialect: Dialect::CohereChat,
        base_url: "https://api.cohere.com",
        chat_path: "/v2/chat",
        probe: Probe {
            path: "/v1/models",
            ..LIST_MODELS
        },
        auth: BEARER,
        required_headers: &[],
        quirks: Quirks {
            developer_role: DeveloperRole::AsSystem,
            refused: &["strict"],
            ..Quirks::NONE
        },
        sells: &[],
        signed_as: None,
    },
    openai_like(
        "cohere-openai",
        "https://api.cohere.com/compatibility/v1",
        Quirks {
            refused: &[
                "logit_bias",
                "top_logprobs",
                "n",
                "parallel_tool_calls",
                "user",
                "store",
                "metadata",
                "service_tier",
                "prediction",
            ],
            ..Quirks::COMPATIBLE
        },
    ),
    Provider {
        sells: &["gemini"],
        ..openai_like(
            "gemini-openai",
            "https://generativelanguage.googleapis.com/v1beta/openai",
            Quirks {
                refused: &["store", "metadata", "logit_bias", "user", "service_tier"],
                ..Quirks::COMPATIBLE
            },
        )
    },
    own_server("ollama", "http://localhost:11434/v1", Prefills::Unknown),
    own_server(
        "vllm",
        "http://localhost:8000/v1",
        Prefills::All(Prefill::FinalMessage),
    ),
    own_server(
        "sglang",
        "http://localhost:30000/v1",
        Prefills::All(Prefill::FinalMessage),
    ),
    own_server(
        "llama.cpp",
        "http://localhost:8080/v1",
        Prefills::All(Prefill::LastMessage),
    ),
    own_server("lmstudio", "http://localhost:1234/v1", Prefills::Unknown),
    own_server(
        "openai-compatible",
        "http://localhost:8000/v1",
        Prefills::Unknown,
    ),
];
