//! Targets that share their speed among the streams they serve.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};

/// How much slower each stream is for every other one.
const SLOWDOWN: f64 = 0.05;
/// Seconds that a token of an answer takes on a whole target that does nothing else.
pub(crate) const SECONDS_A_TOKEN: f64 = 0.0225;
/// How many tokens of a prompt take as long as one of an answer.
pub(crate) const INPUT_PER_OUTPUT: f64 = 62.5;
/// What is left of a prompt's work when its beginning is in the target's cache.
const CACHED: f64 = 0.1;

/// How many times the work of one stream a target of so many slots does in a second when all are
/// taken.
pub(crate) fn full_speed(slots: usize) -> f64 {
    slots as f64 / (1.0 + SLOWDOWN * (slots - 1) as f64)
}

/// A time, or an amount of work, that can be sorted.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Time(pub(crate) f64);

impl Eq for Time {}

impl Ord for Time {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Time {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What a target does for one request.
#[derive(Clone, Copy)]
pub(crate) struct Work {
    pub(crate) job: usize,
    /// Seconds of work until the first byte, alone on a whole target.
    pub(crate) prompt: f64,
    /// Seconds of work until the last.
    pub(crate) whole: f64,
    /// Where the stream breaks off, if it does.
    pub(crate) cut: Option<f64>,
    /// Tokens of prompt and answer, which the target must remember.
    pub(crate) tokens: f64,
    /// What the prompt begins with; 0 for nothing that others begin with.
    pub(crate) prefix: u64,
}

#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Mark {
    First,
    Cut,
    End,
}

/// When a request reaches a mark, in work done; and which request.
type Due = Reverse<(Time, Mark, usize)>;

/// One target.
pub(crate) struct Server {
    pub(crate) base: f64,
    /// How many streams it serves at once; the rest queue.
    slots: usize,
    speed: f64,
    pub(crate) is_down: bool,
    /// Whether requests are taken and never answered.
    hangs: bool,
    /// Work done for each stream since the beginning.
    done: f64,
    as_of: f64,
    running: Vec<Work>,
    marks: BinaryHeap<Due>,
    queue: VecDeque<Work>,
    pub(crate) version: u64,
    /// Requests that count against its quota, and as of when.
    used: f64,
    filled: f64,
    /// Tokens that fit into its memory, and those that are in it.
    memory: f64,
    tokens: f64,
    /// Beginnings of prompts, the last used last.
    cache: VecDeque<u64>,
    cached_prefixes: usize,
    pub(crate) hits: u64,
    pub(crate) prompts: u64,
}

impl Server {
    pub(crate) fn new(base: f64, slots: usize, memory: f64, cached_prefixes: usize) -> Self {
        Self {
            base,
            slots,
            speed: base,
            is_down: false,
            hangs: false,
            done: 0.0,
            as_of: 0.0,
            running: Vec::new(),
            marks: BinaryHeap::new(),
            queue: VecDeque::new(),
            version: 0,
            used: 0.0,
            filled: 0.0,
            memory,
            tokens: 0.0,
            cache: VecDeque::new(),
            cached_prefixes,
            hits: 0,
            prompts: 0,
        }
    }

    /// Requests that it has, those that queue included.
    pub(crate) fn in_flight(&self) -> usize {
        self.running.len() + self.queue.len()
    }

    /// From now on leaves requests without an answer, or answers those that wait.
    pub(crate) fn set_hanging(&mut self, hangs: bool, now: f64) {
        self.advance(now);
        self.hangs = hangs;
        self.fill();
    }

    pub(crate) fn set_speed(&mut self, speed: f64, now: f64) {
        self.advance(now);
        self.speed = speed;
    }

    /// Takes a request on.
    pub(crate) fn take(&mut self, work: Work, now: f64) {
        self.advance(now);
        if self.running.len() < self.slots && !self.hangs {
            self.begin(work);
        } else {
            self.queue.push_back(work);
        }
    }

    /// Lets go of one request, or of all.
    pub(crate) fn drop_jobs(&mut self, only: Option<usize>, now: f64) -> Vec<usize> {
        self.advance(now);
        let goes = |work: &Work| only.is_none_or(|job| job == work.job);
        let all = self.running.iter().chain(&self.queue);
        let gone: Vec<usize> = all.filter(|work| goes(work)).map(|work| work.job).collect();
        self.running.retain(|work| !goes(work));
        self.queue.retain(|work| !goes(work));
        self.marks
            .retain(|Reverse((_, _, job))| !gone.contains(job));
        self.count_tokens();
        self.fill();
        gone
    }

    /// When something happens next, if nothing comes between.
    pub(crate) fn next(&self) -> Option<f64> {
        let Reverse((at, ..)) = self.marks.peek()?;
        Some(self.as_of + (at.0 - self.done).max(0.0) / self.rate())
    }

    /// What happens next.
    pub(crate) fn reach(&mut self, now: f64) -> Option<(Mark, usize)> {
        self.advance(now);
        let Reverse((_, mark, job)) = self.marks.pop()?;
        if mark != Mark::First {
            self.drop_jobs(Some(job), now);
        }
        Some((mark, job))
    }

    /// Counts a request against a quota of `a_minute`; how long to wait, if it is used up.
    ///
    /// A bucket of six seconds' worth that fills steadily, as providers keep them.
    pub(crate) fn refuses(&mut self, a_minute: f64, now: f64) -> Option<f64> {
        self.used = (self.used - (now - self.filled) * a_minute / 60.0).max(0.0);
        self.filled = now;
        let over = self.used + 1.0 - a_minute / 10.0;
        if over > 0.0 {
            return Some((over * 60.0 / a_minute).max(1.0));
        }
        self.used += 1.0;
        None
    }

    fn rate(&self) -> f64 {
        let others = self.running.len().max(1) - 1;
        let shared = self.speed / (1.0 + SLOWDOWN * others as f64);
        // What does not fit is thrown out and done again.
        let fits = (self.memory / self.tokens.max(1.0)).min(1.0);
        shared * fits * fits
    }

    fn advance(&mut self, now: f64) {
        if !self.running.is_empty() {
            self.done += (now - self.as_of) * self.rate();
        }
        self.as_of = now;
    }

    fn fill(&mut self) {
        while self.running.len() < self.slots && !self.hangs {
            let Some(work) = self.queue.pop_front() else {
                return;
            };
            self.begin(work);
        }
    }

    fn begin(&mut self, mut work: Work) {
        if self.has_cached(work.prefix) {
            work.whole -= work.prompt * (1.0 - CACHED);
            work.prompt *= CACHED;
        }
        let mut mark = |at: f64, mark| {
            self.marks
                .push(Reverse((Time(self.done + at), mark, work.job)));
        };
        mark(work.prompt, Mark::First);
        mark(work.whole, Mark::End);
        if let Some(share) = work.cut {
            mark(work.prompt + share * (work.whole - work.prompt), Mark::Cut);
        }
        self.running.push(work);
        self.count_tokens();
    }

    fn count_tokens(&mut self) {
        self.tokens = self.running.iter().map(|work| work.tokens).sum();
    }

    fn has_cached(&mut self, prefix: u64) -> bool {
        if self.cached_prefixes == 0 || prefix == 0 {
            return false;
        }
        self.prompts += 1;
        let place = self.cache.iter().position(|&known| known == prefix);
        if let Some(place) = place {
            self.cache.remove(place);
            self.hits += 1;
        }
        self.cache.push_back(prefix);
        if self.cache.len() > self.cached_prefixes {
            self.cache.pop_front();
        }
        place.is_some()
    }
}
