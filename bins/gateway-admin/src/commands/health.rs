//! `health`: how targets are.

use ai_gateway_store::Clock;
use comfy_table::Cell;
use serde_json::{Map, Value, json};

use crate::{
    args::Health,
    failure::Failure,
    output::{self, Format, state_cell},
    session::{Session, text},
    tables::{NOTHING, list, plain},
    telling::watched,
    times::{age, ahead},
};

/// An upstream's name, and what the Admin API says of its targets.
type Report = (String, Value);

pub(super) async fn run(session: &Session, health: &Health) -> Result<(), Failure> {
    watched(health.watch.every(), || async {
        let upstreams = if health.upstreams.is_empty() {
            session.upstream_names().await?
        } else {
            health.upstreams.clone()
        };
        let mut reports = Vec::new();
        for upstream in upstreams {
            let report = session.health(&upstream).await?;
            reports.push((upstream, report));
        }
        show(&reports, session.format)
    })
    .await
}

fn show(reports: &[Report], format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(&by_upstream(reports)),
        Format::Yaml => output::yaml(&by_upstream(reports)),
        Format::Name => targets(reports).try_for_each(|(upstream, target)| {
            let name = text(target, "name").unwrap_or("?");
            output::data(&format!("target/{upstream}/{name}"))
        }),
        Format::Table | Format::Wide if targets(reports).next().is_none() => {
            output::message("no targets");
            Ok(())
        }
        Format::Table | Format::Wide => output::data(&table(reports, format)),
    }
}

fn by_upstream(reports: &[Report]) -> Value {
    match reports {
        [(_, report)] => report.clone(),
        reports => {
            let reports: Map<_, _> = reports.iter().cloned().collect();
            json!({ "upstreams": reports })
        }
    }
}

fn targets(reports: &[Report]) -> impl Iterator<Item = (&str, &Value)> {
    reports.iter().flat_map(|(upstream, report)| {
        let targets = report.get("items").and_then(Value::as_array);
        let targets = targets.into_iter().flatten();
        targets.map(move |target| (upstream.as_str(), target))
    })
}

/// Lays out the targets of several upstreams, one a row.
pub(super) fn table(reports: &[Report], format: Format) -> String {
    let more = if format == Format::Wide { WIDE } else { &[] };
    let header: Vec<&str> = HEADER.iter().chain(more).copied().collect();
    let now_ms = Clock::system().now_ms();
    let rows = targets(reports).map(|(upstream, target)| {
        let mut row = row(upstream, target, now_ms);
        if format == Format::Wide {
            row.extend(wide(target, now_ms));
        }
        row
    });
    output::to_table(&header, rows.collect())
}

const HEADER: &[&str] = &[
    "TARGET",
    "STATE",
    "REASON",
    "SINCE",
    "IN FLIGHT",
    "SHARE",
    "BY WEIGHT",
    "NEXT PROBE",
    "LAST ERROR",
];
const WIDE: &[&str] = &[
    "PROVIDER",
    "PRIORITY",
    "WEIGHT",
    "PICKS",
    "RAMP",
    "COOLING",
    "EJECTIONS",
    "MODELS",
];

fn row(upstream: &str, target: &Value, now_ms: u64) -> Vec<Cell> {
    let name = text(target, "name").unwrap_or("?");
    let since = text(target, "since").and_then(|since| age(since, now_ms));
    vec![
        Cell::new(format!("{upstream}/{name}")),
        state_cell(text(target, "state").unwrap_or(NOTHING)),
        Cell::new(plain(target.get("reason"))),
        Cell::new(since.unwrap_or_else(|| NOTHING.to_owned())),
        Cell::new(in_flight(target)),
        Cell::new(percent(target.get("share"))),
        Cell::new(percent(target.get("weight_share"))),
        coming(target, "next_probe_at", now_ms),
        Cell::new(last_error(target, now_ms)),
    ]
}

fn wide(target: &Value, now_ms: u64) -> Vec<Cell> {
    let field = |name: &str| Cell::new(plain(target.get(name)));
    vec![
        field("provider"),
        field("priority"),
        field("weight"),
        field("picks"),
        Cell::new(percent(target.get("ramp"))),
        coming(target, "cooling_until", now_ms),
        field("ejections"),
        list(target, "models"),
    ]
}

fn coming(target: &Value, field: &str, now_ms: u64) -> Cell {
    let at = text(target, field).and_then(|at| ahead(at, now_ms));
    Cell::new(at.unwrap_or_else(|| NOTHING.to_owned()))
}

/// `timeout, 5s ago`.
fn last_error(target: &Value, now_ms: u64) -> String {
    let Some(error) = target.get("last_error").filter(|error| !error.is_null()) else {
        return NOTHING.to_owned();
    };
    let kind = plain(error.get("kind"));
    match text(error, "at").and_then(|at| age(at, now_ms)) {
        Some(age) => format!("{kind}, {age} ago"),
        None => kind,
    }
}

/// `3`, or `3/10` where there is a limit.
fn in_flight(target: &Value) -> String {
    let now = plain(target.get("in_flight"));
    match target.get("max_in_flight").and_then(Value::as_u64) {
        Some(limit) => format!("{now}/{limit}"),
        None => now,
    }
}

fn percent(share: Option<&Value>) -> String {
    share.and_then(Value::as_f64).map_or_else(
        || NOTHING.to_owned(),
        |share| format!("{:.0} %", share * 100.0),
    )
}
