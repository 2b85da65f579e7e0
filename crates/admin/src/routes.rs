//! Every route of the Admin API: a new one is one line here and one action.

use ai_gateway_model::Kind;
use http::Method;

/// What a route answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Action {
    List(Kind),
    Create(Kind),
    Read(Kind),
    Replace(Kind),
    Patch(Kind),
    Delete(Kind),
    ListTargets,
    CreateTarget,
    ReadTarget,
    ReplaceTarget,
    PatchTarget,
    DeleteTarget,
    DrainTarget,
    DisableTarget,
    EnableTarget,
    Health,
    Metrics,
    Live,
    Ready,
    Started,
}

/// Who may use a route.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Guard {
    /// Whoever may call the Admin API.
    Caller,
    /// Everyone: a probe, which tells nothing but whether the process is well.
    Open,
}

/// One route.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) action: Action,
    pub(crate) guard: Guard,
}

/// Makes a route that is guarded; there is no other way to make one than this and [`open`].
const fn route(method: Method, path: &'static str, action: Action) -> Route {
    Route {
        method,
        path,
        action,
        guard: Guard::Caller,
    }
}

const fn open(path: &'static str, action: Action) -> Route {
    Route {
        method: Method::GET,
        path,
        action,
        guard: Guard::Open,
    }
}

/// Every route.
pub(crate) fn table() -> Vec<Route> {
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    const PUT: Method = Method::PUT;
    const PATCH: Method = Method::PATCH;
    const DELETE: Method = Method::DELETE;
    let mut table = vec![
        open("/livez", Action::Live),
        open("/readyz", Action::Ready),
        open("/startupz", Action::Started),
        open("/health", Action::Ready),
        route(GET, "/metrics", Action::Metrics),
        route(GET, UPSTREAM_HEALTH, Action::Health),
        route(GET, TARGETS, Action::ListTargets),
        route(POST, TARGETS, Action::CreateTarget),
        route(GET, TARGET, Action::ReadTarget),
        route(PUT, TARGET, Action::ReplaceTarget),
        route(PATCH, TARGET, Action::PatchTarget),
        route(DELETE, TARGET, Action::DeleteTarget),
        route(POST, TARGET_DRAIN, Action::DrainTarget),
        route(POST, TARGET_DISABLE, Action::DisableTarget),
        route(POST, TARGET_ENABLE, Action::EnableTarget),
    ];
    for (kind, collection, object) in KINDS {
        table.extend([
            route(GET, collection, Action::List(kind)),
            route(POST, collection, Action::Create(kind)),
            route(GET, object, Action::Read(kind)),
            route(PUT, object, Action::Replace(kind)),
            route(PATCH, object, Action::Patch(kind)),
            route(DELETE, object, Action::Delete(kind)),
        ]);
    }
    table
}

/// Lists every route as method and path, with `{gateway}`, `{object}` and `{target}` where ids or
/// names go.
pub fn routes() -> impl Iterator<Item = (Method, &'static str)> {
    table().into_iter().map(|route| (route.method, route.path))
}

const KINDS: [(Kind, &str, &str); 5] = [
    (
        Kind::Gateway,
        "/api/v1/gateways",
        "/api/v1/gateways/{gateway}",
    ),
    (
        Kind::Upstream,
        "/api/v1/gateways/{gateway}/upstreams",
        "/api/v1/gateways/{gateway}/upstreams/{object}",
    ),
    (
        Kind::Service,
        "/api/v1/gateways/{gateway}/services",
        "/api/v1/gateways/{gateway}/services/{object}",
    ),
    (
        Kind::Rule,
        "/api/v1/gateways/{gateway}/rules",
        "/api/v1/gateways/{gateway}/rules/{object}",
    ),
    (
        Kind::Key,
        "/api/v1/gateways/{gateway}/keys",
        "/api/v1/gateways/{gateway}/keys/{object}",
    ),
];
const UPSTREAM_HEALTH: &str = "/api/v1/gateways/{gateway}/upstreams/{object}/health";
const TARGETS: &str = "/api/v1/gateways/{gateway}/upstreams/{object}/targets";
const TARGET: &str = "/api/v1/gateways/{gateway}/upstreams/{object}/targets/{target}";
const TARGET_DRAIN: &str = "/api/v1/gateways/{gateway}/upstreams/{object}/targets/{target}/drain";
const TARGET_DISABLE: &str =
    "/api/v1/gateways/{gateway}/upstreams/{object}/targets/{target}/disable";
const TARGET_ENABLE: &str = "/api/v1/gateways/{gateway}/upstreams/{object}/targets/{target}/enable";
