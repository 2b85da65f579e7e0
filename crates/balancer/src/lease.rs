//! One attempt at one target.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use ai_gateway_health::{Event, FailureKind, Moment, Outcome, Role, Verdict};

use crate::ask::Ask;
use crate::name::Text;
use crate::node::Node;
use crate::sync::Ordering;
use crate::tier::Serves;

/// The right, and the duty, to send one request to one target.
///
/// Derefs to what the caller attached to the target. Say how the request ended by
/// [`finish`](Self::finish), at the end of the answer's stream; a lease that is dropped instead
/// counts as a caller who left: it gives its place back and says nothing about the target.
///
/// Outlives updates, the target's removal, and the balancer.
#[must_use = "a lease that is dropped at once counts for nothing"]
pub struct Lease<T> {
    node: Arc<Node<T>>,
    epoch: u32,
    role: Role,
    served: Served,
    is_answered: bool,
    is_settled: bool,
    input_tokens: u64,
    output_tokens: u64,
    started: Moment,
}

/// Which model the target is to serve.
pub(crate) enum Served {
    Listed(u16),
    Asked(Text),
    Default,
    Substitute,
    Unnamed,
}

impl Served {
    #[inline(always)]
    pub(crate) fn of(serves: Serves, ask: &Ask<'_>) -> Self {
        match (serves, ask.model) {
            (Serves::Listed(place), _) => Self::Listed(place),
            (Serves::Asked, Some(model)) => Self::Asked(model.text()),
            (Serves::Asked, None) => Self::Unnamed,
            (Serves::Default, _) => Self::Default,
            (Serves::Substitute, _) => Self::Substitute,
        }
    }
}

impl<T> Lease<T> {
    #[inline(always)]
    pub(crate) fn new(node: Arc<Node<T>>, epoch: u32, role: Role, served: Served) -> Self {
        let home = &node.home;
        let started = if home.measures {
            home.shared.clock.now()
        } else {
            Moment::ZERO
        };
        Self {
            node,
            epoch,
            role,
            served,
            is_answered: false,
            is_settled: false,
            input_tokens: 0,
            output_tokens: 0,
            started,
        }
    }

    /// The target's name.
    pub fn target_id(&self) -> &str {
        self.node.state.id()
    }

    /// The model that the target is to serve: the one asked for, or its default. `None` when none
    /// was asked for and it has no default.
    pub fn model(&self) -> Option<&str> {
        let spec = self.node.spec();
        match &self.served {
            Served::Listed(place) => spec.models().get(usize::from(*place)).map(AsRef::as_ref),
            Served::Asked(model) => Some(model.as_str()),
            Served::Default | Served::Substitute => spec.default_model(),
            Served::Unnamed => None,
        }
    }

    /// Whether the target is to serve another model than the one asked for.
    pub const fn is_substituted(&self) -> bool {
        matches!(self.served, Served::Substitute)
    }

    /// Whether this request tries out a target at rest.
    pub const fn is_probe(&self) -> bool {
        matches!(self.role, Role::Probe(_))
    }

    /// Whether the target rests or cools, and is asked for want of anything better.
    pub const fn is_last_resort(&self) -> bool {
        matches!(self.role, Role::LastResort)
    }

    /// The target's priority.
    pub fn priority(&self) -> u32 {
        self.node.spec().priority
    }

    pub(crate) fn serial(&self) -> u32 {
        self.node.serial
    }

    /// Says that the answer began. The first call counts.
    pub fn first_byte(&mut self) {
        if self.is_answered {
            return;
        }
        self.is_answered = true;
        if self.node.home.measures {
            let now = self.node.now();
            self.node
                .state
                .load
                .first_byte(now.since(self.started), now);
        }
    }

    /// Says how many tokens the request took and the answer has so far, in all. The last call
    /// counts.
    pub fn tokens(&mut self, input: u64, output: u64) {
        self.input_tokens = input;
        self.output_tokens = output;
        self.is_answered |= output > 0;
    }

    /// Says how the request ended, and gives its place back.
    pub fn finish(mut self, outcome: Outcome) {
        self.settle(outcome);
    }

    #[inline]
    fn settle(&mut self, outcome: Outcome) {
        if std::mem::replace(&mut self.is_settled, true) {
            return;
        }
        let home = &self.node.home;
        let is_plain = self.role == Role::Ordinary;
        // A caller who left an ordinary request says nothing that is of use to anybody.
        if !is_plain || outcome != Outcome::Cancelled || home.measures || home.meters {
            self.take_in(outcome, is_plain);
        }
        if self.node.gate().leave() {
            self.end_drain();
        }
    }

    /// Lets scores and health learn from the end, with one look at the clock where any is needed.
    #[inline]
    fn take_in(&self, outcome: Outcome, is_plain: bool) {
        let node = &*self.node;
        let is_quiet =
            is_plain && outcome == Outcome::Success && !self.node.gate().wants_success(self.epoch);
        if is_quiet && !node.counts && !node.home.measures && !node.home.meters {
            node.state.load.passed();
            return;
        }
        let now = node.now();
        self.learn(outcome, now);
        if is_quiet {
            if node.counts {
                node.state.window.record(true, now);
            }
        } else if !(is_plain && outcome.is_neutral()) || outcome == Outcome::ModelMissing {
            self.tell(outcome, now);
        }
    }

    /// Lets the scores learn from the end.
    #[inline]
    fn learn(&self, outcome: Outcome, now: Moment) {
        let node = &*self.node;
        if node.home.measures {
            self.time(outcome, now);
        }
        if node.home.meters && self.input_tokens + self.output_tokens > 0 {
            node.state
                .load
                .used(self.input_tokens + self.output_tokens, now);
        }
        match outcome {
            Outcome::Success => node.state.load.passed(),
            Outcome::Failure(_) | Outcome::Unavailable { .. } => node.state.failed(now),
            Outcome::Overloaded { .. } => {
                node.state.failed(now);
                node.state.load.limited(now);
            }
            Outcome::RateLimited { .. } => node.state.load.limited(now),
            _ => {}
        }
    }

    /// Takes the time of an answer, as far as its end says something about it.
    fn time(&self, outcome: Outcome, now: Moment) {
        let node = &*self.node;
        let elapsed = secs(now.as_nanos().saturating_sub(self.started.as_nanos()));
        let has_output = self.output_tokens > 0;
        match outcome {
            Outcome::Success => self.take_time(elapsed),
            Outcome::Cancelled | Outcome::Failure(FailureKind::Stream) if has_output => {
                self.take_time(elapsed);
            }
            Outcome::Cancelled | Outcome::Failure(FailureKind::Timeout) => {
                node.state.load.at_least(elapsed);
            }
            _ => {}
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a mean needs no more than 24 bits"
    )]
    fn take_time(&self, secs: f32) {
        let weighted = self.input_tokens as f32 * OUTPUT_PER_INPUT + self.output_tokens as f32;
        let mean = self.node.state.load.timed(secs, weighted);
        self.node
            .home
            .shared
            .usual_spt
            .store(mean.to_bits(), Ordering::Relaxed);
    }

    /// Tells the target's health what came of the request.
    #[cold]
    fn tell(&self, outcome: Outcome, now: Moment) {
        let state = &*self.node.state;
        let Some(home) = self.node.home.core.upgrade() else {
            return;
        };
        if outcome == Outcome::ModelMissing
            && let Some(model) = self.model()
        {
            home.miss(state, model, now);
        }
        let verdict = Verdict::new(outcome, self.epoch, self.role).answered(self.is_answered);
        home.on(state, Event::Outcome(verdict), now);
    }

    #[cold]
    fn end_drain(&self) {
        let now = self.node.now();
        match self.node.home.core.upgrade() {
            Some(home) => home.end_drain(&self.node.state, now),
            None => {
                let _said = self.node.state.drained(now);
            }
        }
    }
}

impl<T> Deref for Lease<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.node.data()
    }
}

impl<T> Drop for Lease<T> {
    #[inline]
    fn drop(&mut self) {
        self.settle(Outcome::Cancelled);
    }
}

impl<T> fmt::Debug for Lease<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("target", &self.target_id())
            .field("model", &self.model())
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a time needs no more than 24 bits"
)]
fn secs(nanos: u64) -> f32 {
    nanos as f32 * 1e-9
}

/// What a token of a prompt takes, of the time of one of an answer: 1 of 62.5.
const OUTPUT_PER_INPUT: f32 = 0.016;
