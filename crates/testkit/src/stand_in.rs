//! A provider on loopback.

mod connection;
mod control;
mod script;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use self::connection::{Wire, WireState};
use self::script::{Script, Severed};
use crate::dialect::Call;
use crate::journal::{Entry, Journal};
use crate::{Behaviour, Cut, Dialect, Fault, Received, Served};

/// Says what a stand-in is to be; [`start`](Self::start) brings it to life.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use ai_gateway_testkit::{Behaviour, Provider};
///
/// let openai = Provider::openai().key("sk-test").start().await?;
/// openai.script([Behaviour::status_with_header(429, "retry-after", "2")]);
/// // The first request to openai.url() gets the 429, every later one a good answer.
/// assert!(openai.requests().is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Provider {
    dialect: Dialect,
    name: String,
    key: Option<String>,
    models: Option<Vec<String>>,
    behaviour: Behaviour,
    listen: SocketAddr,
}

impl Provider {
    /// An OpenAI that takes any key, lists OpenAI's usual models and serves every model.
    pub fn openai() -> Self {
        Self::new(Dialect::OpenAi)
    }

    /// An Anthropic that takes any key, lists Anthropic's usual models and serves every model.
    pub fn anthropic() -> Self {
        Self::new(Dialect::Anthropic)
    }

    /// A Gemini that takes any key, lists Gemini's usual models and serves every model.
    pub fn gemini() -> Self {
        Self::new(Dialect::Gemini)
    }

    /// A provider of `dialect` that takes any key and serves every model.
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            name: dialect.as_str().to_owned(),
            key: None,
            models: None,
            behaviour: Behaviour::default(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        }
    }

    /// What it calls itself in its answers; by default the dialect's name.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// The only key it lets in; by default it asks for none. Bedrock's is `ID:SECRET` or
    /// `ID:SECRET:TOKEN` of AWS, by which requests must be signed, or one that is sent as it is.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// The models it lists and serves; any other is refused with 404.
    #[must_use]
    pub fn models(mut self, models: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.models = Some(models.into_iter().map(Into::into).collect());
        self
    }

    /// How it treats requests from the start.
    #[must_use]
    pub fn behaviour(mut self, behaviour: Behaviour) -> Self {
        self.behaviour = behaviour;
        self
    }

    /// Where it listens; by default a free port of 127.0.0.1.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Starts it. It runs on the current runtime until it is dropped.
    ///
    /// # Errors
    ///
    /// What binding the address met.
    pub async fn start(self) -> io::Result<StandIn> {
        let listener = TcpListener::bind(self.listen).await?;
        let address = listener.local_addr()?;
        let usual = || {
            self.dialect
                .usual_models()
                .iter()
                .map(|&model| model.to_owned())
                .collect()
        };
        let state = Arc::new(State {
            dialect: self.dialect,
            name: self.name,
            key: self.key,
            refuses_other_models: self.models.is_some(),
            models: self.models.unwrap_or_else(usual),
            behaviour: Mutex::new(self.behaviour),
            script: Mutex::default(),
            journal: Journal::new(),
            connections: AtomicU64::new(0),
        });
        let running = Running::Up(accept_all(listener, Arc::clone(&state)));
        Ok(StandIn {
            state,
            address,
            running: tokio::sync::Mutex::new(running),
        })
    }
}

/// A running stand-in for a provider. Dropping it closes its port and its connections.
#[derive(Debug)]
pub struct StandIn {
    state: Arc<State>,
    address: SocketAddr,
    running: tokio::sync::Mutex<Running>,
}

impl StandIn {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL, without a path: `http://127.0.0.1:40123`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it calls itself in its answers.
    pub fn name(&self) -> &str {
        &self.state.name
    }

    /// Changes how it treats the requests from now on, but for those that a script is left for.
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        *lock(&self.state.behaviour) = behaviour;
    }

    /// Says how the next requests are treated, one by one, before the standing behaviour is back.
    /// Replaces what is left of an earlier script.
    pub fn script(&self, behaviours: impl IntoIterator<Item = Behaviour>) {
        *lock(&self.state.script) = behaviours.into_iter().collect();
    }

    /// Every request so far, in the order of arrival.
    pub fn requests(&self) -> Vec<Received> {
        self.state.journal.all()
    }

    /// How many requests ended in the way of `served`.
    pub fn count(&self, served: Served) -> usize {
        self.requests()
            .iter()
            .filter(|request| request.served == served)
            .count()
    }

    /// How many connections it accepted.
    pub fn connections(&self) -> u64 {
        self.state.connections.load(Ordering::Relaxed)
    }

    /// Waits until `done` holds for the requests so far; answers whether it did `within` the time.
    pub async fn wait_until(&self, done: impl Fn(&[Received]) -> bool, within: Duration) -> bool {
        self.state.journal.wait(done, within).await
    }

    /// Closes the port and every connection: from now on connections are refused. The port stays
    /// reserved, so that [`start_again`](Self::start_again) gets it back.
    pub async fn stop(&self) {
        let mut running = self.running.lock().await;
        if let Running::Up(tasks) = &mut *running {
            tasks.shutdown().await;
            *running = Running::Down(reserve(self.address).ok());
        }
    }

    /// Listens again on the same port.
    ///
    /// # Errors
    ///
    /// What binding the port met.
    pub async fn start_again(&self) -> io::Result<()> {
        let mut running = self.running.lock().await;
        if let Running::Down(reserved) = &mut *running {
            let socket = match reserved.take() {
                Some(socket) => socket,
                None => reserve(self.address)?,
            };
            let listener = socket.listen(BACKLOG)?;
            *running = Running::Up(accept_all(listener, Arc::clone(&self.state)));
        }
        Ok(())
    }

    /// Serves the control endpoints on `listener`, so that a stand-in whose own port is closed can
    /// still be told to open it. Ends only by being dropped.
    pub async fn serve_control(self: Arc<Self>, listener: TcpListener) {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let stand_in = Arc::clone(&self);
            connections.spawn(async move {
                let service = service_fn(|request| async {
                    Ok::<_, Infallible>(control::answer_anywhere(&stand_in, request).await)
                });
                let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                // A caller that breaks off concerns nobody else.
                served.await.ok();
            });
            while connections.try_join_next().is_some() {}
        }
    }
}

/// Whether a stand-in listens.
#[derive(Debug)]
enum Running {
    /// It does; ending the task closes the port and the connections.
    Up(JoinSet<()>),
    /// It does not; a bound socket that never listens keeps the port from others.
    Down(Option<TcpSocket>),
}

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

fn reserve(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// What a stand-in is and how it behaves now.
#[derive(Debug)]
struct State {
    dialect: Dialect,
    name: String,
    key: Option<String>,
    models: Vec<String>,
    refuses_other_models: bool,
    behaviour: Mutex<Behaviour>,
    script: Mutex<VecDeque<Behaviour>>,
    journal: Journal,
    connections: AtomicU64,
}

impl State {
    fn next_behaviour(&self) -> Behaviour {
        let scripted = lock(&self.script).pop_front();
        scripted.unwrap_or_else(|| lock(&self.behaviour).clone())
    }

    async fn serve(
        &self,
        connection: u64,
        wire: Arc<WireState>,
        request: Request<Incoming>,
    ) -> Result<Response<Script>, Severed> {
        if request.uri().path().starts_with(control::PATH) {
            let answer = control::answer(self, request).await;
            wire.forget_received();
            return Ok(answer.map(Script::whole));
        }
        let received = receive(connection, &wire, request).await?;
        let entry = self.journal.add(received.clone());
        let behaviour = self.next_behaviour();
        sleep(behaviour.head_delay).await;
        match behaviour.fault {
            Some(Fault::HangBeforeHead) => pending().await,
            Some(Fault::CutBeforeHead { how }) => Err(sever(&wire, how, entry)),
            _ => Ok(self.answer(&received, &behaviour, wire, entry)),
        }
    }

    fn answer(
        &self,
        received: &Received,
        behaviour: &Behaviour,
        wire: Arc<WireState>,
        entry: Entry,
    ) -> Response<Script> {
        let path = received.target.split('?').next().unwrap_or_default();
        #[expect(
            clippy::disallowed_methods,
            reason = "where requests come in, and what tells whether a signature is fresh"
        )]
        let now = SystemTime::now();
        let reply = self.dialect.reply(&Call {
            method: &received.method,
            target: &received.target,
            path,
            headers: &received.headers,
            body: &received.body,
            name: &self.name,
            key: self.key.as_deref(),
            models: &self.models,
            refuses_other_models: self.refuses_other_models,
            say: behaviour.say.as_deref(),
            serial: entry.index(),
            now,
        });
        let dialect = self.dialect.at(&received.target);
        script::play(dialect, reply, behaviour, wire, entry)
    }
}

async fn receive(
    connection: u64,
    wire: &WireState,
    request: Request<Incoming>,
) -> Result<Received, Severed> {
    let head = wire.take_head();
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_error| Severed)?.to_bytes();
    wire.forget_received();
    Ok(Received {
        connection,
        method: parts.method,
        target: parts.uri.to_string(),
        headers: parts.headers,
        head,
        body,
        served: Served::Running,
    })
}

fn sever(wire: &WireState, how: Cut, mut entry: Entry) -> Severed {
    wire.end_with(how);
    entry.end(Served::Cut);
    Severed
}

fn accept_all(listener: TcpListener, state: Arc<State>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let number = state.connections.fetch_add(1, Ordering::Relaxed);
            connections.spawn(serve_connection(stream, number, Arc::clone(&state)));
            while connections.try_join_next().is_some() {}
        }
    });
    tasks
}

async fn serve_connection(stream: TcpStream, number: u64, state: Arc<State>) {
    // Events leave at once, as those of a real provider's front do.
    stream.set_nodelay(true).ok();
    let (wire, wire_state) = Wire::new(stream);
    let service = service_fn(|request| state.serve(number, Arc::clone(&wire_state), request));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(wire), service);
    // How a request ended is in the journal; a connection that broke is part of the game.
    served.await.ok();
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A JSON body, in one piece.
fn json_bytes(value: &serde_json::Value) -> Bytes {
    Bytes::from(value.to_string())
}
