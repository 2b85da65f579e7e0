//! Objects as rows of a table.

use ai_gateway_model::Kind;
use comfy_table::Cell;
use serde_json::Value;

use crate::{
    failure::Failure,
    noun::Noun,
    output::{self, Format, state_cell},
    session::text,
};

/// A column: its heading, and what stands in it.
struct Column {
    heading: &'static str,
    cell: fn(&Value) -> Cell,
}

/// Shows objects of one kind in the wanted form; several, or the `only` one that was asked for.
pub(crate) fn show(
    noun: Noun,
    objects: &[Shown],
    format: Format,
    only: bool,
) -> Result<(), Failure> {
    let values = || {
        objects
            .iter()
            .map(|shown| shown.value.clone())
            .collect::<Vec<_>>()
    };
    let whole = || match objects {
        [shown] if only => shown.value.clone(),
        _ => crate::session::items(&values()),
    };
    match format {
        Format::Json => output::json(&whole()),
        Format::Yaml => output::yaml(&whole()),
        Format::Name => objects
            .iter()
            .try_for_each(|shown| output::data(&format!("{}/{}", noun.as_str(), shown.name))),
        Format::Table | Format::Wide => {
            if objects.is_empty() {
                output::message(&format!("no {}", noun.collection()));
                return Ok(());
            }
            output::data(&table(noun, objects, format))
        }
    }
}

/// Lays out objects of one kind.
pub(crate) fn table(noun: Noun, objects: &[Shown], format: Format) -> String {
    let columns: Vec<&Column> = columns(noun)
        .iter()
        .chain(WIDE.iter().filter(|_| format == Format::Wide))
        .collect();
    let header: Vec<&str> = std::iter::once("NAME")
        .chain(columns.iter().map(|column| column.heading))
        .collect();
    let rows = objects.iter().map(|shown| {
        let cells = columns.iter().map(|column| (column.cell)(&shown.value));
        std::iter::once(Cell::new(&shown.name))
            .chain(cells)
            .collect()
    });
    output::to_table(&header, rows.collect())
}

/// An object, and what the command line calls it.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) name: String,
    pub(crate) value: Value,
}

impl Shown {
    /// An object in the session's gateway.
    pub(crate) fn new(value: Value) -> Self {
        Self {
            name: text(&value, "name").unwrap_or("?").to_owned(),
            value,
        }
    }

    /// A target of `upstream`.
    pub(crate) fn target(upstream: &str, value: Value) -> Self {
        let name = text(&value, "name").unwrap_or("?");
        Self {
            name: format!("{upstream}/{name}"),
            value,
        }
    }
}

fn columns(noun: Noun) -> &'static [Column] {
    match noun {
        Noun::Object(Kind::Gateway) => &GATEWAY,
        Noun::Object(Kind::Upstream) => &UPSTREAM,
        Noun::Target => &TARGET,
        Noun::Object(Kind::Service) => &SERVICE,
        Noun::Object(Kind::Rule) => &RULE,
        Noun::Object(Kind::Key) => &KEY,
    }
}

const GATEWAY: [Column; 3] = [
    column("HOSTS", |it| list(it, "hosts")),
    column("DEFAULT", |it| flag(it, "default")),
    column("REQUIRES KEY", |it| flag(it, "require_key")),
];

const UPSTREAM: [Column; 3] = [
    column("ALGORITHM", |it| field(it, "algorithm")),
    column("TARGETS", |it| {
        let targets = it.get("targets").and_then(Value::as_array);
        let names = targets
            .into_iter()
            .flatten()
            .filter_map(|it| text(it, "name"));
        Cell::new(names.collect::<Vec<_>>().join(","))
    }),
    column("MODEL FALLBACK", |it| field(it, "model_fallback")),
];

const TARGET: [Column; 7] = [
    column("TO", |it| Cell::new(destination(it))),
    column("PRIORITY", |it| field(it, "priority")),
    column("WEIGHT", |it| field(it, "weight")),
    column("MODELS", |it| list(it, "models")),
    column("DEFAULT MODEL", |it| field(it, "default_model")),
    column("MAX IN FLIGHT", |it| field(it, "max_in_flight")),
    column("STATE", |it| {
        state_cell(text(it, "state").unwrap_or(NOTHING))
    }),
];

const SERVICE: [Column; 2] = [
    column("TYPE", |it| field(it, "type")),
    column("TO", |it| match (text(it, "upstream"), it.get("target")) {
        (Some(upstream), _) => Cell::new(format!("upstream/{upstream}")),
        (None, Some(target)) => Cell::new(destination(target)),
        (None, None) => Cell::new(NOTHING),
    }),
];

const RULE: [Column; 5] = [
    column("PATH", |it| field(it, "path")),
    column("METHODS", |it| list(it, "methods")),
    column("SERVICE", |it| field(it, "service")),
    column("ACTIVE", |it| flag(it, "active")),
    column("PUBLIC", |it| flag(it, "public")),
];

const KEY: [Column; 3] = [
    column("FINGERPRINT", |it| field(it, "fingerprint")),
    column("EXPIRES", |it| field(it, "expires_at")),
    column("RULES", |it| match it.get("rules") {
        None | Some(Value::Null) => Cell::new("all"),
        Some(_) => list(it, "rules"),
    }),
];

/// What `-o wide` adds for every kind.
const WIDE: [Column; 3] = [
    column("REVISION", |it| field(it, "revision")),
    column("UPDATED", |it| field(it, "updated_at")),
    column("ID", |it| field(it, "id")),
];

const fn column(heading: &'static str, cell: fn(&Value) -> Cell) -> Column {
    Column { heading, cell }
}

/// Says where a target leads.
pub(crate) fn destination(target: &Value) -> String {
    match (
        text(target, "provider"),
        text(target, "base_url"),
        text(target, "host"),
    ) {
        (Some(provider), Some(base_url), _) => format!("{provider} at {base_url}"),
        (Some(provider), None, _) => provider.to_owned(),
        (None, Some(base_url), _) => base_url.to_owned(),
        (None, None, Some(host)) => {
            let protocol = text(target, "protocol").unwrap_or("https");
            let port = target.get("port").map(|port| format!(":{port}"));
            format!("{protocol}://{host}{}", port.unwrap_or_default())
        }
        (None, None, None) => NOTHING.to_owned(),
    }
}

fn field(object: &Value, name: &str) -> Cell {
    Cell::new(plain(object.get(name)))
}

fn flag(object: &Value, name: &str) -> Cell {
    Cell::new(match object.get(name).and_then(Value::as_bool) {
        Some(true) => "yes",
        Some(false) => "no",
        None => NOTHING,
    })
}

/// Shows the first items of a list, and how many more there are.
pub(crate) fn list(object: &Value, name: &str) -> Cell {
    let items = object.get(name).and_then(Value::as_array);
    let texts: Vec<String> = items
        .into_iter()
        .flatten()
        .map(|item| plain(Some(item)))
        .collect();
    Cell::new(match texts.split_at_checked(LISTED) {
        Some((first, more)) if !more.is_empty() => {
            format!("{} +{}", first.join(","), more.len())
        }
        _ if texts.is_empty() => NOTHING.to_owned(),
        _ => texts.join(","),
    })
}

/// Writes a value as a person would: texts without quotes.
pub(crate) fn plain(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => NOTHING.to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}

/// What stands where there is nothing, so that columns can be counted.
pub(crate) const NOTHING: &str = "-";

/// How many items of a list a cell shows, so that a row stays one line.
const LISTED: usize = 3;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(target: &Value, expected: &str) {
        let cells = [destination(target), list(target, "models").content()];
        assert_eq!(cells.join(" | "), expected);
    }

    #[test]
    fn a_target_shows_where_it_leads_and_its_first_models() {
        check(&json!({ "provider": "openai" }), "openai | -");
        check(
            &json!({ "provider": "openai", "base_url": "http://egress:1" }),
            "openai at http://egress:1 | -",
        );
        check(
            &json!({ "protocol": "http", "host": "vllm", "port": 8000, "models": ["a"] }),
            "http://vllm:8000 | a",
        );
        check(
            &json!({ "base_url": "https://x/v1", "models": ["a", "b", "c"] }),
            "https://x/v1 | a,b,c",
        );
        check(
            &json!({ "models": ["a", "b", "c", "d", "e"] }),
            "- | a,b,c +2",
        );
    }
}
