//! A whole gateway inside the test, with a stand-in behind it.

use ai_gateway_testkit::{Answered, Client, Provider, StandIn};
use clap::Parser as _;
use gateway_server::{Server, Settings};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) struct Gateway {
    pub(crate) admin: Client,
    /// Without a key.
    pub(crate) proxy: Client,
    pub(crate) openai: StandIn,
    /// The Admin API's path of the one gateway.
    pub(crate) base: String,
    _server: Server,
    _data_dir: TempDir,
}

impl Gateway {
    pub(crate) async fn start(flags: &[&str]) -> Self {
        let openai = Provider::openai().start().await.unwrap();
        let data_dir = TempDir::new().unwrap();
        let folder = format!("--data-dir={}", data_dir.path().display());
        let elsewhere = format!("--provider-base-url=openai={}", openai.url());
        let ours = [
            "--admin-listen=127.0.0.1:0",
            "--proxy-listen=127.0.0.1:0",
            &folder,
            &elsewhere,
        ];
        let arguments = ["gateway-server"].iter().chain(&ours).chain(flags);
        let server = Server::start(&Settings::try_parse_from(arguments).unwrap())
            .await
            .unwrap();
        let client = |address| Client::new(&format!("http://{address}")).unwrap();
        Self {
            admin: client(server.admin_addr().unwrap()),
            proxy: client(server.proxy_addr().unwrap()),
            openai,
            base: "/api/v1/gateways/default".into(),
            _server: server,
            _data_dir: data_dir,
        }
    }

    /// Makes something through the Admin API.
    pub(crate) async fn make(&self, collection: &str, body: Value) -> Value {
        let path = format!("{}/{collection}", self.base);
        let answer = self.admin.post(&path, &body).await.unwrap();
        assert_eq!(answer.status, 201, "{path}: {}", answer.text());
        answer.json()
    }

    /// Makes an upstream of one target, a service and a rule for everything under `/v1`.
    pub(crate) async fn route(&self, upstream: Value) {
        let upstream = self.make("upstreams", upstream).await;
        let service = json!({"name": "chat", "type": "upstream", "upstream": upstream["name"]});
        self.make("services", service).await;
        self.make(
            "rules",
            json!({"name": "all", "path": "/v1/*", "service": "chat"}),
        )
        .await;
    }

    /// Makes a key and answers a client that has it.
    pub(crate) async fn client(&self, key: Value) -> Client {
        let key = self.make("keys", key).await["key"]
            .as_str()
            .unwrap()
            .to_owned();
        self.proxy
            .clone()
            .header("authorization", &format!("Bearer {key}"))
    }
}

/// Asserts that `answer` is an error of the gateway in OpenAI's envelope.
#[track_caller]
pub(crate) fn is_error(answer: &Answered, status: u16, code: &str) {
    let body = answer.json();
    assert_eq!(
        (answer.status, body["error"]["code"].as_str()),
        (status, Some(code)),
        "{body}"
    );
    assert!(
        body["error"]["message"]
            .as_str()
            .is_some_and(|message| !message.is_empty()),
        "{body}"
    );
    assert!(body["error"]["type"].is_string(), "{body}");
    assert!(!answer.header("x-request-id").is_empty());
}
