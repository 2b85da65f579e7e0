//! Azure OpenAI: OpenAI's calls at paths of its own, with what its filters found.

use http::Method;
use serde_json::{Map, Value, json};

use super::{Call, Refusal, Reply, header, openai, responses};

/// A call of OpenAI's, and the deployment that the path names.
struct Named<'a> {
    call: &'a str,
    deployment: Option<&'a str>,
}

impl<'a> Named<'a> {
    /// Reads `/openai/v1/…`, or a path of the dated versions.
    fn read(target: &'a str) -> Option<Self> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = path.strip_prefix("/openai/")?;
        if let Some(call) = path.strip_prefix("v1/") {
            let deployment = None;
            return Some(Self { call, deployment });
        }
        let version = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("api-version="))?;
        let is_date = version.len() >= 10 && version.starts_with("20");
        let named = match path.strip_prefix("deployments/") {
            Some(path) => {
                let (deployment, call) = path.split_once('/')?;
                let deployment = Some(deployment);
                Self { call, deployment }
            }
            None => Self {
                call: path,
                deployment: None,
            },
        };
        is_date.then_some(named)
    }
}

/// Whether the call at `target` is one of the Responses API.
pub(super) fn is_responses(target: &str) -> bool {
    Named::read(target).is_some_and(|named| named.call == "responses")
}

/// What Azure's front refuses is told in its own words; what the model does, in OpenAI's.
pub(super) fn is_told_by_front(status: u16) -> bool {
    !matches!(status, 400 | 413 | 422)
}

pub(super) fn error_body(status: u16, message: &str) -> Value {
    json!({"error": {"code": status.to_string(), "message": message}})
}

pub(super) fn reply(call: &Call<'_>) -> Result<Reply, Refusal> {
    let bearer = header(call.headers, "authorization").strip_prefix("Bearer ");
    let given = [Some(header(call.headers, "api-key")), bearer];
    if call.key.is_some_and(|key| !given.contains(&Some(key))) {
        return Err(Refusal {
            status: 401,
            ..Refusal::invalid(
                "Access denied due to invalid subscription key or wrong API endpoint.",
            )
        });
    }
    let named = Named::read(call.target);
    let body = |named: &Named<'_>| named_body(call, named.deployment);
    match (call.method, &named) {
        (&Method::POST, Some(named)) if named.call == "chat/completions" => {
            Ok(filtered(openai::chat(&Call {
                body: &body(named),
                ..*call
            })?))
        }
        (&Method::POST, Some(named)) if named.call == "embeddings" => openai::embeddings(&Call {
            body: &body(named),
            ..*call
        }),
        (&Method::POST, Some(named)) if named.call == "responses" => responses::create(call),
        (&Method::GET, Some(named)) if named.call == "models" => Ok(openai::list_models(call)),
        _ => Err(Refusal {
            status: 404,
            ..Refusal::invalid("Resource not found")
        }),
    }
}

/// The body with the model that the path names, if it does: what the body says counts for nothing.
fn named_body(call: &Call<'_>, deployment: Option<&str>) -> Vec<u8> {
    let body = serde_json::from_slice::<Map<String, Value>>(call.body);
    match (body, deployment) {
        (Ok(mut body), Some(deployment)) => {
            body.insert("model".to_owned(), json!(deployment));
            Value::Object(body).to_string().into_bytes()
        }
        _ => call.body.to_vec(),
    }
}

/// Adds what the filters found, as Azure tells it: before all else, and beside each choice.
fn filtered(reply: Reply) -> Reply {
    match reply {
        Reply::Json { status, mut body } if status == 200 => {
            body["prompt_filter_results"] = prompt_results();
            if let Some(choices) = body["choices"].as_array_mut() {
                for choice in choices {
                    choice["content_filter_results"] = clean();
                }
            }
            Reply::Json { status, body }
        }
        Reply::Events(mut events) => {
            let first = json!({
                "id": "",
                "object": "",
                "created": 0,
                "model": "",
                "choices": [],
                "prompt_filter_results": prompt_results(),
            });
            events.insert(0, openai::event(&first).into());
            Reply::Events(events)
        }
        reply => reply,
    }
}

fn prompt_results() -> Value {
    json!([{"prompt_index": 0, "content_filter_results": clean()}])
}

fn clean() -> Value {
    let safe = json!({"filtered": false, "severity": "safe"});
    json!({"hate": safe, "self_harm": safe, "sexual": safe, "violence": safe})
}
