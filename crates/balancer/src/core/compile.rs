//! Where each target stands now, and the routes that follow from it.

use std::sync::Arc;
use std::time::Duration;

use ai_gateway_health::{Event as Told, Moment};

use super::{Said, named};
use crate::algorithm::Algorithm;
use crate::node::Node;
use crate::plan::Rules;
use crate::routes::{Routes, Row};

/// Lets the time pass for all targets, sees where each stands, and compiles the routes. Also says
/// when to do so again.
pub(super) fn compile<T>(
    nodes: &[Arc<Node<T>>],
    rules: &Rules,
    before: Option<&Routes>,
    now: Moment,
) -> (Routes, Moment, Said) {
    let mut said = Said::new();
    let mut wake = Moment::NEVER;
    let turns_follow_room = rules.algorithm == Algorithm::Weighted;
    let rows: Vec<Row<'_>> = nodes
        .iter()
        .map(|node| {
            let state = &node.state;
            let mut slow = state.slow();
            let passed = slow.machine.on(Told::Tick, &state.window, now);
            if !passed.is_empty() {
                let wakers = slow.wakers_if_out();
                said.extend(named(state, passed));
                wakers.into_iter().for_each(std::task::Waker::wake);
            }
            state.close_gates(&mut slow);
            state.publish(&slow, now);
            slow.forget_missing(now);
            let missing = slow
                .missing()
                .iter()
                .map(|(model, _)| model.clone())
                .collect();
            let freed = slow.missing().iter().map(|(_, until)| *until).min();
            let standing = slow.machine.standing(now);
            let room = (turns_follow_room && state.load.room() < 1.0).then(|| now + ROOM_GAP);
            let changes = [slow.machine.next_change(now), freed, room];
            wake = changes.into_iter().flatten().fold(wake, Moment::min);
            Row {
                spec: node.spec(),
                state,
                standing,
                missing,
            }
        })
        .collect();
    let routes = Routes::compile(&rows, rules, before);
    (routes, wake, said)
}

/// How often turns follow the room that rate limits left.
const ROOM_GAP: Duration = Duration::from_millis(500);
