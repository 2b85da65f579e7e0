//! Which paths and header values a rule is for.

use regex::{Regex, RegexBuilder};

use crate::{Faults, read::Field};

/// Which paths a rule is for.
#[derive(Clone, Debug)]
pub enum PathMatch {
    /// That path alone.
    Exact(String),
    /// The path, and all below it: written with `/*` at the end, kept without.
    Prefix(String),
    /// Paths whose beginning matches: written with `~` at the start, kept without.
    Regex(String, Regex),
}

/// Which values of a header a rule is for.
#[derive(Clone, Debug)]
pub enum HeaderMatch {
    /// That value alone.
    Exact(String),
    /// Values that match anywhere: written with `~` at the start, kept without.
    Regex(String, Regex),
}

impl PathMatch {
    /// Returns the path as written.
    pub fn to_text(&self) -> String {
        match self {
            Self::Exact(path) => path.clone(),
            Self::Prefix(path) => format!("{path}/*"),
            Self::Regex(pattern, _) => format!("~{pattern}"),
        }
    }

    pub(super) fn read(field: &Field<'_>, faults: &mut Faults) -> Option<Self> {
        let text = field.text(faults)?;
        if let Some(pattern) = text.strip_prefix('~') {
            let regex = compile(&format!("^(?:{pattern})"), field, faults)?;
            return Some(Self::Regex(pattern.to_owned(), regex));
        }
        let is_good = text.starts_with('/')
            && text.len() <= MAX_PATTERN_BYTES
            && text.bytes().all(|byte| (b'!'..=b'~').contains(&byte))
            && !text.contains(['?', '#']);
        let (path, is_prefix) = match text.strip_suffix("/*") {
            Some(path) => (path, true),
            None => (text, false),
        };
        if !is_good || path.contains('*') {
            faults.push(
                &field.pointer,
                "must be a path that begins with /, a prefix that ends in /*, or ~ and a regular \
                 expression",
            );
            return None;
        }
        let path = path.to_owned();
        Some(if is_prefix {
            Self::Prefix(path)
        } else {
            Self::Exact(path)
        })
    }
}

impl HeaderMatch {
    /// Tells whether `value` is one of those meant.
    pub fn is_match(&self, value: &str) -> bool {
        match self {
            Self::Exact(wanted) => wanted == value,
            Self::Regex(_, regex) => regex.is_match(value),
        }
    }

    /// Returns the value as written.
    pub fn to_text(&self) -> String {
        match self {
            Self::Exact(value) => value.clone(),
            Self::Regex(pattern, _) => format!("~{pattern}"),
        }
    }

    pub(super) fn read(field: &Field<'_>, faults: &mut Faults) -> Option<Self> {
        let text = field.text(faults)?;
        match text.strip_prefix('~') {
            Some(pattern) => {
                let regex = compile(pattern, field, faults)?;
                Some(Self::Regex(pattern.to_owned(), regex))
            }
            None => Some(Self::Exact(text.to_owned())),
        }
    }
}

fn compile(pattern: &str, field: &Field<'_>, faults: &mut Faults) -> Option<Regex> {
    if pattern.len() > MAX_PATTERN_BYTES {
        faults.push(&field.pointer, "must not be longer than 1024 bytes");
        return None;
    }
    let built = RegexBuilder::new(pattern).size_limit(REGEX_BYTES).build();
    built
        .map_err(|error| {
            let reason = error.to_string();
            let reason = reason.lines().next_back().unwrap_or_default().trim();
            let message = format!(
                "invalid regular expression: {}",
                reason.trim_start_matches("error: ")
            );
            faults.push(&field.pointer, message);
        })
        .ok()
}

const MAX_PATTERN_BYTES: usize = 1024;

/// What one compiled expression may take; a pattern that needs more is refused when written.
const REGEX_BYTES: usize = 1024 * 1024;
