//! From a request to its answer: route, guard, action.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{FromRequestParts as _, RawPathParams},
    routing::{MethodFilter, MethodRouter},
};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use tokio::time::Instant;
use tower_http::catch_panic::CatchPanicLayer;
use uuid::Uuid;

use crate::{
    Admin,
    call::{Call, Params},
    health,
    idempotency::{self, Known},
    objects, probes,
    problem::{Code, Problem},
    reply::{Reply, json_body, set},
    routes::{self, Action, Guard, Route},
    targets,
};

/// Makes the service of the Admin API: every route of the table behind its guard, and problem
/// documents for all else.
///
/// Each answer carries `x-request-id`: the caller's, where it is sound, else a new one.
pub fn router(admin: Admin) -> Router {
    let admin = Arc::new(admin);
    let mut paths: BTreeMap<&'static str, Vec<Route>> = BTreeMap::new();
    for route in routes::table() {
        paths.entry(route.path).or_default().push(route);
    }
    let mut router = Router::new();
    for (path, routes) in paths {
        router = router.route(path, methods(&admin, routes));
    }
    let fallback_admin = Arc::clone(&admin);
    router
        .fallback(move |request: Request<Body>| {
            let admin = Arc::clone(&fallback_admin);
            async move { refuse(&admin, &request, no_such_path(request.uri().path())) }
        })
        .layer(CatchPanicLayer::custom(|_| {
            tracing::error!("answering a call of the Admin API panicked");
            problem_response(&Problem::internal(), &new_request_id())
        }))
}

fn methods(admin: &Arc<Admin>, routes: Vec<Route>) -> MethodRouter {
    let mut methods = MethodRouter::new();
    let mut allowed: Vec<&str> = routes.iter().map(|route| route.method.as_str()).collect();
    if allowed.contains(&"GET") {
        allowed.push("HEAD");
    }
    let allowed = allowed.join(", ");
    let open = routes.iter().all(|route| route.guard == Guard::Open);
    for route in routes {
        let Ok(filter) = MethodFilter::try_from(route.method.clone()) else {
            continue;
        };
        let admin = Arc::clone(admin);
        let endpoint = move |request: Request<Body>| {
            let (admin, route) = (Arc::clone(&admin), route.clone());
            async move { endpoint(&admin, &route, request).await }
        };
        methods = methods.on(filter, endpoint);
    }
    let admin = Arc::clone(admin);
    let other = move |request: Request<Body>| {
        let (admin, allowed) = (Arc::clone(&admin), allowed.clone());
        async move {
            let problem = Problem::new(
                Code::MethodNotAllowed,
                format!("{} is not among {allowed}", request.method()),
            );
            let mut response = if open {
                problem_response(&problem, &request_id(&request))
            } else {
                refuse(&admin, &request, problem)
            };
            if response.status() == StatusCode::METHOD_NOT_ALLOWED {
                set(&mut response, header::ALLOW, Some(allowed));
            }
            response
        }
    };
    methods.fallback(other)
}

/// Answers one request of one route. Nothing of it is read before the guard lets it pass.
async fn endpoint(admin: &Admin, route: &Route, request: Request<Body>) -> Response<Body> {
    let request_id = request_id(&request);
    let is_replay_possible = request.method() == Method::POST;
    let answered = match route.guard {
        Guard::Caller => match admin.access.check(request.uri(), request.headers()) {
            Ok(()) => answer(admin, route.action, request, is_replay_possible).await,
            Err(problem) => Err(problem),
        },
        Guard::Open => answer(admin, route.action, request, false).await,
    };
    let mut response = match answered {
        Ok(response) => response,
        Err(problem) => problem_response(&problem, &request_id),
    };
    finish(&mut response, &request_id);
    response
}

async fn answer(
    admin: &Admin,
    action: Action,
    request: Request<Body>,
    is_replay_possible: bool,
) -> Result<Response<Body>, Problem> {
    let (mut parts, body) = request.into_parts();
    let params = RawPathParams::from_request_parts(&mut parts, &())
        .await
        .map_err(|_| Problem::new(Code::InvalidPath, "the path is not valid UTF-8"))?;
    let call = Call::read(admin, Params::of(&params), parts, body).await?;
    let until = Instant::now() + CALL_DEADLINE;
    if !is_replay_possible {
        let reply = in_time(until, act(&call, action)).await?;
        return Ok(reply.into_response());
    }
    match in_time(until, idempotency::look_up(&call)).await? {
        Known::Answered(reply) => {
            let mut response = reply.into_response();
            let replayed = HeaderName::from_static("idempotency-replayed");
            set(&mut response, replayed, Some("true".to_owned()));
            Ok(response)
        }
        Known::New(ticket) => {
            let reply = in_time(until, act(&call, action)).await?;
            if let Some(ticket) = ticket {
                // The change is made: its answer goes out whether or not it can be kept.
                idempotency::keep(&call, ticket, &reply, CALL_DEADLINE).await;
            }
            Ok(reply.into_response())
        }
    }
}

/// Gives up at `until`, which is when a store that hangs has been waited for long enough.
async fn in_time<T>(
    until: Instant,
    answering: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    tokio::time::timeout_at(until, answering)
        .await
        .unwrap_or_else(|_| {
            Err(Problem::new(
                Code::Timeout,
                "the store takes too long; read the object again to see whether it was written",
            ))
        })
}

async fn act(call: &Call<'_>, action: Action) -> Result<Reply, Problem> {
    match action {
        Action::List(kind) => objects::list(call, kind),
        Action::Create(kind) => objects::create(call, kind).await,
        Action::Read(kind) => objects::read(call, kind),
        Action::Replace(kind) => objects::replace(call, kind).await,
        Action::Patch(kind) => objects::patch(call, kind).await,
        Action::Delete(kind) => objects::delete(call, kind).await,
        Action::ListTargets => targets::list(call),
        Action::CreateTarget => targets::create(call).await,
        Action::ReadTarget => targets::read(call),
        Action::ReplaceTarget => targets::replace(call).await,
        Action::PatchTarget => targets::patch(call).await,
        Action::DeleteTarget => targets::delete(call).await,
        Action::DrainTarget => targets::drain(call).await,
        Action::DisableTarget => targets::disable(call).await,
        Action::EnableTarget => targets::enable(call).await,
        Action::Health => health::read(call),
        Action::Metrics => Ok(probes::metrics(call.admin)),
        Action::Live | Action::Started => Ok(probes::live()),
        Action::Ready => Ok(probes::ready(call.admin)),
    }
}

fn no_such_path(path: &str) -> Problem {
    let detail = format!("nothing is at {path}; the API is under /api/v1");
    Problem::new(Code::NotFound, detail)
}

/// Answers `problem` to those who may call, and to others only that they may not.
fn refuse(admin: &Admin, request: &Request<Body>, problem: Problem) -> Response<Body> {
    let request_id = request_id(request);
    let checked = admin.access.check(request.uri(), request.headers());
    let mut response = problem_response(&checked.err().unwrap_or(problem), &request_id);
    finish(&mut response, &request_id);
    response
}

fn problem_response(problem: &Problem, request_id: &str) -> Response<Body> {
    let mut response = Response::new(json_body(&problem.body(request_id)));
    *response.status_mut() = problem.code.status();
    let content_type = HeaderValue::from_static("application/problem+json");
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    if problem.code == Code::Unauthorized {
        let scheme = HeaderValue::from_static("Bearer");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, scheme);
    }
    finish(&mut response, request_id);
    response
}

/// Adds what every answer carries.
fn finish(response: &mut Response<Body>, request_id: &str) {
    set(response, REQUEST_ID, Some(request_id.to_owned()));
    // What is configured is for the caller alone, and for now.
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// Returns the caller's id for the request, where it is short and printable, else a new one.
fn request_id(request: &Request<Body>) -> String {
    request
        .headers()
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|id| {
            (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
        })
        .map_or_else(new_request_id, str::to_owned)
}

fn new_request_id() -> String {
    Uuid::now_v7().to_string()
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Long enough for a write behind others on a slow disk.
const CALL_DEADLINE: Duration = Duration::from_secs(30);
