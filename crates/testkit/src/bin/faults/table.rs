//! What came of each cell, as a table.

use std::io::{self, Write as _};

use anyhow::Result;
use comfy_table::presets::NOTHING;

use crate::asking::{Form, Protocol};
use crate::heard::End;
use crate::row::{Blame, Expected, Row};

/// Passes and failures of each row's four cells.
pub(crate) struct Table {
    rows: Vec<(Row, [Tally; 4])>,
}

#[derive(Clone, Debug, Default)]
struct Tally {
    passed: usize,
    failed: usize,
    /// What the first failure was.
    why: Option<String>,
}

impl Table {
    pub(crate) fn new(rows: Vec<Row>) -> Self {
        let rows = rows.into_iter().map(|row| (row, Default::default()));
        Self {
            rows: rows.collect(),
        }
    }

    /// Notes what came of a cell.
    pub(crate) fn note(&mut self, row: usize, form: Form, protocol: Protocol, played: Result<()>) {
        let place = match (form, protocol) {
            (Form::Plain, Protocol::Http1) => 0,
            (Form::Plain, Protocol::Http2) => 1,
            (Form::Stream, Protocol::Http1) => 2,
            (Form::Stream, Protocol::Http2) => 3,
        };
        let tally = self
            .rows
            .get_mut(row)
            .and_then(|(_, cells)| cells.get_mut(place));
        let Some(tally) = tally else { return };
        match played {
            Ok(()) => tally.passed += 1,
            Err(error) => {
                tally.failed += 1;
                tally.why.get_or_insert_with(|| format!("{error:#}"));
            }
        }
    }

    fn tallies(&self) -> impl Iterator<Item = &Tally> {
        self.rows.iter().flat_map(|(_, cells)| cells)
    }

    pub(crate) fn is_good(&self) -> bool {
        self.tallies().all(|tally| tally.failed == 0)
    }

    /// Prints a line a row, and under it what went wrong.
    pub(crate) fn print(&self) {
        let mut table = comfy_table::Table::new();
        table.load_style(NOTHING).set_header([
            "#",
            "fault",
            "plain h1",
            "plain h2",
            "stream h1",
            "stream h2",
        ]);
        for (row, cells) in &self.rows {
            let shown = cells
                .iter()
                .map(|tally| match (tally.passed, tally.failed) {
                    (0, 0) => String::new(),
                    (passed, 0) => format!("pass {passed}"),
                    (passed, failed) => format!("FAIL {failed} of {}", passed + failed),
                });
            let names = [row.id.to_owned(), row.what.to_owned()];
            table.add_row(names.into_iter().chain(shown));
        }
        line(&table.trim_fmt());
        for (row, cells) in &self.rows {
            for why in cells.iter().filter_map(|tally| tally.why.as_ref()) {
                line(&format!("{} {}: {why}", row.id, row.what));
            }
        }
        let (mut passed, mut failed) = (0, 0);
        for tally in self.tallies() {
            passed += tally.passed;
            failed += tally.failed;
        }
        let rows = self.rows.len();
        line(&format!(
            "{rows} faults, {passed} cells passed, {failed} failed"
        ));
    }
}

/// The catalogue for operators.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut text =
        "| # | the target | plain | stream | held against it |\n|---|---|---|---|---|\n".to_owned();
    for row in rows {
        let blame = row
            .plain
            .or(row.stream)
            .map(|expected| blamed(expected.blame));
        let (plain, stream) = (told(row, row.plain), told(row, row.stream));
        let blame = blame.unwrap_or_default();
        let line = format!(
            "| {} | {} | {plain} | {stream} | {blame} |\n",
            row.id, row.what
        );
        text.push_str(&line);
    }
    text
}

fn told(row: &Row, expected: Option<Expected>) -> String {
    let Some(expected) = expected else {
        return "–".to_owned();
    };
    if row.id == "C1" {
        return "the target's request is cancelled".to_owned();
    }
    if let Some(told) = row.told {
        return told.to_owned();
    }
    let after = match expected.attempts {
        0 | 1 => String::new(),
        count => format!(", attempt {count}"),
    };
    match (expected.end, expected.target) {
        (End::Whole, "first") if expected.blame != Blame::Nobody && expected.attempts == 1 => {
            "the next target goes on".to_owned()
        }
        (End::Whole, "second") => format!("the next target answers{after}"),
        (End::Whole, _) => format!("whole{after}"),
        (End::ErrorEvent, _) => "an error event".to_owned(),
        (End::Error, "first") => format!("its {} is passed on", expected.status),
        (End::Error, _) => format!("{}{after}", expected.status),
        (End::Wrong, _) => String::new(),
    }
}

fn blamed(blame: Blame) -> String {
    match blame {
        Blame::Nobody => "nothing".to_owned(),
        Blame::Failure(kind) => format!("a failure (`{kind}`)"),
        Blame::Cools => "it cools".to_owned(),
        Blame::Out => "it is out".to_owned(),
    }
}

/// Prints one line. A reader that is gone is no reason to stop.
pub(crate) fn line(text: &str) {
    writeln!(io::stdout(), "{text}").ok();
}
