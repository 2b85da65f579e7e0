//! A whole gateway inside this program, configured as anyone would: through the Admin API.

use std::net::SocketAddr;

use ai_gateway_testkit::{Answered, Client};
use clap::Parser as _;
use gateway_server::{Server, Settings};
use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::providers::Providers;
use crate::screen::{Screen, TargetLine};
use crate::{Failure, question};

/// The guide's upstream, as it is printed there.
const UPSTREAM: &str = include_str!("upstream.json");

/// A running gateway and its two doors.
#[derive(Debug)]
pub(crate) struct Gateway {
    server: Server,
    admin: Client,
    admin_address: SocketAddr,
    proxy: Client,
    proxy_address: SocketAddr,
    upstream_path: String,
    _data_dir: TempDir,
}

/// What came of one chat request.
#[derive(Debug)]
pub(crate) struct Chat {
    /// Who served it; `None` when nobody did.
    pub(crate) provider: Option<String>,
    pub(crate) attempts: u64,
    pub(crate) substituted: Option<String>,
}

impl Gateway {
    pub(crate) async fn start(providers: &Providers) -> Result<Self, Failure> {
        let data_dir = TempDir::new()?;
        let mut arguments = vec![
            "gateway-server".into(),
            "--admin-listen=127.0.0.1:0".into(),
            "--proxy-listen=127.0.0.1:0".into(),
            format!("--data-dir={}", data_dir.path().display()),
        ];
        for base_url in providers.base_urls() {
            arguments.push(format!("--provider-base-url={base_url}"));
        }
        let server = Server::start(&Settings::try_parse_from(arguments)?).await?;
        let admin_address = server.admin_addr().ok_or("the Admin API is off")?;
        let proxy_address = server.proxy_addr().ok_or("the proxy is off")?;
        let admin = Client::new(&format!("http://{admin_address}"))?;
        let proxy = Client::new(&format!("http://{proxy_address}"))?;
        let upstream_path = String::new();
        Ok(Self {
            server,
            admin,
            admin_address,
            proxy,
            proxy_address,
            upstream_path,
            _data_dir: data_dir,
        })
    }

    pub(crate) fn admin_url(&self) -> String {
        format!("http://{}", self.admin_address)
    }

    pub(crate) fn proxy_url(&self) -> String {
        format!("http://{}", self.proxy_address)
    }

    /// A client that has the application's key.
    pub(crate) fn client(&self) -> &Client {
        &self.proxy
    }

    /// Makes the guide's upstream, and a service, a rule and a key that lead to it.
    pub(crate) async fn configure(
        &mut self,
        screen: &mut Screen,
        providers: &Providers,
    ) -> Result<(), Failure> {
        let gateways = self.call(Method::GET, "/api/v1/gateways", None).await?;
        let gateway = text(&gateways, "/items/0/name")?;
        let base = format!("/api/v1/gateways/{gateway}");
        let mut upstream: Value = serde_json::from_str(UPSTREAM)?;
        providers.complete(&mut upstream);
        let made = self
            .call(Method::POST, &format!("{base}/upstreams"), Some(upstream))
            .await?;
        self.upstream_path = format!("{base}/upstreams/{}", text(&made, "/id")?);
        // The guide checks every 60 s; this program would like to end before that.
        let sooner = json!({"health_checks": {"interval": 1}});
        let path = self.upstream_path.clone();
        self.call(Method::PATCH, &path, Some(sooner)).await?;
        let service =
            json!({"name": "chat", "type": "upstream", "upstream": text(&made, "/name")?});
        self.call(Method::POST, &format!("{base}/services"), Some(service))
            .await?;
        let rule = json!({"name": "everything", "path": "/v1/*", "service": "chat"});
        self.call(Method::POST, &format!("{base}/rules"), Some(rule))
            .await?;
        let key = json!({"name": "example"});
        let key = self
            .call(Method::POST, &format!("{base}/keys"), Some(key))
            .await?;
        let key = text(&key, "/key")?;
        self.proxy = self
            .proxy
            .clone()
            .header("authorization", &format!("Bearer {key}"));
        screen
            .note("made through the Admin API: the guide's upstream, a service, a rule, a key")?;
        Ok(())
    }

    /// Sends one chat request in OpenAI's dialect.
    pub(crate) async fn ask(&self, model: Option<&str>) -> Result<Chat, Failure> {
        let answer = self
            .proxy
            .post("/v1/chat/completions", &question(model))
            .await?;
        let header = |name| Some(answer.header(name)).filter(|value| !value.is_empty());
        let is_served = answer.status == 200;
        Ok(Chat {
            provider: header("x-gateway-provider")
                .filter(|_| is_served)
                .map(str::to_owned),
            attempts: header("x-gateway-attempts")
                .and_then(|count| count.parse().ok())
                .unwrap_or(1),
            substituted: header("x-gateway-model-substituted").map(str::to_owned),
        })
    }

    /// How the targets are now.
    pub(crate) async fn health(&self) -> Result<Vec<TargetLine>, Failure> {
        let health = self
            .call(Method::GET, &format!("{}/health", self.upstream_path), None)
            .await?;
        let targets = health
            .get("items")
            .and_then(Value::as_array)
            .ok_or("health has no items")?;
        let line = |target| {
            let text = |member: &str| {
                let value = Value::get(target, member).and_then(Value::as_str);
                value.unwrap_or_default().to_owned()
            };
            TargetLine {
                name: text("name"),
                state: text("state"),
                reason: text("reason"),
            }
        };
        Ok(targets.iter().map(line).collect())
    }

    /// Takes the first target out, or back in.
    pub(crate) async fn act_on_first_target(&self, action: &str) -> Result<(), Failure> {
        let upstream = self.call(Method::GET, &self.upstream_path, None).await?;
        let target = text(&upstream, "/targets/0/name")?;
        let path = format!("{}/targets/{target}/{action}", self.upstream_path);
        self.call(Method::POST, &path, Some(json!({}))).await?;
        Ok(())
    }

    pub(crate) async fn stop(self) {
        self.server.stop().await;
    }

    /// Calls the Admin API; anything but success is an error.
    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, Failure> {
        let is_patch = method == Method::PATCH;
        let mut client = self.admin.clone();
        if is_patch {
            client = client.header("content-type", "application/merge-patch+json");
        }
        let bytes = body.map(|body| body.to_string()).unwrap_or_default();
        let answer: Answered = client.send(method.clone(), path, bytes.into()).await?;
        if (200..300).contains(&answer.status) {
            return Ok(answer.json());
        }
        Err(format!("{method} {path} gave {}: {}", answer.status, answer.text()).into())
    }
}

fn text(value: &Value, pointer: &str) -> Result<String, Failure> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found
        .map(str::to_owned)
        .ok_or_else(|| format!("{value} has no text at {pointer}").into())
}
