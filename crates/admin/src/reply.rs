//! What a call is answered with when nothing went wrong.

use axum::body::Body;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

/// An answer, before it is bytes: what is kept for an idempotency key is this.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Content,
    pub(crate) etag: Option<String>,
    pub(crate) location: Option<String>,
    /// Where the next page is.
    pub(crate) next: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    Empty,
    Json(Value),
    /// Text of a content type of its own.
    Text(String, &'static str),
}

impl Reply {
    pub(crate) fn json(body: Value) -> Self {
        Self {
            body: Content::Json(body),
            ..Self::empty(StatusCode::OK)
        }
    }

    pub(crate) fn empty(status: StatusCode) -> Self {
        Self {
            status,
            body: Content::Empty,
            etag: None,
            location: None,
            next: None,
        }
    }

    pub(crate) fn text(text: String, content_type: &'static str) -> Self {
        Self {
            body: Content::Text(text, content_type),
            ..Self::empty(StatusCode::OK)
        }
    }

    /// Marks what is answered with the revision that last changed it.
    #[must_use]
    pub(crate) fn revision(mut self, revision: u64) -> Self {
        self.etag = Some(etag(revision));
        self
    }

    /// Says that the object at `location` is new.
    #[must_use]
    pub(crate) fn created(mut self, location: String) -> Self {
        self.status = StatusCode::CREATED;
        self.location = Some(location);
        self
    }

    /// Returns the bytes to keep for a call that comes again.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let body = match &self.body {
            Content::Json(body) => body.clone(),
            Content::Empty | Content::Text(..) => Value::Null,
        };
        let kept = json!({
            "status": self.status.as_u16(),
            "body": body,
            "etag": self.etag,
            "location": self.location,
        });
        kept.to_string().into_bytes()
    }

    /// Reads what was kept.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let kept: Value = serde_json::from_slice(bytes).ok()?;
        let text = |name: &str| kept.get(name)?.as_str().map(str::to_owned);
        let status = u16::try_from(kept.get("status")?.as_u64()?).ok()?;
        Some(Self {
            status: StatusCode::from_u16(status).ok()?,
            body: match kept.get("body")? {
                Value::Null => Content::Empty,
                body => Content::Json(body.clone()),
            },
            etag: text("etag"),
            location: text("location"),
            next: None,
        })
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let (body, content_type) = match self.body {
            Content::Empty => (Body::empty(), None),
            Content::Json(body) => (json_body(&body), Some("application/json")),
            Content::Text(text, content_type) => (Body::from(text), Some(content_type)),
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        let content_type = content_type.map(str::to_owned);
        let link = self.next.map(|next| format!("<{next}>; rel=\"next\""));
        for (name, value) in [
            (header::CONTENT_TYPE, content_type),
            (header::ETAG, self.etag),
            (header::LOCATION, self.location),
            (header::LINK, link),
        ] {
            set(&mut response, name, value);
        }
        response
    }
}

/// Returns the entity tag of a revision.
pub(crate) fn etag(revision: u64) -> String {
    format!("\"rev-{revision}\"")
}

/// Returns JSON for programs and, by its last line break, for terminals.
pub(crate) fn json_body(body: &Value) -> Body {
    let mut text = body.to_string();
    text.push('\n');
    Body::from(text)
}

pub(crate) fn set(response: &mut Response<Body>, name: HeaderName, value: Option<String>) {
    if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
        response.headers_mut().insert(name, value);
    }
}
