//! Files that describe objects: YAML or JSON, one document or many.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use ai_gateway_model::Kind;
use serde_json::{Map, Value};

use crate::{failure::Failure, noun::Noun, session::text};

/// One object that a file describes.
#[derive(Debug)]
pub(crate) struct Document {
    /// Where it stands, for messages: `gateway.yaml, document 2`.
    pub(crate) origin: String,
    pub(crate) noun: Noun,
    /// The gateway it is for, when the document says so.
    pub(crate) gateway: Option<String>,
    /// The upstream of a target.
    pub(crate) upstream: Option<String>,
    /// What goes to the Admin API.
    pub(crate) spec: Value,
}

/// Reads one file that holds one object's fields, without a kind or with `noun`'s.
pub(crate) fn fields(path: &Path, noun: Noun) -> Result<Value, Failure> {
    let source = Source::read(path)?;
    let mut values = source.values()?;
    let (Some(Value::Object(mut map)), None) = (values.pop(), values.pop()) else {
        return Err(source.fault("holds not exactly one object"));
    };
    match map.remove("kind") {
        None => Ok(Value::Object(map)),
        Some(Value::String(kind)) if kind.parse() == Ok(noun) => Ok(spec_of(map)),
        Some(kind) => Err(source.fault(format!("is a {kind}, not a {}", noun.as_str()))),
    }
}

/// Reads the objects that files and folders describe, each after those that it may refer to.
pub(crate) fn documents(paths: &[PathBuf]) -> Result<Vec<Document>, Failure> {
    let mut documents = Vec::new();
    for path in paths {
        for file in files(path)? {
            let source = Source::read(&file)?;
            for (at, value) in source.values()?.into_iter().enumerate() {
                flatten(&source, at + 1, value, &mut documents)?;
            }
        }
    }
    // Stable: within a kind the order of the files stays.
    documents.sort_by_key(|document| rank(document.noun));
    Ok(documents)
}

/// Lists in which order kinds are written: a service needs its upstream.
fn rank(noun: Noun) -> usize {
    match noun {
        Noun::Object(Kind::Gateway) => 0,
        Noun::Object(Kind::Upstream) => 1,
        Noun::Target => 2,
        Noun::Object(Kind::Service) => 3,
        Noun::Object(Kind::Rule) => 4,
        Noun::Object(Kind::Key) => 5,
    }
}

fn flatten(
    source: &Source,
    number: usize,
    value: Value,
    into: &mut Vec<Document>,
) -> Result<(), Failure> {
    match value {
        // An empty document, as between two `---`.
        Value::Null => Ok(()),
        Value::Array(values) => values
            .into_iter()
            .try_for_each(|value| flatten(source, number, value, into)),
        Value::Object(mut map) => {
            let fault = |message: String| Failure::Document {
                origin: format!("{}, document {number}", source.name),
                message,
            };
            if !map.contains_key("kind")
                && let Some(items) = map.remove("items")
            {
                return flatten(source, number, items, into);
            }
            let noun = match map.remove("kind") {
                Some(Value::String(kind)) => kind
                    .parse::<Noun>()
                    .map_err(|error| fault(format!("kind {kind:?}: {error}")))?,
                Some(_) | None => {
                    return Err(fault("no `kind:` says what it describes".to_owned()));
                }
            };
            let mut place = |field: &str| match map.remove(field) {
                Some(Value::String(name)) => Ok(Some(name)),
                None => Ok(None),
                Some(_) => Err(fault(format!("`{field}:` must be a name"))),
            };
            let gateway = match noun {
                Noun::Object(Kind::Gateway) => None,
                Noun::Object(_) | Noun::Target => place("gateway")?,
            };
            let upstream = match noun {
                Noun::Target => place("upstream")?,
                Noun::Object(_) => None,
            };
            if noun == Noun::Target && upstream.is_none() {
                return Err(fault(
                    "a target needs `upstream:`, the name of its upstream".to_owned(),
                ));
            }
            into.push(Document {
                origin: format!("{}, document {number}", source.name),
                noun,
                gateway,
                upstream,
                spec: spec_of(map),
            });
            Ok(())
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            Err(source.fault(format!("document {number} is no object")))
        }
    }
}

/// Returns the fields of an object: those under `spec:`, with the name that may stand beside it,
/// or all that the document holds.
fn spec_of(mut map: Map<String, Value>) -> Value {
    match map.remove("spec") {
        Some(Value::Object(mut spec)) if map.keys().all(|key| key == "name") => {
            if let Some(name) = map.remove("name") {
                spec.entry("name").or_insert(name);
            }
            Value::Object(spec)
        }
        // Not that form: the Admin API says what is wrong with it.
        Some(spec) => {
            map.insert("spec".to_owned(), spec);
            Value::Object(map)
        }
        None => Value::Object(map),
    }
}

/// Lists the files that a path means: itself, or those in the folder, by name.
fn files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |source| Failure::File {
        path: path.to_owned(),
        source,
    };
    if path == Path::new(STDIN) || !fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        let extension = file.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("yaml" | "yml" | "json")) && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// The text of a file.
struct Source {
    name: String,
    text: String,
}

impl Source {
    fn read(path: &Path) -> Result<Self, Failure> {
        let mut text = String::new();
        let read = if path == Path::new(STDIN) {
            std::io::stdin().read_to_string(&mut text)
        } else {
            fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text))
        };
        read.map_err(|source| Failure::File {
            path: path.to_owned(),
            source,
        })?;
        let name = if path == Path::new(STDIN) {
            "standard input".to_owned()
        } else {
            path.display().to_string()
        };
        Ok(Self { name, text })
    }

    fn values(&self) -> Result<Vec<Value>, Failure> {
        // JSON is YAML but for its tabs; as JSON, it also gets the better messages.
        if self.text.trim_start().starts_with(['{', '['])
            && let Ok(values) = serde_json::Deserializer::from_str(&self.text)
                .into_iter()
                .collect()
        {
            return Ok(values);
        }
        serde_saphyr::from_multiple(&self.text).map_err(|error| self.fault(error.to_string()))
    }

    fn fault(&self, message: impl Into<String>) -> Failure {
        Failure::Document {
            origin: self.name.clone(),
            message: message.into(),
        }
    }
}

impl Document {
    /// Returns the object's name, when the document says it.
    pub(crate) fn name(&self) -> Option<&str> {
        text(&self.spec, "name")
    }
}

/// How standard input is named among files.
const STDIN: &str = "-";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Reads `text` as a file of documents; shows each as `kind gateway spec`.
    fn read(text: &str) -> Result<Vec<String>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f.yaml");
        fs::write(&path, text).unwrap();
        let shown = |document: Document| {
            let gateway = document.gateway.unwrap_or_default();
            // The order of fields means nothing.
            let fields: BTreeMap<String, Value> = serde_json::from_value(document.spec).unwrap();
            format!("{} {gateway} {fields:?}", document.noun.as_str())
        };
        documents(&[path])
            .map(|documents| documents.into_iter().map(shown).collect())
            .map_err(|failure| failure.to_string())
    }

    #[test]
    fn fields_stand_beside_the_kind_or_under_spec() {
        let expected = [r#"key acme {"expires_at": Null, "name": String("app")}"#.to_owned()];
        for text in [
            "kind: key\ngateway: acme\nname: app\nexpires_at: null\n",
            "kind: keys\ngateway: acme\nspec: {name: app, expires_at: null}\n",
            "kind: key\ngateway: acme\nname: app\nspec:\n  expires_at: null\n",
            "{\n\t\"kind\": \"key\",\n\t\"gateway\": \"acme\", \"name\": \"app\", \"expires_at\": null }",
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected.as_slice()), "{text}");
        }
    }

    #[test]
    fn many_documents_are_put_in_the_order_in_which_they_need_each_other() {
        let text = "\
kind: rule
path: /a
---
---
- kind: service
  name: s
- kind: upstream
  name: u
---
items:
  - kind: gateway
    name: g
";
        let kinds: Vec<String> = read(text)
            .unwrap()
            .iter()
            .filter_map(|shown| shown.split(' ').next().map(str::to_owned))
            .collect();
        assert_eq!(kinds, ["gateway", "upstream", "service", "rule"]);
    }

    #[test]
    fn what_is_no_object_is_named_with_its_place() {
        for (text, expected) in [
            ("name: x\n", "f.yaml, document 1: no `kind:`"),
            (
                "kind: key\nname: a\n---\nkind: pod\n",
                "f.yaml, document 2: kind \"pod\"",
            ),
            (
                "kind: target\nname: a\n",
                "f.yaml, document 1: a target needs `upstream:`",
            ),
            ("just text", "f.yaml: document 1 is no object"),
            ("a: [1,\nb: }", "f.yaml: "),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }
}
