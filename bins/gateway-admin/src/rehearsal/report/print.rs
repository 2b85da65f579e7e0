//! What it came to, for people.

use comfy_table::Cell;

use super::{FaultReport, Quantiles, Report};
use crate::{
    output::to_table,
    rehearsal::span::{millis, shown},
    tables::NOTHING,
};

impl Report {
    /// Lays out the numbers, then says what they mean.
    pub(crate) fn shown(&self) -> String {
        let mut text = format!("\n{}", self.numbers());
        if !self.faults.is_empty() {
            let rows = self.faults.iter().map(fault_row).collect();
            text.push_str(&format!("\n{}", to_table(FAULT_HEADER, rows)));
        }
        text.push('\n');
        for line in self.verdict() {
            text.push_str(&line);
            text.push('\n');
        }
        text
    }

    fn numbers(&self) -> String {
        let all = self.answered + self.failures();
        let mut rows = vec![
            (
                "requests",
                format!(
                    "{all} in {}, {} a second; {} streamed",
                    shown(self.length),
                    self.rate,
                    self.streams
                ),
            ),
            (
                "answered",
                format!("{}, {:.3} %", self.answered, self.availability()),
            ),
        ];
        let ways = self.failed.iter();
        let ways: Vec<String> = ways
            .map(|(wrong, count)| format!("{count} {}", wrong.label()))
            .collect();
        rows.push(match ways.as_slice() {
            [] => ("failed", "0".to_owned()),
            ways => (
                "failed",
                format!("{}: {}", self.failures(), ways.join(", ")),
            ),
        });
        rows.push(("failed over", self.taken_over.to_string()));
        if self.substituted > 0 {
            rows.push(("other model", self.substituted.to_string()));
        }
        if self.not_sent > 0 {
            rows.push((
                "not sent",
                format!("{}, as too many were under way", self.not_sent),
            ));
        }
        rows.extend(quantiles("latency, quiet", self.quiet));
        rows.extend(quantiles("latency, faults", self.troubled));
        rows.extend(quantiles("first token, quiet", self.first.0));
        rows.extend(quantiles("first token, faults", self.first.1));
        rows.extend(quantiles("failover adds", self.added));
        let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        rows.iter()
            .map(|(name, value)| format!("{name:<width$}   {value}\n"))
            .collect()
    }
}

fn quantiles(name: &'static str, spans: Quantiles) -> Option<(&'static str, String)> {
    (spans.count > 0).then(|| {
        let [p50, p99, max] = [spans.p50, spans.p99, spans.max].map(millis);
        let text = format!("p50 {p50:.1} ms, p99 {p99:.1} ms, worst {max:.1} ms");
        (name, text)
    })
}

fn fault_row(fault: &FaultReport) -> Vec<Cell> {
    let span = |span: Option<std::time::Duration>| {
        Cell::new(span.map_or_else(|| NOTHING.to_owned(), shown))
    };
    let percent = |share: f64| Cell::new(format!("{:.0} %", share * 100.0));
    vec![
        Cell::new(&fault.target),
        Cell::new(&fault.label),
        Cell::new(format!("{} to {}", shown(fault.from), shown(fault.until))),
        span(fault.out_after),
        span(fault.back_after),
        span(fault.whole_after),
        percent(fault.share_before),
        percent(fault.share_during),
        fault
            .shares_after
            .last()
            .map_or_else(|| Cell::new(NOTHING), |last| percent(*last)),
    ]
}

const FAULT_HEADER: &[&str] = &[
    "TARGET",
    "FAULT",
    "LASTED",
    "OUT AFTER",
    "BACK AFTER",
    "WHOLE AFTER",
    "SHARE BEFORE",
    "DURING",
    "AT LAST",
];
