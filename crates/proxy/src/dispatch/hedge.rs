//! Asks a second target beside a slow first one, where the operator wants that.

use std::pin::Pin;
use std::sync::Arc;

use ai_gateway_model::Hedge;
use ai_gateway_registry::AnswerKind;
use tokio::time::{Instant, timeout};

use crate::attempt::{Answer, Expected};
use crate::verdict::Setback;

use super::sending::{Asked, Sending};
use super::{Attempts, Came, Dispatch, expected};

/// What came of asking a target.
type Outcome = (Asked, Result<Answer, Setback>);

/// Which of two targets that are asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Turn {
    First,
    Second,
}

/// A target that is being asked.
struct Runner<F> {
    sent: Pin<Box<F>>,
    since: Instant,
}

impl<F> Runner<F> {
    fn start(sent: F) -> Self {
        Self {
            sent: Box::pin(sent),
            since: Instant::now(),
        }
    }
}

impl Dispatch {
    /// How the request hedges, if it does, and what it waits for.
    pub(super) fn hedge(&self) -> Option<(Hedge, AnswerKind)> {
        let kind = match expected(&self.call) {
            Expected::Stream => AnswerKind::Stream,
            Expected::Plain => AnswerKind::Plain,
            // Nobody knows what it does, so it is not done twice.
            Expected::Opaque => return None,
        };
        Some((self.route.retry().hedge?, kind))
    }

    /// Asks one target, and a second one too once the first is slow; the first good answer is
    /// taken and the other target's connection closed. A failure is no answer while the other
    /// target may still give one.
    ///
    /// Dropping the future closes the connections to both.
    pub(super) async fn race(
        &mut self,
        sending: Sending,
        hedge: Hedge,
        kind: AnswerKind,
        attempts: &mut Attempts,
    ) -> Came {
        let slow_after = self.route.hedges().slow_after(hedge, kind);
        let mut first = Runner::start(sending.send());
        let early = match slow_after {
            Some(wait) => timeout(wait, first.sent.as_mut()).await.ok(),
            None => Some(first.sent.as_mut().await),
        };
        let (asked, came) = match early {
            Some(outcome) => outcome,
            None => match self.second(attempts) {
                Some(second) => {
                    let second = Runner::start(second.send());
                    return self.both(first, second, kind, attempts).await;
                }
                None => first.sent.await,
            },
        };
        if came.is_ok() {
            self.route.hedges().took(kind, first.since.elapsed());
        }
        self.conclude(asked, came, attempts)
    }

    async fn both<F: Future<Output = Outcome>>(
        &mut self,
        mut first: Runner<F>,
        mut second: Runner<F>,
        kind: AnswerKind,
        attempts: &mut Attempts,
    ) -> Came {
        let (turn, outcome) = tokio::select! {
            biased;
            outcome = first.sent.as_mut() => (Turn::First, outcome),
            outcome = second.sent.as_mut() => (Turn::Second, outcome),
        };
        let (ahead, behind) = match turn {
            Turn::First => (first.since, second),
            Turn::Second => {
                self.story.turn_to_second();
                (second.since, first)
            }
        };
        if outcome.1.is_ok() {
            self.route.hedges().took(kind, ahead.elapsed());
            match turn {
                Turn::First => self.route.retries().in_vain(self.story.monotonic()),
                // It took so long at least: left out, the usual would seem ever quicker.
                Turn::Second => self.route.hedges().took(kind, behind.since.elapsed()),
            }
            // Its connection goes before anything of the answer is passed on.
            drop(behind);
            self.tried.attempts += 1;
            self.story.lost();
            return self.won(outcome, attempts);
        }
        let failed = self.conclude(outcome.0, outcome.1, attempts);
        let since = behind.since;
        let outcome = behind.sent.await;
        if outcome.1.is_ok() {
            self.route.hedges().took(kind, since.elapsed());
            if turn == Turn::Second && self.tried.attempts == 1 {
                self.route.retries().in_vain(self.story.monotonic());
            }
            return self.won(outcome, attempts);
        }
        let last = self.conclude(outcome.0, outcome.1, attempts);
        failed.or(last)
    }

    /// A second target that may be asked now.
    fn second(&mut self, attempts: &mut Attempts) -> Option<Sending> {
        let budget = self.route.retry().budget.unwrap_or_default();
        let may_be_tried = self.tried.attempts + 1 < self.route.max_attempts
            && Instant::now() < self.deadline
            && self.route.retries().allows(budget, self.story.monotonic());
        if !may_be_tried || !self.route.hedges().take() {
            return None;
        }
        while let Ok(lease) = attempts.pick() {
            if self.is_fit(&lease)
                && let Some(sending) = self.prepare(lease)
            {
                self.story.attempting_second(sending.target.lease.meters());
                return Some(sending);
            }
        }
        self.route.hedges().put_back();
        None
    }

    fn won(&mut self, (asked, came): Outcome, attempts: &mut Attempts) -> Came {
        self.story.record().served_model = Some(Arc::from(asked.served.model.as_str()));
        self.conclude(asked, came, attempts)
    }
}
