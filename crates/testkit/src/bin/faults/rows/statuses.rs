//! Statuses other than 200, and what is said inside a 200.

use std::collections::BTreeMap;

use ai_gateway_testkit::{Behaviour, Fault};
use serde_json::json;

use crate::row::Blame::{Cools, Failure, Nobody, Out};
use crate::row::{Expected, Row, Upset, fails_over, fault, is_told, is_whole, status};

/// Rate limits and quotas.
pub(super) fn limits() -> Vec<Row> {
    let limited = |after| Upset::Behaves(Behaviour::status_with_header(429, "retry-after", after));
    let cools = fails_over(2, Cools);
    let quota = with_body(
        429,
        &json!({ "error": { "message": "m", "code": "insufficient_quota" } }),
    );
    let once = Upset::Once(Behaviour::status_with_header(429, "retry-after", "1"));
    vec![
        Row::both("U14", "429, come back in 7 s", limited("7"), cools),
        Row::both(
            "U14",
            "429, come back on a date",
            limited("Fri, 31 Dec 2100 23:59:59 GMT"),
            cools,
        ),
        Row::both(
            "U14",
            "429, come back in 10^9 s",
            limited("1000000000"),
            cools,
        ),
        Row::both("U14", "429, come back in -5 s", limited("-5"), cools),
        Row::both("U14", "429, come back in soon", limited("soon"), cools),
        Row::both(
            "U14",
            "429 and come back in 1 s, then well",
            once,
            is_whole(2),
        ),
        Row::both(
            "U14",
            "429 of the only target",
            limited("7"),
            is_told(429, "", 1, Cools).coming_back("7"),
        )
        .alone(),
        Row::both("U15", "429, no quota left", quota, fails_over(2, Out)),
        Row::both("U15", "402", status(402), fails_over(2, Out)),
    ]
}

/// All others.
#[expect(clippy::too_many_lines, reason = "it is a table")]
pub(super) fn others() -> Vec<Row> {
    let again = fails_over(3, Failure("status"));
    let refused = |status| is_told(status, "first", 1, Nobody);
    let overloaded = |after_events| {
        fault(Fault::ErrorEvent {
            after_events,
            error_type: "overloaded_error".to_owned(),
            message: "busy".to_owned(),
        })
    };
    let failed = is_told(500, "", 2, Failure("status"));
    vec![
        Row::both("U16", "500", status(500), again),
        Row::both(
            "U16",
            "500 once",
            Upset::Once(Behaviour::status(500)),
            once_failed("status"),
        ),
        Row::both("U16", "502", status(502), again),
        Row::both("U16", "503", status(503), fails_over(2, Failure("status"))),
        Row::both(
            "U16",
            "503 with Retry-After",
            Upset::Behaves(Behaviour::status_with_header(503, "retry-after", "7")),
            fails_over(2, Cools),
        ),
        Row::both("U16", "504", status(504), fails_over(3, Failure("timeout"))),
        Row::both("U17", "529", status(529), fails_over(2, Cools)),
        Row::both(
            "U17",
            "200 that says overloaded",
            overloaded(0),
            fails_over(2, Cools),
        ),
        Row::both(
            "U17",
            "the same, Anthropic",
            overloaded(0),
            fails_over(2, Cools),
        )
        .anthropic(),
        Row::both("U18", "400", status(400), refused(400)),
        Row::both("U18", "413", status(413), refused(413)),
        Row::both("U18", "422", status(422), refused(422)),
        Row::both(
            "U18",
            "404, the model is unknown",
            status(404),
            fails_over(2, Nobody),
        ),
        Row::both("U19", "401", status(401), fails_over(2, Nobody)),
        Row::both("U19", "403", status(403), fails_over(2, Nobody)),
        Row::both(
            "U19",
            "401 of the only target",
            status(401),
            is_told(502, "", 1, Nobody),
        )
        .alone(),
        Row::both(
            "U25",
            "the only target is down",
            Upset::Down,
            is_told(502, "", 2, Failure("connect")),
        )
        .alone(),
        Row::both("U25", "the only target answers 500", status(500), failed).alone(),
    ]
}

/// The first target answers in its second attempt; the first one counts.
fn once_failed(kind: &'static str) -> Expected {
    Expected {
        blame: Failure(kind),
        ..is_whole(2)
    }
}

fn with_body(status: u16, body: &serde_json::Value) -> Upset {
    Upset::Behaves(Behaviour::failing(Fault::Status {
        status,
        headers: BTreeMap::new(),
        body: Some(body.to_string()),
    }))
}
