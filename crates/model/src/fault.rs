//! What is wrong with a written document, and where.

use std::fmt;

/// One fault of a written document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// Where it is, as a JSON pointer (RFC 6901); empty for the document itself.
    pub pointer: String,
    /// What is wrong, in lower case without a full stop.
    pub message: String,
    /// What the writer may have meant.
    pub suggestion: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.pointer.is_empty() {
            write!(f, "{}: ", self.pointer)?;
        }
        f.write_str(&self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, " ({suggestion})"),
            None => Ok(()),
        }
    }
}

/// Every fault of a written document, in the order in which they were found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Returns the faults of a document that has one.
    pub fn one(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        let mut faults = Self::default();
        faults.push(pointer, message);
        faults
    }

    /// Adds a fault.
    pub fn push(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        self.0.push(Fault {
            pointer: pointer.into(),
            message: message.into(),
            suggestion: None,
        });
    }

    /// Adds a fault and, where there is one, what the writer may have meant.
    pub fn push_with(
        &mut self,
        pointer: impl Into<String>,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) {
        self.0.push(Fault {
            pointer: pointer.into(),
            message: message.into(),
            suggestion,
        });
    }

    /// Tells whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the faults.
    pub fn as_slice(&self) -> &[Fault] {
        &self.0
    }

    /// Returns `value` where there is no fault.
    ///
    /// # Errors
    ///
    /// The faults, where there are any or where `value` is missing.
    pub(crate) fn or<T>(self, value: Option<T>) -> Result<T, Self> {
        match value {
            Some(value) if self.is_empty() => Ok(value),
            _ => Err(self),
        }
    }
}

impl Extend<Fault> for Faults {
    fn extend<T: IntoIterator<Item = Fault>>(&mut self, faults: T) {
        self.0.extend(faults);
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, fault) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("; ")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// Finds the one of `known` that `written` is closest to, if it is close enough to be meant.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = written.to_lowercase();
    known
        .into_iter()
        .map(|name| {
            (
                strsim::damerau_levenshtein(&lower, &name.to_lowercase()),
                name,
            )
        })
        .filter(|(distance, name)| *distance <= 1 + name.len().min(lower.len()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Words a suggestion of `name`.
pub(crate) fn did_you_mean(name: Option<&str>) -> Option<String> {
    name.map(|name| format!("did you mean {name}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_only_when_it_is_near() {
        let known = ["weight", "priority", "models", "model_map"];
        assert_eq!(nearest("wieght", known), Some("weight"));
        assert_eq!(nearest("Model", known), Some("models"));
        assert_eq!(nearest("colour", known), None);
    }
}
