//! A target as the proxy talks to it: all that does not change from request to request.

mod compile;
mod sign;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ai_gateway_model::{HostHandling, Prefill as WrittenPrefill};
use ai_gateway_providers::{
    Catalogue, Dialect, EncodedBody, ModelFacts, Prefill, Quirks, Surface, TargetTraits, Usage,
    join_url_path,
};
use ai_gateway_telemetry::TargetMeters;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};

pub use compile::{Compiler, ReadSecret};

use sign::Signer;

use crate::client::Outgoing;
use crate::clock::Clock;
use crate::connect::Pool;
use crate::intake::Call;

/// A lease on a target.
pub(crate) type Lease = ai_gateway_registry::Lease<Endpoint>;

/// A target as the proxy talks to it.
pub struct Endpoint {
    model_map: BTreeMap<Arc<str>, Arc<str>>,
    dialect: Dialect,
    quirks: &'static Quirks,
    base_url: String,
    conversation_path: String,
    conversation_uri: Uri,
    query: Option<String>,
    /// A credential that goes into the body: `"name":"value"`.
    body_field: Option<Bytes>,
    /// Signs each request, where the credential is a key of AWS.
    signer: Option<Signer>,
    api_version: Option<String>,
    /// How it is told the beginning of an answer, where its operator says so.
    prefill: Option<WrittenPrefill>,
    probe: Probe,
    headers: HeaderMap,
    limits: EndpointLimits,
    pool: Arc<Pool>,
    meters: Arc<TargetMeters>,
    catalogue: Arc<Catalogue>,
    name_header: HeaderValue,
    provider_header: HeaderValue,
}

/// How long a target may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EndpointLimits {
    /// To the head of its answer.
    pub(crate) head: Duration,
    /// To the first meaningful event of a stream.
    pub(crate) first_token: Duration,
    /// Between two pieces of an answer.
    pub(crate) idle: Duration,
}

/// What an active check asks.
#[derive(Clone, Debug)]
struct Probe {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    expected: Vec<u16>,
}

impl Endpoint {
    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub(crate) fn limits(&self) -> &EndpointLimits {
        &self.limits
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(crate) fn meters(&self) -> &Arc<TargetMeters> {
        &self.meters
    }

    pub(crate) fn name_header(&self) -> &HeaderValue {
        &self.name_header
    }

    pub(crate) fn provider_header(&self) -> &HeaderValue {
        &self.provider_header
    }

    /// What the translation must know to ask the target for `model`.
    pub(crate) fn traits<'a>(&'a self, model: &'a str) -> TargetTraits<'a> {
        TargetTraits {
            dialect: self.dialect,
            model,
            path: &self.conversation_path,
            api_version: self.api_version.as_deref(),
            quirks: self.quirks,
            default_max_tokens: DEFAULT_MAX_TOKENS,
        }
    }

    /// How the target is told to go on with the beginning of an answer of `model`; `None` where it
    /// can't be told, or nobody says that it can.
    pub(crate) fn prefill(&self, model: &str) -> Option<Prefill> {
        match self.prefill {
            None => Prefill::of(&self.traits(model)),
            Some(WrittenPrefill::Never) => None,
            Some(WrittenPrefill::LastMessage) => Some(Prefill::LastMessage),
            Some(WrittenPrefill::Prefix) => Some(Prefill::Prefix),
            Some(WrittenPrefill::FinalMessage) => Some(Prefill::FinalMessage),
        }
    }

    /// How many tokens a conversation with `model`, as the provider names it, may have, its answer
    /// included; `None` when the catalogue does not know it.
    pub fn context_window(&self, model: &str) -> Option<u32> {
        self.facts(model).map(|facts| facts.context_tokens)
    }

    /// What `usage` of `model`, as the provider names it, cost, in billionths of a US dollar; `None`
    /// when the catalogue does not know the model, or nothing was used.
    pub(crate) fn cost_nano_usd(&self, model: &str, usage: &Usage) -> Option<u64> {
        let facts = self.facts(model).filter(|_| usage.total() > 0)?;
        Some(facts.price.nano_usd(usage))
    }

    /// What the catalogue knows of `model`, as the provider names it.
    pub(crate) fn facts(&self, model: &str) -> Option<&ModelFacts> {
        self.catalogue.find(&self.meters.identity().provider, model)
    }

    /// The provider's name for `model`.
    pub(crate) fn provider_model<'a>(&'a self, model: &'a str) -> &'a str {
        self.model_map.get(model).map_or(model, |name| name)
    }

    /// The request that takes `call` to the target.
    ///
    /// Of the client's headers only those of a short list go along: never its credential.
    pub(crate) fn request(
        &self,
        call: &Call,
        body: EncodedBody,
        path: Option<&str>,
        host: HostHandling,
    ) -> Outgoing {
        let mut slices = body.into_parts();
        if let Some(credential) = &self.body_field {
            put_field(&mut slices, credential);
        }
        let digest = self.signer.as_ref().map(|_| sign::digest(&slices));
        let mut request = Request::new(slices);
        *request.method_mut() = call.head.method.clone();
        *request.uri_mut() = self.uri(call, path);
        let headers = request.headers_mut();
        // Once for all, since a map that grows hashes anew what it holds; the last three are the
        // content type, and the host and the length that the connection adds.
        headers.reserve(self.headers.len() + PASSED_ON.len() + PASSED_ON_IN_DIALECT.len() + 3);
        for name in &PASSED_ON {
            for value in call.head.headers.get_all(name) {
                headers.append(name, value.clone());
            }
        }
        if call.surface.dialect() == self.dialect {
            for name in &PASSED_ON_IN_DIALECT {
                for value in call.head.headers.get_all(name) {
                    headers.append(name, value.clone());
                }
            }
        }
        headers
            .entry(CONTENT_TYPE)
            .or_insert(HeaderValue::from_static("application/json"));
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        if let (HostHandling::Client, Some(host)) = (host, call.head.headers.get(HOST)) {
            headers.insert(HOST, host.clone());
        }
        if let (Some(signer), Some(digest)) = (&self.signer, digest) {
            signer.sign(&mut request, &digest, Clock::wall());
        }
        request
    }

    /// Where the request goes: `path` when its dialect puts it somewhere of its own.
    fn uri(&self, call: &Call, path: Option<&str>) -> Uri {
        let (path, client_query) = match (path, call.surface) {
            (Some(path), _) => (path.to_owned(), None),
            (None, surface) if surface.is_conversation() => return self.conversation_uri.clone(),
            (None, Surface::Other) => (call.head.uri.path().to_owned(), call.head.uri.query()),
            (None, surface) => (
                surface.target_path(self.dialect, &self.conversation_path),
                call.head.uri.query(),
            ),
        };
        let mut url = join_url_path(&self.base_url, &path);
        for query in [client_query, self.query.as_deref()].into_iter().flatten() {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(query);
        }
        url.parse()
            .unwrap_or_else(|_| self.conversation_uri.clone())
    }

    /// The request of an active check, and the statuses that pass it; none means 200 to 399.
    pub(crate) fn check(&self) -> (Outgoing, &[u16]) {
        let mut request = Request::new(Vec::new());
        *request.method_mut() = self.probe.method.clone();
        *request.uri_mut() = self.probe.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().extend(self.probe.headers.clone());
        if let Some(signer) = &self.signer {
            signer.sign(&mut request, &sign::digest(&[]), Clock::wall());
        }
        (request, &self.probe.expected)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("target", self.meters.identity())
            .field("dialect", &self.dialect)
            .finish_non_exhaustive()
    }
}

/// The model that the target of `lease` is asked for, as its provider names it.
pub(crate) fn served_model(lease: &Lease, call: &Call) -> String {
    let model = lease.model().or(call.model()).unwrap_or_default();
    lease.provider_model(model).to_owned()
}

/// Puts `field` at the front of the object that `slices` make up.
fn put_field(slices: &mut Vec<Bytes>, field: &Bytes) {
    let Some((index, at)) = slices
        .iter()
        .enumerate()
        .find_map(|(index, slice)| Some((index, slice.iter().position(|byte| *byte == b'{')?)))
    else {
        return;
    };
    let mut rest = slices.split_off(index).into_iter();
    let Some(mut opening) = rest.next() else {
        return;
    };
    let behind = opening.split_off(at + 1);
    let is_empty = std::iter::once(&behind)
        .chain(rest.as_slice())
        .flat_map(|slice| slice.iter())
        .find(|byte| !byte.is_ascii_whitespace())
        .is_none_or(|byte| *byte == b'}');
    slices.extend([opening, field.clone()]);
    if !is_empty {
        slices.push(Bytes::from_static(b","));
    }
    slices.push(behind);
    slices.extend(rest);
}

/// The headers of a client that go to a target. A list of what is allowed: one of what is not
/// would miss the next credential.
const PASSED_ON: [HeaderName; 2] = [ACCEPT, HeaderName::from_static("traceparent")];
/// Those that mean something to targets of the client's own dialect only.
const PASSED_ON_IN_DIALECT: [HeaderName; 4] = [
    CONTENT_TYPE,
    HeaderName::from_static("anthropic-version"),
    HeaderName::from_static("anthropic-beta"),
    HeaderName::from_static("openai-beta"),
];

/// What a dialect that demands a bound on output tokens is told when the client gives none.
const DEFAULT_MAX_TOKENS: u32 = 4096;
