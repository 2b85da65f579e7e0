//! How the targets of an upstream are.

use std::{collections::HashMap, time::Duration};

use ai_gateway_model::Kind;
use ai_gateway_registry::{TargetHealth, UpstreamHealth};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    call::Call,
    problem::{Code, Problem},
    reply::Reply,
    view,
};

/// Shows every target's state, why, since when, and its share of the traffic.
pub(crate) fn read(call: &Call<'_>) -> Result<Reply, Problem> {
    call.query(&[])?;
    let configuration = call.admin.store.current();
    let record = call.object(Kind::Upstream, &configuration)?;
    let Some(health) = call.admin.fleet.health(record.id) else {
        return Err(Problem::new(
            Code::NotLive,
            "the upstream is configured, and not live yet",
        ));
    };
    let ids: HashMap<String, Uuid> = record
        .gateway
        .and_then(|gateway| configuration.upstream(gateway, &record.id.to_string()))
        .into_iter()
        .flat_map(|upstream| upstream.targets())
        .map(|target| (target.name().to_string(), target.id()))
        .collect();
    let now_ms = call.admin.clock.now_ms();
    let shares = Shares::of(&health);
    let items = health
        .targets
        .iter()
        .map(|target| show(target, ids.get(&target.name), now_ms, &shares));
    let items: Vec<Value> = items.collect();
    Ok(Reply::json(json!({
        "upstream": record.name,
        "upstream_id": record.id,
        "algorithm": health.algorithm,
        "revision": call.admin.fleet.revision(),
        "items": items,
    })))
}

/// What shares are of: all picks, and the weights of each priority.
struct Shares {
    picks: u64,
    weights: HashMap<u32, u32>,
}

impl Shares {
    fn of(health: &UpstreamHealth) -> Self {
        let mut weights = HashMap::new();
        for target in &health.targets {
            *weights.entry(target.priority).or_default() += target.weight;
        }
        Self {
            picks: health.targets.iter().map(|target| target.picks).sum(),
            weights,
        }
    }
}

fn show(target: &TargetHealth, id: Option<&Uuid>, now_ms: u64, shares: &Shares) -> Value {
    let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let ago = |span: Duration| view::time(now_ms.saturating_sub(millis(span)));
    let ahead = |span: Duration| view::time(now_ms.saturating_add(millis(span)));
    let weights = shares
        .weights
        .get(&target.priority)
        .copied()
        .unwrap_or_default();
    json!({
        "id": id,
        "name": target.name,
        "provider": target.provider,
        "state": target.state.as_str(),
        "reason": target.reason,
        "since": ago(target.since),
        "next_probe_at": target.next_probe_in.map(ahead),
        "in_flight": target.in_flight,
        "max_in_flight": target.max_in_flight,
        "ramp": target.ramp,
        "cooling_until": target.cooling_for.map(ahead),
        "ejections": target.ejections,
        "last_error": target.last_failure.as_ref().map(|(kind, age)| {
            json!({ "kind": kind, "at": ago(*age) })
        }),
        "picks": target.picks,
        "share": ratio(target.picks, shares.picks),
        "weight": target.weight,
        "weight_share": ratio(u64::from(target.weight), u64::from(weights)),
        "priority": target.priority,
        "models": target.models,
    })
}

/// Returns a part of a whole, to four places; `null` of nothing.
fn ratio(part: u64, whole: u64) -> Value {
    let scaled = part
        .checked_mul(10_000)
        .and_then(|part| part.checked_div(whole))
        .and_then(|scaled| u32::try_from(scaled).ok());
    scaled.map_or(Value::Null, |scaled| json!(f64::from(scaled) / 10_000.0))
}
