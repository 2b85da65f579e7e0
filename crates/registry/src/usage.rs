//! What a key or a rule has used, against its limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use ai_gateway_model::Limits;

/// Counts requests, tokens and requests under way of one key or rule.
///
/// Rates are judged by the generic cell rate algorithm in its virtual scheduling form (ITU-T
/// I.371): one number per rate, the time at which what was used so far would be used up at the
/// allowed pace. A caller may use up to a minute's worth at once.
#[derive(Debug, Default)]
pub struct Usage {
    requests: Schedule,
    tokens: Schedule,
    in_flight: AtomicU32,
}

/// A request that was let in; its place is free again when this is dropped.
#[derive(Debug)]
pub struct Admission {
    usage: Arc<Usage>,
    tokens_per_minute: Option<u32>,
}

/// A limit is reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the limit of {limit} {unit} is reached")]
pub struct LimitReached {
    /// The limit.
    pub limit: u32,
    /// What it counts.
    pub unit: LimitUnit,
    /// When a request would be let in again, were no other to come.
    pub retry_after: Duration,
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LimitUnit {
    /// Requests in any minute.
    RequestsPerMinute,
    /// Tokens, read and generated, in any minute.
    TokensPerMinute,
    /// Requests under way.
    RequestsInFlight,
}

impl std::fmt::Display for LimitUnit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::RequestsPerMinute => "requests per minute",
            Self::TokensPerMinute => "tokens per minute",
            Self::RequestsInFlight => "requests at a time",
        })
    }
}

impl Usage {
    /// Lets a request in, `now` after a fixed moment, or says which limit it would break.
    ///
    /// Tokens are known only once they are used, so a request is let in while there are any left,
    /// and what it used beyond them is waited for by the next.
    ///
    /// # Errors
    ///
    /// [`LimitReached`], and nothing has been counted.
    pub fn admit(
        self: &Arc<Self>,
        limits: &Limits,
        now: Duration,
    ) -> Result<Admission, LimitReached> {
        let reached = |limit, unit, retry_after| LimitReached {
            limit,
            unit,
            retry_after,
        };
        let admission = Admission {
            usage: Arc::clone(self),
            tokens_per_minute: limits.tokens_per_minute.map(Into::into),
        };
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        if let Some(limit) = limits.max_in_flight.map(u32::from)
            && before >= limit
        {
            return Err(reached(limit, LimitUnit::RequestsInFlight, IN_FLIGHT_RETRY));
        }
        if let Some(limit) = limits.tokens_per_minute.map(u32::from) {
            self.tokens
                .check(limit, now)
                .map_err(|wait| reached(limit, LimitUnit::TokensPerMinute, wait))?;
        }
        if let Some(limit) = limits.requests_per_minute.map(u32::from) {
            self.requests
                .take(limit, now)
                .map_err(|wait| reached(limit, LimitUnit::RequestsPerMinute, wait))?;
        }
        Ok(admission)
    }
}

impl Admission {
    /// Counts the tokens that the request used, `now` after the same moment as it was admitted.
    pub fn used_tokens(&self, tokens: u64, now: Duration) {
        if let Some(limit) = self.tokens_per_minute {
            self.usage.tokens.charge(limit, tokens, now);
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.usage.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// When what was used is used up at the allowed pace, in nanoseconds after the fixed moment.
#[derive(Debug, Default)]
struct Schedule(AtomicU64);

impl Schedule {
    /// Takes one of `per_minute`, or says how long to wait for it.
    fn take(&self, per_minute: u32, now: Duration) -> Result<(), Duration> {
        let now = nanos(now);
        let step = MINUTE_NANOS / u64::from(per_minute.max(1));
        let mut until = self.0.load(Ordering::Relaxed);
        loop {
            let next = until.max(now).saturating_add(step);
            let wait = next.saturating_sub(now.saturating_add(MINUTE_NANOS));
            if wait > 0 {
                return Err(Duration::from_nanos(wait));
            }
            match self
                .0
                .compare_exchange_weak(until, next, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return Ok(()),
                Err(changed) => until = changed,
            }
        }
    }

    /// Says how long to wait until at least one of `per_minute` is left.
    fn check(&self, per_minute: u32, now: Duration) -> Result<(), Duration> {
        let now = nanos(now);
        let step = MINUTE_NANOS / u64::from(per_minute.max(1));
        let until = self.0.load(Ordering::Relaxed).max(now);
        let wait = until
            .saturating_add(step)
            .saturating_sub(now.saturating_add(MINUTE_NANOS));
        if wait > 0 {
            Err(Duration::from_nanos(wait))
        } else {
            Ok(())
        }
    }

    /// Takes `count` of `per_minute`, whether they are left or not.
    fn charge(&self, per_minute: u32, count: u64, now: Duration) {
        let now = nanos(now);
        let cost = u128::from(MINUTE_NANOS) * u128::from(count) / u128::from(per_minute.max(1));
        let cost = u64::try_from(cost).unwrap_or(u64::MAX);
        let charge = |until: u64| Some(until.max(now).saturating_add(cost));
        // The closure always gives a value, so there is no failure to look at.
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, charge);
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

const MINUTE_NANOS: u64 = 60_000_000_000;
/// What a caller with too many requests under way is told: nobody knows when one ends.
const IN_FLIGHT_RETRY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::*;

    fn limits(requests: u32, tokens: u32, in_flight: u32) -> Limits {
        Limits {
            requests_per_minute: NonZeroU32::new(requests),
            tokens_per_minute: NonZeroU32::new(tokens),
            max_in_flight: NonZeroU32::new(in_flight),
        }
    }

    #[test]
    fn the_request_that_breaks_a_limit_is_told_when_to_come_back() {
        let (usage, limits) = (Arc::new(Usage::default()), limits(2, 0, 0));
        let at = Duration::from_secs;
        assert!(usage.admit(&limits, at(0)).is_ok());
        assert!(usage.admit(&limits, at(0)).is_ok());
        let reached = usage.admit(&limits, at(10)).unwrap_err();
        assert_eq!(
            (reached.unit, reached.retry_after),
            (LimitUnit::RequestsPerMinute, at(20))
        );
        assert!(usage.admit(&limits, at(30)).is_ok());
    }

    #[test]
    fn tokens_are_paid_for_after_they_were_used() {
        let (usage, limits) = (Arc::new(Usage::default()), limits(0, 600, 0));
        let at = Duration::from_secs;
        let admission = usage.admit(&limits, at(0)).unwrap();
        admission.used_tokens(1200, at(0));
        let reached = usage.admit(&limits, at(0)).unwrap_err();
        assert_eq!(reached.unit, LimitUnit::TokensPerMinute);
        assert_eq!(reached.retry_after, Duration::from_millis(60_100));
        assert!(usage.admit(&limits, at(61)).is_ok());
    }

    #[test]
    fn a_place_is_free_again_when_its_request_ends() {
        let (usage, limits) = (Arc::new(Usage::default()), limits(0, 0, 1));
        let first = usage.admit(&limits, Duration::ZERO).unwrap();
        assert!(usage.admit(&limits, Duration::ZERO).is_err());
        drop(first);
        assert!(usage.admit(&limits, Duration::ZERO).is_ok());
    }

    proptest! {
        #[test]
        fn no_minute_sees_more_than_twice_its_limit(
            limit in 1u32..50,
            gaps in proptest::collection::vec(0u64..5_000, 1..400),
        ) {
            let (usage, limits) = (Arc::new(Usage::default()), limits(limit, 0, 0));
            let mut now = Duration::ZERO;
            let mut admitted = Vec::new();
            for gap in gaps {
                now += Duration::from_millis(gap);
                if usage.admit(&limits, now).is_ok() {
                    admitted.push(now);
                }
            }
            for start in &admitted {
                let end = *start + Duration::from_secs(60);
                let within = admitted.iter().filter(|at| (*start..end).contains(at)).count();
                prop_assert!(within <= 2 * limit as usize, "{within} in a minute of {limit}");
            }
        }
    }
}
