//! Objects and arrays one level deep, with their values left as written.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::json::{Sort, Text};

/// The fields of a JSON object in their order, each value as written.
#[derive(Debug, Default)]
pub(crate) struct Object<'a> {
    fields: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a> Object<'a> {
    /// Reads `raw`; `None` when it is not an object.
    pub(crate) fn of(raw: &'a RawValue) -> Option<Self> {
        match Sort::of(raw) {
            Sort::Object => serde_json::from_str(raw.get()).ok(),
            _ => None,
        }
    }

    /// Returns the value of `name`, the last one when it is given twice; `null` counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.fields
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, raw)| *raw)
            .filter(|raw| Sort::of(raw) != Sort::Null)
    }

    /// Returns `name` when it is a string.
    pub(crate) fn text(&self, name: &str) -> Option<Text<'a>> {
        self.get(name).and_then(Text::of)
    }

    /// Returns `name` when it is a string, with its escapes resolved.
    pub(crate) fn string(&self, name: &str) -> Option<Cow<'a, str>> {
        self.text(name).map(Text::into_decoded)
    }

    /// Returns `name` when it is an object.
    pub(crate) fn object(&self, name: &str) -> Option<Self> {
        self.get(name).and_then(Self::of)
    }

    /// Returns `name` when it is `true` or `false`.
    pub(crate) fn bool(&self, name: &str) -> Option<bool> {
        self.get(name)
            .and_then(|raw| serde_json::from_str(raw.get()).ok())
    }

    /// Returns `name` when it is a whole number that is not negative.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.get(name)
            .and_then(|raw| serde_json::from_str(raw.get()).ok())
    }

    /// Goes over the fields in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.fields.iter().map(|(key, raw)| (key.as_ref(), *raw))
    }
}

impl<'a> IntoIterator for Object<'a> {
    type Item = (Cow<'a, str>, &'a RawValue);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.fields.into_iter()
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(8);
                while let Some((FieldName(key), raw)) = map.next_entry()? {
                    fields.push((key, raw));
                }
                Ok(Object { fields })
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

/// A field's name, borrowed from the document unless it is written with escapes.
pub(crate) struct FieldName<'a>(pub(crate) Cow<'a, str>);

impl<'de> Deserialize<'de> for FieldName<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;

        impl<'de> Visitor<'de> for Name {
            type Value = FieldName<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a field name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(FieldName(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(FieldName(Cow::Owned(name.to_owned())))
            }
        }

        deserializer.deserialize_str(Name)
    }
}

/// A request's body, with one of its arrays of objects read in passing.
///
/// Reading what is in the array later would mean to go over most of the body once more.
pub(crate) struct Body<'a> {
    pub(crate) fields: Object<'a>,
    pub(crate) listed: Vec<Object<'a>>,
}

impl<'a> Body<'a> {
    /// Reads `text`, whose field `list` holds the array. `None` when it is not of this form, or
    /// the field is missing or given twice.
    pub(crate) fn read(text: &'a str, list: &str) -> Option<Self> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let body = BodySeed { list }.deserialize(&mut reader).ok()?;
        reader.end().ok()?;
        body
    }
}

struct BodySeed<'l> {
    list: &'l str,
}

impl<'de> DeserializeSeed<'de> for BodySeed<'_> {
    type Value = Option<Body<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for BodySeed<'_> {
    type Value = Option<Body<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::with_capacity(8);
        let mut listed = None;
        while let Some(FieldName(key)) = map.next_key()? {
            if key != self.list {
                fields.push((key, map.next_value()?));
            } else if listed.replace(map.next_value()?).is_some() {
                return Ok(None);
            }
        }
        Ok(listed.map(|listed| Body {
            fields: Object { fields },
            listed,
        }))
    }
}

/// Reads the objects of an array; `None` when `raw` is not an array of objects alone.
pub(crate) fn objects(raw: &RawValue) -> Option<Vec<Object<'_>>> {
    serde_json::from_str(raw.get()).ok()
}

/// Reads the values of an array as written; `None` when `raw` is not an array.
pub(crate) fn items(raw: &RawValue) -> Option<Vec<&RawValue>> {
    match Sort::of(raw) {
        Sort::Array => serde_json::from_str(raw.get()).ok(),
        _ => None,
    }
}

/// Checks that `text` is one JSON document and returns it without the white space around it.
pub(crate) fn parse_raw(text: &str) -> Option<&RawValue> {
    serde_json::from_str(text).ok()
}
