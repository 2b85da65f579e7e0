//! The attempts of one request.

use std::fmt;
use std::sync::Arc;

use crate::ask::Ask;
use crate::core::Core;
use crate::error::NoTarget;
use crate::lease::Lease;
use crate::name::ModelName;

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
pub struct Attempts<T> {
    core: Arc<Core<T>>,
    model: Option<ModelName>,
    key: Option<u64>,
    tried: Serials,
    count: u32,
    most: u32,
    last_priority: Option<u32>,
    again: Option<u32>,
    /// Tiers that had their second chance.
    forgiven: Vec<u32>,
}

impl<T> Attempts<T> {
    pub(crate) fn new(core: Arc<Core<T>>) -> Self {
        Self {
            core,
            model: None,
            key: None,
            tried: Serials::default(),
            count: 0,
            most: 3,
            last_priority: None,
            again: None,
            forgiven: Vec::new(),
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

    /// Chooses a target that this request has not tried, and lets it in.
    ///
    /// Never waits: a full target is passed over. Costs no allocation but for a model's name of
    /// more than 46 bytes, and more than eight attempts.
    ///
    /// # Errors
    ///
    /// [`NoTarget`] when no target may take the request, or each was tried.
    #[inline]
    pub fn pick(&mut self) -> Result<Lease<T>, NoTarget> {
        let again = self.again.take();
        let ask = Ask {
            model: self.model.as_ref(),
            key: self.key,
            tried: self.tried.as_slice(),
            again,
        };
        let lease = self.core.pick(&ask)?;
        self.tried.push(lease.serial());
        self.last_priority = Some(lease.priority());
        self.count += 1;
        Ok(lease)
    }

    /// Lets the next pick choose, once, a target of the last one's priority that was tried
    /// already, should no other of that priority be left: for a momentary fault, before the
    /// request descends to targets that are there for worse days.
    ///
    /// False, and nothing changes, when that priority had its second chance, or nothing was picked.
    pub fn retry_same_tier(&mut self) -> bool {
        match self.last_priority {
            Some(priority) if !self.forgiven.contains(&priority) => {
                self.forgiven.push(priority);
                self.again = Some(priority);
                true
            }
            Some(_) | None => false,
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
struct Serials {
    few: [u32; 8],
    len: usize,
    many: Vec<u32>,
}

impl Serials {
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
    fn any_number_of_serials_is_kept_in_order() {
        let mut serials = Serials::default();
        for n in 0..20 {
            assert_eq!(serials.as_slice(), (0..n).collect::<Vec<u32>>());
            serials.push(n);
        }
    }
}
