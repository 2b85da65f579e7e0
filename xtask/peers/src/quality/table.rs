//! The figures as text: a table to read, and all of them for programs.

use std::fmt::Write;
use std::path::Path;

use super::scores::{Scores, diverges};
use super::simulation::Metric;

/// The figures that tell most, as Markdown. Bold is the best of a row, and what is within 3 % of it.
pub fn markdown(scores: &Scores) -> String {
    let names: Vec<&str> = scores.policies.iter().map(|entry| entry.name).collect();
    let mut text = format!("| scenario | metric | {} |\n|---|---|", names.join(" | "));
    text += &"---:|".repeat(names.len());
    for (row, scenario) in scores.rows.iter().enumerate() {
        for (n, &metric) in scenario.metrics.iter().enumerate() {
            let cell = |policy| match scores.get(row, policy, metric) {
                None => "–".into(),
                Some(figure) if diverges(metric, figure) => "diverges".into(),
                Some(figure) if scores.is_among_best(row, policy, metric) => format!("**{figure:.2}**"),
                Some(figure) => format!("{figure:.2}"),
            };
            let cells: Vec<String> = (0..names.len()).map(cell).collect();
            let name = if n == 0 { scenario.name } else { "" };
            let _never = write!(text, "\n| {name} | {} | {} |", metric.name(), cells.join(" | "));
        }
    }
    text
}

/// Writes every figure of every scenario and policy into `quality.csv`.
pub fn write_all(scores: &Scores, folder: &str) -> std::io::Result<()> {
    let names: Vec<String> = Metric::ALL.iter().map(|metric| format!("\"{}\"", metric.name())).collect();
    let mut text = format!("scenario,policy,{}\n", names.join(","));
    for (row, scenario) in scores.rows.iter().enumerate() {
        for (policy, entry) in scores.policies.iter().enumerate() {
            let figures: Vec<String> = Metric::ALL
                .iter()
                .filter_map(|&metric| scores.get(row, policy, metric))
                .map(|figure| format!("{figure:.3}"))
                .collect();
            if !figures.is_empty() {
                let _never = writeln!(text, "{},\"{}\",{}", scenario.id, entry.name, figures.join(","));
            }
        }
    }
    std::fs::write(Path::new(folder).join("quality.csv"), text)
}
