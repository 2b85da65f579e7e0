//! Reads written JSON field by field and goes on after a fault, so that all are reported at once.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value};

use crate::{
    Faults,
    fault::{did_you_mean, nearest},
    span,
};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Field<'v> {
    pub(crate) value: &'v Value,
    pub(crate) pointer: String,
}

impl<'v> Field<'v> {
    /// Returns a whole document.
    pub(crate) fn document(value: &'v Value) -> Self {
        Self {
            value,
            pointer: String::new(),
        }
    }

    /// Returns the text, or reports another type.
    pub(crate) fn text(&self, faults: &mut Faults) -> Option<&'v str> {
        self.value
            .as_str()
            .or_else(|| self.wrong("a string", faults))
    }

    /// Returns the boolean, or reports another type.
    pub(crate) fn boolean(&self, faults: &mut Faults) -> Option<bool> {
        self.value
            .as_bool()
            .or_else(|| self.wrong("true or false", faults))
    }

    /// Returns a whole number from `least` to `most`, or reports what else it is.
    pub(crate) fn whole(&self, least: u32, most: u32, faults: &mut Faults) -> Option<u32> {
        let found = self
            .value
            .as_u64()
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| (least..=most).contains(number));
        found.or_else(|| {
            if !self.value.is_number() {
                return self.wrong("a number", faults);
            }
            let range = if most == u32::MAX {
                format!("must be a whole number from {least}")
            } else {
                format!("must be a whole number from {least} to {most}")
            };
            faults.push(&self.pointer, range);
            None
        })
    }

    /// Returns a time: a number of seconds, or a text like `30s`, `500ms` or `1m30s`.
    pub(crate) fn span(&self, faults: &mut Faults) -> Option<Duration> {
        span::read(self.value).or_else(|| {
            faults.push(
                &self.pointer,
                "must be a time above zero and up to 24 hours: seconds as a number, \
                 or a text such as 30s, 500ms or 1m30s",
            );
            None
        })
    }

    /// Returns a time as [`span`](Self::span) does, or no time at all for `false`.
    pub(crate) fn span_or_false(&self, faults: &mut Faults) -> Option<Duration> {
        if self.value.as_bool() == Some(false) {
            return Some(Duration::ZERO);
        }
        self.span(faults)
    }

    /// Reads each item of an array with at most `most` items; items at fault are left out.
    pub(crate) fn items<T>(
        &self,
        most: usize,
        faults: &mut Faults,
        mut read: impl FnMut(&Self, &mut Faults) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Some(items) = self.value.as_array() else {
            return self.wrong("an array", faults);
        };
        if items.len() > most {
            faults.push(
                &self.pointer,
                format!("must not have more than {most} items"),
            );
            return None;
        }
        let read_one = |(index, value)| {
            let item = Self {
                value,
                pointer: format!("{}/{index}", self.pointer),
            };
            read(&item, faults)
        };
        Some(items.iter().enumerate().filter_map(read_one).collect())
    }

    /// Reads an object of texts with at most `most` entries.
    pub(crate) fn texts(
        &self,
        most: usize,
        faults: &mut Faults,
    ) -> Option<BTreeMap<String, String>> {
        let Some(map) = self.value.as_object() else {
            return self.wrong("an object", faults);
        };
        if map.len() > most {
            faults.push(
                &self.pointer,
                format!("must not have more than {most} entries"),
            );
            return None;
        }
        let mut texts = BTreeMap::new();
        for (key, value) in map {
            let entry = self.under(key, value);
            if let Some(text) = entry.text(faults) {
                texts.insert(key.clone(), text.to_owned());
            }
        }
        Some(texts)
    }

    /// Opens an object, or reports another type.
    pub(crate) fn fields(&self, faults: &mut Faults) -> Option<Fields<'v>> {
        match self.value.as_object() {
            Some(map) => Some(Fields {
                map,
                pointer: self.pointer.clone(),
                known: Vec::new(),
            }),
            None => self.wrong("an object", faults),
        }
    }

    /// Reports that the value is not `wanted`.
    pub(crate) fn wrong<T>(&self, wanted: &str, faults: &mut Faults) -> Option<T> {
        let found = match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        };
        faults.push(&self.pointer, format!("must be {wanted}, not {found}"));
        None
    }

    pub(crate) fn under(&self, key: &str, value: &'v Value) -> Self {
        Self {
            value,
            pointer: join(&self.pointer, key),
        }
    }
}

/// The fields of one object; remembers which were asked for, so that it can report the others.
#[derive(Debug)]
pub(crate) struct Fields<'v> {
    map: &'v Map<String, Value>,
    pointer: String,
    known: Vec<&'static str>,
}

impl<'v> Fields<'v> {
    /// Returns the field called `name`; one that is `null` counts as absent.
    pub(crate) fn get(&mut self, name: &'static str) -> Option<Field<'v>> {
        self.known.push(name);
        match self.map.get(name) {
            None | Some(Value::Null) => None,
            Some(value) => Some(Field {
                value,
                pointer: self.at(name),
            }),
        }
    }

    /// Accepts fields that an answer shows and a writer need not remove.
    pub(crate) fn ignore(&mut self, names: &[&'static str]) {
        self.known.extend_from_slice(names);
    }

    /// Returns where the field called `name` stands or would stand.
    pub(crate) fn at(&self, name: &str) -> String {
        join(&self.pointer, name)
    }

    /// Returns where the object stands.
    pub(crate) fn pointer(&self) -> &str {
        &self.pointer
    }

    /// Reports every field that nobody asked for, with the nearest name that is known.
    pub(crate) fn finish(self, faults: &mut Faults) {
        for key in self.map.keys() {
            if !self.known.contains(&key.as_str()) {
                faults.push_with(
                    join(&self.pointer, key),
                    format!("unknown field {key}"),
                    did_you_mean(nearest(key, self.known.iter().copied())),
                );
            }
        }
    }
}

/// Returns the pointer to `key` inside the value at `pointer`.
pub(crate) fn join(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pointer_escapes_slash_and_tilde() {
        assert_eq!(join("/headers", "a/b~c"), "/headers/a~1b~0c");
    }

    #[test]
    fn unknown_fields_are_all_reported_with_the_nearest_name() {
        let document = json!({ "wieght": 1, "name": "x", "qqq": 2 });
        let mut faults = Faults::default();
        let mut fields = Field::document(&document).fields(&mut faults).unwrap();
        fields.get("name");
        fields.get("weight");
        fields.finish(&mut faults);
        let [first, second] = faults.as_slice() else {
            panic!("{faults}")
        };
        assert_eq!(first.pointer, "/wieght");
        assert_eq!(first.suggestion.as_deref(), Some("did you mean weight?"));
        assert_eq!(
            (second.pointer.as_str(), &second.suggestion),
            ("/qqq", &None)
        );
    }

    #[test]
    fn whole_numbers_stay_in_their_range() {
        let mut faults = Faults::default();
        for value in [json!(0), json!(101), json!(1.5), json!(-1), json!("1")] {
            assert_eq!(
                Field::document(&value).whole(1, 100, &mut faults),
                None,
                "{value}"
            );
        }
        assert_eq!(faults.as_slice().len(), 5);
        assert_eq!(
            Field::document(&json!(100)).whole(1, 100, &mut faults),
            Some(100)
        );
    }
}
