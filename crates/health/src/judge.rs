//! The state of one target, moved by events, beside the window that counts its requests.

mod active;
mod past;
mod probe;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use self::past::{Observed, Past};
use crate::state::Transitions;
use crate::{
    Admin, AdminChange, Detail, Event, FailureKind, Moment, Outcome, Reason, Settings, Standing,
    State, Transition, Window,
};

pub use self::probe::{ProbeToken, Role, Verdict};

/// A [`Machine`](crate::Machine) whose window is kept by somebody else.
///
/// For whoever keeps many targets, and counts their successes without a lock where the rest of a
/// target lies: hand in the same [`Window`] each time. A target of which nothing ill is known takes
/// 56 bytes; what went wrong is kept in a box that the first failure makes.
#[derive(Debug)]
pub struct Judge {
    settings: Arc<Settings>,
    past: Past,
    /// Since when the public state holds.
    since: Moment,
    /// When the next active check is due, if any is wanted.
    check_due: Moment,
    noise: u64,
    epoch: u32,
    admin: Admin,
    may_eject: bool,
}

impl Judge {
    /// Makes the judge of a healthy target that takes its whole share from the start.
    ///
    /// `seed` spreads rests and active checks: give each target another one, and the same one to
    /// repeat a run.
    pub fn new(settings: Arc<Settings>, seed: u64, now: Moment) -> Self {
        let mut judge = Self {
            settings,
            past: Past::default(),
            since: now,
            check_due: Moment::NEVER,
            noise: seed,
            epoch: 0,
            admin: Admin::Enabled,
            may_eject: true,
        };
        judge.plan_first_check(now);
        judge
    }

    /// Takes note of `event`, which happened at `now`, and says what it changed.
    pub fn on(&mut self, event: Event, window: &Window, now: Moment) -> Vec<Transition> {
        let mut said = Transitions::new();
        let epoch = self.epoch;
        self.pass_time(now, &mut said);
        match event {
            Event::Outcome(verdict) => self.on_outcome(verdict, window, now, &mut said),
            Event::Check(check) => self.on_check(check, now, &mut said),
            Event::Tick => {}
            Event::Admin(change) => self.on_admin(change, now, &mut said),
        }
        if self.epoch != epoch {
            window.clear();
        }
        said
    }

    /// Takes over new settings. What was observed stays; a running rest keeps its date.
    pub fn configure(&mut self, settings: Arc<Settings>, window: &Window, now: Moment) {
        let plan = settings.active
            && (!self.settings.active || settings.interval != self.settings.interval);
        self.settings = settings;
        window.resize(self.settings.window_span());
        if plan {
            self.plan_first_check(now);
        }
    }

    /// Whether a trip may take the target out now; yes from the start.
    ///
    /// The keeper of a pool that bounds how much of it may rest says so before each event.
    pub fn allow_ejection(&mut self, may: bool) {
        self.may_eject = may;
    }

    /// The state in a word: Disabled over Draining over Unhealthy over Healthy.
    pub const fn state(&self) -> State {
        match (self.admin, &self.past.events().observed) {
            (Admin::Disabled, _) => State::Disabled,
            (Admin::Draining, _) => State::Draining,
            (Admin::Enabled, Observed::Unhealthy { .. }) => State::Unhealthy,
            (Admin::Enabled, Observed::Healthy { .. }) => State::Healthy,
        }
    }

    /// What the operator decided.
    pub const fn admin(&self) -> Admin {
        self.admin
    }

    /// The number of trips, recoveries and enablings so far, in 24 bits: comes round after 16
    /// million. A request carries the one it began in.
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Why the target rests, when it does.
    pub const fn reason(&self) -> Option<Reason> {
        match self.past.events().observed {
            Observed::Unhealthy { reason, .. } => Some(reason),
            Observed::Healthy { .. } => None,
        }
    }

    /// The last counted failure.
    pub const fn last_failure(&self) -> Option<(Moment, FailureKind)> {
        self.past.events().last_failure
    }

    /// Whether the window is looked at. Whoever hears of a success that
    /// [`wants_success`](Self::wants_success) does not ask for need only record it there.
    pub fn watches_rate(&self) -> bool {
        self.settings.passive && self.settings.rate.is_some()
    }

    /// Whether a success would change more than the window.
    pub const fn wants_success(&self) -> bool {
        self.past.events().consecutive > 0
            || self.past.events().refusals > 0
            || self.past.events().cooling.wants_success()
            || matches!(self.past.events().observed, Observed::Unhealthy { .. })
    }

    /// Where the target stands at `now`, for whoever chooses among targets.
    pub fn standing(&self, now: Moment) -> Standing {
        if self.admin != Admin::Enabled {
            return Standing::Out;
        }
        let cooling = self.past.cooling.until(now);
        match self.past.observed {
            Observed::Healthy { .. } => match cooling {
                Some(until) => Standing::Cooling { until },
                None => Standing::Serving {
                    ramp: self.ramp(now),
                },
            },
            Observed::Unhealthy { token: Some(_), .. } => Standing::Probing,
            Observed::Unhealthy { until, .. } => match cooling.max(Some(until)) {
                Some(until) if until > now => Standing::Resting { until },
                Some(_) | None => Standing::ProbeDue,
            },
        }
    }

    /// The part of its share that the target gets at `now`: from the ramp's start to 1.
    pub fn ramp(&self, now: Moment) -> f32 {
        let Observed::Healthy {
            ramping_since: Some(start),
        } = self.past.observed
        else {
            return 1.0;
        };
        let (from, whole) = (self.settings.ramp_from, self.settings.ramp);
        if whole.is_zero() {
            return 1.0;
        }
        let done = (now.since(start).as_secs_f32() / whole.as_secs_f32()).min(1.0);
        (1.0 - from).mul_add_(done, from)
    }

    /// The next moment after `now` at which time alone changes where the target stands.
    ///
    /// A ramp asks for a moment every 64th of its length, at least 250 ms apart.
    pub fn next_change(&self, now: Moment) -> Option<Moment> {
        let standing = match self.standing(now) {
            Standing::Serving { ramp } if ramp < 1.0 => {
                Some(now + (self.settings.ramp / 64).max(Duration::from_millis(250)))
            }
            Standing::Cooling { until } | Standing::Resting { until } => Some(until),
            Standing::Serving { .. } | Standing::ProbeDue | Standing::Probing => None,
            Standing::Out => self.past.drain_until,
        };
        standing.map(|at| at.max(now))
    }

    /// Everything there is to say about the target at `now`.
    pub fn detail(&self, window: &Window, now: Moment) -> Detail {
        let (ok, bad) = window.counts(now);
        let samples = ok + bad;
        Detail {
            state: self.state(),
            reason: self.reason(),
            since: self.since,
            next_probe_at: match self.past.observed {
                Observed::Unhealthy { until, .. } => Some(until),
                Observed::Healthy { .. } => None,
            },
            ejections: self.past.ejections,
            consecutive_failures: self.past.consecutive,
            ramp: self.ramp(now),
            cooling_until: self.past.cooling.until(now),
            last_failure: self.past.last_failure,
            success_rate: (samples > 0).then(|| (share(ok, samples), samples)),
            drain_until: self.past.drain_until,
        }
    }

    /// Lets what time alone decides come true.
    fn pass_time(&mut self, now: Moment, said: &mut Transitions) {
        if self.admin == Admin::Draining && self.past.drain_until.is_some_and(|until| until <= now)
        {
            self.set_admin(Admin::Disabled, now, said);
        }
        if let Observed::Healthy {
            ramping_since: Some(_),
        } = self.past.observed
            && self.ramp(now) >= 1.0
        {
            self.past.observed = Observed::Healthy {
                ramping_since: None,
            };
            said.push(Transition::RampEnded);
        }
    }

    fn on_outcome(
        &mut self,
        verdict: Verdict,
        window: &Window,
        now: Moment,
        said: &mut Transitions,
    ) {
        let Verdict { outcome, epoch, .. } = verdict;
        if let Some(passed) = outcome.sample()
            && self.watches_rate()
        {
            window.record(passed, now);
        }
        // What belongs to an older epoch is counted above and moves nothing; and where nothing
        // went wrong, a success has nothing to mend.
        if epoch != self.epoch || (outcome == Outcome::Success && !self.wants_success()) {
            return;
        }
        if let Some(kind) = outcome.counted() {
            self.past.last_failure = Some((now, kind));
        }
        if self
            .past
            .cooling
            .note(outcome, self.settings.retry_after_cap, now)
            && let Some(until) = self.past.cooling.until(now)
        {
            said.push(Transition::Cooling { until });
        }
        match self.past.observed {
            Observed::Healthy { .. } => self.judge(outcome, window, now, said),
            Observed::Unhealthy { .. } => self.on_outcome_at_rest(verdict, now, said),
        }
    }

    /// Counts an outcome of a target that takes traffic, and takes it out if it is time.
    fn judge(&mut self, outcome: Outcome, window: &Window, now: Moment, said: &mut Transitions) {
        if outcome == Outcome::QuotaExhausted {
            self.rest(
                Reason::QuotaExhausted,
                now + self.settings.quota_rest,
                now,
                said,
            );
            return;
        }
        if !self.settings.passive {
            return;
        }
        if outcome == Outcome::Success {
            self.past.consecutive = 0;
            self.past.refusals = 0;
            return;
        }
        let is_ramping = !matches!(
            self.past.observed,
            Observed::Healthy {
                ramping_since: None
            }
        );
        let counted = outcome.counted().is_some();
        if counted {
            self.past.consecutive = self.past.consecutive.saturating_add(1);
        }
        if outcome == Outcome::Credentials {
            self.past.refusals = self.past.refusals.saturating_add(1);
        }
        let reason = if self.past.refusals >= self.settings.credentials_threshold {
            Reason::Credentials
        } else if counted && is_ramping {
            Reason::Relapse
        } else if self.past.consecutive >= self.settings.threshold {
            Reason::Consecutive
        } else if outcome.sample() == Some(false) && self.passes_too_little(window, now) {
            Reason::SuccessRate
        } else {
            return;
        };
        if self.may_eject {
            self.trip(reason, now, said);
        }
    }

    fn passes_too_little(&self, window: &Window, now: Moment) -> bool {
        let Some(rate) = self.settings.rate else {
            return false;
        };
        let (ok, bad) = window.counts(now);
        let samples = ok + bad;
        samples >= u64::from(rate.samples) && share(ok, samples) < rate.least
    }

    /// Takes the target out for longer than the last time.
    fn trip(&mut self, reason: Reason, now: Moment, said: &mut Transitions) {
        if let Observed::Healthy { .. } = self.past.observed {
            let interval = self.settings.interval.as_nanos().max(1);
            let faded = now.since(self.past.fades_from).as_nanos() / interval;
            self.past.ejections = self
                .past
                .ejections
                .saturating_sub(u32::try_from(faded).unwrap_or(u32::MAX));
        }
        self.past.ejections = self.past.ejections.saturating_add(1);
        let until = now + self.ejection();
        self.rest(reason, until, now, said);
    }

    /// How long the current trip rests: doubled by each one before it, spread, capped.
    fn ejection(&mut self) -> Duration {
        let base = self
            .settings
            .base_ejection
            .unwrap_or(self.settings.interval);
        let doubled = base.saturating_mul(2_u32.saturating_pow(self.past.ejections.min(32) - 1));
        let cap = self.settings.longest_rest();
        let spread = self.spread();
        doubled.min(cap).mul_f32(spread).min(cap)
    }

    fn rest(&mut self, reason: Reason, until: Moment, now: Moment, said: &mut Transitions) {
        if let Observed::Healthy { .. } = self.past.observed {
            self.since = now;
        }
        self.past.observed = Observed::Unhealthy {
            reason,
            until,
            passes: 0,
            token: None,
        };
        self.next_epoch();
        said.push(Transition::Ejected {
            reason,
            until,
            ejections: self.past.ejections,
        });
    }

    /// Lets the target take traffic again, a growing share of it.
    fn recover(&mut self, now: Moment, said: &mut Transitions) {
        self.past.observed = Observed::Healthy {
            ramping_since: (!self.settings.ramp.is_zero()).then_some(now),
        };
        self.since = now;
        self.past.fades_from = now;
        self.next_epoch();
        said.push(Transition::Recovered);
    }

    /// Begins a new epoch with nothing counted.
    fn next_epoch(&mut self) {
        self.epoch = self.epoch.wrapping_add(1) & EPOCHS;
        self.past.consecutive = 0;
        self.past.refusals = 0;
        self.past.checks.reset_counts();
    }

    fn on_admin(&mut self, change: AdminChange, now: Moment, said: &mut Transitions) {
        match change {
            AdminChange::Enable => {
                let rested = matches!(self.past.observed, Observed::Unhealthy { .. });
                if self.admin == Admin::Enabled && !rested {
                    return;
                }
                self.past.ejections = 0;
                self.past.cooling.clear();
                self.set_admin(Admin::Enabled, now, said);
                self.recover(now, said);
            }
            AdminChange::Drain { until } => match self.admin {
                Admin::Disabled => {}
                Admin::Enabled | Admin::Draining => {
                    self.set_admin(Admin::Draining, now, said);
                    self.past.drain_until = until;
                }
            },
            AdminChange::Drained => {
                if self.admin == Admin::Draining {
                    self.set_admin(Admin::Disabled, now, said);
                }
            }
            AdminChange::Disable => self.set_admin(Admin::Disabled, now, said),
        }
    }

    fn set_admin(&mut self, admin: Admin, now: Moment, said: &mut Transitions) {
        if self.past.drain_until.is_some() {
            self.past.drain_until = None;
        }
        if self.admin != admin {
            self.admin = admin;
            self.since = now;
            said.push(Transition::Admin(admin));
        }
    }

    /// A factor around 1, as wide as the jitter allows.
    fn spread(&mut self) -> f32 {
        // SplitMix64: one multiplication more than needed, and no weak seed.
        self.noise = self.noise.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.noise;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let sixteen = u16::try_from((word ^ (word >> 31)) >> 48).unwrap_or(0);
        let unit = f32::from(sixteen) / f32::from(u16::MAX);
        unit.mul_add_(2.0 * self.settings.jitter, 1.0 - self.settings.jitter)
    }
}

/// Epochs fit in 24 bits, so that whoever keeps one in an atomic word has room for more.
const EPOCHS: u32 = (1 << 24) - 1;

/// `f32::mul_add` is not in `core`; the plain form is exact enough here.
trait MulAdd {
    fn mul_add_(self, factor: f32, term: f32) -> f32;
}

impl MulAdd for f32 {
    fn mul_add_(self, factor: f32, term: f32) -> f32 {
        self * factor + term
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a share needs no more than 24 bits"
)]
fn share(part: u64, whole: u64) -> f32 {
    part as f32 / whole as f32
}
