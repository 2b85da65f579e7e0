//! The pages of `docs/providers` that are written from the code.
//!
//! `UPDATE_GOLDEN=1 cargo test -p ai-gateway-providers matrix` writes them anew.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use ai_gateway_providers::{
    AuthScheme, CallIds, Catalogue, Dialect, MaxTokensField, Provider, ResponsesApi, Surface,
    ToolIds, provider, provider_names,
};

use crate::golden::UPDATES;

#[track_caller]
pub(crate) fn check(page: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/providers")
        .join(page);
    if UPDATES {
        fs::write(&path, text).unwrap();
    }
    assert_eq!(
        fs::read_to_string(&path).unwrap_or_default(),
        text,
        "{}",
        path.display()
    );
}

const SURFACES: [(Surface, &str); 8] = [
    (Surface::ChatCompletions, "`POST /v1/chat/completions`"),
    (Surface::Responses, "`POST /v1/responses`"),
    (Surface::Messages, "`POST /v1/messages`"),
    (
        Surface::GenerateContent,
        "`POST /v1beta/models/{model}:generateContent`",
    ),
    (
        Surface::StreamGenerateContent,
        "`POST /v1beta/models/{model}:streamGenerateContent`",
    ),
    (Surface::Completions, "`POST /v1/completions`"),
    (Surface::Embeddings, "`POST /v1/embeddings`"),
    (Surface::CountTokens, "`POST /v1/messages/count_tokens`"),
];

const DIALECTS: [Dialect; 6] = [
    Dialect::OpenAiChat,
    Dialect::OpenAiResponses,
    Dialect::AnthropicMessages,
    Dialect::GeminiGenerate,
    Dialect::BedrockConverse,
    Dialect::CohereChat,
];

pub(crate) fn quirks(provider: &Provider) -> String {
    let quirks = &provider.quirks;
    let mut notes = Vec::new();
    if quirks.max_tokens == MaxTokensField::MaxTokens {
        notes.push("`max_tokens` only".to_owned());
    }
    if quirks.tool_ids == ToolIds::NineAlphanumeric {
        notes.push("tool call ids of nine characters".to_owned());
    }
    if quirks.responses == ResponsesApi::Served {
        notes.push("has the Responses API".to_owned());
    }
    if quirks.takes_reasoning_back {
        notes.push("gets `reasoning_content` back".to_owned());
    }
    if quirks.call_ids == CallIds::Refused {
        notes.push("no `id` of calls".to_owned());
    }
    for (from, to) in quirks.renamed {
        notes.push(format!("`{from}` as `{to}`"));
    }
    if !quirks.refused.is_empty() {
        notes.push(format!("without `{}`", quirks.refused.join("`, `")));
    }
    notes.join("; ")
}

pub(crate) fn auth(provider: &Provider) -> String {
    let header = provider.auth.header;
    match provider.auth.scheme {
        AuthScheme::Bearer => format!("`{header}: Bearer …`"),
        AuthScheme::Plain => format!("`{header}: …`"),
        AuthScheme::Optional => "none needed".to_owned(),
    }
}

#[test]
fn the_page_of_the_matrix_says_what_the_code_does() {
    let mut page = String::from(
        "# Who speaks what\n\nWritten from the code; a test keeps it true.\n\n## Calls and targets\n\nThe same dialect on both sides passes through byte for byte, but for the model. Others are translated both ways, streams included.\n\n| a client calls | ",
    );
    for dialect in DIALECTS {
        write!(page, "`{}` | ", dialect.as_str()).unwrap();
    }
    page.push_str("\n|---|");
    page.push_str(&"---|".repeat(DIALECTS.len()));
    for (surface, call) in SURFACES {
        write!(page, "\n| {call} | ").unwrap();
        for dialect in DIALECTS {
            let cell = match (surface.reaches(dialect), surface.dialect() == dialect) {
                (true, true) => "passes through",
                (true, false) if surface.is_conversation() => "translated",
                (true, false) => "passes through",
                (false, _) => "–",
            };
            write!(page, "{cell} | ").unwrap();
        }
    }
    page.push_str("\n\n## Providers\n\n| `provider` | dialect | base URL | credential | probe | differs in |\n|---|---|---|---|---|---|\n");
    for provider in provider_names().filter_map(provider) {
        let base = match provider.base_url {
            "" => "the target's `base_url`".to_owned(),
            base => format!("`{base}`"),
        };
        writeln!(
            page,
            "| [`{}`]({}.md) | `{}` | {base} | {} | `{} {}` → {:?} | {} |",
            provider.name,
            provider.name,
            provider.dialect.as_str(),
            auth(provider),
            provider.probe.method,
            provider.probe.path,
            provider.probe.status,
            quirks(provider),
        )
        .unwrap();
    }
    page.push_str("\nOn its way to a provider with `max_tokens` only, the role `developer` becomes `system`; in a translated request several pieces of text become one.\n\n## Models\n\nFrom the catalogue that comes with the gateway. Prices change; your own catalogue goes over these.\n\n| provider | model | context | longest answer | a million tokens in and out, US$ |\n|---|---|---|---|---|\n");
    for model in Catalogue::builtin().iter() {
        let price = model.price.per_million_micro_usd();
        writeln!(
            page,
            "| `{}` | `{}` | {} | {} | {}.{:03} |",
            model.provider,
            model.id,
            model.context_tokens,
            model.max_output_tokens,
            price / 1_000_000,
            price % 1_000_000 / 1_000,
        )
        .unwrap();
    }
    check("matrix.md", &page);
}
