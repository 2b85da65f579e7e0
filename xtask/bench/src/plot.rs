//! A record as pictures: horizontal bars on a logarithmic scale, since peers lie a thousandfold
//! apart.

use std::{fmt::Write as _, fs, path::Path};

use crate::{
    report::{ROWS, Row},
    samples::{Record, Source},
};

/// A picture: its file's name, its title, and the rows of the table that it shows.
type Picture = (&'static str, &'static str, &'static [Source]);

const PICTURES: &[Picture] = &[
    (
        "cpu",
        "Processor time (µs; logarithmic, less is better)",
        &[
            ("plain-1k-c64", "cpu_us"),
            ("plain-32k-c64", "cpu_us"),
            ("translated-1k-c64", "cpu_us"),
            ("stream", "cpu_us_per_1000"),
        ],
    ),
    (
        "latency",
        "Added time (µs; logarithmic, less is better)",
        &[
            ("open-1k", "added_p50_us"),
            ("open-1k", "added_p99_us"),
            ("stream", "added_first_us"),
            ("stream", "added_event_p99_us"),
        ],
    ),
    (
        "memory",
        "Memory (MiB idle, KiB each; logarithmic, less is better)",
        &[
            ("memory", "idle_mib"),
            ("memory", "idle_connection_kib"),
            ("memory", "live_stream_kib"),
        ],
    ),
];

/// Draws the pictures into `directory`.
///
/// # Errors
///
/// When a file cannot be written.
pub(crate) fn draw(record: &Record, directory: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(directory)?;
    for (name, title, sources) in PICTURES {
        let rows = ROWS.iter().filter(|row| sources.contains(&row.source));
        fs::write(
            directory.join(format!("{name}.svg")),
            picture(record, title, rows),
        )?;
    }
    Ok(())
}

fn picture<'a>(record: &Record, title: &str, rows: impl Iterator<Item = &'a Row>) -> String {
    let mut body = String::new();
    let mut top = 40.0;
    for row in rows {
        top = group(record, row, top, &mut body);
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {top:.0}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"12\" y=\"24\" font-size=\"15\" font-weight=\"bold\">{title}</text>\n\
         {body}</svg>\n"
    )
}

/// Draws the bars of one row from `top` on and returns where they end.
fn group(record: &Record, row: &Row, top: f64, body: &mut String) -> f64 {
    let (case, figure) = row.source;
    let bars: Vec<(&str, f64)> = record
        .peers()
        .into_iter()
        .filter_map(|peer| Some((peer, record.spread(peer, case, figure)?.median)))
        .filter(|(_, value)| *value > 0.0)
        .collect();
    let Some(least) = bars.iter().map(|bar| bar.1).min_by(f64::total_cmp) else {
        return top;
    };
    let most = bars.iter().map(|bar| bar.1).fold(least, f64::max);
    let title = row.title;
    let mut line = top + 16.0;
    // Writing to a string cannot fail.
    let _: std::fmt::Result = writeln!(
        body,
        "<text x=\"12\" y=\"{line:.0}\" font-weight=\"bold\" fill=\"#333333\">{title}</text>"
    );
    for (peer, value) in bars {
        line += STEP;
        // The shortest bar is a fifth of the longest, unless they hardly differ.
        let share = 0.2 + 0.8 * (value / least).ln() / (most / least).ln().max(0.7);
        let length = share.min(1.0) * (WIDTH - LEFT - RIGHT);
        let colour = if peer == "gateway" {
            "#d9480f"
        } else {
            "#4c6ef5"
        };
        let (bar_top, end) = (line - 10.0, LEFT + length + 6.0);
        let label = if value < 10.0 {
            format!("{value:.1}")
        } else {
            format!("{value:.0}")
        };
        let _: std::fmt::Result = writeln!(
            body,
            "<text x=\"{:.0}\" y=\"{line:.0}\" text-anchor=\"end\">{peer}</text>\
             <rect x=\"{LEFT}\" y=\"{bar_top:.0}\" width=\"{length:.0}\" height=\"12\" \
             fill=\"{colour}\"/><text x=\"{end:.0}\" y=\"{line:.0}\">{label}</text>",
            LEFT - 8.0
        );
    }
    line + STEP
}

const WIDTH: f64 = 720.0;
const LEFT: f64 = 90.0;
const RIGHT: f64 = 80.0;
const STEP: f64 = 17.0;
