//! A running Admin API and a client for it.

use std::{
    future::poll_fn,
    mem,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use ai_gateway_admin::{Access, Admin, router, serve};
use ai_gateway_model::{Change, Secret};
use ai_gateway_registry::{Compile, Fleet as _, Place, Registry};
use ai_gateway_store::{Store, StoreOptions};
use ai_gateway_telemetry::Telemetry;
use http::{HeaderMap, HeaderName, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tower::util::MapFutureLayer;

/// Makes nothing of a target: here nothing is sent to targets. Refuses one that has the header
/// `x-unready`, and has a fault of its own that one with the header `x-fault` brings out.
struct Nothing;

impl Compile for Nothing {
    type Endpoint = ();

    fn compile(&self, place: &Place<'_>) -> Result<(), String> {
        if place.target.headers().contains_key("x-unready") {
            return Err("not ready".to_owned());
        }
        let has_fault = place.target.headers().contains_key("x-fault");
        assert!(!has_fault, "the fault that the test asks for");
        Ok(())
    }
}

/// A running Admin API on a store of its own; it stops when it goes.
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    pub(crate) store: Store,
    pub(crate) fleet: Arc<Registry<()>>,
    pub(crate) folder: TempDir,
    pub(crate) shutdown: CancellationToken,
    /// Told of each call that cannot be answered at once, when it has got as far as it can.
    pub(crate) waiting: Arc<Notify>,
    pub(crate) tasks: JoinSet<std::io::Result<()>>,
}

impl Api {
    pub(crate) async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), None).await
    }

    pub(crate) async fn start_in(folder: TempDir, token: Option<&Secret>) -> Self {
        let store = Store::open(StoreOptions::new(folder.path())).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let fleet = Arc::new(Registry::new(Nothing));
        fleet.apply(&store.current());
        let access = Access::for_listener(address, token).unwrap();
        let admin = Admin::new(store.clone(), fleet.clone(), Telemetry::new("test"), access)
            .providers(["openai", "anthropic", "mistral"])
            .body_limit_bytes(64 * 1024);
        let shutdown = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let drain = Duration::from_secs(5);
        let waiting = Arc::new(Notify::new());
        let router = router(admin).layer(MapFutureLayer::new({
            let waiting = Arc::clone(&waiting);
            move |answering| told_of_waiting(Box::pin(answering), Arc::clone(&waiting))
        }));
        tasks.spawn(serve(listener, None, router, shutdown.clone(), drain));
        Self {
            address,
            store,
            fleet,
            folder,
            shutdown,
            waiting,
            tasks,
        }
    }

    /// Starts with a gateway called `main`.
    pub(crate) async fn with_gateway() -> Self {
        let api = Self::start().await;
        api.post("/api/v1/gateways", &json!({ "name": "main" }))
            .await
            .expect(201);
        api
    }

    /// Starts with the gateway `main` and the seed's upstream in it.
    pub(crate) async fn with_seed() -> Self {
        let api = Self::with_gateway().await;
        api.post(UPSTREAMS, &seed()).await.expect(201);
        api
    }

    /// Stops and starts again on the same store.
    pub(crate) async fn restart(self) -> Self {
        let folder = self.stop().await;
        Self::start_in(folder, None).await
    }

    pub(crate) async fn stop(mut self) -> TempDir {
        self.shutdown.cancel();
        self.tasks.join_next().await.unwrap().unwrap().unwrap();
        self.store.close().await;
        self.folder
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Call::new("GET", path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Call::new("POST", path).json(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(Call::new("PUT", path).json(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(Call::new("PATCH", path).json(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Call::new("DELETE", path)).await
    }

    pub(crate) async fn send(&self, call: Call) -> Answer {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        let mut connections = JoinSet::new();
        connections.spawn(connection);
        let mut request = Request::builder()
            .method(call.method.as_str())
            .uri(&call.path);
        if !call.headers.iter().any(|(name, _)| name == "host") {
            request = request.header("host", self.address.to_string());
        }
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(call.body))).unwrap();
        let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }
}

/// Tells `waiting` when `answering` is not done at its first turn.
async fn told_of_waiting<T>(
    mut answering: impl Future<Output = T> + Unpin,
    waiting: Arc<Notify>,
) -> T {
    let mut is_first = true;
    poll_fn(move |context| {
        let polled = Pin::new(&mut answering).poll(context);
        if mem::take(&mut is_first) && polled.is_pending() {
            waiting.notify_waiters();
        }
        polled
    })
    .await
}

/// Holds the one writer of a store, as a disk that hangs does.
pub(crate) struct Stall {
    until: mpsc::Sender<()>,
    holder: JoinHandle<()>,
}

impl Stall {
    /// Returns when the writer is held. Should the test fail, the writer is let go.
    pub(crate) async fn begin(store: &Store) -> Self {
        let (until, end) = mpsc::channel();
        let is_held = Arc::new(Notify::new());
        let (held, store) = (Arc::clone(&is_held), store.clone());
        // A thread of its own: a blocking task of this runtime would stop its paused clock.
        let holder = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            let hang = store.commit("a disk that hangs", |_| {
                held.notify_one();
                end.recv().unwrap_err();
                Err::<Vec<Change>, ()>(())
            });
            runtime.unwrap().block_on(hang).unwrap_err();
        });
        is_held.notified().await;
        Self { until, holder }
    }

    pub(crate) fn end(self) {
        drop(self.until);
        self.holder.join().unwrap();
    }
}

/// A connection on which anything can be said.
pub(crate) struct Wire(TcpStream);

impl Wire {
    pub(crate) async fn open(api: &Api) -> Self {
        Self(TcpStream::connect(api.address).await.unwrap())
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Says nothing more, and goes on listening.
    pub(crate) async fn fall_silent(&mut self) {
        self.0.shutdown().await.unwrap();
    }

    /// Reads just `expected`.
    pub(crate) async fn hear(&mut self, expected: &str) {
        let mut heard = vec![0; expected.len()];
        self.0.read_exact(&mut heard).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&heard), expected);
    }

    /// Reads an answer after which the connection is closed; waits a minute at most.
    pub(crate) async fn answer(mut self) -> Answer {
        let mut text = String::new();
        let reading = self.0.read_to_string(&mut text);
        let read = tokio::time::timeout(Duration::from_secs(60), reading).await;
        read.unwrap().unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let field = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())
        };
        Answer {
            status: status.parse().unwrap(),
            headers: lines.map(field).collect(),
            text: body.to_owned(),
        }
    }
}

/// A call to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Call {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: String::new(),
        }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body(&body.to_string())
            .header("content-type", "application/json")
    }

    pub(crate) fn body(mut self, body: &str) -> Self {
        body.clone_into(&mut self.body);
        self
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    /// Demands a status and returns the body.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Demands a problem document that is whole, and returns it.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let body = self.json();
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["status"], status);
        assert_eq!(body["error"], body["detail"]);
        assert_eq!(body["request_id"], self.header("x-request-id"));
        assert!(body["errors"].is_array() && body["title"].is_string() && body["type"].is_string());
        body
    }
}

pub(crate) fn seed() -> Value {
    let seed = include_str!("../../../model/testdata/seeds-upstream.json");
    serde_json::from_str(seed).unwrap()
}

pub(crate) const UPSTREAMS: &str = "/api/v1/gateways/main/upstreams";
pub(crate) const SEED: &str = "/api/v1/gateways/main/upstreams/ai-providers-upstream";
