//! Making the active checks that are due, on tokio.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ai_gateway_health::ActiveCheck;
use tokio::task::JoinSet;

use crate::balancer::Balancer;
use crate::checks::CheckDue;

/// Makes every active check when it is due, and lets pass what time alone decides, for as long as
/// it is polled.
///
/// `check` sends one check to a target and says whether the answer was as expected; one that takes
/// longer than the target's timeout failed. Up to 64 run at once. Dropping the future stops it and
/// all that run; put it in the task set that you wait for at shutdown.
pub async fn drive_checks<T, C, F>(balancer: Balancer<T>, check: C)
where
    T: Send + Sync + 'static,
    C: Fn(Arc<CheckDue<T>>) -> F,
    F: Future<Output = bool> + Send + 'static,
{
    let mut running = JoinSet::new();
    loop {
        balancer.tick();
        for due in balancer.due_checks() {
            while running.len() >= MOST_AT_ONCE {
                running.join_next().await;
            }
            let due = Arc::new(due);
            let answer = check(Arc::clone(&due));
            running.spawn(async move {
                let passed = tokio::time::timeout(due.timeout(), answer)
                    .await
                    .unwrap_or(false);
                due.settle(if passed {
                    ActiveCheck::Ok
                } else {
                    ActiveCheck::Fail
                });
            });
        }
        while running.try_join_next().is_some() {}
        tokio::time::sleep(nap(&balancer)).await;
    }
}

/// How long nothing is due: at most a second, as targets and settings may change meanwhile.
fn nap<T>(balancer: &Balancer<T>) -> Duration {
    let now = balancer.now();
    let next = [balancer.next_check(), balancer.next_tick()]
        .into_iter()
        .flatten()
        .min();
    let wait = next.map_or(LONGEST_NAP, |next| next.since(now));
    wait.clamp(SHORTEST_NAP, LONGEST_NAP)
}

const MOST_AT_ONCE: usize = 64;
const SHORTEST_NAP: Duration = Duration::from_millis(10);
const LONGEST_NAP: Duration = Duration::from_secs(1);
