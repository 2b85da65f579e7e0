//! A client that sends exactly what a test says, over a connection of its own for each request.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Talks HTTP/1.1 to one server, without a pool, a redirect or a retry.
#[derive(Clone, Debug)]
pub struct Client {
    authority: Authority,
    headers: HeaderMap,
    within: Duration,
}

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The base URL is not `http://host:port`.
    #[error("{url} is not an address of the form http://host:port")]
    Url {
        /// The URL as given.
        url: String,
    },
    /// The request cannot be written: its path or a header is not valid.
    #[error("the request is not valid")]
    Request(#[source] http::Error),
    /// The server takes no connection.
    #[error("no connection to {authority}")]
    Connect {
        /// Which server.
        authority: Authority,
        /// What connecting met.
        source: std::io::Error,
    },
    /// The connection broke, before the head or within the body.
    #[error("the answer broke off")]
    Broken(#[source] hyper::Error),
    /// The answer took longer than the client waits.
    #[error("no answer within {} s", within.as_secs())]
    Timeout {
        /// How long the client waits.
        within: Duration,
    },
}

impl Client {
    /// A client for the server at `url`, such as `http://127.0.0.1:8081`, that waits 30 s at most for
    /// an answer.
    ///
    /// # Errors
    ///
    /// [`ClientError::Url`] when `url` has no host, or a scheme other than `http`.
    pub fn new(url: &str) -> Result<Self, ClientError> {
        let wrong = || ClientError::Url {
            url: url.to_owned(),
        };
        let uri: Uri = url.parse().map_err(|_error| wrong())?;
        let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http"));
        let authority = authority.cloned().ok_or_else(wrong)?;
        Ok(Self {
            authority,
            headers: HeaderMap::new(),
            within: Duration::from_secs(30),
        })
    }

    /// Adds a header to every request. A name or a value that HTTP does not allow is left out.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            self.headers.insert(name, value);
        }
        self
    }

    /// Changes how long it waits for a whole answer, or for the head of a stream.
    #[must_use]
    pub fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// Sends a `GET`.
    ///
    /// # Errors
    ///
    /// [`ClientError`] when no whole answer came; a status of 400 or more is an answer.
    pub async fn get(&self, path: &str) -> Result<Answered, ClientError> {
        self.send(Method::GET, path, Bytes::new()).await
    }

    /// Sends a `POST` with JSON.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answered, ClientError> {
        self.send(Method::POST, path, Bytes::from(body.to_string()))
            .await
    }

    /// Sends any request; a body that is not empty is announced as JSON. Dropping the future closes
    /// the connection.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Answered, ClientError> {
        let exchange = async {
            let mut streaming = self.open(method, path, body).await?;
            let body = streaming.rest().await?;
            Ok(Answered {
                status: streaming.status,
                headers: streaming.headers,
                body,
            })
        };
        timeout(self.within, exchange)
            .await
            .unwrap_or(Err(ClientError::Timeout {
                within: self.within,
            }))
    }

    /// Sends a `POST` with JSON and returns as soon as the head of the answer is there.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn stream(&self, path: &str, body: &Value) -> Result<Streaming, ClientError> {
        let opened = self.open(Method::POST, path, Bytes::from(body.to_string()));
        timeout(self.within, opened)
            .await
            .unwrap_or(Err(ClientError::Timeout {
                within: self.within,
            }))
    }

    async fn open(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Streaming, ClientError> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.authority.as_str());
        if !body.is_empty() && !self.headers.contains_key(CONTENT_TYPE) {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let mut request = request
            .body(Full::new(body))
            .map_err(ClientError::Request)?;
        for (name, value) in &self.headers {
            request.headers_mut().insert(name, value.clone());
        }
        let stream = TcpStream::connect(self.authority.as_str())
            .await
            .map_err(|source| ClientError::Connect {
                authority: self.authority.clone(),
                source,
            })?;
        let io = TokioIo::new(stream);
        let (mut sender, connection) = http1::handshake(io).await.map_err(ClientError::Broken)?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // What it met reaches the caller through the request or the body.
            connection.await.ok();
        });
        let response = sender
            .send_request(request)
            .await
            .map_err(ClientError::Broken)?;
        let (parts, body) = response.into_parts();
        Ok(Streaming {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
            within: self.within,
            _driver: driver,
        })
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answered {
    /// The body as JSON; `null` when it is not.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The body as text, whatever it is.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value; empty when it is missing or not text.
    pub fn header(&self, name: &str) -> &str {
        header(&self.headers, name)
    }
}

/// An answer whose body is still coming. Dropping it closes the connection, as a client does that
/// loses interest.
#[derive(Debug)]
pub struct Streaming {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    body: Incoming,
    within: Duration,
    _driver: JoinSet<()>,
}

impl Streaming {
    /// A header's value; empty when it is missing or not text.
    pub fn header(&self, name: &str) -> &str {
        header(&self.headers, name)
    }

    /// The next bytes as they arrive; `None` at the proper end of the answer.
    ///
    /// # Errors
    ///
    /// [`ClientError::Broken`] when the connection ends before the answer does,
    /// [`ClientError::Timeout`] when nothing comes.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            let frame = timeout(self.within, self.body.frame())
                .await
                .map_err(|_elapsed| ClientError::Timeout {
                    within: self.within,
                })?;
            match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(ClientError::Broken(error)),
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
            }
        }
    }

    /// Everything that is left of the body.
    ///
    /// # Errors
    ///
    /// As [`chunk`](Self::chunk); what had come by then is lost.
    pub async fn rest(&mut self) -> Result<Bytes, ClientError> {
        let mut whole = Vec::new();
        while let Some(bytes) = self.chunk().await? {
            whole.extend_from_slice(&bytes);
        }
        Ok(Bytes::from(whole))
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("")
}
