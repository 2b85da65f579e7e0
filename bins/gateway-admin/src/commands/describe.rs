//! `describe`: all about one object.

use ai_gateway_model::Kind;
use serde_json::{Map, Value};

use super::health;
use crate::{
    args::Describe,
    failure::Failure,
    noun::Noun,
    output::{self, Format},
    session::{Place, Session, text},
    tables::{self, NOTHING, Shown, plain},
};

pub(super) async fn run(session: &Session, describe: &Describe) -> Result<(), Failure> {
    let (place, name) = Place::of(describe.noun, &describe.name)?;
    let object = session.read(&place, name).await?.body;
    match session.format {
        Format::Json => return output::json(&object),
        Format::Yaml => return output::yaml(&object),
        Format::Name => {
            let name = place.name_outside(text(&object, "name").unwrap_or(name));
            return output::data(&format!("{}/{name}", describe.noun.as_str()));
        }
        Format::Table | Format::Wide => {}
    }
    output::data(&sections(&object, session.format))?;
    let upstream = match describe.noun {
        Noun::Object(Kind::Upstream) => text(&object, "name"),
        Noun::Target => place.upstream,
        Noun::Object(_) => None,
    };
    match upstream {
        Some(upstream) => show_health(session, upstream, describe.noun, &object).await,
        None => Ok(()),
    }
}

async fn show_health(
    session: &Session,
    upstream: &str,
    noun: Noun,
    object: &Value,
) -> Result<(), Failure> {
    let mut report = session.health(upstream).await?;
    let targets = report.get_mut("items").and_then(Value::as_array_mut);
    if let (Noun::Target, Some(targets)) = (noun, targets) {
        targets.retain(|target| text(target, "name") == text(object, "name"));
    }
    let table = health::table(&[(upstream.to_owned(), report)], session.format);
    output::data(&format!("\nHealth\n{}", indent(&table)))
}

/// Lays out an object: its plain fields first, then its lists and objects, each under its name.
fn sections(object: &Value, format: Format) -> String {
    let empty = Map::new();
    let fields = object.as_object().unwrap_or(&empty);
    let (sections, lines): (Vec<_>, Vec<_>) = fields
        .iter()
        .partition(|(_, value)| value.is_object() || is_list_of_objects(value));
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    // The name leads; the rest is in the order of the answer.
    let (name, others): (Vec<_>, Vec<_>) = lines.into_iter().partition(|(name, _)| *name == "name");
    let lines = name.into_iter().chain(others).map(|(field, value)| {
        let heading = title(field);
        format!("{heading:<width$}   {}\n", line(value))
    });
    let sections = sections.into_iter().map(|(field, value)| {
        let body = match (field.as_str(), value) {
            ("targets", Value::Array(targets)) => {
                let targets: Vec<Shown> = targets.iter().cloned().map(Shown::new).collect();
                tables::table(Noun::Target, &targets, format)
            }
            _ => output::to_yaml(value),
        };
        format!("\n{}\n{}", title(field), indent(&body))
    });
    lines.chain(sections).collect()
}

fn line(value: &Value) -> String {
    match value {
        Value::Array(items) if items.is_empty() => NOTHING.to_owned(),
        Value::Array(items) => {
            let texts: Vec<String> = items.iter().map(|item| plain(Some(item))).collect();
            texts.join(", ")
        }
        value => plain(Some(value)),
    }
}

fn is_list_of_objects(value: &Value) -> bool {
    value
        .as_array()
        .is_some_and(|items| items.iter().any(Value::is_object))
}

/// Turns a field's name into a heading: `Health checks`.
fn title(field: &str) -> String {
    let words = field.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}
