//! Standard output for data, standard error for messages.

use std::io::{self, IsTerminal as _, Write as _};

use clap::ValueEnum;
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets::NOTHING};
use serde_json::Value;

use crate::failure::Failure;

/// How an answer is shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Format {
    /// Columns, for people.
    Table,
    /// More columns.
    Wide,
    /// The Admin API's own JSON.
    Json,
    /// The same as YAML.
    Yaml,
    /// `kind/name`, one a line, for scripts.
    Name,
}

/// Writes a line for the person, to standard error.
pub(crate) fn message(text: &str) {
    // Without a standard error there is no one to tell.
    writeln!(io::stderr().lock(), "{text}").ok();
}

/// Writes data to standard output, with a line end.
pub(crate) fn data(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        stdout.write_all(b"\n")?;
    }
    Ok(stdout.flush()?)
}

/// Writes JSON, indented.
pub(crate) fn json(value: &Value) -> Result<(), Failure> {
    data(&format!("{value:#}"))
}

/// Writes YAML.
pub(crate) fn yaml(value: &Value) -> Result<(), Failure> {
    data(&to_yaml(value))
}

/// Writes a value down as YAML.
pub(crate) fn to_yaml(value: &Value) -> String {
    // Every JSON value has a form in YAML; should the writer ever disagree, JSON is YAML too.
    serde_saphyr::to_string(value).unwrap_or_else(|_| format!("{value:#}\n"))
}

/// Lays out a table without borders, a row a line: easy to read, and to cut apart with `awk`. No
/// cell is broken to fit the terminal, so that every name can be copied.
pub(crate) fn to_table(header: &[&str], rows: Vec<Vec<Cell>>) -> String {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header.iter().map(|name| bold(name)))
        .add_rows(rows);
    if !has_colour() {
        table.force_no_tty();
    }
    let last = header.len().saturating_sub(1);
    for (at, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if at == last { 0 } else { COLUMN_GAP }));
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Makes a cell that stands out as good, bad or in between.
pub(crate) fn state_cell(state: &str) -> Cell {
    let cell = Cell::new(state);
    match state {
        "healthy" | "enabled" => cell.fg(Color::Green),
        "unhealthy" => cell.fg(Color::Red),
        "draining" => cell.fg(Color::Yellow),
        "disabled" => cell.fg(Color::DarkGrey),
        _ => cell,
    }
}

fn bold(text: &str) -> Cell {
    Cell::new(text).add_attribute(Attribute::Bold)
}

/// Clears the terminal, where standard output is one.
pub(crate) fn clear() -> Result<(), Failure> {
    if io::stdout().is_terminal() {
        let mut stdout = io::stdout().lock();
        stdout.write_all(CLEAR)?;
        stdout.flush()?;
    }
    Ok(())
}

/// Asks a question that a person can answer with yes; anything else is no.
pub(crate) fn confirm(question: &str) -> Result<bool, Failure> {
    let mut stderr = io::stderr().lock();
    write!(stderr, "{question} [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    let answer = answer.trim().to_ascii_lowercase();
    Ok(answer == "y" || answer == "yes")
}

/// Says whether there is a person to ask.
pub(crate) fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// `NO_COLOR` (<https://no-color.org>) and dumb terminals get plain text.
fn has_colour() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    !is_set("NO_COLOR") && !is_dumb && io::stdout().is_terminal()
}

/// Clears the screen and moves to its upper left corner.
const CLEAR: &[u8] = b"\x1b[2J\x1b[H";
/// Spaces between two columns.
const COLUMN_GAP: u16 = 3;
