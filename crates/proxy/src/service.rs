//! The proxy as a tower service: every request gets an answer.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use ai_gateway_providers::{Dialect, Surface};
use ai_gateway_registry::Registry;
use ai_gateway_telemetry::{RequestOutcome, Telemetry};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio_util::sync::CancellationToken;
use tower::Service;
use tracing::error;
use uuid::Uuid;

use crate::body::Body;
use crate::caught::{Panicked, caught};
use crate::clock::Clock;
use crate::dispatch::dispatch;
use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::intake::{Call, Memory};
use crate::models;
use crate::policy;
use crate::respond::{self, X_REQUEST_ID};
use crate::route::{self, Route};
use crate::settings::ProxySettings;
use crate::story::Story;

/// Answers requests of applications with the targets of a registry.
///
/// A clone is the same proxy.
#[derive(Clone)]
pub struct Proxy(Arc<Shared>);

struct Shared {
    registry: Arc<Registry<Endpoint>>,
    telemetry: Telemetry,
    memory: Memory,
    settings: ProxySettings,
    clock: Clock,
    ending: CancellationToken,
}

impl Proxy {
    /// A proxy in front of the upstreams of `registry`.
    pub fn new(
        registry: Arc<Registry<Endpoint>>,
        telemetry: Telemetry,
        settings: ProxySettings,
    ) -> Self {
        Self(Arc::new(Shared {
            registry,
            telemetry,
            memory: Memory::new(settings.bodies.memory_bytes),
            settings,
            clock: Clock::start(),
            ending: CancellationToken::new(),
        }))
    }

    /// Ends, when it is cancelled, all that is under way: a stream in its dialect's error event,
    /// any other request with 503. No request is served after that.
    pub fn ending(&self) -> CancellationToken {
        self.0.ending.clone()
    }

    async fn answer(self, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        if let Some(answer) = self.probe(&head) {
            return answer;
        }
        let surface = Surface::of(head.method.as_str(), head.uri.path());
        let client = client_dialect(surface, &head);
        let id = request_id(&head);
        let shared = &self.0;
        let story = Story::begin(
            &shared.telemetry,
            shared.clock,
            id.clone(),
            &head,
            shared.ending.clone(),
        );
        // Pinned here: each wrapper that took it by value would hold it twice.
        let serving = pin!(self.serve(surface, head, body, story));
        // A story that does not come back has told itself.
        let failure = match caught(shared.ending.run_until_cancelled(serving)).await {
            Ok(Some(Ok(answer))) => return answer,
            Ok(Some(Err((failure, story)))) => {
                let answer =
                    respond::failure(&failure, client, story.request_id(), story.attempts());
                story.refuse(&failure);
                return answer;
            }
            Ok(None) => Failure::Stopping,
            Err(Panicked) => {
                error!(request_id = id, "request met a defect of the gateway");
                Failure::Internal
            }
        };
        respond::failure(&failure, client, &id, 0)
    }

    async fn serve(
        &self,
        surface: Surface,
        mut head: Parts,
        body: Incoming,
        mut story: Story,
    ) -> Result<Response<Body>, (Failure, Story)> {
        let mut route = match self.route(surface, &head, &mut story) {
            Ok(Routed::To(route)) => route,
            Ok(Routed::Models(answer)) => {
                story.end(StatusCode::OK, RequestOutcome::Success);
                return Ok(answer);
            }
            Err(failure) => return Err((failure, story)),
        };
        story.admitted(route.take_admissions());
        let bodies = self.0.settings.bodies;
        let surface = route.rewrite(&mut head, surface);
        let call = match Call::read(surface, head, body, &bodies, &self.0.memory).await {
            Ok(call) => call,
            Err(failure) => return Err((failure, story)),
        };
        story.record().asked_model = call.model().map(str::to_owned);
        dispatch(call, route, bodies, story).await
    }

    fn route(&self, surface: Surface, head: &Parts, story: &mut Story) -> Result<Routed, Failure> {
        let host = policy::check(head)?;
        let live = self.0.registry.live();
        let caller = route::caller(&live, &host, &self.0.settings.base_domain, head)?;
        story.record().gateway = caller.gateway().name().to_shared();
        if matches!(surface, Surface::Models | Surface::Model) {
            let client = client_dialect(surface, head);
            let catalogue = &self.0.settings.catalogue;
            let answer = models::list(&caller, client, head.uri.path(), catalogue)?;
            return Ok(Routed::Models(respond::json(
                StatusCode::OK,
                answer,
                story.request_id(),
            )));
        }
        let route = caller.route(head, self.0.clock)?;
        route.describe(story.record());
        Ok(Routed::To(route))
    }

    /// Answers the orchestrator's questions, without a key and without a target.
    fn probe(&self, head: &Parts) -> Option<Response<Body>> {
        if head.method != Method::GET && head.method != Method::HEAD {
            return None;
        }
        match head.uri.path() {
            "/livez" => Some(respond::text(StatusCode::OK, "ok\n")),
            "/readyz" if self.0.registry.is_live() => Some(respond::text(StatusCode::OK, "ok\n")),
            "/readyz" => Some(respond::text(
                StatusCode::SERVICE_UNAVAILABLE,
                "no configuration has been loaded yet\n",
            )),
            _ => None,
        }
    }
}

/// Where a request goes.
enum Routed {
    /// To the targets of a route.
    To(Route),
    /// Nowhere: the gateway knows the answer.
    Models(Response<Body>),
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("settings", &self.0.settings)
            .finish_non_exhaustive()
    }
}

impl Service<Request<Incoming>> for Proxy {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    /// Always ready: what limits the proxy are connections, bodies and the targets' own limits.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let proxy = self.clone();
        Box::pin(async move { Ok(proxy.answer(request).await) })
    }
}

/// The dialect in which the gateway's own answers are read.
fn client_dialect(surface: Surface, head: &Parts) -> Dialect {
    if !matches!(surface, Surface::Models | Surface::Model) {
        surface.dialect()
    } else if head.uri.path().starts_with("/v1beta/") || head.headers.contains_key(GOOGLE_KEY) {
        Dialect::GeminiGenerate
    } else if head.headers.contains_key("anthropic-version") {
        Dialect::AnthropicMessages
    } else {
        Dialect::OpenAiChat
    }
}

/// The client's own id for the request where it is fit to be logged, else a new one.
fn request_id(head: &Parts) -> String {
    head.headers
        .get(X_REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|id| (8..=MAX_REQUEST_ID).contains(&id.len()))
        .filter(|id| {
            id.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
        })
        .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

/// What tells Google's clients from others at `/v1/models`.
const GOOGLE_KEY: &str = "x-goog-api-key";

/// The longest request id that is taken from a client.
const MAX_REQUEST_ID: usize = 128;
