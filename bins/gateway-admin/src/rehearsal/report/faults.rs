//! What one fault did to its target, and how the target came back.

use std::time::Duration;

use serde_json::{Value, json};

use super::ratio;
use crate::rehearsal::{
    cast::Cast,
    observations::{Finished, Observations},
    script::{Cue, Script},
    span::millis,
    standing::Standing,
};

/// What one fault did.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FaultReport {
    pub(super) target: String,
    pub(super) label: String,
    pub(super) is_slowness: bool,
    pub(super) from: Duration,
    pub(super) until: Duration,
    /// From its beginning until the target was given nothing new; `None`: it was given requests all
    /// the time, or none before.
    pub(super) out_after: Option<Duration>,
    /// Why, in the health machine's words; empty for a target that cooled.
    pub(super) reason: String,
    /// From its end until the target answered a request again.
    pub(super) back_after: Option<Duration>,
    /// From its end until the target had nine tenths of its share again, over a whole second.
    pub(super) whole_after: Option<Duration>,
    /// How long a rehearsal has to be to see the target whole again, if nothing delays it further.
    pub(super) long_enough: Duration,
    /// The target's part of the answers before the first fault.
    pub(super) share_before: f64,
    /// Its part while the fault lasted.
    pub(super) share_during: f64,
    /// Its part in each second after the fault, up to the next fault of the target.
    pub(super) shares_after: Vec<f64>,
}

/// Reports on every fault that began.
pub(super) fn of(cast: &Cast, script: &Script, seen: &Observations) -> Vec<FaultReport> {
    let began = script.begins().unwrap_or_default();
    let played = seen.cues.iter().filter_map(|(place, (from, until))| {
        let cue = script.cues.get(*place)?;
        Some((cue, *from, until.unwrap_or(cue.until)))
    });
    let report = |(cue, from, until): (&Cue, Duration, Duration)| {
        let name = cast.name(cue.target);
        let later = script.cues.iter();
        let later = later.filter(|later| later.target == cue.target && later.from >= cue.until);
        let end = later.map(|later| later.from).min();
        let end = end.unwrap_or(Duration::MAX);
        let out = seen.changes.iter().find(|change| {
            let is_meant = change.target == cue.target && !change.standing.takes_traffic();
            is_meant && change.at >= from && change.at < end
        });
        let share_before = share(&seen.requests, name, Duration::ZERO, began);
        let shares_after = shares_after(&seen.requests, name, until, end);
        FaultReport {
            target: name.to_owned(),
            label: cue.trouble.label.clone(),
            is_slowness: cue.trouble.is_slowness(),
            from,
            until,
            out_after: out.map(|change| change.at.saturating_sub(from)),
            reason: out
                .map(|change| reason(&change.standing))
                .unwrap_or_default(),
            back_after: back_after(&seen.requests, name, until, end),
            whole_after: whole_after(&shares_after, share_before),
            long_enough: cast
                .roles
                .get(cue.target)
                .map_or(until, |role| until + role.rest + role.ramp + MARGIN),
            share_before,
            share_during: share(&seen.requests, name, from, until),
            shares_after,
        }
    };
    played.map(report).collect()
}

fn reason(standing: &Standing) -> String {
    match standing {
        Standing::Out { reason } => reason.clone(),
        Standing::Takes | Standing::Returns(_) | Standing::Cools | Standing::TakenOut(_) => {
            String::new()
        }
    }
}

/// A target's part of the answers that ended within a time.
fn share(requests: &[Finished], name: &str, from: Duration, until: Duration) -> f64 {
    let within = requests
        .iter()
        .filter(|request| (from..until).contains(&request.ended()));
    let (mut all, mut own) = (0, 0);
    for target in within.filter_map(Finished::answered_by) {
        all += 1;
        own += u64::from(target == name);
    }
    ratio(own, all)
}

fn shares_after(requests: &[Finished], name: &str, until: Duration, end: Duration) -> Vec<f64> {
    let last = requests.iter().map(|request| request.at).max();
    let end = end.min(last.unwrap_or_default());
    let seconds = end.saturating_sub(until).as_secs();
    let of_second = |second| {
        let from = until + Duration::from_secs(second);
        share(requests, name, from, from + Duration::from_secs(1))
    };
    (0..seconds).map(of_second).collect()
}

/// Only requests that were sent after the fault count: one that it held up tells nothing.
fn back_after(
    requests: &[Finished],
    name: &str,
    until: Duration,
    end: Duration,
) -> Option<Duration> {
    let after = requests.iter().filter(|it| it.at >= until && it.at < end);
    let own = after.filter(|request| request.answered_by() == Some(name));
    own.map(|request| request.ended().saturating_sub(until))
        .min()
}

fn whole_after(shares_after: &[f64], share_before: f64) -> Option<Duration> {
    if share_before <= 0.0 {
        return None;
    }
    let second = shares_after
        .iter()
        .position(|share| *share >= share_before * WHOLE)?;
    Some(Duration::from_secs(second as u64 + 1))
}

impl FaultReport {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "target": self.target,
            "fault": self.label,
            "from_ms": millis(self.from),
            "until_ms": millis(self.until),
            "out_after_ms": self.out_after.map(millis),
            "reason": self.reason,
            "back_after_ms": self.back_after.map(millis),
            "whole_share_after_ms": self.whole_after.map(millis),
            "share_before": self.share_before,
            "share_during": self.share_during,
            "shares_after": self.shares_after,
        })
    }
}

/// A probe waits for a request, and a share for a whole second.
const MARGIN: Duration = Duration::from_secs(5);
/// The part of its share from which on a target counts as back, as requests are few a second.
const WHOLE: f64 = 0.9;
