//! The table as plots: one SVG a scenario, a panel of bars for each of its metrics.

use std::fmt::Write;
use std::path::Path;

use super::scores::{Better, Scores, better, diverges};
use super::simulation::Metric;

/// Draws a file for each scenario, `quality-<id>.svg`, into `folder`.
pub fn draw(scores: &Scores, folder: &str) -> std::io::Result<()> {
    for (row, scenario) in scores.rows.iter().enumerate() {
        let policies: Vec<usize> = (0..scores.policies.len())
            .filter(|&policy| scores.get(row, policy, scenario.metrics[0]).is_some())
            .collect();
        let height = TOP + BAR * policies.len() + BOTTOM;
        let width = NAMES + scenario.metrics.len() * (PANEL + GAP);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" \
             fill=\"#fff\"/>\n<text x=\"12\" y=\"24\" font-size=\"16\" font-weight=\"bold\">{}</text>\n",
            scenario.name
        );
        for (place, &policy) in policies.iter().enumerate() {
            let entry = &scores.policies[policy];
            let weight = if entry.is_ours { "bold" } else { "normal" };
            let y = TOP + BAR * place + 15;
            let _never = writeln!(svg, "<text x=\"12\" y=\"{y}\" font-weight=\"{weight}\">{}</text>", entry.name);
        }
        for (n, &metric) in scenario.metrics.iter().enumerate() {
            let bars: Vec<Bar> = policies
                .iter()
                .filter_map(|&policy| {
                    let figure = scores.get(row, policy, metric)?;
                    Some(Bar { figure, is_ours: scores.policies[policy].is_ours })
                })
                .collect();
            svg += &panel(metric, &bars, NAMES + n * (PANEL + GAP));
        }
        let y = height - 12;
        let _never = writeln!(
            svg,
            "<rect x=\"12\" y=\"{}\" width=\"12\" height=\"12\" fill=\"{OURS}\"/><text x=\"30\" y=\"{y}\">\
             this project's</text><rect x=\"132\" y=\"{}\" width=\"12\" height=\"12\" fill=\"{PEERS}\"/>\
             <text x=\"150\" y=\"{y}\">others; real where it says so, else made anew</text>",
            y - 11,
            y - 11
        );
        svg += "</svg>\n";
        std::fs::write(Path::new(folder).join(format!("quality-{}.svg", scenario.id)), svg)?;
    }
    Ok(())
}

struct Bar {
    figure: f64,
    is_ours: bool,
}

/// Bars with an axis below, from `left` on.
fn panel(metric: Metric, bars: &[Bar], left: usize) -> String {
    let (end, step) = axis(metric, bars);
    let wording = match better(metric) {
        Better::Less => "less is better".into(),
        Better::More => "more is better".into(),
        Better::Between(least, most) => format!("good is from {least} to {most}"),
    };
    let mut svg = format!("<text x=\"{left}\" y=\"46\">{} ({wording})</text>\n", metric.name());
    let bottom = TOP + BAR * bars.len();
    let x = |figure: f64| left as f64 + figure / end * (PANEL - LABEL) as f64;
    let mut tick = 0.0;
    while tick <= end * 1.0001 {
        let at = x(tick);
        let _never = write!(
            svg,
            "<line x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{bottom}\" stroke=\"#e5e7eb\"/>\
             <text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\" fill=\"#6b7280\" font-size=\"11\">{}</text>\n",
            bottom + 15,
            (tick * 1e6).round() / 1e6
        );
        tick += step;
    }
    for (place, bar) in bars.iter().enumerate() {
        let y = TOP + BAR * place;
        let is_cut = bar.figure > end;
        let width = (x(bar.figure.min(end)) - left as f64).max(1.0);
        let fill = if bar.is_ours { OURS } else { PEERS };
        let said = match bar.figure {
            figure if diverges(metric, figure) => "diverges →".into(),
            figure if is_cut => format!("{} →", shown(figure)),
            figure => shown(figure),
        };
        let _never = write!(
            svg,
            "<rect x=\"{left}\" y=\"{}\" width=\"{width:.1}\" height=\"16\" fill=\"{fill}\"/>\
             <text x=\"{:.1}\" y=\"{}\">{said}</text>\n",
            y + 2,
            left as f64 + width + 5.0,
            y + 15
        );
    }
    svg
}

/// Where the axis ends, and how far its ticks are apart: so that the better half of the figures is
/// told apart, and what is far worse is cut.
fn axis(metric: Metric, bars: &[Bar]) -> (f64, f64) {
    let mut sorted: Vec<f64> = bars.iter().map(|bar| bar.figure).collect();
    sorted.sort_by(f64::total_cmp);
    let most = sorted.last().copied().unwrap_or(1.0);
    let usual = sorted[sorted.len() / 2] * 2.5;
    let wanted = match metric {
        Metric::HitPercent | Metric::ReturnShare => most,
        _ => most.min(usual.max(sorted[0] * 4.0)).max(0.02),
    };
    let power = 10_f64.powf((wanted / 5.0).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    let step = steps.into_iter().find(|step| wanted / step <= 6.0).unwrap_or(wanted);
    ((wanted / step).ceil() * step, step)
}

/// A figure with as many places as tell something.
fn shown(figure: f64) -> String {
    match figure {
        f if f == 0.0 => "0".into(),
        f if f < 0.1 => format!("{f:.3}"),
        f if f < 10.0 => format!("{f:.2}"),
        f if f < 100.0 => format!("{f:.1}"),
        f => format!("{f:.0}"),
    }
}

/// Sizes, in pixels.
const TOP: usize = 58;
const BAR: usize = 21;
const BOTTOM: usize = 54;
const NAMES: usize = 178;
const PANEL: usize = 380;
/// What a panel keeps free for the longest bar's figure.
const LABEL: usize = 80;
const GAP: usize = 24;

const OURS: &str = "#2563eb";
const PEERS: &str = "#9ca3af";
