//! A proxy over stand-in providers, without store and Admin API.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use ai_gateway_model::{
    Change, Configuration, Draft, KeyHash, Kind, Record, SecretSource, ValidationContext,
};
use ai_gateway_providers::Catalogue;
use ai_gateway_proxy::{
    Compiler, Connections, Door, Endpoint, Proxy, ProxySettings, Shutdown, check_actively, serve,
};
use ai_gateway_registry::{Fleet, Registry, TargetHealth, TargetState};
use ai_gateway_telemetry::Telemetry;
use ai_gateway_testkit::{Client, StandIn};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

/// A running proxy; it stops when this is dropped.
pub(crate) struct Fixture {
    address: SocketAddr,
    configuration: Configuration,
    registry: Arc<Registry<Endpoint>>,
    pub(crate) telemetry: Telemetry,
    stop: CancellationToken,
    _stop: DropGuard,
}

impl Fixture {
    /// Starts a proxy with one gateway that needs no key, and an upstream named `up`.
    pub(crate) async fn with_upstream(upstream: Value) -> Self {
        Self::with_upstream_over(Connections::new(), upstream).await
    }

    /// The same, over connections of the caller's making.
    pub(crate) async fn with_upstream_over(connections: Connections, upstream: Value) -> Self {
        let catalogue = Catalogue::builtin().clone();
        let fixture = Self::start_with(connections, ProxySettings::default(), catalogue).await;
        fixture.and_upstream(upstream)
    }

    /// The same, knowing the models of the caller's catalogue.
    pub(crate) async fn with_catalogue(catalogue: Catalogue, upstream: Value) -> Self {
        let settings = ProxySettings::default();
        let fixture = Self::start_with(Connections::new(), settings, catalogue).await;
        fixture.and_upstream(upstream)
    }

    /// The same, with settings of the caller's.
    pub(crate) async fn with_settings(settings: ProxySettings, upstream: Value) -> Self {
        Self::start(settings).await.and_upstream(upstream)
    }

    fn and_upstream(mut self, upstream: Value) -> Self {
        let fixture = &mut self;
        fixture.put(
            Kind::Gateway,
            None,
            &json!({ "name": "gw", "require_key": false }),
        );
        let gateway = fixture.id(Kind::Gateway, None, "gw");
        let mut upstream = upstream;
        upstream["name"] = json!("up");
        fixture.put(Kind::Upstream, Some(gateway), &upstream);
        self
    }

    /// Starts a proxy with nothing configured.
    pub(crate) async fn start(settings: ProxySettings) -> Self {
        Self::start_with(Connections::new(), settings, Catalogue::builtin().clone()).await
    }

    async fn start_with(
        connections: Connections,
        settings: ProxySettings,
        catalogue: Catalogue,
    ) -> Self {
        let telemetry = Telemetry::new("test");
        let read_secret = |source: &SecretSource| match source {
            SecretSource::Literal(secret) => Ok(secret.clone()),
            SecretSource::Env(name) => Err(format!("{name} is not set")),
            SecretSource::File(_) => Err("no files here".to_owned()),
        };
        let compiler = Compiler::new(
            connections,
            telemetry.clone(),
            BTreeMap::new(),
            Box::new(read_secret),
        );
        let registry = Arc::new(Registry::new(compiler.catalogue(Arc::new(catalogue))));
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let stop = CancellationToken::new();
        let connections = settings.connections;
        let proxy = Proxy::new(Arc::clone(&registry), telemetry.clone(), settings);
        let shutdown = Shutdown {
            drain: stop.clone(),
            ending: proxy.ending(),
        };
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        tokio::spawn(serve(
            Door::from(socket).counted(telemetry.clone()),
            proxy,
            connections,
            shutdown,
        ));
        Self {
            address,
            configuration: Configuration::empty(),
            registry,
            telemetry,
            _stop: stop.clone().drop_guard(),
            stop,
        }
    }

    /// Creates or replaces an object, checked as the Admin API checks it, and makes it live.
    pub(crate) fn put(&mut self, kind: Kind, gateway: Option<Uuid>, written: &Value) -> Uuid {
        self.put_with(kind, gateway, written, |_| {})
    }

    /// Makes an API key with that secret.
    pub(crate) fn put_key(&mut self, gateway: Uuid, written: &Value, secret: &str) {
        self.put_with(Kind::Key, Some(gateway), written, |draft| {
            draft.set_key_hash(KeyHash::of(secret));
        });
    }

    fn put_with(
        &mut self,
        kind: Kind,
        gateway: Option<Uuid>,
        written: &Value,
        finish: impl FnOnce(&mut Draft),
    ) -> Uuid {
        self.try_put_with(kind, gateway, written, finish).unwrap()
    }

    /// Creates or replaces an upstream; answers what is wrong with it, if anything is.
    pub(crate) fn try_upstream(&mut self, gateway: Uuid, written: &Value) -> Result<Uuid, String> {
        self.try_put_with(Kind::Upstream, Some(gateway), written, |_| {})
    }

    fn try_put_with(
        &mut self,
        kind: Kind,
        gateway: Option<Uuid>,
        written: &Value,
        finish: impl FnOnce(&mut Draft),
    ) -> Result<Uuid, String> {
        let name = written["name"].as_str().unwrap_or_default();
        let previous = self.configuration.find(kind, gateway, name).cloned();
        let id = previous
            .as_ref()
            .map_or_else(Uuid::now_v7, |record| record.id);
        let context = ValidationContext {
            configuration: &self.configuration,
            id,
            gateway,
            previous: previous.as_deref(),
            provider_known: &|name| ai_gateway_providers::provider(name).is_some(),
            provider_names: &[],
        };
        let draft = Draft::read(kind, written, &context);
        let mut draft = draft.map_err(|faults| format!("{faults:?}"))?;
        finish(&mut draft);
        let record = Record {
            kind,
            id,
            gateway,
            name: draft.name,
            spec: draft.spec,
            secrets: draft.secrets,
            revision: 0,
            created_at_ms: 0,
            updated_at_ms: 0,
        };
        let revision = self.configuration.revision() + 1;
        self.configuration = self
            .configuration
            .next(revision, &[Change::Put(record)])
            .unwrap();
        let applied = self.registry.apply(&self.configuration);
        assert_eq!(applied.revision, revision);
        Ok(id)
    }

    pub(crate) fn id(&self, kind: Kind, gateway: Option<Uuid>, name: &str) -> Uuid {
        self.configuration.find(kind, gateway, name).unwrap().id
    }

    /// The id of the gateway that [`with_upstream`](Self::with_upstream) makes.
    pub(crate) fn gateway(&self) -> Uuid {
        self.id(Kind::Gateway, None, "gw")
    }

    /// A client without a key.
    pub(crate) fn client(&self) -> Client {
        Client::new(&format!("http://{}", self.address)).unwrap()
    }

    /// Begins to drain the proxy.
    pub(crate) fn drain(&self) {
        self.stop.cancel();
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes active checks until the test ends.
    pub(crate) fn check_actively(&self) -> impl Future<Output = ()> + Send + use<> {
        check_actively(Arc::clone(&self.registry), CancellationToken::new())
    }

    /// How the targets of `up` are.
    pub(crate) fn health(&self) -> Vec<TargetHealth> {
        let upstream = self.id(Kind::Upstream, Some(self.gateway()), "up");
        self.registry.health(upstream).unwrap().targets
    }

    pub(crate) fn states(&self) -> Vec<TargetState> {
        self.health()
            .into_iter()
            .map(|target| target.state)
            .collect()
    }
}

/// A target that leads to `stand_in`, of the given priority.
pub(crate) fn target(stand_in: &StandIn, priority: u32) -> Value {
    json!({ "name": stand_in.name(), "base_url": stand_in.url(), "priority": priority })
}

/// A target that speaks Anthropic's dialect.
pub(crate) fn anthropic_target(stand_in: &StandIn, priority: u32) -> Value {
    json!({
        "name": stand_in.name(),
        "base_url": stand_in.url(),
        "path": "/v1/messages",
        "priority": priority,
        "headers": { "anthropic-version": "2023-06-01" },
    })
}

/// A chat request in OpenAI's dialect.
pub(crate) fn chat() -> Value {
    json!({ "model": "m", "messages": [{ "role": "user", "content": "hello" }] })
}

/// The same, streamed.
pub(crate) fn chat_stream() -> Value {
    let mut chat = chat();
    chat["stream"] = json!(true);
    chat
}

/// The same in Anthropic's dialect.
pub(crate) fn messages(stream: bool) -> Value {
    json!({
        "model": "m",
        "max_tokens": 100,
        "stream": stream,
        "messages": [{ "role": "user", "content": "hello" }],
    })
}

/// How many connections were closed for `reason`, once there are `expected`, or after a while: the
/// connection's task counts when the client has already seen its end.
pub(crate) async fn closed(fixture: &Fixture, reason: &str, expected: usize) -> usize {
    let label = format!("aigw_connections_closed_total{{reason=\"{reason}\"}} ");
    let mut looks = tokio::time::interval(std::time::Duration::from_millis(20));
    let mut count = 0;
    for _ in 0..250 {
        looks.tick().await;
        let metrics = fixture.telemetry.render();
        let line = metrics.lines().find_map(|line| line.strip_prefix(&label));
        count = line.and_then(|count| count.parse().ok()).unwrap_or(0);
        if count >= expected {
            break;
        }
    }
    count
}
