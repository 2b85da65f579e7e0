//! A call as the actions see it: read, bounded, and named.

use std::time::Duration;

use ai_gateway_model::{Configuration, Kind, Record, nearest};
use axum::{body::Body, extract::RawPathParams};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Uri, header, request::Parts};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    Admin, document,
    problem::{Code, Problem},
};

/// A call that got past the guard.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) admin: &'a Admin,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    method: Method,
    params: Params,
}

/// The parameters of a query, name and value.
pub(crate) type Query = Vec<(String, String)>;

/// What the path names.
#[derive(Debug, Default)]
pub(crate) struct Params {
    gateway: String,
    object: String,
    target: String,
}

impl Params {
    /// Takes the names out of the path, percent-decoded.
    pub(crate) fn of(raw: &RawPathParams) -> Self {
        let mut params = Self::default();
        for (name, value) in raw {
            let place = match name {
                "gateway" => &mut params.gateway,
                "object" => &mut params.object,
                _ => &mut params.target,
            };
            value.clone_into(place);
        }
        params
    }
}

impl<'a> Call<'a> {
    /// Reads the whole body, up to the limit.
    pub(crate) async fn read(
        admin: &'a Admin,
        params: Params,
        parts: Parts,
        body: Body,
    ) -> Result<Self, Problem> {
        let reading = Limited::new(body, admin.body_limit_bytes).collect();
        let Ok(read) = tokio::time::timeout(BODY_DEADLINE, reading).await else {
            let detail = "the body did not come to its end in time";
            return Err(Problem::new(Code::BodyTimeout, detail));
        };
        let body = match read {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Err(Problem::new(
                    Code::BodyTooLarge,
                    format!("the body is longer than {} bytes", admin.body_limit_bytes),
                ));
            }
            Err(_) => {
                let detail = "the body could not be read to its end";
                return Err(Problem::new(Code::IncompleteBody, detail));
            }
        };
        Ok(Self {
            admin,
            uri: parts.uri,
            headers: parts.headers,
            body,
            method: parts.method,
            params,
        })
    }

    /// Tells whether the call adds to a collection: preconditions then are not about what is in it.
    pub(crate) fn is_creation(&self) -> bool {
        self.method == Method::POST && self.params.target.is_empty()
    }

    /// Finds the gateway that the path names.
    pub(crate) fn gateway<'c>(
        &self,
        configuration: &'c Configuration,
    ) -> Result<&'c Record, Problem> {
        configuration
            .find(Kind::Gateway, None, &self.params.gateway)
            .map(AsRef::as_ref)
            .ok_or_else(|| Problem::not_found(Kind::Gateway, &self.params.gateway))
    }

    /// Finds the gateway that an object of `kind` belongs to: none for a gateway.
    pub(crate) fn owner(
        &self,
        kind: Kind,
        configuration: &Configuration,
    ) -> Result<Option<Uuid>, Problem> {
        match kind {
            Kind::Gateway => Ok(None),
            Kind::Upstream | Kind::Service | Kind::Rule | Kind::Key => {
                self.gateway(configuration).map(|gateway| Some(gateway.id))
            }
        }
    }

    /// Returns the id or name that the path gives the object of `kind`.
    pub(crate) fn reference(&self, kind: Kind) -> &str {
        match kind {
            Kind::Gateway => &self.params.gateway,
            Kind::Upstream | Kind::Service | Kind::Rule | Kind::Key => &self.params.object,
        }
    }

    /// Finds the object of `kind` that the path names.
    pub(crate) fn object<'c>(
        &self,
        kind: Kind,
        configuration: &'c Configuration,
    ) -> Result<&'c Record, Problem> {
        let owner = self.owner(kind, configuration)?;
        let reference = self.reference(kind);
        configuration
            .find(kind, owner, reference)
            .map(AsRef::as_ref)
            .ok_or_else(|| Problem::not_found(kind, reference))
    }

    /// Returns the id or name that the path gives the target.
    pub(crate) fn target(&self) -> &str {
        &self.params.target
    }

    /// Returns the text of a header that is sent at most once.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Returns the body as a JSON object without a key given twice; it must say that it is JSON.
    pub(crate) fn json(&self) -> Result<Value, Problem> {
        let content_type = self.header(&header::CONTENT_TYPE).unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        let is_json = media_type.eq_ignore_ascii_case("application/json")
            || media_type.eq_ignore_ascii_case("application/merge-patch+json");
        if !is_json {
            return Err(Problem::new(
                Code::UnsupportedMediaType,
                "the body must be JSON, with the header Content-Type: application/json",
            ));
        }
        let (body, given_twice) = document::read(&self.body).map_err(|error| {
            let detail = format!("the body is not JSON: {error}");
            Problem::new(Code::InvalidJson, detail)
        })?;
        if !body.is_object() {
            let detail = "the body must be a JSON object";
            return Err(Problem::new(Code::InvalidJson, detail));
        }
        // Which of the two values is meant is not known: there is no more to check yet.
        if !given_twice.is_empty() {
            return Err(Problem::invalid(&given_twice));
        }
        Ok(body)
    }

    /// Returns the query's parameters, each one of `known` and there once.
    pub(crate) fn query(&self, known: &[&'static str]) -> Result<Query, Problem> {
        let mut found = Query::new();
        let query = self.uri.query().unwrap_or_default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if !known.contains(&name) {
                let near = nearest(name, known.iter().copied());
                let hint = near.map(|near| format!(": did you mean {near}?"));
                let detail = format!("unknown parameter {name}{}", hint.unwrap_or_default());
                return Err(Problem::new(Code::InvalidParameter, detail));
            }
            if found.iter().any(|(before, _)| before == name) {
                let detail = format!("parameter {name} is given twice");
                return Err(Problem::new(Code::InvalidParameter, detail));
            }
            found.push((name.to_owned(), value.to_owned()));
        }
        Ok(found)
    }
}

/// Long enough for a body of the largest size over a slow line.
const BODY_DEADLINE: Duration = Duration::from_secs(20);
