//! What a machine is told and what it says.

use core::time::Duration;

use crate::{FailureKind, Moment, Verdict};

/// What an operator sees of a target, in four words.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum State {
    /// Takes traffic, unless it cools.
    Healthy,
    /// Rests: taken out by what was observed.
    Unhealthy,
    /// Finishes what it has and takes nothing new.
    Draining,
    /// Taken out by hand.
    Disabled,
}

impl State {
    /// The state's name in logs and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Draining => "draining",
            Self::Disabled => "disabled",
        }
    }
}

/// What the operator decided about a target.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Admin {
    /// May take traffic.
    #[default]
    Enabled,
    /// Finishes what it has, then is disabled.
    Draining,
    /// Takes no traffic.
    Disabled,
}

/// Why a target rests.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Reason {
    /// Too many failures in a row.
    Consecutive,
    /// Too few requests passed lately.
    SuccessRate,
    /// Too many active checks failed in a row.
    ActiveCheck,
    /// The operator's credentials were refused.
    Credentials,
    /// The account behind it is spent.
    QuotaExhausted,
    /// The request that was to try it out failed.
    ProbeFailed,
    /// It failed again while its share was still growing.
    Relapse,
}

impl Reason {
    /// The reason's name in logs and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Consecutive => "consecutive_failures",
            Self::SuccessRate => "success_rate",
            Self::ActiveCheck => "active_check",
            Self::Credentials => "credentials",
            Self::QuotaExhausted => "quota_exhausted",
            Self::ProbeFailed => "probe_failed",
            Self::Relapse => "relapse",
        }
    }
}

/// Something that a machine is told.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// A request ended.
    Outcome(Verdict),
    /// An active check ended.
    Check(ActiveCheck),
    /// Time passed.
    Tick,
    /// The operator decided something.
    Admin(AdminChange),
}

/// How an active check ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ActiveCheck {
    /// The answer was as expected and in time.
    Ok,
    /// It was not.
    Fail,
}

/// What the operator decided.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum AdminChange {
    /// Let it take traffic again. Clears what was observed; the share grows as after a recovery.
    Enable,
    /// Give it nothing new, and disable it when its last request ends, or at `until`.
    Drain {
        /// When to stop waiting, if ever.
        until: Option<Moment>,
    },
    /// The last request of a draining target ended.
    Drained,
    /// Give it nothing new.
    Disable,
}

/// A change that others may want to hear of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Transition {
    /// The target was taken out.
    Ejected {
        /// Why.
        reason: Reason,
        /// When a request may try it.
        until: Moment,
        /// How many times in succession.
        ejections: u32,
    },
    /// The target takes traffic again, a growing share of it.
    Recovered,
    /// The target's share is whole again.
    RampEnded,
    /// The target asked to be left alone.
    Cooling {
        /// Until when.
        until: Moment,
    },
    /// The operator's decision, or the end of a drain, took effect.
    Admin(Admin),
}

/// Where a target stands at a moment, for whoever chooses among targets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Standing {
    /// Takes traffic, `ramp` (0 to 1) of its share.
    Serving {
        /// The part of its share.
        ramp: f32,
    },
    /// Asked to be left alone until then.
    Cooling {
        /// Until when.
        until: Moment,
    },
    /// Rests; one request may try it from `until` on.
    Resting {
        /// When a probe may be sent.
        until: Moment,
    },
    /// Rests, and may be tried now by one request.
    ProbeDue,
    /// Rests, and is being tried.
    Probing,
    /// Takes nothing new, by the operator's will.
    Out,
}

/// Everything there is to say about a target's health, at a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Detail {
    /// The state in a word.
    pub state: State,
    /// Why it rests, when it does.
    pub reason: Option<Reason>,
    /// Since when the state holds.
    pub since: Moment,
    /// When a request may try it, when it rests.
    pub next_probe_at: Option<Moment>,
    /// Trips in succession; forgotten one by one while healthy.
    pub ejections: u32,
    /// Counted failures in a row, now.
    pub consecutive_failures: u32,
    /// The part of its share that it gets, 0 to 1; 1 but after a recovery.
    pub ramp: f32,
    /// Until when it cools, when it does.
    pub cooling_until: Option<Moment>,
    /// The last counted failure.
    pub last_failure: Option<(Moment, FailureKind)>,
    /// Share of requests that passed within the window, with the number of samples.
    pub success_rate: Option<(f32, u64)>,
    /// When a drain is cut short, when it drains.
    pub drain_until: Option<Moment>,
}

impl Detail {
    /// How long until a request may try it or it has cooled, whichever is later.
    pub fn rest_left(&self, now: Moment) -> Option<Duration> {
        let until = self.next_probe_at.max(self.cooling_until)?;
        Some(until.since(now))
    }
}

/// What a tick or an event did: usually nothing, so usually no allocation.
pub(crate) type Transitions = alloc::vec::Vec<Transition>;
