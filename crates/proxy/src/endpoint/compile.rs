//! Makes targets ready to be talked to, once for each configuration.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ai_gateway_model::{Credentials, ParamLocation, Secret, SecretSource, Target, Timeouts};
use ai_gateway_providers::{
    Catalogue, Dialect, Provider, Quirks, dialect_of_path, join_url_path, provider,
};
use ai_gateway_registry::{Compile, Place, Prices};
use ai_gateway_telemetry::{TargetIdentity, TargetMeters, Telemetry};
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, HeaderName, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Uri};

use super::sign::Signer;
use super::{Endpoint, EndpointLimits, Probe};
use crate::connect::{Connections, PoolKey};

/// Makes [`Endpoint`]s of what operators wrote.
pub struct Compiler {
    connections: Connections,
    telemetry: Telemetry,
    provider_base_urls: BTreeMap<String, String>,
    read_secret: Box<ReadSecret>,
    catalogue: Arc<Catalogue>,
}

/// Gives the value of a secret, from wherever the operator said that it is.
pub type ReadSecret = dyn Fn(&SecretSource) -> Result<Secret, String> + Send + Sync;

impl Compiler {
    /// `provider_base_urls` sends named providers elsewhere.
    pub fn new(
        connections: Connections,
        telemetry: Telemetry,
        provider_base_urls: BTreeMap<String, String>,
        read_secret: Box<ReadSecret>,
    ) -> Self {
        Self {
            connections,
            telemetry,
            provider_base_urls,
            read_secret,
            catalogue: Arc::new(Catalogue::builtin().clone()),
        }
    }

    /// Takes what is known of models from `catalogue`, not from the one that comes with the
    /// gateway.
    #[must_use]
    pub fn catalogue(mut self, catalogue: Arc<Catalogue>) -> Self {
        self.catalogue = catalogue;
        self
    }

    fn secret(&self, target: &Target) -> Result<Option<Secret>, String> {
        target
            .credentials()
            .map(|credentials| (self.read_secret)(credentials.value()))
            .transpose()
    }

    /// What signs the target's requests, where its credential is a key of AWS.
    fn signer(&self, target: &Target, known: Option<&Provider>) -> Result<Option<Signer>, String> {
        let Some(Credentials::Aws {
            access_key_id,
            secret_access_key,
            session_token,
        }) = target.credentials()
        else {
            return Ok(None);
        };
        let Some(service) = known.and_then(|known| known.signed_as) else {
            return Err("a key of AWS is no credential for it: it takes a header".to_owned());
        };
        let region = target
            .destination()
            .site()
            .and_then(|site| site.region.as_deref());
        let region = region.ok_or("a target with a key of AWS needs a region")?;
        let session_token = session_token
            .as_ref()
            .map(|token| (self.read_secret)(token))
            .transpose()?;
        let secret = (self.read_secret)(secret_access_key)?;
        Ok(Some(Signer::new(
            access_key_id,
            &secret,
            session_token.as_ref(),
            region,
            service,
        )))
    }

    /// Where the target's API begins, and the path of its conversations.
    ///
    /// # Errors
    ///
    /// The target does not say which part of its provider it is.
    fn place(&self, target: &Target, known: Option<&Provider>) -> Result<(String, String), String> {
        let destination = target.destination();
        let home = || match known {
            Some(known) => {
                let site = destination.site().cloned().unwrap_or_default();
                known
                    .base_url_at(site.region.as_deref(), site.project.as_deref())
                    .map_err(|missing| missing.to_string())
            }
            None => Ok(String::new()),
        };
        let elsewhere = destination
            .provider()
            .and_then(|name| self.provider_base_urls.get(name));
        let base = match (elsewhere, destination.base_url()) {
            (Some(url), _) => elsewhere_than(&home().unwrap_or_default(), url),
            (None, Some(url)) => url,
            (None, None) => home()?,
        };
        let path = target
            .path()
            .map(str::to_owned)
            .unwrap_or_else(|| match known {
                Some(known) => known.chat_path.to_owned(),
                None => "/v1/chat/completions".to_owned(),
            });
        Ok((base, path))
    }

    fn meters(&self, place: &Place<'_>) -> Arc<TargetMeters> {
        let target = place.target;
        let models = target
            .models()
            .iter()
            .chain(target.default_model())
            .chain(target.model_map().values())
            .map(|model| model.to_shared());
        let identity = TargetIdentity {
            gateway: place.gateway.name().to_shared(),
            upstream: place.upstream.name().to_shared(),
            target: target.name().to_shared(),
            provider: Arc::from(target.destination().label()),
        };
        self.telemetry.target(identity, models)
    }
}

impl fmt::Debug for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiler")
            .field("provider_base_urls", &self.provider_base_urls)
            .finish_non_exhaustive()
    }
}

impl Compile for Compiler {
    type Endpoint = Endpoint;

    fn compile(&self, place: &Place<'_>) -> Result<Endpoint, String> {
        let target = place.target;
        let known = target.destination().provider().and_then(provider);
        let (base_url, conversation_path) = self.place(target, known)?;
        let dialect = match known {
            Some(known) => known.dialect,
            None => dialect_of_path(&conversation_path).unwrap_or(Dialect::OpenAiChat),
        };
        let quirks = known.map_or(&Quirks::COMPATIBLE, |known| &known.quirks);
        let secret = self.secret(target)?;
        let mut headers = fixed_headers(target, known)?;
        let shown = Shown::of(target.credentials(), secret.as_ref(), &mut headers)?;
        let conversation_uri = shown.uri(&base_url, &conversation_path)?;
        let timeouts = target.timeouts().or(place.upstream.timeouts());
        let key = PoolKey {
            origin: origin(&conversation_uri)?,
            credential: secret
                .map(|secret| secret.fingerprint())
                .unwrap_or_default(),
            connect: timeouts.connect.unwrap_or(CONNECT),
        };
        Ok(Endpoint {
            probe: probe(target, known, |path| shown.uri(&base_url, path))?,
            model_map: target
                .model_map()
                .iter()
                .map(|(asked, name)| (asked.to_shared(), name.to_shared()))
                .collect(),
            limits: limits(&timeouts),
            pool: self.connections.pool(key),
            meters: self.meters(place),
            catalogue: Arc::clone(&self.catalogue),
            name_header: text_header(target.name()),
            provider_header: text_header(target.destination().label()),
            dialect,
            quirks,
            base_url,
            conversation_path,
            conversation_uri,
            query: shown.query,
            body_field: shown.body_field,
            signer: self.signer(target, known)?,
            prefill: target.prefill(),
            api_version: target
                .destination()
                .site()
                .and_then(|site| site.api_version.clone()),
            headers,
        })
    }

    /// What a million tokens in and as many out cost, in US dollars. What nothing is known of counts
    /// as the dearest, but where the target lists no models: there as its default model.
    fn prices(&self, place: &Place<'_>, endpoint: &Endpoint) -> Prices {
        let target = place.target;
        let price = |model: &str| {
            let facts = endpoint.facts(endpoint.provider_model(model));
            facts.map_or(f32::MAX, |facts| facts.price.per_million_usd())
        };
        let default = target.default_model().map(|model| &**model);
        let listed = target.models().iter().map(|model| &**model);
        let mut names: Vec<&str> = listed.chain(default).collect();
        let serves_any = target.models().is_empty();
        if serves_any {
            let renamed = target.model_map().keys().map(|model| &**model);
            let label = target.destination().label();
            let known = self.catalogue.models_of(label);
            names.extend(renamed.chain(known.map(|facts| &*facts.id)));
        }
        Prices {
            models: names
                .into_iter()
                .map(|model| (model.into(), price(model)))
                .collect(),
            other: default.filter(|_| serves_any).map_or(f32::MAX, price),
        }
    }
}

/// The parts of a credential that are not headers.
#[derive(Default)]
struct Shown {
    query: Option<String>,
    body_field: Option<Bytes>,
}

impl Shown {
    fn of(
        credentials: Option<&Credentials>,
        secret: Option<&Secret>,
        headers: &mut HeaderMap,
    ) -> Result<Self, String> {
        let mut shown = Self::default();
        match (credentials, secret) {
            (Some(Credentials::Header { name, .. }), Some(secret)) => {
                headers.insert(header_name(name)?, sensitive(name, secret)?);
            }
            (Some(Credentials::Param { name, location, .. }), Some(secret)) => match location {
                ParamLocation::Query => shown.query = Some(query_parameter(name, secret)),
                ParamLocation::Body => shown.body_field = Some(json_field(name, secret)),
            },
            // Each request is signed with it.
            (Some(Credentials::Aws { .. }), _) | (None, _) | (_, None) => {}
        }
        Ok(shown)
    }

    fn uri(&self, base: &str, path: &str) -> Result<Uri, String> {
        let mut url = join_url_path(base, path);
        if let Some(query) = &self.query {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(query);
        }
        url.parse()
            .map_err(|_| "its base URL and path make no URL".to_owned())
    }
}

/// Where a named provider is sent instead of home. A URL without a path takes the place of the
/// provider's host alone: what listens there answers under the provider's own paths.
fn elsewhere_than(home: &str, url: &str) -> String {
    let has_path = url.parse::<Uri>().is_ok_and(|uri| uri.path() != "/");
    match home.parse::<Uri>() {
        Ok(own) if !has_path => join_url_path(url, own.path()),
        Ok(_) | Err(_) => url.to_owned(),
    }
}

fn limits(timeouts: &Timeouts) -> EndpointLimits {
    EndpointLimits {
        head: timeouts.response_head.unwrap_or(RESPONSE_HEAD),
        first_token: timeouts.first_token.unwrap_or(FIRST_TOKEN),
        idle: timeouts.stream_idle.unwrap_or(STREAM_IDLE),
    }
}

/// The headers of every request to the target, but for the credential.
fn fixed_headers(target: &Target, known: Option<&Provider>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    // Compressed, an answer would have to be unpacked before it can be checked or translated.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(
        USER_AGENT,
        HeaderValue::from_static(concat!("ai-gateway/", env!("CARGO_PKG_VERSION"))),
    );
    for (name, value) in known.map_or(&[][..], |known| known.required_headers) {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    for (name, value) in target.headers() {
        let value = HeaderValue::from_str(value)
            .map_err(|_| format!("the header {name} has a value that HTTP does not allow"))?;
        headers.insert(header_name(name)?, value);
    }
    Ok(headers)
}

fn probe(
    target: &Target,
    known: Option<&Provider>,
    url: impl Fn(&str) -> Result<Uri, String>,
) -> Result<Probe, String> {
    let checks = target.health_checks().active().unwrap_or_default();
    let default_path = known.map_or("/v1/models", |known| known.probe.path);
    let default_method = known.map_or("GET", |known| known.probe.method);
    let method = checks.method.as_deref().unwrap_or(default_method);
    let mut headers = HeaderMap::new();
    for (name, value) in &checks.headers {
        let value = HeaderValue::from_str(value)
            .map_err(|_| format!("the header {name} has a value that HTTP does not allow"))?;
        headers.insert(header_name(name)?, value);
    }
    Ok(Probe {
        method: Method::from_bytes(method.as_bytes())
            .map_err(|_| format!("{method} is not an HTTP method"))?,
        uri: url(checks.path.as_deref().unwrap_or(default_path))?,
        headers,
        expected: match (known, &checks.path) {
            (Some(known), None) if checks.expected_statuses.is_empty() => {
                vec![known.probe.status]
            }
            _ => checks.expected_statuses,
        },
    })
}

fn header_name(name: &str) -> Result<HeaderName, String> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name} is not a header name"))
}

/// Marked, so that no `Debug` shows it and HTTP/2 does not index it.
fn sensitive(name: &str, secret: &Secret) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(secret.expose())
        .map_err(|_| format!("the credential for {name} holds bytes that no header may"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn query_parameter(name: &str, secret: &Secret) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair(name, secret.expose());
    query.finish()
}

fn json_field(name: &str, secret: &Secret) -> Bytes {
    let (name, value) = (
        serde_json::Value::from(name),
        serde_json::Value::from(secret.expose()),
    );
    Bytes::from(format!("{name}:{value}"))
}

fn origin(uri: &Uri) -> Result<String, String> {
    match (uri.scheme_str(), uri.authority()) {
        (Some(scheme), Some(authority)) => Ok(format!("{scheme}://{authority}")),
        _ => Err("it has neither a provider nor a base URL with a host".to_owned()),
    }
}

/// A name as a header's value; names that HTTP cannot carry are left empty.
fn text_header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Name look-up, TCP and TLS.
const CONNECT: Duration = Duration::from_secs(3);
/// A plain answer's head comes only when the whole answer has been generated.
const RESPONSE_HEAD: Duration = Duration::from_secs(300);
/// A long prompt takes its time before the first token.
const FIRST_TOKEN: Duration = Duration::from_secs(60);
/// Providers send pings well within this.
const STREAM_IDLE: Duration = Duration::from_secs(60);
