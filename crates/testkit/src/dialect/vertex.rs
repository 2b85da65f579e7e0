//! Google's Vertex AI: Google's own models, and Anthropic's, under a project and a location.

use http::Method;
use serde_json::{Map, Value, json};

use crate::answer::Asked;

use super::{Call, Refusal, Reply, anthropic, elements, gemini, header, text_of};

/// The version of Anthropic's dialect that stands in a body.
const VERSION: &str = "vertex-2023-10-16";

/// A call under a project and a location.
struct Named<'a> {
    publisher: &'a str,
    model: &'a str,
    method: &'a str,
}

impl<'a> Named<'a> {
    fn read(call: &Call<'a>) -> Option<Self> {
        if call.method != Method::POST {
            return None;
        }
        let mut parts = call.path.strip_prefix("/v1/projects/")?.splitn(6, '/');
        let (project, locations) = (parts.next()?, parts.next()?);
        let (location, publishers) = (parts.next()?, parts.next()?);
        let publisher = parts.next()?;
        let (model, method) = parts.next()?.strip_prefix("models/")?.rsplit_once(':')?;
        let is_well = !project.is_empty()
            && !location.is_empty()
            && (locations, publishers) == ("locations", "publishers");
        is_well.then_some(Self {
            publisher,
            model,
            method,
        })
    }
}

pub(super) fn reply(call: &Call<'_>) -> Result<Reply, Refusal> {
    let named = admit(call)?;
    match (named.publisher, named.method) {
        ("google", "generateContent") => generate(call, &named, false),
        ("google", "streamGenerateContent") => generate(call, &named, true),
        ("google", "countTokens") => count(call),
        _ => Err(not_found()),
    }
}

/// The same for Anthropic's models, which have Anthropic's dialect.
pub(super) fn reply_of_anthropic(call: &Call<'_>) -> Result<Reply, Refusal> {
    let named = admit(call)?;
    match (named.publisher, named.method, named.model) {
        ("anthropic", "rawPredict", "count-tokens") => {
            let body = read_body(call)?;
            anthropic::count(&Call {
                body: body.to_string().as_bytes(),
                ..*call
            })
        }
        ("anthropic", "rawPredict", model) => predict(call, model, false),
        ("anthropic", "streamRawPredict", model) => predict(call, model, true),
        _ => Err(not_found()),
    }
}

fn admit<'a>(call: &Call<'a>) -> Result<Named<'a>, Refusal> {
    let given = header(call.headers, "authorization").strip_prefix("Bearer ");
    if call.key.is_some_and(|key| given != Some(key)) {
        return Err(Refusal {
            status: 401,
            ..Refusal::invalid("Request had invalid authentication credentials.")
        });
    }
    Named::read(call).ok_or_else(not_found)
}

fn not_found() -> Refusal {
    Refusal {
        status: 404,
        ..Refusal::invalid("Requested entity was not found.")
    }
}

fn generate(call: &Call<'_>, named: &Named<'_>, is_stream: bool) -> Result<Reply, Refusal> {
    let body: Value = serde_json::from_slice(call.body).unwrap_or(Value::Null);
    let parts = elements(&body["contents"])
        .iter()
        .flat_map(|content| elements(&content["parts"]));
    // Unlike the Gemini API, it tells calls apart by their order alone.
    for kind in ["functionCall", "functionResponse"] {
        if parts.clone().any(|part| !part[kind]["id"].is_null()) {
            return Err(Refusal::invalid(format!(
                "Invalid JSON payload received. Unknown name \"id\" at '{kind}': Cannot find field."
            )));
        }
    }
    let mut roles = elements(&body["contents"]).iter();
    if roles.any(|content| text_of(content, "role").is_empty()) {
        return Err(Refusal::invalid("Please use a valid role: user, model."));
    }
    gemini::generate(call, named.model, is_stream)
}

/// Counts tokens, which costs none: an active check asks it what can't be counted.
fn count(call: &Call<'_>) -> Result<Reply, Refusal> {
    let body: Value = serde_json::from_slice(call.body).unwrap_or(Value::Null);
    let mut asked = Asked::default();
    gemini::read_contents(&body["contents"], &mut asked)?;
    Ok(Reply::Json {
        status: 200,
        body: json!({"totalTokens": asked.input_tokens}),
    })
}

fn predict(call: &Call<'_>, model: &str, is_stream: bool) -> Result<Reply, Refusal> {
    let mut body = read_body(call)?;
    if !body["model"].is_null() {
        return Err(Refusal::invalid("model: Extra inputs are not permitted"));
    }
    if (body["stream"] == true) != is_stream {
        return Err(Refusal::invalid("stream: not as the called method has it"));
    }
    body["model"] = json!(model);
    anthropic::messages(&Call {
        body: body.to_string().as_bytes(),
        ..*call
    })
}

/// The body without the dialect's version, which must be in it.
fn read_body(call: &Call<'_>) -> Result<Value, Refusal> {
    let mut body: Map<String, Value> = serde_json::from_slice(call.body)
        .map_err(|_error| Refusal::invalid("The request body is not valid JSON"))?;
    match body.remove("anthropic_version") {
        Some(version) if version == VERSION => Ok(Value::Object(body)),
        Some(_) => Err(Refusal::invalid("anthropic_version: not known")),
        None => Err(Refusal::invalid("anthropic_version: Field required")),
    }
}

/// What Google's front refuses is told in its own words; what the model does, in Anthropic's.
pub(super) fn is_told_by_google(status: u16) -> bool {
    !matches!(status, 400 | 413)
}
