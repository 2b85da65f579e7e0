//! The Admin API over HTTP.

use std::time::Duration;

use ai_gateway_model::Secret;
use bytes::Bytes;
use http::{
    HeaderValue, Method, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, IF_MATCH, USER_AGENT},
};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client as HttpClient, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use url::{Host, Url};

use crate::{
    connection::Connection,
    failure::{Failure, Problem, chain},
    output,
};

/// A way to call the Admin API.
pub(crate) struct Client {
    http: HttpClient<HttpsConnector<HttpConnector>, Full<Bytes>>,
    server: Url,
    authorization: Option<HeaderValue>,
    timeout: Duration,
}

/// One call.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    /// The parts of the path below the base, not yet encoded.
    pub(crate) path: Vec<&'a str>,
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) body: Option<&'a Value>,
    /// The version that the object must still be at.
    pub(crate) if_match: Option<&'a str>,
}

/// What the Admin API answered when it did as it was asked.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its JSON; `null` where there is none.
    pub(crate) body: Value,
    /// The version of the object.
    pub(crate) etag: Option<String>,
}

impl<'a> Call<'a> {
    /// Reads what is at `path`.
    pub(crate) fn get(path: &[&'a str]) -> Self {
        Self::new(Method::GET, path, None)
    }

    /// Makes a call with `body`, where there is one.
    pub(crate) fn new(method: Method, path: &[&'a str], body: Option<&'a Value>) -> Self {
        Self {
            method,
            path: path.to_vec(),
            query: Vec::new(),
            body,
            if_match: None,
        }
    }
}

impl Client {
    /// Makes a client of what the command line says; connects to nothing yet.
    pub(crate) fn new(connection: &Connection) -> Result<Self, Failure> {
        let server = connection.server.clone();
        if !matches!(server.scheme(), "http" | "https") || server.host().is_none() {
            return Err(Failure::Usage {
                message: format!("--server {server}: write http://HOST:PORT or https://HOST:PORT"),
            });
        }
        let token = connection.token()?;
        if token.is_some() && server.scheme() == "http" && !is_loopback(&server) {
            output::message("warning: the token travels unencrypted; use https");
        }
        Ok(Self {
            http: HttpClient::builder(TokioExecutor::new()).build(connector()),
            authorization: token.as_ref().map(bearer).transpose()?,
            timeout: Duration::from_secs(connection.timeout),
            server,
        })
    }

    /// Makes the call and waits for the whole answer, up to the timeout.
    pub(crate) async fn send(&self, call: Call<'_>) -> Result<Answer, Failure> {
        match tokio::time::timeout(self.timeout, self.exchange(call)).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::Timeout {
                server: self.name(),
                after: self.timeout,
            }),
        }
    }

    async fn exchange(&self, call: Call<'_>) -> Result<Answer, Failure> {
        let request = self.request(&call)?;
        let response = self
            .http
            .request(request)
            .await
            .map_err(|error| self.unreachable(&error))?;
        let (parts, body) = response.into_parts();
        let strange = |what| Failure::Strange {
            server: self.name(),
            status: parts.status.as_u16(),
            what,
        };
        let body = Limited::new(body, ANSWER_LIMIT_BYTES)
            .collect()
            .await
            .map_err(|_| strange("the answer broke off, or is larger than 64 MiB"))?
            .to_bytes();
        if !parts.status.is_success() {
            return Err(match serde_json::from_slice::<Problem>(&body) {
                Ok(mut problem) => {
                    problem.status = parts.status.as_u16();
                    Failure::Refused(Box::new(problem))
                }
                Err(_) => strange("the refusal is not a problem document"),
            });
        }
        let body = match parts.status {
            StatusCode::NO_CONTENT => Value::Null,
            _ if body.is_empty() => Value::Null,
            _ => serde_json::from_slice(&body).map_err(|_| strange("the answer is not JSON"))?,
        };
        let etag = parts.headers.get(ETAG);
        Ok(Answer {
            body,
            etag: etag.and_then(|etag| etag.to_str().ok().map(str::to_owned)),
        })
    }

    fn request(&self, call: &Call<'_>) -> Result<http::Request<Full<Bytes>>, Failure> {
        let mut url = self.server.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments
                .pop_if_empty()
                .extend(["api", "v1"])
                .extend(&call.path);
        }
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        let mut request = http::Request::builder()
            .method(&call.method)
            .uri(url.as_str())
            .header(ACCEPT, "application/json")
            .header(
                USER_AGENT,
                concat!("gateway-admin/", env!("CARGO_PKG_VERSION")),
            );
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some(etag) = call.if_match {
            request = request.header(IF_MATCH, etag);
        }
        let body = match call.body {
            Some(body) => {
                request = request.header(CONTENT_TYPE, "application/json");
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        request
            .body(Full::new(body))
            .map_err(|error| Failure::Usage {
                message: format!("{url} cannot be called: {error}"),
            })
    }

    /// Returns the server's address as a person writes it.
    fn name(&self) -> String {
        self.server.as_str().trim_end_matches('/').to_owned()
    }

    fn unreachable(&self, error: &hyper_util::client::legacy::Error) -> Failure {
        let hint = if error.is_connect() && is_loopback(&self.server) {
            "\n  is gateway-server running? --server or AIGW_ADMIN_URL names another address"
        } else {
            ""
        };
        Failure::Unreachable {
            server: self.name(),
            reason: chain(error),
            hint,
        }
    }
}

fn connector() -> HttpsConnector<HttpConnector> {
    let builder = match HttpsConnectorBuilder::new().with_native_roots() {
        Ok(builder) => builder,
        // A machine without certificates of its own: trust the public ones.
        Err(_) => HttpsConnectorBuilder::new().with_webpki_roots(),
    };
    builder.https_or_http().enable_http1().build()
}

fn bearer(token: &Secret) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose())).map_err(|_| {
        Failure::Usage {
            message: "the token holds characters that no header may hold".to_owned(),
        }
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn is_loopback(server: &Url) -> bool {
    match server.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Far more than any answer of an Admin API; what answers more is none.
const ANSWER_LIMIT_BYTES: usize = 64 << 20;
