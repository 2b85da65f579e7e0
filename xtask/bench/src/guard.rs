//! The guard against regressions that needs no clock: the gateway runs a fixed trace under
//! callgrind, and the instructions and allocations of each request are compared with those stored.

mod callgrind;

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path, time::Duration};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use self::callgrind::Total;
use crate::{
    cases::{Case, Drive},
    live::{Launch, Live},
    load,
    peers::{Peer, Route, Setup},
    process::{Core, Provider},
    terminal::Terminal,
};

/// What a request costs, without the kernel's part.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Cost {
    /// Instructions executed.
    pub(crate) instructions: f64,
    /// Calls to the allocator for memory.
    pub(crate) allocations: f64,
}

/// The stored costs by part of the trace.
pub(crate) type Baseline = BTreeMap<String, Cost>;

/// What becomes of the costs measured.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Then {
    /// They are held against the baseline.
    Compare,
    /// They become the baseline.
    Store,
}

/// Runs the trace and compares with, or stores, the file `baseline`; answers with the costs, and
/// whether nothing costs more than before. Prints each part's `hottest` functions first. Callgrind's
/// own files, one for each part of the trace, stay in `counts`.
///
/// # Errors
///
/// When valgrind is not installed, or an answer is wrong.
pub(crate) fn guard(
    peer: &Peer,
    (setup, provider): (&Setup, &mut Provider),
    (baseline, then): (&Path, Then),
    (counts, hottest, terminal): (&Path, usize, &Terminal),
) -> anyhow::Result<(Baseline, bool)> {
    let under = callgrind::command(counts)?;
    let launch = Launch {
        directory: &setup.directory,
        core: Core::First,
        under: &under,
    };
    let mut live = Live::launch(peer, provider, launch)?;
    let pid = live.group.as_ref().context("no process")?.id();
    let mut costs = Baseline::new();
    for part in TRACE {
        terminal.step(&format!("callgrind: {}", part.case.id));
        let traffic = live
            .traffic(part.case, provider)?
            .context("no such request")?;
        load::run(LIMIT, load::exactly(&traffic, part.warm_up))?;
        callgrind::zero(pid)?;
        load::run(LIMIT, load::exactly(&traffic, part.count))?;
        let total = callgrind::dump(pid, counts)?;
        let count = f64::from(part.count);
        terminal.print(&functions(&total, count, hottest)?)?;
        costs.insert(
            part.case.id.to_owned(),
            Cost {
                instructions: (total.instructions / count).round(),
                allocations: (total.allocations / count * 10.0).round() / 10.0,
            },
        );
    }
    if then == Then::Store {
        fs::write(baseline, serde_json::to_string_pretty(&costs)? + "\n")?;
    }
    let stored = fs::read_to_string(baseline)
        .with_context(|| format!("{} cannot be read; --store makes it", baseline.display()))?;
    let (text, is_well) = compare(&serde_json::from_str(&stored)?, &costs)?;
    terminal.print(&text)?;
    Ok((costs, is_well))
}

/// The costs in Markdown.
pub(crate) fn table(costs: &Baseline) -> String {
    let mut text =
        String::from("| part of the trace | instructions | allocations |\n|---|---|---|\n");
    for (part, cost) in costs {
        writeln!(
            text,
            "| {part} | {:.0} | {:.0} |",
            cost.instructions, cost.allocations
        )
        .ok();
    }
    text
}

/// The `hottest` functions of a part, by what they execute themselves in one request.
fn functions(total: &Total, count: f64, hottest: usize) -> anyhow::Result<String> {
    let mut text = String::new();
    for (name, cost) in total.functions.iter().take(hottest) {
        let share = cost / total.instructions * 100.0;
        writeln!(text, "{:9.0} {share:5.1}%  {name}", cost / count)?;
    }
    Ok(text)
}

/// Says for each part what it costs against `stored`, and whether none costs more.
fn compare(stored: &Baseline, costs: &Baseline) -> anyhow::Result<(String, bool)> {
    let (mut text, mut is_well) = (String::new(), true);
    for (part, cost) in costs {
        let Some(before) = stored.get(part) else {
            bail!("the baseline has no {part}; --store makes it anew");
        };
        let ratio = cost.instructions / before.instructions;
        let more = cost.allocations - before.allocations;
        let verdict = if ratio > 1.0 + INSTRUCTION_TOLERANCE || more > ALLOCATION_TOLERANCE {
            is_well = false;
            "costs more: make it cheaper, or store the new cost with --store"
        } else if ratio < 1.0 - INSTRUCTION_TOLERANCE || more < -ALLOCATION_TOLERANCE {
            "costs less: store it with --store"
        } else {
            "as before"
        };
        writeln!(
            text,
            "{part}: {:.0} instructions ({ratio:.3} of the baseline), {:.1} allocations ({more:+.1}): \
             {verdict}",
            cost.instructions, cost.allocations
        )?;
    }
    Ok((text, is_well))
}

/// A part of the trace.
struct Part {
    case: Case,
    warm_up: u32,
    count: u32,
}

const fn plain(id: &'static str, route: Route, bytes: usize) -> Part {
    let drive = Drive::Closed(1);
    let case = Case {
        id,
        route,
        bytes,
        drive,
        includes_slow: false,
    };
    Part {
        case,
        warm_up: 100,
        count: 200,
    }
}

/// Events far enough apart that each is read, relayed and written by itself, under callgrind too.
const fn stream(id: &'static str, route: Route) -> Part {
    let drive = Drive::Streams {
        streams: 1,
        events: 100,
        every: Duration::from_millis(10),
    };
    let case = Case {
        id,
        route,
        bytes: 1024,
        drive,
        includes_slow: false,
    };
    Part {
        case,
        warm_up: 1,
        count: 4,
    }
}

const TRACE: &[Part] = &[
    plain("plain-1k", Route::Same, 1024),
    plain("plain-32k", Route::Same, 32 * 1024),
    plain("translated-1k", Route::Translated, 1024),
    stream("stream-100-events", Route::Same),
    stream("translated-stream-100-events", Route::Translated),
];

/// What seeds of hash tables and timers make differ between two runs of one binary.
const INSTRUCTION_TOLERANCE: f64 = 0.05;
const ALLOCATION_TOLERANCE: f64 = 1.0;

/// Callgrind runs some fifty times slower.
const LIMIT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::{Baseline, Cost, compare};

    #[track_caller]
    fn check(now: (f64, f64), expected: &str, is_well: bool) {
        let one = |(instructions, allocations)| {
            let cost = Cost {
                instructions,
                allocations,
            };
            Baseline::from([("part".to_owned(), cost)])
        };
        let (text, verdict) = compare(&one((1000.0, 10.0)), &one(now)).expect("same parts");
        assert!(text.contains(expected), "{text}");
        assert_eq!(verdict, is_well);
    }

    #[test]
    fn more_than_the_tolerance_fails_and_less_is_told() {
        check((1049.0, 11.0), "as before", true);
        check((1051.0, 10.0), "costs more", false);
        check((1000.0, 11.1), "costs more", false);
        check((940.0, 10.0), "costs less", true);
        check((1000.0, 8.0), "costs less", true);
    }

    #[test]
    fn a_part_without_a_baseline_is_an_error() {
        let costs = Baseline::from([(
            "new".to_owned(),
            Cost {
                instructions: 1.0,
                allocations: 0.0,
            },
        )]);
        assert!(compare(&Baseline::new(), &costs).is_err());
    }
}
