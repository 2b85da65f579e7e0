//! What it came to, in plain words.

use std::{collections::BTreeMap, time::Duration};

use super::{Report, faults::FaultReport};
use crate::rehearsal::{question::Wrong, span::shown};

impl Report {
    /// Says in a few sentences what clients noticed, what became of the targets, and what to do.
    pub(crate) fn verdict(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.is_whole {
            lines.push(format!("Interrupted after {}.", shown(self.length)));
        }
        lines.push(self.what_clients_noticed());
        lines.extend(self.faults.iter().map(|fault| self.what_became_of(fault)));
        lines.extend(self.advice().map(str::to_owned));
        lines
    }

    fn what_clients_noticed(&self) -> String {
        let all = self.answered + self.failures();
        if all == 0 {
            return "No request was sent.".to_owned();
        }
        let mut text = if self.failures() == 0 {
            format!("No client noticed anything but time: all {all} requests were answered.")
        } else {
            let ways: Vec<String> = self
                .failed
                .iter()
                .map(|(wrong, count)| format!("{count} {}", wrong.label()))
                .collect();
            let mut text = format!(
                "{} of {all} requests failed: {}",
                self.failures(),
                ways.join(", ")
            );
            if self.at_onset > 0 {
                text.push_str(&format!(
                    "; under way when a fault began: {}",
                    self.at_onset
                ));
            }
            text + "."
        };
        if self.taken_over > 0 {
            text.push_str(&format!(
                " Taken over after a failed attempt: {}, which cost {} more in the middle and {} at worst.",
                self.taken_over,
                short(self.added.p50),
                short(self.added.max),
            ));
        }
        if self.substituted > 0 {
            text.push_str(&format!(
                " Answered by another model than asked for: {}.",
                self.substituted
            ));
        }
        text
    }

    fn what_became_of(&self, fault: &FaultReport) -> String {
        let mut text = format!("{} ({}) ", fault.target, fault.label);
        match fault.out_after {
            Some(after) if fault.reason.is_empty() => {
                text.push_str(&format!("cooled off {} after it began", shown(after)));
            }
            Some(after) => text.push_str(&format!("was taken out {} after it began", shown(after))),
            None if fault.share_before <= 0.0 && fault.share_during <= 0.0 => {
                text.push_str("was not asked at all");
            }
            None => text.push_str("was not taken out"),
        }
        text.push_str(&match (fault.back_after, fault.whole_after) {
            (Some(back), Some(whole)) => format!(
                ", answered again {} after the end and had its share back after {}.",
                shown(back),
                shown(whole)
            ),
            (Some(back), None) if fault.out_after.is_some() && fault.share_before > 0.0 => format!(
                ", answered again {} after the end and had {:.0} % of the answers at the last, \
                 {:.0} % before; --for {}s shows the rest of its way.",
                shown(back),
                fault.shares_after.last().copied().unwrap_or_default() * 100.0,
                fault.share_before * 100.0,
                fault.long_enough.as_secs(),
            ),
            (Some(back), None) => format!(", answered again {} after the end.", shown(back)),
            (None, _) if fault.until >= self.length => ", until the very end.".to_owned(),
            (None, _) if fault.share_before <= 0.0 => ".".to_owned(),
            (None, _) => format!(
                " and did not come back before the end, as it rests (health_checks.interval); \
                 --for {}s shows it.",
                fault.long_enough.as_secs()
            ),
        });
        text
    }

    /// What to change, where the numbers show it.
    fn advice(&self) -> impl Iterator<Item = &'static str> {
        let failed = |wrong| self.failed.contains_key(&wrong);
        let is_slow = self.faults.iter().any(|fault| fault.is_slowness);
        let waited = self.troubled.p99 > self.quiet.p99 * 3 + Duration::from_secs(1);
        let several = self.faults.iter().map(|fault| (&fault.target, ()));
        let everyone = several.collect::<BTreeMap<_, _>>().len() == self.targets.len();
        let refused = self.failed.keys().any(|it| matches!(it, Wrong::Status(_)));
        [
            (
                is_slow && waited,
                "To have a slow target passed over, set timeouts.first_token below its delay.",
            ),
            (
                failed(Wrong::Silence),
                "Silence is waited for: timeouts.first_token, stream_idle and total say how long.",
            ),
            (
                failed(Wrong::ErrorEvent),
                "After its first token a stream is the client's, and ends in an error event when it \
                 breaks; stream.commit: complete holds it back until it is whole.",
            ),
            (
                failed(Wrong::LooksWhole),
                "An answer was cut and looked whole: that is a fault of the gateway; please report it.",
            ),
            (
                everyone && refused,
                "Every target failed in this outage: only a target that does not share it helps.",
            ),
        ]
        .into_iter()
        .filter_map(|(holds, advice)| holds.then_some(advice))
    }
}

/// A span that may be less than the clocks of a busy machine can tell.
fn short(span: Duration) -> String {
    if span < Duration::from_millis(1) {
        "less than 1 ms".to_owned()
    } else {
        shown(span)
    }
}
