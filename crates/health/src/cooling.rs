//! How long a target that asked for fewer requests is left alone.

use core::time::Duration;

use crate::{Moment, Outcome};

/// The date until which a target is left alone, beside whatever its state is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cooling {
    until: Moment,
    /// Requests in succession that came back without a date.
    undated: u32,
}

impl Cooling {
    pub(crate) const NONE: Self = Self {
        until: Moment::ZERO,
        undated: 0,
    };

    /// Takes note of `outcome`; true when the target cools longer than before.
    pub(crate) fn note(&mut self, outcome: Outcome, cap: Duration, now: Moment) -> bool {
        let (retry_after, longest) = match outcome {
            Outcome::RateLimited { retry_after } => (retry_after, RATE_LIMIT_CAP),
            Outcome::Overloaded { retry_after } => (retry_after, OVERLOAD_CAP),
            Outcome::Unavailable {
                retry_after: Some(time),
            } => (Some(time), cap),
            Outcome::Success => {
                self.undated = 0;
                return false;
            }
            Outcome::Failure(_)
            | Outcome::Unavailable { retry_after: None }
            | Outcome::QuotaExhausted
            | Outcome::Credentials
            | Outcome::ModelMissing
            | Outcome::CallerFault
            | Outcome::Cancelled => return false,
        };
        let rest = match retry_after {
            Some(time) => time.min(cap),
            // A burst of refusals that were all sent before the first came back is one lesson.
            None if now < self.until => return false,
            None => {
                let rest = FIRST * 2_u32.saturating_pow(self.undated.min(10));
                self.undated = self.undated.saturating_add(1);
                rest.min(longest)
            }
        };
        let until = now + rest;
        let longer = until > self.until;
        self.until = self.until.max(until);
        longer
    }

    /// Until when the target cools, when it does.
    pub(crate) fn until(&self, now: Moment) -> Option<Moment> {
        (self.until > now).then_some(self.until)
    }

    /// Whether a success would change anything.
    pub(crate) const fn wants_success(&self) -> bool {
        self.undated > 0
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::NONE;
    }
}

/// The first rest of a target that names no date.
const FIRST: Duration = Duration::from_secs(1);
/// The longest rest for a rate limit without a date.
const RATE_LIMIT_CAP: Duration = Duration::from_secs(60);
/// The longest rest for an overload without a date.
const OVERLOAD_CAP: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    const CAP: Duration = Duration::from_secs(300);
    const LIMITED: Outcome = Outcome::RateLimited { retry_after: None };

    fn rest(cooling: &Cooling, now: Moment) -> u64 {
        cooling
            .until(now)
            .map_or(0, |until| until.since(now).as_secs())
    }

    #[test]
    fn a_limit_without_a_date_backs_off_to_its_cap() {
        let mut cooling = Cooling::NONE;
        let mut now = Moment::ZERO;
        let mut rests = [0; 8];
        for slot in &mut rests {
            cooling.note(LIMITED, CAP, now);
            *slot = rest(&cooling, now);
            now = now + Duration::from_secs(*slot);
        }
        assert_eq!(rests, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn a_burst_of_refusals_backs_off_once() {
        let mut cooling = Cooling::NONE;
        for _ in 0..50 {
            cooling.note(LIMITED, CAP, Moment::ZERO);
        }
        assert_eq!(rest(&cooling, Moment::ZERO), 1);
    }

    #[test]
    fn a_date_is_believed_up_to_the_cap() {
        let mut cooling = Cooling::NONE;
        let hour = Outcome::RateLimited {
            retry_after: Some(Duration::from_secs(3600)),
        };
        cooling.note(hour, CAP, Moment::ZERO);
        assert_eq!(rest(&cooling, Moment::ZERO), 300);
    }
}
