//! The attempts of one request.

use std::fmt;
use std::sync::Arc;

use crate::ask::{Ask, SecondTries};
use crate::core::Core;
use crate::error::NoTarget;
use crate::lease::Lease;
use crate::name::ModelName;
use crate::outlook::{Outlook, Rank};

/// The attempts of one request: what it asks for, and which targets it tried.
///
/// ```
/// # use ai_gateway_balancer::{Balancer, FailureKind, Outcome, Target};
/// # let balancer = Balancer::builder("b").target(Target::new("a", 1)).target(Target::new("b", 2)).build()?;
/// let mut attempts = balancer.request().model("gpt-4o").max_attempts(3);
/// let answer = loop {
///     let lease = attempts.pick()?;
///     // Send the request to `*lease`; here the first target is down.
///     let outcome = if *lease == 1 { Outcome::Failure(FailureKind::Connect) } else { Outcome::Success };
///     let target = *lease;
///     lease.finish(outcome);
///     if outcome.is_retryable() && attempts.allows_retry() {
///         continue;
///     }
///     break target;
/// };
/// assert_eq!(answer, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Before a request descends
///
/// A lower tier is lower for a reason. So a target that failed in a way that is usually over in a
/// moment can be marked by [`allow_again`](Self::allow_again): when its tier has no other left, it
/// gets one more try before the tiers below are asked, one for the whole tier. Where
/// [`outlook`](Self::outlook) says that only worse is left, it also says when a target of the tier
/// cools off, should waiting be better.
///
/// ```
/// # use ai_gateway_balancer::{Balancer, FailureKind, Outcome, Outlook, Target};
/// # use std::time::Duration;
/// # let balancer = Balancer::builder("b")
/// #     .target(Target::new("main", 1)).target(Target::new("spare", 2).priority(2)).build()?;
/// # let sleep = |_: Duration| {};
/// let mut attempts = balancer.request();
/// let lease = attempts.pick()?;
/// // It refused the connection; perhaps it is just being restarted.
/// attempts.allow_again(&lease);
/// lease.finish(Outcome::Failure(FailureKind::Connect));
/// match attempts.outlook() {
///     Outlook::Untried => {}
///     Outlook::Again => sleep(Duration::from_millis(50)),
///     Outlook::Worse { back_in: Some(wait) } if wait < Duration::from_secs(3) => sleep(wait),
///     Outlook::Worse { .. } => {}
/// }
/// assert_eq!(attempts.pick()?.target_id(), "main");
/// // That was the tier's second try.
/// assert_eq!(attempts.pick()?.target_id(), "spare");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Attempts<T> {
    core: Arc<Core<T>>,
    model: Option<ModelName>,
    key: Option<u64>,
    tried: Few,
    second: SecondTries,
    /// What the last pick was.
    last: Option<Rank>,
    count: u32,
    most: u32,
}

impl<T> Attempts<T> {
    pub(crate) fn new(core: Arc<Core<T>>) -> Self {
        Self {
            core,
            model: None,
            key: None,
            tried: Few::default(),
            second: SecondTries::default(),
            last: None,
            count: 0,
            most: 3,
        }
    }

    /// Asks for a model by name. Without a name each target serves its default.
    #[must_use]
    pub fn model(mut self, model: &str) -> Self {
        self.model = Some(ModelName::new(model));
        self
    }

    /// Says what this request has in common with those that should meet it at one target: the
    /// hash of a session, a user, or a prompt's beginning ([`key_of_prefix`](crate::key_of_prefix)).
    #[must_use]
    pub fn key(mut self, key: u64) -> Self {
        self.key = Some(key);
        self
    }

    /// How many attempts [`allows_retry`](Self::allows_retry) allows; 3.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.most = attempts;
        self
    }

    /// Chooses a target that this request has not tried, or may try again, and lets it in.
    ///
    /// Never waits: a full target is passed over. Costs no allocation but for a model's name of
    /// more than 46 bytes, more than eight attempts, and a second try of a tier.
    ///
    /// # Errors
    ///
    /// [`NoTarget`] when no target may take the request, or each was tried.
    #[inline]
    pub fn pick(&mut self) -> Result<Lease<T>, NoTarget> {
        let lease = self.core.pick(&self.ask())?;
        let serial = lease.serial();
        if self.second.marked != 0 && self.tried.as_slice().contains(&serial) {
            self.second.spent.push(lease.priority());
        }
        self.tried.push(serial);
        self.last = Some(Rank::of(&lease));
        self.count += 1;
        Ok(lease)
    }

    /// Marks the lease's target as one that may be tried once more: what went wrong is likely to
    /// be over in a moment, or when the target cools off.
    ///
    /// Holds for the rest of the request. The next picks choose among the untried targets of the
    /// target's priority as long as one takes traffic; then one of those marked, if it takes
    /// traffic; then whoever comes after that priority. A priority has one such second try, however
    /// many of its targets are marked.
    ///
    /// Do not mark a target that was silent until a timeout: the second try would take as long.
    /// Nothing happens for a lease of another request, nor after 64 attempts.
    pub fn allow_again(&mut self, lease: &Lease<T>) {
        let tried = self.tried.as_slice().iter();
        if let Some(place) = tried.take(64).rposition(|&serial| serial == lease.serial()) {
            self.second.marked |= 1 << place;
        }
    }

    /// What [`pick`](Self::pick) would do now, as far as can be seen without doing it: whether it
    /// would descend from the priority of the last pick, and whether waiting might spare that.
    ///
    /// Other requests may take what it saw. Where a weakened tier shares its traffic
    /// ([`Plan::spill`](crate::Plan::spill)), the pick may also begin at another tier. Looks at
    /// every target; meant for requests that failed once.
    pub fn outlook(&self) -> Outlook {
        self.core.outlook(&self.ask(), self.last)
    }

    #[inline]
    fn ask(&self) -> Ask<'_> {
        Ask {
            model: self.model.as_ref(),
            key: self.key,
            tried: self.tried.as_slice(),
            second: (self.second.marked != 0).then_some(&self.second),
        }
    }

    /// Whether fewer attempts were made than may be.
    pub const fn allows_retry(&self) -> bool {
        self.count < self.most
    }

    /// The number of attempts made.
    pub const fn count(&self) -> u32 {
        self.count
    }
}

impl<T> fmt::Debug for Attempts<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempts")
            .field("model", &self.model.as_ref().map(ModelName::as_str))
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

/// A few numbers, without an allocation up to eight.
#[derive(Default)]
struct Few {
    few: [u32; 8],
    len: usize,
    many: Vec<u32>,
}

impl Few {
    #[inline]
    fn as_slice(&self) -> &[u32] {
        if self.many.is_empty() {
            self.few.get(..self.len).unwrap_or_default()
        } else {
            &self.many
        }
    }

    #[inline]
    fn push(&mut self, number: u32) {
        if self.many.is_empty()
            && let Some(slot) = self.few.get_mut(self.len)
        {
            *slot = number;
            self.len += 1;
            return;
        }
        if self.many.is_empty() {
            self.many.extend_from_slice(&self.few);
        }
        self.many.push(number);
    }
}

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_numbers_is_kept_in_order() {
        let mut numbers = Few::default();
        for n in 0..20 {
            assert_eq!(numbers.as_slice(), (0..n).collect::<Vec<u32>>());
            numbers.push(n);
        }
    }
}
