//! The balancer itself: what its owner calls.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ai_gateway_health::{AdminChange, Moment, State};

use crate::ask::Ask;
use crate::attempts::Attempts;
use crate::builder::Builder;
use crate::core::Core;
use crate::error::{BuildError, NoTarget};
use crate::event::Event;
use crate::lease::Lease;
use crate::plan::Plan;
use crate::target::Target;
use crate::update::Diff;
use crate::view::TargetView;

/// Spreads requests over targets and keeps away from those that fail.
///
/// Cheap to clone; clones share everything. Everything works through `&self` and from any thread,
/// and nothing waits.
pub struct Balancer<T> {
    pub(crate) core: Arc<Core<T>>,
}

impl<T> Balancer<T> {
    /// Begins a balancer. `name` is for those who listen to its events.
    pub fn builder(name: impl Into<Arc<str>>) -> Builder<T> {
        Builder::new(name.into())
    }

    /// The balancer's name.
    pub fn name(&self) -> &str {
        &self.core.shared.name
    }

    /// The time by the balancer's clock, in which views and events give their dates.
    pub fn now(&self) -> Moment {
        self.core.now()
    }

    /// Begins the attempts of a request.
    pub fn request(&self) -> Attempts<T> {
        Attempts::new(Arc::clone(&self.core))
    }

    /// Chooses a target for a request that names no model, has no key and is not tried again.
    ///
    /// # Errors
    ///
    /// [`NoTarget`] when no target may take it.
    #[inline]
    pub fn pick(&self) -> Result<Lease<T>, NoTarget> {
        self.core.pick(&Ask::default())
    }

    /// Chooses a target for a request with a key that is not tried again.
    ///
    /// # Errors
    ///
    /// [`NoTarget`] when no target may take it.
    #[inline]
    pub fn pick_by_key(&self, key: u64) -> Result<Lease<T>, NoTarget> {
        self.core.pick(&Ask {
            key: Some(key),
            ..Ask::default()
        })
    }

    /// Carries out another plan, all of it at once. Targets whose name stays keep their requests,
    /// health and measurements, whatever else changes; what their plan says of the operator's
    /// decision counts when it differs from the plan before. Targets that go finish what they have.
    ///
    /// # Errors
    ///
    /// [`BuildError`], and nothing changes.
    pub fn update(&self, plan: Plan<T>) -> Result<Diff, BuildError> {
        self.core.update(plan)
    }

    /// Lets a target finish what it has and disables it then, or after `deadline`. Requests that
    /// still run then are not cut off, only no longer waited for.
    ///
    /// False when there is no target of that name. Nothing happens to one that is disabled.
    pub fn drain(&self, id: &str, deadline: Option<Duration>) -> bool {
        let until = deadline.map(|deadline| self.now() + deadline);
        self.core.decide(id, AdminChange::Drain { until })
    }

    /// Gives a target nothing new from now on. False when there is no target of that name.
    pub fn disable(&self, id: &str) -> bool {
        self.core.decide(id, AdminChange::Disable)
    }

    /// Lets a target take traffic again, a growing share of it, whether it was disabled, drains
    /// or rests. False when there is no target of that name.
    pub fn enable(&self, id: &str) -> bool {
        self.core.decide(id, AdminChange::Enable)
    }

    /// Waits until a target drains no longer: because its last request ended, its deadline passed
    /// (and somebody picked, ticked or looked since), or it was enabled again.
    ///
    /// Ready at once for a target that does not drain, or does not exist. Dropping it stops
    /// nothing but the waiting.
    pub fn drained(&self, id: &str) -> Drained<T> {
        Drained {
            core: Arc::clone(&self.core),
            id: id.into(),
        }
    }

    /// Lets pass what time alone decides: deadlines, rests, growing shares. Picks do so too; call
    /// it where there may be none for a while.
    pub fn tick(&self) {
        self.core.refresh_if_due();
    }

    /// When [`tick`](Self::tick) has something to do next, if ever.
    pub fn next_tick(&self) -> Option<Moment> {
        let at = self.core.wake.load(crate::sync::Ordering::Relaxed);
        (at != u64::MAX).then(|| Moment::from_nanos(at))
    }

    /// Calls `listener` with every change of a target's health or standing, after it took effect.
    ///
    /// It runs on whichever thread brought the change about, and must not wait. It cannot be
    /// taken back.
    pub fn subscribe(&self, listener: impl Fn(&Event) + Send + Sync + 'static) {
        self.core.subscribe(Arc::new(listener));
    }

    /// Every target as it is now, in the order of the plan.
    pub fn snapshot(&self) -> Vec<TargetView> {
        self.core.refresh_if_due();
        let now = self.now();
        let snapshot = self.core.snapshot.load();
        let view = |node: &Arc<crate::node::Node<T>>| {
            let state = &node.state;
            let slow = state.slow();
            let spt = state.load.spt();
            TargetView {
                id: Arc::clone(state.id()),
                weight: node.spec().weight,
                priority: node.spec().priority,
                admin: slow.machine.admin(),
                health: slow.machine.detail(&state.window, now),
                in_flight: state.in_flight_by(&slow),
                picks: state.picks(&slow),
                success: state.load.success(),
                room: state.load.room(),
                seconds_per_token: (spt > 0.0).then_some(spt),
                first_byte_seconds: state.load.ttft(now),
                missing_models: slow
                    .missing()
                    .iter()
                    .map(|(model, _)| model.clone())
                    .collect(),
            }
        };
        snapshot.nodes.iter().map(view).collect()
    }
}

impl<T: Clone> Balancer<T> {
    /// The plan that is carried out, with what the caller attached to the targets.
    pub fn plan(&self) -> Plan<T> {
        let snapshot = self.core.snapshot.load();
        let targets = snapshot.nodes.iter().map(|node| Target {
            id: Arc::clone(node.state.id()),
            spec: node.spec().clone(),
            data: node.data().clone(),
        });
        Plan {
            rules: snapshot.rules.clone(),
            health: self.core.settings(),
            targets: targets.collect(),
        }
    }
}

impl<T> Clone for Balancer<T> {
    fn clone(&self) -> Self {
        Self {
            core: Arc::clone(&self.core),
        }
    }
}

impl<T> fmt::Debug for Balancer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let snapshot = self.core.snapshot.load();
        f.debug_struct("Balancer")
            .field("name", &self.name())
            .field("algorithm", &snapshot.rules.algorithm)
            .field("targets", &snapshot.nodes.len())
            .finish_non_exhaustive()
    }
}

/// Waits for the end of a drain; see [`Balancer::drained`].
pub struct Drained<T> {
    core: Arc<Core<T>>,
    id: Box<str>,
}

impl<T> Future for Drained<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.core.refresh_if_due();
        let Some(node) = self.core.node(&self.id) else {
            return Poll::Ready(());
        };
        // Under the lock that whoever ends the drain takes, so that none is missed.
        let mut slow = node.state.slow();
        match slow.machine.state() {
            State::Draining => {
                let waker = context.waker();
                let wakers = &mut slow.rare().wakers;
                if !wakers.iter().any(|known| known.will_wake(waker)) {
                    wakers.push(waker.clone());
                }
                Poll::Pending
            }
            State::Healthy | State::Unhealthy | State::Disabled => Poll::Ready(()),
        }
    }
}

impl<T> fmt::Debug for Drained<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drained")
            .field("target", &self.id)
            .finish_non_exhaustive()
    }
}
