//! What happens, told as it happens.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::{
    cast::Cast,
    observations::{Change, Observations, Second},
    script::{Cue, Script},
    span::shown,
    traffic::Traffic,
};
use crate::{
    failure::Failure,
    output::{self, Format},
};

/// A progress bar on a terminal's standard error; for people, a line a second and a line for each
/// event on standard output.
pub(crate) struct Screen {
    bar: ProgressBar,
    is_for_people: bool,
    /// Targets with a column of their own: their places in the cast, names, and how wide it is.
    columns: Vec<(usize, String, usize)>,
    /// The last column, of all other targets together.
    has_others: bool,
    full_bar: u64,
}

impl Screen {
    /// Those that something happens to get the first columns.
    pub(crate) fn new(cast: &Cast, script: &Script, traffic: &Traffic, format: Format) -> Self {
        let (rate, length) = (traffic.rate, traffic.length);
        // Hidden by itself where standard error is no terminal.
        let bar = ProgressBar::new(length.as_secs());
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} s  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let mut roles: Vec<_> = cast.roles.iter().enumerate().collect();
        roles.sort_by_key(|(place, _)| !script.cues.iter().any(|cue| cue.target == *place));
        roles.truncate(MOST_COLUMNS);
        roles.sort_by_key(|(place, _)| *place);
        let columns = roles.into_iter();
        Self {
            bar,
            is_for_people: matches!(format, Format::Table | Format::Wide),
            columns: columns
                .map(|(place, role)| (place, role.name.clone(), role.name.len().max(CELL)))
                .collect(),
            has_others: cast.roles.len() > MOST_COLUMNS,
            full_bar: u64::from(rate),
        }
    }

    /// Says what is about to be played.
    pub(crate) fn open(&self, cast: &Cast, script: &Script) -> Result<(), Failure> {
        let mut text = format!(
            "{}: {} stand-ins for its targets, a gateway of its own on this machine\n",
            cast.upstream,
            cast.roles.len()
        );
        for cue in &script.cues {
            let (from, until) = (shown(cue.from), shown(cue.until));
            let (name, label) = (cast.name(cue.target), &cue.trouble.label);
            text.push_str(&format!("  {from} to {until}   {name}: {label}\n"));
        }
        if script.cues.is_empty() {
            text.push_str("  nothing goes wrong: --scenario or --fault says what shall\n");
        }
        let mut header = format!("\n{:>7}", "TIME");
        for (_, name, width) in &self.columns {
            header.push_str(&format!("  {name:<width$}"));
        }
        if self.has_others {
            header.push_str("  OTHERS");
        }
        header.push_str("  FAILED  FAILED OVER");
        self.line(&format!("{text}{header}"))
    }

    /// Shows one second that is over.
    pub(crate) fn second(&self, number: u64, seen: &Observations) -> Result<(), Failure> {
        self.bar.set_position(number + 1);
        let second = seen.second(number);
        let failed: u64 = second.failed.values().sum();
        let mut row = format!("{:>5} s", number + 1);
        for (place, name, width) in &self.columns {
            let word = seen.standings.get(*place).map_or("", |it| it.word());
            row.push_str(&format!("  {:<width$}", self.cell(&second, name, word)));
        }
        if self.has_others {
            row.push_str(&format!("  {:>6}", self.others(&second)));
        }
        row.push_str(&format!("  {failed:>6}  {:>11}", second.taken_over));
        self.line(row.trim_end())
    }

    fn cell(&self, second: &Second, name: &str, word: &str) -> String {
        let count = second.answered.get(name).copied().unwrap_or(0);
        let filled = (count * BAR).div_ceil(self.full_bar.max(1)).min(BAR);
        let filled = usize::try_from(filled).unwrap_or_default();
        let bar = "█".repeat(filled);
        let width = usize::try_from(BAR).unwrap_or_default();
        format!("{bar:·<width$} {count:>3} {word}")
    }

    fn others(&self, second: &Second) -> u64 {
        let is_shown = |name: &String| self.columns.iter().any(|(_, shown, _)| shown == name);
        let others = second.answered.iter().filter(|(name, _)| !is_shown(name));
        others.map(|(_, count)| count).sum()
    }

    /// Tells that a fault begins or ends.
    pub(crate) fn cue(
        &self,
        at: Duration,
        name: &str,
        cue: &Cue,
        begins: bool,
    ) -> Result<(), Failure> {
        let label = &cue.trouble.label;
        let what = if begins {
            format!("{name}: {label}, until {}", shown(cue.until))
        } else {
            format!("{name}: {label} is over")
        };
        self.bar
            .set_message(if begins { what.clone() } else { String::new() });
        self.event(at, &what)
    }

    /// Tells that a target stands otherwise than before.
    pub(crate) fn change(&self, name: &str, change: &Change) -> Result<(), Failure> {
        self.event(change.at, &format!("{name} {}", change.standing.news()))
    }

    fn event(&self, at: Duration, what: &str) -> Result<(), Failure> {
        self.line(&format!("{:>5.1} s  ▸ {what}", at.as_secs_f64()))
    }

    fn line(&self, text: &str) -> Result<(), Failure> {
        if !self.is_for_people {
            return Ok(());
        }
        self.bar.suspend(|| output::data(text))
    }

    /// Takes the progress bar away.
    pub(crate) fn close(&self) {
        self.bar.finish_and_clear();
    }
}

/// The bar, the count and the word for a target.
const CELL: usize = 24;
const BAR: u64 = 10;
/// More do not fit on most terminals.
const MOST_COLUMNS: usize = 4;
