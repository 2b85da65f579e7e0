//! Whether the process is well, for those who watch over it.

use ai_gateway_store::Condition;
use ai_gateway_telemetry::CONTENT_TYPE;
use http::StatusCode;
use serde_json::json;

use crate::{Admin, reply::Reply};

/// Says that the process answers.
pub(crate) fn live() -> Reply {
    Reply::json(json!({ "status": "ok" }))
}

/// Says whether traffic can be taken. A store that takes no changes keeps no traffic away, and is
/// told: `degraded`.
pub(crate) fn ready(admin: &Admin) -> Reply {
    let store = match admin.store.condition() {
        Condition::Ready => "ok",
        _ => "degraded",
    };
    let is_live = admin.fleet.revision() >= admin.store.current().revision();
    let waiting_for = match (admin.readiness)() {
        Err(reason) => Some(reason),
        Ok(()) if !is_live => Some("the configuration is not live yet"),
        Ok(()) => None,
    };
    match waiting_for {
        None => Reply::json(json!({ "status": "ok", "store": store })),
        Some(reason) => Reply {
            status: StatusCode::SERVICE_UNAVAILABLE,
            ..Reply::json(json!({ "status": "unavailable", "store": store, "reason": reason }))
        },
    }
}

/// Shows what is counted.
pub(crate) fn metrics(admin: &Admin) -> Reply {
    Reply::text(admin.telemetry.render(), CONTENT_TYPE)
}
