//! The small values that every kind of object is made of.

use std::{fmt, num::NonZeroU32, ops::Deref, sync::Arc};

use uuid::Uuid;

use crate::{Faults, read::Field};

/// The name of an object: 1 to 128 characters that a path can carry, and no UUID.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Name(Arc<str>);

impl Name {
    /// Checks `text`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, for the one who wrote it.
    pub fn new(text: &str) -> Result<Self, NameError> {
        if text.trim().is_empty() {
            return Err(NameError::Missing);
        }
        if text.chars().count() > MAX_NAME_CHARS {
            return Err(NameError::TooLong);
        }
        let is_allowed = |c: char| !c.is_control() && !matches!(c, '/' | '\\' | '?' | '#' | '%');
        if !text.chars().all(is_allowed) || text.trim() != text || matches!(text, "." | "..") {
            return Err(NameError::Characters);
        }
        if Uuid::try_parse(text).is_ok() {
            return Err(NameError::LooksLikeId);
        }
        Ok(Self(text.into()))
    }

    /// Makes the name of something that was written without one: `openai-0`.
    pub(crate) fn numbered(label: &str, number: usize) -> Self {
        let label: String = label.chars().take(MAX_NAME_CHARS - 24).collect();
        Self(format!("{label}-{number}").into())
    }

    /// Reads a name; an empty one is missing.
    pub(crate) fn read(field: &Field<'_>, faults: &mut Faults) -> Option<Self> {
        let text = field.text(faults)?;
        Self::new(text)
            .map_err(|error| faults.push(&field.pointer, error.to_string()))
            .ok()
    }

    /// Reads a name that a header can carry as well.
    pub(crate) fn read_ascii(field: &Field<'_>, faults: &mut Faults) -> Option<Self> {
        let name = Self::read(field, faults)?;
        if name.is_ascii() {
            return Some(name);
        }
        faults.push(
            &field.pointer,
            "must be of ASCII characters: answers carry it in a header",
        );
        None
    }

    /// Returns the text, shared.
    pub fn to_shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is wrong with a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NameError {
    /// It is absent, empty or blank.
    #[error("name is required")]
    Missing,
    /// It is longer than 128 characters.
    #[error("must not be longer than {MAX_NAME_CHARS} characters")]
    TooLong,
    /// It has a character that a path cannot carry as it is.
    #[error(
        "must not begin or end with a space, nor contain control characters or any of / \\ ? # %"
    )]
    Characters,
    /// It could be taken for an id.
    #[error("must not be a UUID: ids and names share the same place in a path")]
    LooksLikeId,
}

/// The name of a model, as a client asks for it or as a provider calls it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ModelName(Arc<str>);

impl ModelName {
    /// Checks `text`: 1 to 256 characters, none of them a control character.
    ///
    /// # Errors
    ///
    /// [`ModelNameError`] when it is not so.
    pub fn new(text: &str) -> Result<Self, ModelNameError> {
        let is_good = !text.trim().is_empty()
            && text.chars().count() <= MAX_MODEL_CHARS
            && !text.chars().any(char::is_control);
        if is_good {
            Ok(Self(text.into()))
        } else {
            Err(ModelNameError)
        }
    }

    pub(crate) fn read(field: &Field<'_>, faults: &mut Faults) -> Option<Self> {
        let text = field.text(faults)?;
        Self::new(text)
            .map_err(|error| faults.push(&field.pointer, error.to_string()))
            .ok()
    }

    /// Returns the text, shared.
    pub fn to_shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl Deref for ModelName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that names no model.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("must be a model name of 1 to {MAX_MODEL_CHARS} characters")]
pub struct ModelNameError;

/// A target's share of traffic, relative to the other targets of its priority: 1 to 100.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Weight(NonZeroU32);

impl Weight {
    pub(crate) fn read(field: &Field<'_>, faults: &mut Faults) -> Option<Self> {
        field
            .whole(1, MAX_WEIGHT, faults)
            .and_then(NonZeroU32::new)
            .map(Self)
    }

    /// Returns the number, 1 to 100.
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl Default for Weight {
    /// 1: targets without a weight share equally.
    fn default() -> Self {
        Self(NonZeroU32::MIN)
    }
}

/// A target's place in the order of failover: 1 or more, the lowest first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Priority(NonZeroU32);

impl Priority {
    pub(crate) fn read(field: &Field<'_>, faults: &mut Faults) -> Option<Self> {
        field
            .whole(1, u32::MAX, faults)
            .and_then(NonZeroU32::new)
            .map(Self)
    }

    /// Returns the number, 1 or more.
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl Default for Priority {
    /// 1: tried first.
    fn default() -> Self {
        Self(NonZeroU32::MIN)
    }
}

/// Reads tags: up to 64 texts of up to 128 characters.
pub(crate) fn read_tags(field: &Field<'_>, faults: &mut Faults) -> Option<Vec<String>> {
    field.items(64, faults, |item, faults| short_text(item, 128, faults))
}

/// Reads a description: up to 1024 characters.
pub(crate) fn read_description(field: &Field<'_>, faults: &mut Faults) -> Option<String> {
    short_text(field, 1024, faults)
}

/// Reads a text of at most `most` characters.
pub(crate) fn short_text(field: &Field<'_>, most: usize, faults: &mut Faults) -> Option<String> {
    let text = field.text(faults)?;
    if text.chars().count() > most {
        faults.push(
            &field.pointer,
            format!("must not be longer than {most} characters"),
        );
        return None;
    }
    Some(text.to_owned())
}

/// Long enough for any name a person gives, short enough for a header and a table.
const MAX_NAME_CHARS: usize = 128;

/// The longest ids in use (paths of fine-tuned models, ARNs) stay under 200.
const MAX_MODEL_CHARS: usize = 256;

const MAX_WEIGHT: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<(), NameError>) {
        assert_eq!(Name::new(text).map(drop), expected, "{text:?}");
    }

    #[test]
    fn a_name_is_what_a_path_can_carry() {
        check("ai-providers-upstream", Ok(()));
        check("Büro 1", Ok(()));
        check("", Err(NameError::Missing));
        check("  ", Err(NameError::Missing));
        check("a/b", Err(NameError::Characters));
        check("a%2fb", Err(NameError::Characters));
        check("..", Err(NameError::Characters));
        check(" a", Err(NameError::Characters));
        check("a\n", Err(NameError::Characters));
        check(&"x".repeat(129), Err(NameError::TooLong));
        check(
            "0193a5b0-7e3c-7b2a-9c0e-3f5d2e1a4b6c",
            Err(NameError::LooksLikeId),
        );
        check(
            "0193a5b07e3c7b2a9c0e3f5d2e1a4b6c",
            Err(NameError::LooksLikeId),
        );
    }
}
