//! What was seen, as it happened.

use std::{collections::BTreeMap, time::Duration};

use super::{question::Wrong, standing::Standing};

/// Something that was seen. Times are since the first request.
#[derive(Debug)]
pub(crate) enum Seen {
    /// A request ended.
    Finished(Finished),
    /// A request was not sent, as too many were under way.
    NotSent,
    /// A fault began (`true`) or ended, by its place in the script.
    Cue {
        cue: usize,
        begins: bool,
        at: Duration,
    },
    /// How the targets are, in the cast's order.
    Standings(Duration, Vec<Standing>),
}

/// One request of a client, from its first byte to its end.
#[derive(Clone, Debug)]
pub(crate) struct Finished {
    /// When it was sent.
    pub(crate) at: Duration,
    pub(crate) took: Duration,
    /// To the first byte of the answer's body.
    pub(crate) first: Option<Duration>,
    pub(crate) is_stream: bool,
    /// How many targets were tried, the last included.
    pub(crate) attempts: u32,
    /// Whether another model answered than was asked for.
    pub(crate) is_substituted: bool,
    pub(crate) outcome: Outcome,
}

/// What a client got.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// A whole answer of this target.
    Answered { target: String },
    /// No whole answer; `target` is whose answer it began to be.
    Failed {
        wrong: Wrong,
        target: Option<String>,
    },
}

impl Finished {
    pub(crate) fn ended(&self) -> Duration {
        self.at + self.took
    }

    /// The target that answered.
    pub(crate) fn answered_by(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Answered { target } => Some(target),
            Outcome::Failed { .. } => None,
        }
    }

    /// Whether another target took it over after an attempt that failed.
    pub(crate) fn was_taken_over(&self) -> bool {
        self.answered_by().is_some() && self.attempts > 1
    }
}

/// A change of a target's standing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    pub(crate) at: Duration,
    pub(crate) target: usize,
    pub(crate) standing: Standing,
}

/// All that was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Observations {
    pub(crate) requests: Vec<Finished>,
    pub(crate) not_sent: u64,
    /// When each fault of the script began and ended.
    pub(crate) cues: BTreeMap<usize, (Duration, Option<Duration>)>,
    /// How each target was when first seen, and each change after that.
    pub(crate) changes: Vec<Change>,
    /// The last look at the targets.
    pub(crate) standings: Vec<Standing>,
}

impl Observations {
    /// Adds what was seen; returns the changes of standing that are news.
    pub(crate) fn add(&mut self, seen: Seen) -> Vec<Change> {
        match seen {
            Seen::Finished(finished) => self.requests.push(finished),
            Seen::NotSent => self.not_sent += 1,
            Seen::Cue {
                cue,
                begins: true,
                at,
            } => {
                self.cues.insert(cue, (at, None));
            }
            Seen::Cue {
                cue,
                begins: false,
                at,
            } => {
                if let Some((_, until)) = self.cues.get_mut(&cue) {
                    *until = Some(at);
                }
            }
            Seen::Standings(at, standings) => return self.look(at, standings),
        }
        Vec::new()
    }

    fn look(&mut self, at: Duration, standings: Vec<Standing>) -> Vec<Change> {
        let changed = standings.iter().enumerate().filter(|(target, standing)| {
            let before = self.standings.get(*target).unwrap_or(&Standing::Takes);
            before.is_news(standing)
        });
        let changes: Vec<Change> = changed
            .map(|(target, standing)| Change {
                at,
                target,
                standing: standing.clone(),
            })
            .collect();
        self.standings = standings;
        self.changes.extend(changes.iter().cloned());
        changes
    }

    /// What the requests that ended within a second came to, by the second's number from 0.
    pub(crate) fn second(&self, number: u64) -> Second {
        let mut second = Second::default();
        // They are in the order of their end, so that those of a second stand together.
        let of_second = self
            .requests
            .iter()
            .rev()
            .skip_while(|request| request.ended().as_secs() > number)
            .take_while(|request| request.ended().as_secs() == number);
        for request in of_second {
            match &request.outcome {
                Outcome::Answered { target } => {
                    *second.answered.entry(target.clone()).or_default() += 1;
                }
                Outcome::Failed { wrong, .. } => {
                    *second.failed.entry(*wrong).or_default() += 1;
                }
            }
            second.taken_over += u64::from(request.was_taken_over());
        }
        second
    }
}

/// What the requests that ended within one second came to.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Second {
    pub(crate) answered: BTreeMap<String, u64>,
    pub(crate) failed: BTreeMap<Wrong, u64>,
    pub(crate) taken_over: u64,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A request that took 10 ms: answered by `target` where there is one, else failed with 503.
    pub(crate) fn request(at_ms: u64, target: Option<&str>, attempts: u32) -> Finished {
        Finished {
            at: Duration::from_millis(at_ms),
            took: Duration::from_millis(10),
            first: Some(Duration::from_millis(8)),
            is_stream: false,
            attempts,
            is_substituted: false,
            outcome: match target {
                Some(target) => Outcome::Answered {
                    target: target.to_owned(),
                },
                None => Outcome::Failed {
                    wrong: Wrong::Status(503),
                    target: None,
                },
            },
        }
    }

    #[test]
    fn a_second_counts_what_ended_in_it() {
        let mut seen = Observations::default();
        for (at, target, attempts) in [
            (980, Some("a"), 1),
            (995, Some("a"), 1),
            (1500, Some("b"), 2),
            (1600, None, 2),
            (2100, Some("a"), 1),
        ] {
            seen.add(Seen::Finished(request(at, target, attempts)));
        }
        let second = seen.second(1);
        assert_eq!(
            second.answered,
            BTreeMap::from([("a".into(), 1), ("b".into(), 1)])
        );
        assert_eq!(second.failed, BTreeMap::from([(Wrong::Status(503), 1)]));
        assert_eq!(second.taken_over, 1);
        assert_eq!(seen.second(7), Second::default());
    }

    #[test]
    fn only_a_change_of_standing_is_news() {
        let mut seen = Observations::default();
        let mut look = |at, standing: Standing| {
            let at = Duration::from_secs(at);
            seen.add(Seen::Standings(at, vec![Standing::Takes, standing]))
                .len()
        };
        assert_eq!(look(0, Standing::Takes), 0);
        assert_eq!(look(1, Standing::Returns(10)), 1);
        assert_eq!(look(2, Standing::Returns(20)), 0);
        assert_eq!(look(3, Standing::Cools), 1);
        assert_eq!(look(4, Standing::Takes), 1);
    }
}
