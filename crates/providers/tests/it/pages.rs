//! The pages of `docs/providers`, one a provider, written from the table.
//!
//! `UPDATE_GOLDEN=1 cargo test -p ai-gateway-providers pages` writes them anew. That their targets
//! work is tested where targets are made: in the proxy.

use std::fmt::Write as _;

use ai_gateway_providers::{
    AuthScheme, Catalogue, Dialect, Provider, Surface, provider, provider_names,
};
use serde_json::{Value, json};

use crate::matrix::{auth, check, quirks};

/// A model to show, for providers of which the catalogue knows none.
fn model(provider: &Provider) -> String {
    let known = match provider.name {
        "bedrock" => "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "vertex-anthropic" => "claude-sonnet-4-5@20250929",
        "cohere" | "cohere-openai" => "command-a-03-2025",
        "openrouter" => "openai/gpt-4o-mini",
        "together" | "deepinfra" | "huggingface" => "meta-llama/Llama-3.3-70B-Instruct",
        "fireworks" => "accounts/fireworks/models/llama-v3p3-70b-instruct",
        "cerebras" => "llama-3.3-70b",
        "perplexity" => "sonar",
        "nvidia" => "meta/llama-3.3-70b-instruct",
        "ollama" => "llama3.2",
        _ => "",
    };
    if !known.is_empty() {
        return known.to_owned();
    }
    let sold = |of: &str| of == provider.name || provider.sells.contains(&of);
    Catalogue::builtin()
        .iter()
        .find(|model| sold(&model.provider))
        .map_or_else(|| "your-model".to_owned(), |model| model.id.clone())
}

fn target(provider: &Provider) -> Value {
    let model = model(provider);
    let mut target = json!({ "provider": provider.name });
    if provider.base_url.is_empty() {
        target["base_url"] = json!("https://NAME.openai.azure.com");
    }
    for part in provider.parts() {
        target[part] = match (part, provider.signed_as) {
            ("region", Some(_)) => json!("us-east-1"),
            ("region", None) => json!("europe-west4"),
            _ => json!("my-project"),
        };
    }
    target["models"] = json!([&model]);
    target["default_model"] = json!(model);
    let variable = format!(
        "{}_KEY",
        provider.name.replace(['-', '.'], "_").to_uppercase()
    );
    let value = match provider.auth.scheme {
        _ if provider.signed_as.is_some() => {
            target["credentials"] = json!({
                "aws_access_key_id": "AKIAEXAMPLE",
                "aws_secret_access_key": "${env:AWS_SECRET_ACCESS_KEY}",
            });
            return target;
        }
        AuthScheme::Optional => return target,
        // A reference stands for the whole value, the scheme in front of the credential included.
        AuthScheme::Bearer | AuthScheme::Plain => format!("${{env:{variable}}}"),
    };
    target["credentials"] = json!({ "header_name": provider.auth.header, "header_value": value });
    target
}

/// What a reader must know beyond the table.
fn advice(provider: &Provider) -> &'static str {
    match provider.name {
        "bedrock" => {
            "Every model that Converse has: Claude, Nova, Llama, Mistral and others. `aws_session_token` goes beside a key that was lent for a while. A key of Bedrock's own goes into a header instead: `\"header_name\": \"authorization\", \"header_value\": \"Bearer …\"`."
        }
        "vertex" | "vertex-anthropic" => {
            "`region` is a location, or `global`. The credential is an access token, which lasts an hour: let something else keep it fresh in a file and write `${file:PATH}`; a file is read with each new configuration."
        }
        "azure" => {
            "At the v1 API, where the model is in the body. With `\"api_version\": \"2024-10-21\"` at the dated one, where a model is the name of a deployment. A token of Entra's goes into `authorization: Bearer …`."
        }
        "cohere" => {
            "Cohere's own dialect, version 2. `cohere-openai` is the same provider in OpenAI's, with embeddings."
        }
        "gemini" => {
            "In Google's own dialect. `gemini-openai` is the same provider in OpenAI's, with embeddings."
        }
        "anthropic" => "`anthropic-version` is added where the target's `headers` do not set it.",
        "openai-compatible" => "Any server that speaks OpenAI's dialect: give its `base_url`.",
        _ => "",
    }
}

fn page(provider: &Provider) -> String {
    let mut page = format!(
        "# {}\n\nWritten from the code; tests keep it true. [All providers](README.md)\n\n```json\n{:#}\n```\n",
        provider.name,
        target(provider)
    );
    if provider.auth.scheme == AuthScheme::Bearer && provider.signed_as.is_none() {
        page.push_str("\nThe variable holds the header's whole value: `Bearer ` and the key.\n");
    }
    let advice = advice(provider);
    if !advice.is_empty() {
        writeln!(page, "\n{advice}").unwrap();
    }
    page.push_str("\n| | |\n|---|---|\n");
    let base = match provider.base_url {
        "" => "the target's `base_url`".to_owned(),
        base => format!("`{base}`"),
    };
    let probe = &provider.probe;
    let mut rows = vec![
        ("dialect", format!("`{}`", provider.dialect.as_str())),
        ("base URL", base),
        ("path of conversations", format!("`{}`", provider.chat_path)),
        ("credential", auth(provider)),
        (
            "active check",
            format!(
                "`{} {}`, good when {}",
                probe.method, probe.path, probe.status
            ),
        ),
        ("clients that pass through", passes(provider.dialect)),
    ];
    let quirks = quirks(provider);
    if !quirks.is_empty() {
        rows.push(("differs in", quirks));
    }
    for (name, value) in rows {
        writeln!(page, "| {name} | {value} |").unwrap();
    }
    page
}

fn passes(dialect: Dialect) -> String {
    let own: Vec<_> = [
        (Surface::ChatCompletions, "`/v1/chat/completions`"),
        (Surface::Responses, "`/v1/responses`"),
        (Surface::Messages, "`/v1/messages`"),
        (
            Surface::GenerateContent,
            "`/v1beta/models/…:generateContent`",
        ),
    ]
    .into_iter()
    .filter(|(surface, _)| surface.dialect() == dialect)
    .map(|(_, path)| path)
    .collect();
    match own.as_slice() {
        [] => "none: all are translated".to_owned(),
        own => format!("{}; others are translated", own.join(", ")),
    }
}

#[test]
fn each_provider_s_page_says_what_the_table_does() {
    for provider in provider_names().filter_map(provider) {
        check(&format!("{}.md", provider.name), &page(provider));
    }
}
