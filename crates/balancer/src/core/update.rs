//! Another plan: which targets stay with their state, which join, which go.

use std::collections::HashMap;
use std::sync::Arc;

use ai_gateway_health::{Admin, AdminChange, Event as Told, Moment, Settings};

use super::{Core, Master, Said, named};
use crate::error::BuildError;
use crate::node::{Home, Node};
use crate::plan::Plan;
use crate::state::TargetState;
use crate::target::{KnownModels, Spec, Target};
use crate::update::Diff;

impl<T> Core<T> {
    /// Carries out another plan. Targets whose name stays keep all that is known of them.
    pub(crate) fn update(&self, plan: Plan<T>) -> Result<Diff, BuildError> {
        plan.check()?;
        let now = self.now();
        let mut master = self.master.lock();
        let before = self.snapshot.load();
        let mut known: HashMap<Arc<str>, Arc<Node<T>>> = before
            .nodes
            .iter()
            .map(|node| (Arc::clone(node.state.id()), Arc::clone(node)))
            .collect();
        drop(before);
        let settings = Arc::new(plan.health);
        let mut diff = Diff::default();
        let mut said = Said::new();
        let home = Home::new(&self.shared, &plan.rules, &self.me);
        let mut models = KnownModels::default();
        let mut nodes = Vec::with_capacity(plan.targets.len());
        for target in plan.targets {
            let settings = settings_of(&target.spec, &settings);
            let id = Arc::clone(&target.id);
            let state = match known.remove(&id) {
                Some(old) => {
                    let list = if *old.spec() == target.spec {
                        &mut diff.kept
                    } else {
                        &mut diff.changed
                    };
                    list.push(Arc::clone(&id));
                    said.extend(reconfigure(
                        &old.state,
                        old.spec(),
                        &target.spec,
                        &settings,
                        now,
                    ));
                    Arc::clone(&old.state)
                }
                None => {
                    diff.added.push(Arc::clone(&id));
                    self.join(&mut master, &target, settings, now)
                }
            };
            nodes.push(node(target, state, &home, &mut models));
        }
        // Before those that go are closed, so that hardly a pick finds them shut.
        said.extend(self.replace(&mut master, (nodes.into(), plan.rules, settings), now));
        for (id, gone) in known {
            let drain = Told::Admin(AdminChange::Drain { until: None });
            said.extend(named(&gone.state, gone.state.on(drain, true, now).said));
            said.extend(named(&gone.state, gone.state.drained(now)));
            master
                .retired
                .insert(Arc::clone(&id), Arc::downgrade(&gone.state));
            diff.removed.push(id);
        }
        master.retired.retain(|_, state| state.strong_count() > 0);
        drop(master);
        self.tell(said, now);
        Ok(diff)
    }

    /// The state of a target that was not there before: its old one, if requests still hold it.
    fn join(
        &self,
        master: &mut Master,
        target: &Target<T>,
        settings: Arc<Settings>,
        now: Moment,
    ) -> Arc<TargetState> {
        let state = match master
            .retired
            .remove(&target.id)
            .and_then(|state| state.upgrade())
        {
            Some(state) => {
                state.configure(settings, now);
                let _said = state.on(Told::Admin(AdminChange::Enable), true, now);
                state
            }
            None => Arc::new(master.newcomer(&target.id, settings, self.seed, now)),
        };
        admit(&state, target.spec.admin, now);
        state
    }
}

impl Master {
    pub(super) fn newcomer(
        &mut self,
        id: &Arc<str>,
        settings: Arc<Settings>,
        seed: u64,
        now: Moment,
    ) -> TargetState {
        self.next_serial = self.next_serial.wrapping_add(1);
        TargetState::new(Arc::clone(id), self.next_serial, settings, seed, now)
    }
}

/// The settings that hold for a target: its own, or the balancer's.
pub(super) fn settings_of(spec: &Spec, common: &Arc<Settings>) -> Arc<Settings> {
    match (&spec.health, spec.active_check) {
        (None, None) => Arc::clone(common),
        (own, wanted) => {
            let settings = Settings::clone(own.as_deref().unwrap_or(common));
            Arc::new(match wanted {
                Some(wanted) => settings.checked_actively(wanted),
                None => settings,
            })
        }
    }
}

pub(super) fn node<T>(
    target: Target<T>,
    state: Arc<TargetState>,
    home: &Arc<Home<T>>,
    models: &mut KnownModels,
) -> Arc<Node<T>> {
    let Target { mut spec, data, .. } = target;
    spec.share_models(models);
    if home.measures || home.meters {
        state.load.prepare(spec.tokens_per_minute);
    }
    Arc::new(Node::new(state, Arc::clone(home), spec, data))
}

/// Gives a target that joins the operator's word, without a ramp or a drain of what it has not.
pub(super) fn admit(state: &TargetState, admin: Admin, now: Moment) {
    if let Some(change) = change_to(admin) {
        let _said = state.on(Told::Admin(change), true, now);
        let _said = state.drained(now);
    }
}

/// Takes over what the plan says anew of a target that stays.
fn reconfigure(
    state: &TargetState,
    old: &Spec,
    new: &Spec,
    settings: &Arc<Settings>,
    now: Moment,
) -> Said {
    state.configure(Arc::clone(settings), now);
    if old.admin == new.admin {
        return Said::new();
    }
    let change = change_to(new.admin).unwrap_or(AdminChange::Enable);
    let mut said = named(state, state.on(Told::Admin(change), true, now).said);
    if state.gate.glance().drains() {
        said.extend(named(state, state.drained(now)));
    }
    said
}

/// What an operator's word other than *enabled* asks for.
fn change_to(admin: Admin) -> Option<AdminChange> {
    match admin {
        Admin::Enabled => None,
        Admin::Draining => Some(AdminChange::Drain { until: None }),
        Admin::Disabled => Some(AdminChange::Disable),
    }
}
