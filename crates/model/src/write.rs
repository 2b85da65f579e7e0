//! Writes canonical JSON: what is the default is left out, unless a reader would miss it.

use serde_json::{Map, Value};

/// An object being written, field by field.
#[derive(Debug, Default)]
pub(crate) struct Writer(Map<String, Value>);

impl Writer {
    /// Writes a field.
    pub(crate) fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// Writes a field that has a value.
    pub(crate) fn put_some(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    /// Writes a list that is not empty.
    pub(crate) fn put_list<T: AsRef<str>>(&mut self, name: &str, items: &[T]) {
        if !items.is_empty() {
            self.put(name, items.iter().map(AsRef::as_ref).collect::<Value>());
        }
    }

    /// Writes an object that is not empty.
    pub(crate) fn put_texts<'t>(
        &mut self,
        name: &str,
        texts: impl IntoIterator<Item = (&'t str, &'t str)>,
    ) {
        let map: Map<_, _> = texts
            .into_iter()
            .map(|(key, text)| (key.to_owned(), Value::from(text)))
            .collect();
        if !map.is_empty() {
            self.put(name, map);
        }
    }

    /// Returns the object.
    pub(crate) fn finish(self) -> Value {
        Value::Object(self.0)
    }
}
