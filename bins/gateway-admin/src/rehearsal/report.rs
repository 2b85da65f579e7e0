//! What it came to, in numbers.

mod faults;
mod print;
mod verdict;

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::{
    cast::Cast,
    observations::{Finished, Observations, Outcome},
    question::Wrong,
    script::Script,
    span::millis,
    traffic::Traffic,
};
use faults::FaultReport;

/// What a rehearsal came to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Report {
    upstream: String,
    rate: u32,
    /// How long requests were sent.
    length: Duration,
    targets: Vec<String>,
    streams: u64,
    answered: u64,
    failed: BTreeMap<Wrong, u64>,
    /// Of those that failed, the ones that were under way when a fault began.
    at_onset: u64,
    not_sent: u64,
    taken_over: u64,
    substituted: u64,
    /// What a request took while nothing was wrong.
    quiet: Quantiles,
    /// What a request took that was sent while something was.
    troubled: Quantiles,
    /// What streams took to their first byte while nothing was wrong, and while something was.
    first: (Quantiles, Quantiles),
    /// What a failed attempt added to the requests that another target took over.
    added: Quantiles,
    faults: Vec<FaultReport>,
    timeline: Vec<Value>,
    is_whole: bool,
}

/// The middle, the slowest of a hundred, and the slowest.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Quantiles {
    count: usize,
    p50: Duration,
    p99: Duration,
    max: Duration,
}

impl Quantiles {
    fn of(spans: impl IntoIterator<Item = Duration>) -> Self {
        let mut spans: Vec<Duration> = spans.into_iter().collect();
        spans.sort_unstable();
        let at = |percent: usize| {
            let place = (spans.len() * percent).div_ceil(100).saturating_sub(1);
            spans.get(place).copied().unwrap_or_default()
        };
        Self {
            count: spans.len(),
            p50: at(50),
            p99: at(99),
            max: at(100),
        }
    }

    fn to_json(self) -> Value {
        if self.count == 0 {
            return Value::Null;
        }
        json!({ "p50_ms": millis(self.p50), "p99_ms": millis(self.p99), "max_ms": millis(self.max) })
    }
}

impl Report {
    /// Sums up what was seen; `is_whole` says whether the rehearsal was played to its end.
    pub(crate) fn of(
        (cast, script, traffic): (&Cast, &Script, &Traffic),
        seen: &Observations,
        is_whole: bool,
    ) -> Self {
        let requests = &seen.requests;
        let count = |keep: &dyn Fn(&Finished) -> bool| -> u64 {
            requests.iter().filter(|request| keep(request)).count() as u64
        };
        let mut failed = BTreeMap::new();
        for request in requests {
            if let Outcome::Failed { wrong, .. } = request.outcome {
                *failed.entry(wrong).or_default() += 1;
            }
        }
        let (quiet, troubled): (Vec<_>, Vec<_>) = requests
            .iter()
            .filter(|request| request.answered_by().is_some())
            .partition(|request| !is_troubled(request, script));
        let length = if is_whole {
            traffic.length
        } else {
            requests
                .iter()
                .map(Finished::ended)
                .max()
                .unwrap_or_default()
        };
        let roles = cast.roles.iter();
        Self {
            upstream: cast.upstream.clone(),
            rate: traffic.rate,
            length,
            targets: roles.map(|role| role.name.clone()).collect(),
            streams: count(&|request| request.is_stream),
            answered: count(&|request| request.answered_by().is_some()),
            failed,
            at_onset: count(&|request| {
                let mut onsets = seen.cues.values().map(|(from, _)| *from);
                let caught = onsets.any(|from| request.at < from && from <= request.ended());
                caught && request.answered_by().is_none()
            }),
            not_sent: seen.not_sent,
            taken_over: count(&Finished::was_taken_over),
            substituted: count(&|request| request.is_substituted),
            added: added(requests, &quiet),
            first: (first_bytes(&quiet), first_bytes(&troubled)),
            quiet: Quantiles::of(quiet.iter().map(|request| request.took)),
            troubled: Quantiles::of(troubled.iter().map(|request| request.took)),
            faults: faults::of(cast, script, seen),
            timeline: timeline(seen, length),
            is_whole,
        }
    }

    fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// The part of all requests that were answered, in percent; all of none.
    pub(crate) fn availability(&self) -> f64 {
        let all = self.answered + self.failures();
        if all == 0 {
            return 100.0;
        }
        ratio(self.answered, all) * 100.0
    }

    /// For programs.
    pub(crate) fn to_json(&self) -> Value {
        let failed: BTreeMap<String, u64> = self
            .failed
            .iter()
            .map(|(wrong, count)| (wrong.code(), *count))
            .collect();
        let faults = self.faults.iter().map(FaultReport::to_json);
        json!({
            "upstream": self.upstream,
            "targets": self.targets,
            "complete": self.is_whole,
            "seconds": self.length.as_secs_f64(),
            "rate": self.rate,
            "requests": self.answered + self.failures(),
            "streams": self.streams,
            "answered": self.answered,
            "failed": self.failures(),
            "failures": failed,
            "failed_at_onset": self.at_onset,
            "not_sent": self.not_sent,
            "availability_percent": self.availability(),
            "failed_over": self.taken_over,
            "substituted": self.substituted,
            "latency": {
                "quiet": self.quiet.to_json(),
                "during_faults": self.troubled.to_json(),
                "first_byte_quiet": self.first.0.to_json(),
                "first_byte_during_faults": self.first.1.to_json(),
                "added_by_failover": self.added.to_json(),
            },
            "faults": faults.collect::<Vec<_>>(),
            "timeline": self.timeline,
            "verdict": self.verdict(),
        })
    }
}

/// Whether something was wrong when the request was sent.
fn is_troubled(request: &Finished, script: &Script) -> bool {
    let mut cues = script.cues.iter();
    cues.any(|cue| cue.from <= request.ended() && request.at < cue.until)
}

fn first_bytes(requests: &[&Finished]) -> Quantiles {
    let streams = requests.iter().filter(|request| request.is_stream);
    Quantiles::of(streams.filter_map(|request| request.first))
}

/// How much later a request that was taken over began to be answered than the middle one of its
/// kind by the same target. What comes after the first byte has nothing to do with it.
fn added(requests: &[Finished], quiet: &[&Finished]) -> Quantiles {
    let usual = |like: &Finished| {
        let is_alike = |quiet: &&&Finished| {
            quiet.is_stream == like.is_stream && quiet.answered_by() == like.answered_by()
        };
        let firsts = quiet.iter().filter(is_alike);
        Quantiles::of(firsts.filter_map(|quiet| quiet.first)).p50
    };
    let taken_over = requests.iter().filter(|request| request.was_taken_over());
    let added =
        taken_over.filter_map(|request| Some(request.first?.saturating_sub(usual(request))));
    Quantiles::of(added)
}

fn timeline(seen: &Observations, length: Duration) -> Vec<Value> {
    let last = seen.requests.iter().map(|it| it.ended().as_secs()).max();
    let seconds = length.as_secs().max(last.map_or(0, |last| last + 1));
    let second = |number| {
        let second = seen.second(number);
        json!({
            "second": number,
            "answered": second.answered,
            "failed": second.failed.values().sum::<u64>(),
            "failed_over": second.taken_over,
        })
    };
    (0..seconds).map(second).collect()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of requests, far below 2^52"
)]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 / whole as f64
}

#[cfg(test)]
mod tests;
