//! Who plays: the operator's upstream, with a stand-in for every target.

use std::{collections::BTreeSet, time::Duration};

use ai_gateway_model::{Configuration, Draft, Kind, ValidationContext, read_span};
use ai_gateway_providers::{Dialect as Wire, Provider, dialect_of_path, provider, provider_names};
use ai_gateway_testkit::Dialect;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::session::text;

/// The operator's upstream, and who plays its targets.
#[derive(Clone, Debug)]
pub(crate) struct Cast {
    /// The upstream's name.
    pub(crate) upstream: String,
    /// One for each target, in the upstream's order.
    pub(crate) roles: Vec<Role>,
    /// The upstream's canonical JSON, without credentials.
    document: Value,
}

/// One target, as its stand-in plays it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Role {
    /// The target's name.
    pub(crate) name: String,
    /// Its provider's name, or its host.
    pub(crate) provider: String,
    pub(crate) dialect: Dialect,
    /// What the provider calls the models; empty: any.
    pub(crate) models: Vec<String>,
    /// Whether the operator lets it take traffic.
    is_enabled: bool,
    priority: u64,
    /// How long it rests when it is taken out for the first time.
    pub(crate) rest: Duration,
    /// Over which time its share grows back.
    pub(crate) ramp: Duration,
    default_model: Option<String>,
}

impl Cast {
    /// Reads the upstream as a file writes it, or as the Admin API shows it. Its credentials are
    /// dropped before anything else is done with it.
    ///
    /// # Errors
    ///
    /// Every fault of the document, one a line, each with its place.
    pub(crate) fn read(mut written: Value) -> Result<Self, String> {
        drop_what_is_not_played(&mut written);
        let names: Vec<&str> = provider_names().collect();
        let context = ValidationContext {
            configuration: &Configuration::empty(),
            id: Uuid::max(),
            gateway: None,
            previous: None,
            provider_known: &|name| names.contains(&name),
            provider_names: &names,
        };
        let draft = Draft::read(Kind::Upstream, &written, &context).map_err(|faults| {
            let lines = faults.as_slice().iter().map(|fault| format!("\n  {fault}"));
            format!("not valid{}", lines.collect::<String>())
        })?;
        let checks = draft.spec.get("health_checks");
        let roles = targets(&draft.spec).map(|target| Role::of(target, checks));
        let roles = roles.collect();
        Ok(Self {
            upstream: draft.name,
            roles,
            document: draft.spec,
        })
    }

    /// The name of the target at a place of the cast.
    pub(crate) fn name(&self, target: usize) -> &str {
        self.roles.get(target).map_or("?", |role| &role.name)
    }

    /// The target that is asked first: the first of the lowest priority number.
    pub(crate) fn first(&self) -> Option<&Role> {
        let enabled = self.roles.iter().filter(|role| role.is_enabled);
        enabled
            .min_by_key(|role| role.priority)
            .or(self.roles.first())
    }

    /// Which models clients ask for, in turn, when the operator names none: none at all, where
    /// every target has a default; else each that a target lists.
    pub(crate) fn models(&self) -> Vec<Option<String>> {
        if self.roles.iter().all(|role| role.default_model.is_some()) {
            return vec![None];
        }
        let listed: BTreeSet<&str> = targets(&self.document)
            .flat_map(|target| texts(target, "models"))
            .collect();
        if listed.is_empty() {
            return vec![Some(ANY_MODEL.to_owned())];
        }
        let listed = listed.into_iter();
        listed.map(|model| Some(model.to_owned())).collect()
    }

    /// The upstream to configure: the operator's own, each target leading to its stand-in.
    pub(crate) fn document(&self, urls: &[String]) -> Value {
        let mut document = self.document.clone();
        let targets = document.get_mut("targets").and_then(Value::as_array_mut);
        let parts = self.roles.iter().zip(urls);
        for (target, (role, url)) in targets.into_iter().flatten().zip(parts) {
            if let Value::Object(fields) = target {
                role.lead_to(url, fields);
            }
        }
        document
    }
}

impl Role {
    fn of(target: &Value, upstream_checks: Option<&Value>) -> Self {
        let checks = [target.get("health_checks"), upstream_checks];
        let span = |pointer| {
            let written = checks.iter().flatten().find_map(|it| it.pointer(pointer));
            written.and_then(read_span)
        };
        let known = text(target, "provider").and_then(provider);
        let path = text(target, "path").unwrap_or_default();
        let wire = match known {
            Some(known) => known.dialect,
            None => dialect_of_path(path).unwrap_or(Wire::OpenAiChat),
        };
        let map = target.get("model_map").and_then(Value::as_object);
        let own_name = |model: &str| {
            let mapped = map.and_then(|map| map.get(model)).and_then(Value::as_str);
            mapped.unwrap_or(model).to_owned()
        };
        let provider = text(target, "provider").or(text(target, "host"));
        Self {
            name: text(target, "name").unwrap_or_default().to_owned(),
            provider: provider
                .or(text(target, "base_url"))
                .unwrap_or_default()
                .to_owned(),
            dialect: played(wire, known).unwrap_or(Dialect::OpenAi),
            models: texts(target, "models").map(own_name).collect(),
            is_enabled: text(target, "state").is_none_or(|state| state == "enabled"),
            priority: target.get("priority").and_then(Value::as_u64).unwrap_or(1),
            rest: span("/passive/base_ejection")
                .or(span("/interval"))
                .unwrap_or(USUAL_REST),
            ramp: span("/passive/ramp").unwrap_or(USUAL_RAMP),
            default_model: text(target, "default_model").map(str::to_owned),
        }
    }

    /// Rewrites where a target leads, and leaves all else that an outage depends on.
    fn lead_to(&self, url: &str, fields: &mut Map<String, Value>) {
        for gone in [
            "host",
            "port",
            "protocol",
            "region",
            "project",
            "api_version",
        ] {
            fields.remove(gone);
        }
        let known = fields.get("provider").and_then(Value::as_str);
        let known = known.and_then(provider);
        // One that speaks otherwise, or at other paths, has no stand-in of its own.
        if known.is_none_or(|known| played(known.dialect, Some(known)).is_none()) {
            fields.remove("provider");
        }
        let path = match self.dialect {
            Dialect::OpenAi => Some("/v1/chat/completions"),
            Dialect::Anthropic => Some("/v1/messages"),
            Dialect::Responses => Some("/v1/responses"),
            // The provider's own: most name the model in each request's path.
            Dialect::Gemini
            | Dialect::Vertex
            | Dialect::VertexAnthropic
            | Dialect::Azure
            | Dialect::Bedrock
            | Dialect::Cohere => None,
        };
        let base = format!("{url}{}", self.dialect.base_path());
        fields.insert("base_url".to_owned(), base.into());
        fields.remove("path");
        if let Some(path) = path {
            fields.insert("path".to_owned(), path.into());
        }
        if self.dialect == Dialect::Anthropic {
            let headers = fields.entry("headers").or_insert_with(|| json!({}));
            if let Value::Object(headers) = headers {
                headers
                    .entry("anthropic-version")
                    .or_insert_with(|| "2023-06-01".into());
            }
        }
        if let Some(checks) = fields.get_mut("health_checks") {
            ask_stand_in(checks);
        }
    }
}

/// The stand-ins' name of a dialect that the gateway speaks to a target, where there is a stand-in
/// for it. Other targets are played as OpenAI's: they fail and recover in the same way.
fn played(wire: Wire, known: Option<&Provider>) -> Option<Dialect> {
    let serves_at = |path| known.is_none_or(|known| known.chat_path == path);
    // Without its provider's name the gateway would not know where the target's calls are.
    let by_name = match known.map(|known| known.name) {
        Some("gemini") => Some(Dialect::Gemini),
        Some("vertex") => Some(Dialect::Vertex),
        Some("vertex-anthropic") => Some(Dialect::VertexAnthropic),
        Some("azure") => Some(Dialect::Azure),
        Some("bedrock") => Some(Dialect::Bedrock),
        Some("cohere") => Some(Dialect::Cohere),
        _ => None,
    };
    by_name.or(match wire {
        Wire::OpenAiChat if serves_at("/chat/completions") => Some(Dialect::OpenAi),
        Wire::AnthropicMessages if serves_at("/messages") => Some(Dialect::Anthropic),
        Wire::OpenAiResponses if known.is_none() => Some(Dialect::Responses),
        _ => None,
    })
}

/// Takes out what must not or cannot take part: credentials, and what only an answer shows.
fn drop_what_is_not_played(written: &mut Value) {
    let Value::Object(fields) = written else {
        return;
    };
    for shown in ANSWER_FIELDS {
        fields.remove(*shown);
    }
    if let Some(checks) = fields.get_mut("health_checks") {
        ask_stand_in(checks);
    }
    let targets = fields.get_mut("targets").and_then(Value::as_array_mut);
    for target in targets.into_iter().flatten() {
        if let Value::Object(target) = target {
            target.remove("credentials");
        }
    }
}

/// Has active checks ask what a stand-in answers, as often and as patiently as before.
fn ask_stand_in(checks: &mut Value) {
    let active = checks.get_mut("active").and_then(Value::as_object_mut);
    if let Some(active) = active {
        for gone in ["path", "method", "headers", "expected_statuses"] {
            active.remove(gone);
        }
    }
}

fn targets(document: &Value) -> impl Iterator<Item = &Value> {
    let targets = document.get("targets").and_then(Value::as_array);
    targets.into_iter().flatten()
}

fn texts<'a>(object: &'a Value, field: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    let items = object.get(field).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(Value::as_str)
}

/// What the Admin API shows beside what is written.
const ANSWER_FIELDS: &[&str] = &[
    "id",
    "gateway_id",
    "revision",
    "created_at",
    "updated_at",
    "warnings",
    "kind",
];
/// What the gateway does where nothing is written; only what is said of a rehearsal hangs on it.
const USUAL_REST: Duration = Duration::from_secs(10);
const USUAL_RAMP: Duration = Duration::from_secs(30);
/// What clients ask for where no target says what it serves.
const ANY_MODEL: &str = "rehearsal-model";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_keeps_all_but_its_place_and_its_credentials() {
        let cast = Cast::read(json!({
            "id": "x", "revision": 4, "name": "chat",
            "timeouts": { "first_token": 9 },
            "health_checks": { "active": { "path": "/up", "method": "HEAD", "timeout": 2 } },
            "targets": [
                {
                    "provider": "openai", "path": "/odd", "weight": 70, "max_in_flight": 5,
                    "models": ["a"], "model_map": { "a": "b" }, "default_model": "a",
                    "credentials": { "header_name": "Authorization", "header_value": "***" },
                },
                { "host": "10.1.2.3", "port": 9, "protocol": "http", "path": "/v1/messages" },
            ],
        }))
        .unwrap();
        let urls = ["http://s:1", "http://s:2"].map(str::to_owned);
        let document = cast.document(&urls);
        assert!(!document.to_string().contains("***"), "{document}");
        assert_eq!(document["timeouts"], json!({ "first_token": 9 }));
        assert_eq!(
            document["health_checks"],
            json!({ "active": { "timeout": 2 } })
        );
        let [first, second] = document["targets"].as_array().unwrap().as_slice() else {
            panic!("two targets");
        };
        assert_eq!(
            (&first["weight"], &first["max_in_flight"]),
            (&json!(70), &json!(5))
        );
        assert_eq!(first["base_url"], "http://s:1/v1");
        assert_eq!(first["path"], "/v1/chat/completions");
        assert_eq!(
            (&second["name"], &second["host"]),
            (&json!("10.1.2.3-1"), &Value::Null)
        );
        assert_eq!(second["path"], "/v1/messages");
        assert_eq!(cast.roles[0].models, ["b"]);
        assert_eq!(cast.roles[1].dialect, Dialect::Anthropic);
    }

    #[test]
    fn every_provider_that_is_known_can_be_played() {
        for name in provider_names() {
            let target = json!({ "provider": name, "region": "r-1", "project": "p" });
            let written = json!({ "name": "chat", "targets": [target] });
            let cast = Cast::read(written).unwrap();
            let document = cast.document(&["http://s:1".to_owned()]);
            let copy = Cast::read(document.clone());
            assert_eq!(copy.map(|copy| copy.roles.len()), Ok(1), "{document}");
            let base = document["targets"][0]["base_url"].as_str().unwrap();
            assert!(base.starts_with("http://s:1"), "{document}");
            assert_eq!(document["targets"][0]["region"], Value::Null);
        }
    }

    #[test]
    fn clients_ask_for_what_the_targets_serve() {
        let asked = |targets: Value| {
            let cast = Cast::read(json!({ "name": "chat", "targets": targets })).unwrap();
            cast.models()
        };
        let default = || json!({ "provider": "openai", "default_model": "a" });
        let listing = json!({ "provider": "openai", "models": ["b", "c"] });
        let any = json!({ "provider": "openai" });
        let some = |model: &str| Some(model.to_owned());
        assert_eq!(asked(json!([default()])), [None]);
        assert_eq!(asked(json!([default(), listing])), [some("b"), some("c")]);
        assert_eq!(asked(json!([any])), [some("rehearsal-model")]);
    }

    #[test]
    fn the_first_target_is_that_of_the_lowest_priority_that_takes_traffic() {
        let cast = Cast::read(json!({ "name": "chat", "targets": [
            { "provider": "openai", "priority": 2 },
            { "provider": "mistral", "priority": 1, "state": "disabled" },
            { "provider": "anthropic", "priority": 1 },
        ] }))
        .unwrap();
        assert_eq!(cast.first().unwrap().provider, "anthropic");
    }

    #[test]
    fn every_fault_of_the_document_is_told_with_its_place() {
        let error = Cast::read(json!({ "targets": [{ "provider": "opneai" }] })).unwrap_err();
        for part in [
            "name is required",
            "/targets/0/provider",
            "did you mean openai?",
        ] {
            assert!(error.contains(part), "{error}");
        }
    }
}
