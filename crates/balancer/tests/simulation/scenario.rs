//! What happens to the targets, and what is measured.

use super::report::Metric;

/// One row of the table, or several that come from the same runs.
#[derive(Clone)]
pub(crate) struct Scenario {
    /// A short name, for commands and files.
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    /// What the table shows of it, the most telling first.
    pub(crate) metrics: &'static [Metric],
    /// Work that each target does in a second, relative to a whole one.
    pub(crate) speeds: Vec<f64>,
    /// The targets' configured weights.
    pub(crate) weights: Vec<u32>,
    /// Load, as a share of what all targets together can do.
    pub(crate) load: f64,
    pub(crate) requests: usize,
    /// Gateways that know nothing of each other.
    pub(crate) gateways: usize,
    pub(crate) trouble: Trouble,
    /// Whether targets rest after failures and limits.
    pub(crate) has_breaker: bool,
    /// How often a request is sent at most. One whose answer began is not sent again.
    pub(crate) attempts: usize,
    pub(crate) prompts: Prompts,
    /// How many streams a target serves at once.
    pub(crate) slots: usize,
    /// Tokens that fit into a target's memory.
    pub(crate) memory: f64,
}

/// How long prompts are, and what they have in common.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Prompts {
    /// Lognormal, 800 tokens in the middle; no two begin alike.
    Own,
    /// Lognormal, 6000 tokens in the middle; each belongs to one of so many sessions, and a target
    /// remembers the beginnings of so many.
    Sessions { sessions: usize, remembered: usize },
}

/// What goes wrong.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Trouble {
    None,
    /// One target after the other is five times slower, for so many seconds each.
    SlowInTurn(f64),
    /// The first target answers every request with an error in 20 ms, for a fifth of the run.
    FastErrors,
    /// The first target does so for 30 s of every minute.
    Flapping,
    /// Each target takes so many requests a minute, and refuses the rest with a date. Here
    /// `speeds` are what they may take; what they can do is equal.
    Quotas,
    /// One target after the other is drained, started anew, and enabled.
    Drains,
    /// The first target breaks down for a minute of every five, and is cold when it returns: four
    /// times slower for 20 s.
    Returns,
    /// The first target cuts half of its streams, somewhere.
    Cuts,
    /// All targets break down, for one minute.
    Outage,
    /// The first target answers nothing for a third of the run; four of five callers lose patience
    /// within a second or so, at whatever target, and leave.
    Leaving,
}
