//! What all clones and leases of a balancer share: the snapshot that picks read, and the one place
//! where it is made anew.

mod compile;
mod update;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::Duration;

use ai_gateway_health::{AdminChange, Event as Told, Moment, Settings, Transition};

use self::compile::compile;
use self::update::{admit, node, settings_of};
use crate::desk::Desks;
use crate::event::Event;
use crate::node::{Home, Node, Shared};
use crate::plan::{Plan, Rules};
use crate::routes::Routes;
use crate::state::{TargetState, Told as Outcome};
use crate::sync::{AtomicU64, Mutex, Ordering, Swap};
use crate::target::KnownModels;

/// What all clones and leases of a balancer share.
pub(crate) struct Core<T> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) snapshot: Swap<Snapshot<T>>,
    pub(crate) desks: Desks<T>,
    /// When the snapshot must be made anew because time passed, in nanoseconds.
    pub(crate) wake: AtomicU64,
    master: Mutex<Master>,
    listeners: Mutex<Arc<[Listener]>>,
    seed: u64,
    /// So that two trips at once do not both take the last place among those that may rest.
    ejecting: Mutex<()>,
    me: Weak<Self>,
}

pub(crate) type Listener = Arc<dyn Fn(&Event) + Send + Sync>;

/// The targets, and who among them may take what, at one moment.
pub(crate) struct Snapshot<T> {
    pub(crate) rules: Rules,
    pub(crate) settings: Arc<Settings>,
    pub(crate) nodes: Box<[Arc<Node<T>>]>,
    pub(crate) routes: Arc<Routes>,
}

/// A plan that was checked, with its targets' states.
type Compiled<T> = (Box<[Arc<Node<T>>]>, Rules, Arc<Settings>);

/// What only whoever makes the next snapshot needs.
struct Master {
    /// Targets that were removed and still have requests: they come back with their state.
    retired: HashMap<Arc<str>, Weak<TargetState>>,
    next_serial: u32,
    made_at: Moment,
}

/// Something that happened to a target.
pub(crate) type Said = Vec<(Arc<str>, Transition)>;

impl<T> Core<T> {
    /// Makes the core of a balancer for a plan that was checked.
    pub(crate) fn new(shared: Arc<Shared>, seed: u64, plan: Plan<T>) -> Arc<Self> {
        let now = shared.clock.now();
        Arc::new_cyclic(|me| {
            let mut master = Master {
                retired: HashMap::new(),
                next_serial: 0,
                made_at: Moment::ZERO,
            };
            let settings = Arc::new(plan.health);
            let home = Home::new(&shared, &plan.rules, me);
            let mut models = KnownModels::default();
            let mut nodes = Vec::with_capacity(plan.targets.len());
            for target in plan.targets {
                let settings = settings_of(&target.spec, &settings);
                let state = Arc::new(master.newcomer(&target.id, settings, seed, now));
                admit(&state, target.spec.admin, now);
                nodes.push(node(target, state, &home, &mut models));
            }
            let nodes: Box<[_]> = nodes.into();
            let (routes, wake, _said) = compile(&nodes, &plan.rules, None, now);
            let snapshot = Snapshot {
                rules: plan.rules,
                settings,
                nodes,
                routes: Arc::new(routes),
            };
            Self {
                shared,
                snapshot: Swap::new(Arc::new(snapshot)),
                desks: Desks::new(),
                wake: AtomicU64::new(wake.as_nanos()),
                master: Mutex::new(master),
                listeners: Mutex::new(Arc::new([])),
                seed,
                ejecting: Mutex::new(()),
                me: Weak::clone(me),
            }
        })
    }

    pub(crate) fn now(&self) -> Moment {
        self.shared.clock.now()
    }

    /// Makes the snapshot anew if time made that necessary and nobody else is about to.
    #[cold]
    pub(crate) fn refresh_if_due(&self) {
        let now = self.now();
        if now.as_nanos() < self.wake.load(Ordering::Relaxed) {
            return;
        }
        if let Some(mut master) = self.master.try_lock() {
            let said = self.rebuild(&mut master, now);
            drop(master);
            self.tell(said, now);
        }
    }

    /// Passes `event` on to a target, and lets picks and listeners see what came of it.
    pub(crate) fn on(&self, state: &TargetState, event: Told, now: Moment) {
        let outcome = self.judge(state, event, now);
        self.settle(state, outcome, now);
    }

    /// Tells the target's machine; with an eye on how many targets rest already.
    fn judge(&self, state: &TargetState, event: Told, now: Moment) -> Outcome {
        let snapshot = self.snapshot.load();
        let most = snapshot.rules.max_ejected;
        if most >= 1.0 {
            return state.on(event, true, now);
        }
        let _alone = self.ejecting.lock();
        let others = snapshot
            .nodes
            .iter()
            .filter(|node| node.state.gate.glance().is_at_rest())
            .count();
        #[expect(
            clippy::cast_precision_loss,
            reason = "a share needs no more than 24 bits"
        )]
        let may = others == 0 || (others + 1) as f32 <= most * snapshot.nodes.len() as f32;
        state.on(event, may, now)
    }

    fn settle(&self, state: &TargetState, outcome: Outcome, now: Moment) {
        if let Some(at) = outcome.next_change {
            self.wake_by(at);
        }
        let mut said = named(state, outcome.said);
        if outcome.stands_elsewhere {
            said.extend(self.changed(now));
        }
        self.tell(said, now);
    }

    /// Makes sure that the snapshot is made anew by `at`.
    pub(crate) fn wake_by(&self, at: Moment) {
        self.wake.fetch_min(at.as_nanos(), Ordering::Relaxed);
    }

    /// Lets picks see that a target stands elsewhere: at once, or soon where that is much work.
    /// Until then a pick finds out when it tries to enter.
    fn changed(&self, now: Moment) -> Said {
        let mut master = self.master.lock();
        let snapshot = self.snapshot.load();
        let earliest = master.made_at + LEAST_GAP;
        if snapshot.nodes.len() > MANY && now < earliest {
            self.wake_by(earliest);
            return Said::new();
        }
        drop(snapshot);
        self.rebuild(&mut master, now)
    }

    /// Makes the next snapshot of the same plan.
    fn rebuild(&self, master: &mut Master, now: Moment) -> Said {
        let before = self.snapshot.load();
        let plan = (
            before.nodes.clone(),
            before.rules.clone(),
            Arc::clone(&before.settings),
        );
        drop(before);
        self.replace(master, plan, now)
    }

    fn replace(
        &self,
        master: &mut Master,
        (nodes, rules, settings): Compiled<T>,
        now: Moment,
    ) -> Said {
        // What is asked for from here on is looked at either below or by the next snapshot.
        self.wake.store(u64::MAX, Ordering::SeqCst);
        let before = self.snapshot.load();
        let kept = (before.rules.algorithm == rules.algorithm).then(|| Arc::clone(&before.routes));
        drop(before);
        let (routes, wake, said) = compile(&nodes, &rules, kept.as_deref(), now);
        master.made_at = now;
        self.snapshot.store(Arc::new(Snapshot {
            rules,
            settings,
            nodes,
            routes: Arc::new(routes),
        }));
        self.desks.renew();
        self.wake_by(wake);
        said
    }

    /// Carries out the operator's decision on one target; false when there is none of that name.
    pub(crate) fn decide(&self, id: &str, change: AdminChange) -> bool {
        let now = self.now();
        let Some(node) = self.node(id) else {
            return false;
        };
        self.on(&node.state, Told::Admin(change), now);
        self.end_drain(&node.state, now);
        true
    }

    /// Ends the drain of a target that has no request left.
    pub(crate) fn end_drain(&self, state: &TargetState, now: Moment) {
        if state.gate.glance().drains() {
            let said = state.drained(now);
            let mut said = named(state, said);
            if !said.is_empty() {
                said.extend(self.changed(now));
            }
            self.tell(said, now);
        }
    }

    /// Keeps requests for `model` away from a target that does not know it, for a minute.
    pub(crate) fn miss(&self, state: &TargetState, model: &str, now: Moment) {
        {
            let mut slow = state.slow();
            slow.forget_missing(now);
            let missing = &mut slow.rare().missing;
            let is_known = missing.iter().any(|(missing, _)| **missing == *model);
            if is_known || missing.len() >= MOST_MISSING {
                return;
            }
            missing.push((model.into(), now + MISSING_FOR));
        }
        let said = self.changed(now);
        self.tell(said, now);
    }

    /// The snapshot that took the place of `seen`, if one did; waits for it where somebody is about
    /// to: a pick that began before an update meets targets that the update closed, and would find
    /// nobody where there is somebody before and after.
    pub(crate) fn newer_than(&self, seen: &Snapshot<T>) -> Option<Arc<Snapshot<T>>> {
        drop(self.master.lock());
        let newest = self.snapshot.load_full();
        (!std::ptr::eq(Arc::as_ptr(&newest), seen)).then_some(newest)
    }

    pub(crate) fn node(&self, id: &str) -> Option<Arc<Node<T>>> {
        let snapshot = self.snapshot.load();
        snapshot
            .nodes
            .iter()
            .find(|node| **node.state.id() == *id)
            .cloned()
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings::clone(&self.snapshot.load().settings)
    }

    pub(crate) fn subscribe(&self, listener: Listener) {
        let mut listeners = self.listeners.lock();
        *listeners = listeners.iter().cloned().chain([listener]).collect();
    }

    /// Tells listeners, with no lock held. One that panics is none of a request's business.
    pub(crate) fn tell(&self, said: Said, now: Moment) {
        if said.is_empty() {
            return;
        }
        let listeners = Arc::clone(&self.listeners.lock());
        for (target, transition) in said {
            let event = Event {
                balancer: Arc::clone(&self.shared.name),
                target,
                transition,
                at: now,
            };
            for listener in listeners.iter() {
                let _panic = catch_unwind(AssertUnwindSafe(|| listener(&event)));
            }
        }
    }
}

fn named(state: &TargetState, said: Vec<Transition>) -> Said {
    said.into_iter()
        .map(|transition| (Arc::clone(state.id()), transition))
        .collect()
}

/// Above how many targets a snapshot is made at most every [`LEAST_GAP`].
const MANY: usize = 256;
const LEAST_GAP: Duration = Duration::from_millis(250);
/// How long a target that does not know a model is not asked for it.
const MISSING_FOR: Duration = Duration::from_secs(60);
/// For how many models at once; so that callers who make up names fill nothing.
const MOST_MISSING: usize = 32;
