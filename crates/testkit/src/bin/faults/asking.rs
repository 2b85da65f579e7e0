//! One request over a connection of its own, HTTP/1.1 or HTTP/2, and whatever comes of it.

use std::net::SocketAddr;
use std::time::Duration;

use ai_gateway_testkit::Dialect;
use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// What a client speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// Whether a client asks for a stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Form {
    Plain,
    Stream,
}

/// What a client asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    pub(crate) protocol: Protocol,
    pub(crate) form: Form,
    /// What the target speaks, and its client too: of a target whose dialect no client has, OpenAI's.
    pub(crate) dialect: Dialect,
    pub(crate) offers_tool: bool,
}

/// An answer as far as it came.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// Whether HTTP's own framing ended it.
    pub(crate) is_framed: bool,
}

impl Heard {
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    }
}

/// An answer whose head is there. Dropping it closes the connection.
pub(crate) struct Begun {
    response: Response<Incoming>,
    _driver: JoinSet<()>,
}

impl Question {
    pub(crate) fn body(self) -> Value {
        let messages = json!([{ "role": "user", "content": "hello" }]);
        let mut body = match self.dialect {
            Dialect::Anthropic => json!({ "model": "m", "messages": messages, "max_tokens": 100 }),
            Dialect::Responses => json!({ "model": "m", "input": "hello" }),
            // Its path names the model, and whether it streams.
            Dialect::Gemini => {
                return json!({ "contents": [{ "role": "user", "parts": [{ "text": "hello" }] }] });
            }
            _ => json!({ "model": "m", "messages": messages }),
        };
        if let Some(body) = body.as_object_mut() {
            if self.form == Form::Stream {
                body.insert("stream".to_owned(), json!(true));
            }
            if self.offers_tool {
                body.insert("tools".to_owned(), json!([tool()]));
            }
        }
        body
    }

    pub(crate) fn path(self) -> &'static str {
        match (self.dialect, self.form) {
            (Dialect::Anthropic, _) => "/v1/messages",
            (Dialect::Responses, _) => "/v1/responses",
            (Dialect::Gemini, Form::Plain) => "/v1beta/models/m:generateContent",
            (Dialect::Gemini, Form::Stream) => "/v1beta/models/m:streamGenerateContent?alt=sse",
            _ => "/v1/chat/completions",
        }
    }

    /// Asks below `prefix` and waits for the head.
    pub(crate) async fn begin(self, proxy: SocketAddr, prefix: &str) -> Result<Begun> {
        let path = format!("/{prefix}{}", self.path());
        let body = Full::new(Bytes::from(self.body().to_string()));
        let stream = TcpStream::connect(proxy).await.context("no connection")?;
        stream.set_nodelay(true)?;
        let io = TokioIo::new(stream);
        let request = Request::post(match self.protocol {
            Protocol::Http1 => path,
            Protocol::Http2 => format!("http://{proxy}{path}"),
        });
        let request = request.header(CONTENT_TYPE, "application/json");
        let mut driver = JoinSet::new();
        let response = match self.protocol {
            Protocol::Http1 => {
                let (mut sender, connection) = http1::handshake(io).await?;
                driver.spawn(async move { connection.await.unwrap_or_default() });
                let request = request.header(HOST, proxy.to_string()).body(body)?;
                timeout(LONG, sender.send_request(request)).await
            }
            Protocol::Http2 => {
                let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
                driver.spawn(async move { connection.await.unwrap_or_default() });
                timeout(LONG, sender.send_request(request.body(body)?)).await
            }
        };
        Ok(Begun {
            response: response.context("no answer")?.context("no head")?,
            _driver: driver,
        })
    }

    /// Asks below `prefix` and reads what comes to its end.
    pub(crate) async fn ask(self, proxy: SocketAddr, prefix: &str) -> Result<Heard> {
        self.begin(proxy, prefix).await?.rest().await
    }
}

/// A tool in OpenAI's words.
fn tool() -> Value {
    let text = json!({ "type": "string" });
    let properties = json!({ "city": text, "day": text, "unit": text });
    let parameters = json!({ "type": "object", "properties": properties });
    json!({ "type": "function", "function": { "name": "weather", "parameters": parameters } })
}

impl Begun {
    pub(crate) async fn rest(mut self) -> Result<Heard> {
        let mut body = Vec::new();
        let is_framed = loop {
            let frame = timeout(LONG, self.response.body_mut().frame()).await;
            match frame.context("the answer stopped")? {
                None => break true,
                Some(Err(_)) => break false,
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        body.extend_from_slice(&data);
                    }
                }
            }
        };
        Ok(Heard {
            status: self.response.status().as_u16(),
            headers: self.response.headers().clone(),
            body,
            is_framed,
        })
    }

    /// Waits for the first bytes of the body.
    pub(crate) async fn first(&mut self) -> Result<()> {
        let frame = timeout(LONG, self.response.body_mut().frame()).await;
        frame.context("no first bytes")?;
        Ok(())
    }
}

/// Whatever takes longer has failed.
const LONG: Duration = Duration::from_secs(20);
