//! `create`: one object that does not exist yet.

use ai_gateway_model::Kind;
use serde_json::{Map, Value};

use crate::{
    args::Create,
    documents,
    failure::Failure,
    noun::Noun,
    output::{self, Format},
    session::{Place, Session, text},
    telling::{report, show_warnings},
};

pub(super) async fn run(session: &Session, create: &Create) -> Result<(), Failure> {
    let (place, name) = place(create)?;
    let document = document(create, name)?;
    let made = session.create(&place, &document).await?;
    show_warnings(&made);
    let name = text(&made, "name").unwrap_or("?");
    let is_for_people = matches!(session.format, Format::Table | Format::Wide);
    match text(&made, "key") {
        // The key alone, so that a script can keep it: KEY=$(gateway-admin create key app).
        Some(key) if is_for_people && create.noun == Noun::Object(Kind::Key) => {
            output::message(&format!("key/{name} created; it is shown this once:"));
            output::data(key)
        }
        _ => {
            let name = place.name_outside(name);
            report(create.noun, &name, "created", &made, session.format)
        }
    }
}

/// A collection, and a name in it.
type Called<'a> = (Place<'a>, Option<&'a str>);

/// Says which collection the object is for, and what it shall be called there.
fn place(create: &Create) -> Result<Called<'_>, Failure> {
    match (create.noun, create.name.as_deref()) {
        (Noun::Object(_), name) => Ok((Place::within(create.noun), name)),
        (Noun::Target, Some(name)) => Ok(match name.split_once('/') {
            Some((upstream, target)) => (Place::targets_of(upstream), Some(target)),
            None => (Place::targets_of(name), None),
        }),
        (Noun::Target, None) => Err(Failure::Usage {
            message: "name the target's upstream: create target UPSTREAM[/TARGET]".to_owned(),
        }),
    }
}

/// Joins what the file, `--set` and the name on the command line say.
fn document(create: &Create, name: Option<&str>) -> Result<Value, Failure> {
    let mut document = match &create.file {
        Some(file) => documents::fields(file, create.noun)?,
        None => Value::Object(Map::new()),
    };
    for (field, value) in &create.set {
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value.as_str()));
        set(&mut document, field, value)?;
    }
    let Some(name) = name else {
        return Ok(document);
    };
    match text(&document, "name") {
        Some(other) if other != name => Err(Failure::Usage {
            message: format!("the file calls it {other}, the command line {name}"),
        }),
        Some(_) | None => {
            set(&mut document, "name", Value::from(name))?;
            Ok(document)
        }
    }
}

/// Sets the field at a dotted path.
fn set(document: &mut Value, path: &str, value: Value) -> Result<(), Failure> {
    let mut at = document;
    for part in path.split('.') {
        let Value::Object(map) = at else {
            return Err(Failure::Usage {
                message: format!("--set {path}: {part} stands in no object"),
            });
        };
        at = map.entry(part).or_insert_with(|| Value::Object(Map::new()));
    }
    *at = value;
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use serde_json::json;

    use super::*;
    use crate::args::{Cli, Command};

    #[track_caller]
    fn check(arguments: &str, expected: &Result<Value, &str>) {
        let line = format!("gateway-admin create {arguments}");
        let Command::Create(create) = Cli::parse_from(line.split(' ')).command else {
            panic!("{line} is no create");
        };
        let made = place(&create).and_then(|(_, name)| document(&create, name));
        let made = made.map_err(|failure| failure.to_string());
        assert_eq!(
            made.as_ref().map_err(String::as_str),
            expected.as_ref().map_err(|it| *it)
        );
    }

    #[test]
    fn a_field_is_json_or_text_and_dots_lead_into_objects() {
        check(
            "upstream chat -s weight=3 -s models=[\"a\",\"b\"] -s health_checks.passive=true \
             -s health_checks.threshold=5 -s path=/v1/*"
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                .as_str(),
            &Ok(json!({
                "name": "chat", "weight": 3, "models": ["a", "b"], "path": "/v1/*",
                "health_checks": { "passive": true, "threshold": 5 },
            })),
        );
        check(
            "key -s name=a -s name.b=1",
            &Err("--set name.b: b stands in no object"),
        );
    }

    #[test]
    fn a_target_is_named_with_its_upstream() {
        check(
            "target chat/a -s provider=openai",
            &Ok(json!({ "name": "a", "provider": "openai" })),
        );
        check(
            "target chat -s provider=openai",
            &Ok(json!({ "provider": "openai" })),
        );
        check(
            "target -s provider=openai",
            &Err("name the target's upstream: create target UPSTREAM[/TARGET]"),
        );
    }

    #[test]
    fn two_names_for_one_object_are_refused() {
        check(
            "key a -s name=b",
            &Err("the file calls it b, the command line a"),
        );
        check("key 7", &Ok(json!({ "name": "7" })));
    }
}
