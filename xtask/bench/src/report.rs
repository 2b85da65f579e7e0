//! A record as a table of figures with their ratios to nginx, and as verdicts on the bars.

use std::fmt::Write as _;

use crate::samples::{Record, Source, Spread};

/// A line of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// What the line says it is.
    pub(crate) title: &'static str,
    /// The case and the figure.
    pub(crate) source: Source,
    /// Digits behind the point.
    digits: usize,
}

const fn row(title: &'static str, case: &'static str, figure: &'static str, digits: usize) -> Row {
    Row {
        title,
        source: (case, figure),
        digits,
    }
}

/// All lines, in order.
pub(crate) const ROWS: &[Row] = &[
    row(
        "CPU µs a request, 1 KiB, 64 connections",
        "plain-1k-c64",
        "cpu_us",
        1,
    ),
    row(
        "CPU µs a request, 1 KiB, 1 connection",
        "plain-1k-c1",
        "cpu_us",
        1,
    ),
    row(
        "CPU µs a request, 1 KiB, 512 connections",
        "plain-1k-c512",
        "cpu_us",
        1,
    ),
    row(
        "CPU µs a request, 32 KiB, 64 connections",
        "plain-32k-c64",
        "cpu_us",
        1,
    ),
    row(
        "CPU µs a request, 256 KiB, 16 connections",
        "plain-256k-c16",
        "cpu_us",
        1,
    ),
    row(
        "CPU µs a request, 1 KiB, translated",
        "translated-1k-c64",
        "cpu_us",
        1,
    ),
    row(
        "CPU µs a request, 32 KiB, translated",
        "translated-32k-c64",
        "cpu_us",
        1,
    ),
    row(
        "requests/s, 1 KiB, 64 connections",
        "plain-1k-c64",
        "rps",
        0,
    ),
    row("requests/s, 1 KiB, 1 connection", "plain-1k-c1", "rps", 0),
    row(
        "requests/s, 1 KiB, 512 connections",
        "plain-1k-c512",
        "rps",
        0,
    ),
    row("added p50 µs at 1,000/s", "open-1k", "added_p50_us", 0),
    row("added p99 µs at 1,000/s", "open-1k", "added_p99_us", 0),
    row("added p99.9 µs at 1,000/s", "open-1k", "added_p999_us", 0),
    row(
        "CPU µs per 1,000 stream events",
        "stream",
        "cpu_us_per_1000",
        0,
    ),
    row(
        "CPU µs per 1,000 stream events, translated",
        "translated-stream",
        "cpu_us_per_1000",
        0,
    ),
    row(
        "added µs to first event, p50",
        "stream",
        "added_first_us",
        0,
    ),
    row("added µs an event, p50", "stream", "added_event_p50_us", 0),
    row("added µs an event, p99", "stream", "added_event_p99_us", 0),
    row("idle memory, MiB", "memory", "idle_mib", 1),
    row(
        "memory an idle connection, KiB",
        "memory",
        "idle_connection_kib",
        1,
    ),
    row("memory a live stream, KiB", "memory", "live_stream_kib", 1),
    row("start to first served, ms", "start", "first_served_ms", 1),
    row("size on disk, MiB", "size", "mib", 1),
];

/// What the gateway has to reach.
struct Bar {
    what: &'static str,
    source: Source,
    /// The peer and its figure that are 1, or none for the figure itself.
    base: Option<(&'static str, Source)>,
    sense: Sense,
    floor: f64,
    aim: f64,
}

enum Sense {
    AtMost,
    AtLeast,
}

const fn at_most(
    what: &'static str,
    source: Source,
    base: Option<(&'static str, Source)>,
    (floor, aim): (f64, f64),
) -> Bar {
    Bar {
        what,
        source,
        base,
        sense: Sense::AtMost,
        floor,
        aim,
    }
}

const fn nginx(source: Source) -> Option<(&'static str, Source)> {
    Some(("nginx", source))
}

const PLAIN: Source = ("plain-1k-c64", "cpu_us");
const EVENTS: Source = ("stream", "cpu_us_per_1000");

const BARS: &[Bar] = &[
    at_most("CPU, plain 1 KiB", PLAIN, nginx(PLAIN), (1.5, 1.0)),
    at_most(
        "CPU, plain 1 KiB",
        PLAIN,
        Some(("pingora", PLAIN)),
        (0.65, 0.65),
    ),
    Bar {
        what: "requests/s, 64 connections",
        source: ("plain-1k-c64", "rps"),
        base: nginx(("plain-1k-c64", "rps")),
        sense: Sense::AtLeast,
        floor: 0.75,
        aim: 1.0,
    },
    at_most(
        "added p99 at 1,000/s",
        ADDED_P99,
        nginx(ADDED_P99),
        (1.5, 1.0),
    ),
    at_most("CPU per 1,000 events", EVENTS, nginx(EVENTS), (1.3, 1.0)),
    at_most(
        "CPU, plain 1 KiB, translated",
        ("translated-1k-c64", "cpu_us"),
        nginx(PLAIN),
        (2.2, 1.6),
    ),
    at_most("CPU, plain 32 KiB", LARGE, nginx(LARGE), (2.0, 1.4)),
    at_most(
        "KiB a live stream",
        ("memory", "live_stream_kib"),
        None,
        (28.0, 16.0),
    ),
    at_most(
        "KiB an idle connection",
        ("memory", "idle_connection_kib"),
        None,
        (12.0, 8.0),
    ),
    at_most(
        "idle MiB",
        ("memory", "idle_resident_mib"),
        None,
        (20.0, 12.0),
    ),
    at_most(
        "start to first served, ms",
        ("start", "first_served_ms"),
        None,
        (100.0, 20.0),
    ),
    at_most("binary, MiB", ("size", "mib"), None, (25.0, 15.0)),
    at_most(
        "CPU, two workers against one",
        ("growth", "two_workers"),
        None,
        (1.1, 1.02),
    ),
    at_most(
        "CPU, large configuration against small",
        ("growth", "configuration"),
        None,
        (1.15, 1.05),
    ),
];

const ADDED_P99: Source = ("open-1k", "added_p99_us");
const LARGE: Source = ("plain-32k-c64", "cpu_us");

/// The whole run in Markdown: what it was, its table, and how `peer` stands to the bars.
pub(crate) fn text(record: &Record, peer: &str) -> String {
    let Record {
        date,
        commit,
        machine,
        command,
        ..
    } = record;
    // Where things lay on that machine is of no use to others.
    let options: Vec<&str> = command
        .split_whitespace()
        .filter(|word| !word.contains(['/', '\\']))
        .filter(|word| !["run", "--binaries", "--directory", "--plots", "--docs"].contains(word))
        .collect();
    let options = options.join(" ");
    let options = if options.is_empty() {
        "no options"
    } else {
        &options
    };
    format!(
        "{date}, commit {commit}, {machine}; {options}.\n\n{}\n{}",
        table(record),
        verdicts(record, peer)
    )
}

/// The table in Markdown: medians, and in brackets the ratio to nginx with its range over the
/// rounds.
fn table(record: &Record) -> String {
    let peers = record.peers();
    let mut text = String::from("| figure |");
    for peer in &peers {
        let version = record.versions.get(*peer).map_or("", String::as_str);
        let _: std::fmt::Result = write!(text, " {} |", format!("{peer} {version}").trim_end());
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(peers.len()));
    text.push('\n');
    for row in ROWS {
        let cells: Vec<String> = peers.iter().map(|peer| cell(record, peer, row)).collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            let _: std::fmt::Result = writeln!(text, "| {} | {} |", row.title, cells.join(" | "));
        }
    }
    text
}

fn cell(record: &Record, peer: &str, row: &Row) -> String {
    let (case, figure) = row.source;
    let Some(value) = record.spread(peer, case, figure) else {
        return String::new();
    };
    let mut text = format!("{:.*}", row.digits, value.median);
    if peer != "nginx"
        && let Some(ratio) = record.ratio((peer, row.source), ("nginx", row.source))
    {
        let Spread {
            median,
            least,
            most,
        } = ratio;
        // With one round there is no range, and a ratio to next to nothing says nothing.
        if most - least < 0.005 {
            let _: std::fmt::Result = write!(text, " ({median:.2})");
        } else {
            let _: std::fmt::Result = write!(text, " ({median:.2}; {least:.2}–{most:.2})");
        }
    }
    text
}

/// One line for each bar that `peer` was measured against.
fn verdicts(record: &Record, peer: &str) -> String {
    let mut text = String::new();
    for bar in BARS {
        let spread = match bar.base {
            Some(base) => record.ratio((peer, bar.source), base),
            None => record.spread(peer, bar.source.0, bar.source.1),
        };
        let Some(spread) = spread else {
            let has = |(peer, (case, figure)): (&str, Source)| {
                record.spread(peer, case, figure).is_some()
            };
            if has((peer, bar.source)) && bar.base.is_some_and(has) {
                writeln!(text, "| {} | | | less than the noise | |", bar.what).ok();
            }
            continue;
        };
        let reaches = |limit: f64| match bar.sense {
            Sense::AtMost => spread.median <= limit,
            Sense::AtLeast => spread.median >= limit,
        };
        let verdict = match (reaches(bar.aim), reaches(bar.floor)) {
            (true, _) => "aim",
            (false, true) => "bar",
            (false, false) => "MISSED",
        };
        let unit = bar
            .base
            .map_or(String::new(), |(base, _)| format!(" × {base}"));
        let sign = match bar.sense {
            Sense::AtMost => "≤",
            Sense::AtLeast => "≥",
        };
        let _: std::fmt::Result = writeln!(
            text,
            "| {} | {sign} {}{unit} | {sign} {}{unit} | {:.2} ({:.2}–{:.2}) | {verdict} |",
            bar.what, bar.floor, bar.aim, spread.median, spread.least, spread.most
        );
    }
    if text.is_empty() {
        return text;
    }
    format!("| figure | bar | aim | {peer} | reached |\n|---|---|---|---|---|\n{text}")
}
