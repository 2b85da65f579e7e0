//! Asks targets how they are when nobody else does.

use std::sync::Arc;
use std::time::Duration;

use ai_gateway_registry::{ActiveCheck, CheckDue, Registry};
use tokio::sync::Semaphore;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

use crate::endpoint::Endpoint;

/// Makes the active checks that are due, and lets happen what the clock alone brings about, until
/// `stopping` is cancelled.
///
/// A check asks the target through the same connections as requests do and reads no more of the
/// answer than its status. Dropping the future drops the checks under way; their targets are asked
/// again a period later.
pub async fn check_actively(registry: Arc<Registry<Endpoint>>, stopping: CancellationToken) {
    let tasks = TaskTracker::new();
    let slots = Arc::new(Semaphore::new(MAX_CHECKS));
    let mut pulse = tokio::time::interval(PULSE);
    pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stopping.run_until_cancelled(pulse.tick()).await.is_some() {
        for upstream in registry.live().upstreams() {
            upstream.tick();
            if !upstream.has_active_checks() {
                continue;
            }
            for due in upstream.due_checks() {
                // A check that finds no slot is made a period later.
                let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
                    break;
                };
                let stopping = stopping.clone();
                tasks.spawn(async move {
                    stopping.run_until_cancelled(check(due)).await;
                    drop(slot);
                });
            }
        }
    }
    tasks.close();
    tasks.wait().await;
}

async fn check(due: CheckDue<Endpoint>) {
    let (request, expected) = due.check();
    let answer = tokio::time::timeout(due.timeout(), due.pool().request(&request)).await;
    let passed = match &answer {
        Ok(Ok(answer)) if expected.is_empty() => {
            answer.status().is_success() || answer.status().is_redirection()
        }
        Ok(Ok(answer)) => expected.contains(&answer.status().as_u16()),
        Ok(Err(_)) | Err(_) => false,
    };
    debug!(target_id = due.target_id(), passed, "target checked");
    due.report(if passed {
        ActiveCheck::Ok
    } else {
        ActiveCheck::Fail
    });
}

/// How often the clock is looked at; checks are periods of a second and more.
const PULSE: Duration = Duration::from_millis(200);
/// Checks at the same time, over all upstreams.
const MAX_CHECKS: usize = 64;
