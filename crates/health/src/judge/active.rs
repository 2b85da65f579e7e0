//! Checks that are made whether or not there is traffic.

use core::time::Duration;

use super::Judge;
use super::past::Observed;
use crate::settings::RestoredBy;
use crate::state::Transitions;
use crate::{ActiveCheck, Admin, Moment, Reason};

/// What the last active checks said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Checks {
    passes: u32,
    failures: u32,
}

impl Checks {
    pub(super) const NONE: Self = Self {
        passes: 0,
        failures: 0,
    };

    pub(super) fn reset_counts(&mut self) {
        self.passes = 0;
        self.failures = 0;
    }
}

impl Judge {
    /// When the next active check is due; `None` when none is wanted.
    pub fn next_check(&self) -> Option<Moment> {
        let wanted = self.settings.active && self.admin == Admin::Enabled;
        wanted.then_some(self.check_due)
    }

    /// Begins the check that is due at `now`, if one is: the caller makes it, reports its end by
    /// [`Event::Check`](crate::Event::Check), and takes longer than the returned time for a
    /// failure.
    ///
    /// A check whose end is never reported costs one period and nothing else.
    pub fn begin_check(&mut self, now: Moment) -> Option<Duration> {
        let due = self.next_check()?;
        if due > now {
            return None;
        }
        let timeout = self.settings.check_timeout;
        self.check_due = now + self.period() + timeout;
        Some(timeout)
    }

    /// Spreads the first checks of many targets over the interval.
    pub(super) fn plan_first_check(&mut self, now: Moment) {
        let jitter = self.settings.jitter;
        let unit = if jitter > 0.0 {
            (self.spread() - 1.0 + jitter) / (2.0 * jitter)
        } else {
            0.0
        };
        self.check_due = now + self.settings.interval.mul_f32(unit.clamp(0.0, 1.0));
    }

    pub(super) fn on_check(&mut self, check: ActiveCheck, now: Moment, said: &mut Transitions) {
        if !self.settings.active || self.admin != Admin::Enabled {
            return;
        }
        match check {
            ActiveCheck::Ok => self.on_passed_check(now, said),
            ActiveCheck::Fail => self.on_failed_check(now, said),
        }
        self.check_due = now + self.period();
    }

    fn on_passed_check(&mut self, now: Moment, said: &mut Transitions) {
        self.past.checks.failures = 0;
        self.past.checks.passes = self.past.checks.passes.saturating_add(1);
        let Observed::Unhealthy { reason, .. } = self.past.observed else {
            return;
        };
        let may = reason == Reason::ActiveCheck
            || (self.settings.restored_by == RestoredBy::ProbesOrChecks
                && reason != Reason::QuotaExhausted);
        if may && self.past.checks.passes >= self.settings.rise {
            self.recover(now, said);
        }
    }

    fn on_failed_check(&mut self, now: Moment, said: &mut Transitions) {
        self.past.checks.passes = 0;
        self.past.checks.failures = self.past.checks.failures.saturating_add(1);
        match &mut self.past.observed {
            Observed::Healthy { .. } => {
                if self.past.checks.failures >= self.settings.fall && self.may_eject {
                    self.trip(Reason::ActiveCheck, now, said);
                }
            }
            // While checks fail, no caller's request is spent on trying the target out.
            Observed::Unhealthy { until, .. } => {
                *until = (*until).max(now + self.settings.interval);
            }
        }
    }

    /// The time to the next check: a fifth of the interval while the verdict is in question.
    fn period(&mut self) -> Duration {
        let is_settled = match self.past.observed {
            Observed::Healthy { .. } => self.past.checks.failures == 0,
            Observed::Unhealthy { .. } => self.past.checks.passes == 0,
        };
        let interval = self.settings.interval;
        let period = if is_settled { interval } else { interval / 5 };
        let spread = self.spread();
        period.mul_f32(spread)
    }
}
