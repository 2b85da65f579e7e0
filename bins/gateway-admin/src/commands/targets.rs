//! `drain`, `enable`, `disable`: whether targets take traffic.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::{
    args::{Drain, Targets},
    client::Call,
    failure::Failure,
    noun::Noun,
    output,
    session::{Place, Session, text},
    telling::report,
};

pub(super) async fn drain(session: &Session, drain: &Drain) -> Result<(), Failure> {
    let body = match drain.deadline {
        Some(seconds) => json!({ "deadline_seconds": seconds }),
        None => json!({}),
    };
    each(session, &drain.targets, ("drain", "draining"), Some(&body)).await?;
    if drain.wait {
        for target in &drain.targets.targets {
            wait_until_idle(session, target).await?;
        }
    }
    Ok(())
}

pub(super) async fn enable(session: &Session, targets: &Targets) -> Result<(), Failure> {
    each(session, targets, ("enable", "enabled"), None).await
}

pub(super) async fn disable(session: &Session, targets: &Targets) -> Result<(), Failure> {
    each(session, targets, ("disable", "disabled"), None).await
}

async fn each(
    session: &Session,
    targets: &Targets,
    (verb, done): (&str, &str),
    body: Option<&Value>,
) -> Result<(), Failure> {
    for target in &targets.targets {
        let (place, name) = Place::of(Noun::Target, target)?;
        let mut path = session.collection(&place).await?;
        path.extend([name, verb]);
        let call = Call::new(Method::POST, &path, body);
        let answer = session.client.send(call).await?;
        report(Noun::Target, target, done, &answer.body, session.format)?;
    }
    Ok(())
}

/// Looks again and again until nothing is under way on the target.
async fn wait_until_idle(session: &Session, target: &str) -> Result<(), Failure> {
    let (place, name) = Place::of(Noun::Target, target)?;
    let mut told = None;
    loop {
        let health = session.health(place.upstream.unwrap_or_default()).await?;
        let in_flight = in_flight(&health, name);
        if in_flight == 0 {
            output::message(&format!("target/{target} is idle"));
            return Ok(());
        }
        if told != Some(in_flight) {
            output::message(&format!("target/{target}: {in_flight} in flight"));
            told = Some(in_flight);
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// Counts what is under way on a target; on one that is gone, nothing is.
fn in_flight(health: &Value, target: &str) -> u64 {
    let targets = health.get("items").and_then(Value::as_array);
    targets
        .into_iter()
        .flatten()
        .find(|it| text(it, "name") == Some(target) || text(it, "id") == Some(target))
        .and_then(|it| it.get("in_flight"))
        .and_then(Value::as_u64)
        .unwrap_or(0)
}

/// How long to wait between two looks at a draining target.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
