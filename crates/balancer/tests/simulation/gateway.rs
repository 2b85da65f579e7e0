//! What chooses targets, as the simulation sees it.

use super::server::Server;

/// Something that chooses targets.
pub(crate) trait Gateway {
    /// Chooses a target for an attempt of request `job`, or gives the request up. `servers` are for
    /// those that ask targets for their load.
    fn pick(&mut self, job: usize, key: u64, now: f64, servers: &[Server]) -> Option<usize>;

    fn first_byte(&mut self, job: usize, target: usize, now: f64, secs: f64);

    /// An attempt ended.
    fn end(&mut self, job: usize, target: usize, end: &End);

    /// A request ended: no attempt follows.
    fn over(&mut self, job: usize);

    /// The operator wants the target to get nothing new.
    fn drain(&mut self, target: usize, now: f64);

    /// The operator wants the target to take traffic again.
    fn enable(&mut self, target: usize, now: f64);

    /// How often targets were taken out for failures.
    fn trips(&self) -> u64;
}

/// How and when an attempt ended.
#[derive(Clone, Copy)]
pub(crate) struct End {
    pub(crate) now: f64,
    /// Seconds since the attempt began.
    pub(crate) secs: f64,
    pub(crate) how: How,
    pub(crate) input: f64,
    /// Tokens of the answer that came.
    pub(crate) output: f64,
}

impl End {
    /// Whether the answer came whole.
    pub(crate) fn is_whole(&self) -> bool {
        self.how == How::Whole
    }

    /// Whether the target is to blame, but for its limits.
    pub(crate) fn is_failure(&self) -> bool {
        matches!(self.how, How::Failed | How::TimedOut | How::Cut)
    }

    /// How long the target asks to be left alone, when it refused for a limit.
    pub(crate) fn wait(&self) -> Option<f64> {
        match self.how {
            How::Limited { wait } => Some(wait),
            How::Whole | How::Failed | How::TimedOut | How::Cut | How::Left => None,
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum How {
    /// The answer came whole.
    Whole,
    /// The target answered with an error, or there was no connection.
    Failed,
    /// No first byte came in time.
    TimedOut,
    /// The target refused for a limit, and asks to be left alone for so many seconds.
    Limited { wait: f64 },
    /// The stream broke off.
    Cut,
    /// The caller left.
    Left,
}
