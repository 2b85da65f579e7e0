//! The table, as Markdown and as plots.

use std::fmt::Write;
use std::path::Path;

pub struct Table {
    policies: Vec<&'static str>,
    rows: Vec<(&'static str, &'static str, Vec<f64>)>,
}

impl Table {
    pub fn new(policies: impl Iterator<Item = &'static str>) -> Self {
        Self { policies: policies.collect(), rows: Vec::new() }
    }

    pub fn row(&mut self, scenario: &'static str, metric: &'static str, figures: Vec<f64>) {
        self.rows.push((scenario, metric, figures));
    }

    pub fn markdown(&self) -> String {
        let mut text = format!("| scenario | metric | {} |\n|---|---|", self.policies.join(" | "));
        text += &"---:|".repeat(self.policies.len());
        for (scenario, metric, figures) in &self.rows {
            let best = figures.iter().copied().fold(f64::INFINITY, f64::min);
            let cells: Vec<String> = figures
                .iter()
                .map(|&figure| {
                    let shown = if figure > 1000.0 { "diverges".into() } else { format!("{figure:.2}") };
                    if figure <= best * 1.03 + 0.005 { format!("**{shown}**") } else { shown }
                })
                .collect();
            let _never = write!(text, "\n| {scenario} | {metric} | {} |", cells.join(" | "));
        }
        text
    }

    /// Draws a plot a row: bars, the shortest best, cut at six times the best of the others' median.
    pub fn draw(&self, folder: &str) -> std::io::Result<()> {
        for (n, (scenario, metric, figures)) in self.rows.iter().enumerate() {
            let mut sorted = figures.clone();
            sorted.sort_by(f64::total_cmp);
            let limit = (sorted[sorted.len() / 2] * 2.0).max(sorted[0] * 3.0).max(0.01);
            let height = 60 + 26 * figures.len();
            let mut svg = format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"720\" height=\"{height}\" \
                 font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" \
                 fill=\"#fff\"/>\n<text x=\"12\" y=\"24\" font-size=\"15\">{scenario}: {metric}</text>\n"
            );
            for (row, (policy, &figure)) in self.policies.iter().zip(figures).enumerate() {
                let y = 46 + 26 * row;
                let width = (figure.min(limit) / limit * 430.0).max(1.0);
                let fill = if row < 3 { "#2563eb" } else { "#9ca3af" };
                let shown = if figure > limit { format!("{figure:.3} (cut)") } else { format!("{figure:.3}") };
                let _never = write!(
                    svg,
                    "<text x=\"12\" y=\"{}\">{policy}</text>\
                     <rect x=\"170\" y=\"{y}\" width=\"{width:.1}\" height=\"18\" fill=\"{fill}\"/>\
                     <text x=\"{:.1}\" y=\"{}\">{shown}</text>\n",
                    y + 14,
                    176.0 + width,
                    y + 14
                );
            }
            svg += "</svg>\n";
            std::fs::write(Path::new(folder).join(format!("quality-{:02}.svg", n + 1)), svg)?;
        }
        Ok(())
    }
}
