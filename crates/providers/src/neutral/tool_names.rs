//! Names and identifiers of tools that a provider would refuse.

use std::borrow::Cow;
use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::dialect::Dialect;
use crate::table::ToolIds;

/// Names that were changed on the way to a target, to be changed back on the way from it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ToolNames {
    /// From the client's own name to the one sent.
    sent: HashMap<String, String>,
    /// And back.
    own: HashMap<String, String>,
    /// Whether a name must begin with a letter or `_`, as Google's dialect has it.
    begins_with_letter: bool,
}

/// The longest name of a tool that OpenAI's and Bedrock's dialects take.
const NAME_LIMIT: usize = 64;

impl ToolNames {
    /// Names as a target of `dialect` takes them.
    pub(crate) fn of(dialect: Dialect) -> Self {
        Self {
            begins_with_letter: dialect == Dialect::GeminiGenerate,
            ..Self::default()
        }
    }

    /// Returns the name to send for `name`: itself, or one of letters, digits, `_` and `-`, not
    /// longer than 64, that differs for names that differ.
    pub(crate) fn fit<'n>(&mut self, name: &'n str) -> Cow<'n, str> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let begins_well = !self.begins_with_letter
            || name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if name.len() <= NAME_LIMIT && !name.is_empty() && name.bytes().all(plain) && begins_well {
            return Cow::Borrowed(name);
        }
        if let Some(sent) = self.sent.get(name) {
            return Cow::Owned(sent.clone());
        }
        let first = (!begins_well).then_some('_');
        let mut sent: String = first
            .into_iter()
            .chain(name.chars())
            .take(NAME_LIMIT - 9)
            .map(|c| {
                if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') {
                    c
                } else {
                    '_'
                }
            })
            .collect();
        sent.push('_');
        sent.extend(digest(name).take(8).filter_map(letter));
        self.sent.insert(name.to_owned(), sent.clone());
        self.own.insert(sent.clone(), name.to_owned());
        Cow::Owned(sent)
    }

    /// Returns the client's own name for `sent`.
    pub(crate) fn own<'n>(&'n self, sent: &'n str) -> &'n str {
        self.own.get(sent).map_or(sent, String::as_str)
    }
}

/// Returns the identifier to send for `id`, the same one each time, so that a call and its result
/// still belong together.
pub(crate) fn fit_id(id: &str, rule: ToolIds) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    match rule {
        ToolIds::Any => Cow::Borrowed(id),
        ToolIds::Plain if !id.is_empty() && id.bytes().all(plain) => Cow::Borrowed(id),
        ToolIds::Plain => {
            let tail = digest(id).take(16).filter_map(letter);
            Cow::Owned("call_".chars().chain(tail).collect())
        }
        ToolIds::NineAlphanumeric
            if id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) =>
        {
            Cow::Borrowed(id)
        }
        ToolIds::NineAlphanumeric => Cow::Owned(digest(id).take(9).filter_map(letter).collect()),
    }
}

/// A digit or a small letter.
fn letter(byte: u8) -> Option<char> {
    char::from_digit(u32::from(byte) % 36, 36)
}

fn digest(text: &str) -> impl Iterator<Item = u8> {
    <[u8; 32]>::from(Sha256::digest(text.as_bytes())).into_iter()
}

#[cfg(test)]
mod tests {
    use super::{ToolNames, fit_id};
    use crate::dialect::Dialect;
    use crate::table::ToolIds;

    #[test]
    fn a_name_that_fits_is_left_alone() {
        let mut names = ToolNames::default();
        assert_eq!(names.fit("get_weather-2"), "get_weather-2");
        assert_eq!(names.own("get_weather-2"), "get_weather-2");
    }

    #[test]
    fn a_name_that_does_not_fit_is_changed_and_changed_back() {
        let mut names = ToolNames::default();
        let long = "x".repeat(65);
        for name in ["a.b", "a/b", "", "größe", long.as_str()] {
            let sent = names.fit(name).into_owned();
            assert!(sent.len() <= 64 && !sent.is_empty(), "{sent}");
            assert!(
                sent.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
            );
            assert_eq!(names.fit(name), sent);
            assert_eq!(names.own(&sent), name);
        }
        assert_ne!(names.fit("a.b"), names.fit("a/b").into_owned());
    }

    #[test]
    fn google_s_names_begin_with_a_letter() {
        let mut names = ToolNames::of(Dialect::GeminiGenerate);
        for name in ["2nd_tool", "-x", "", "é"] {
            let sent = names.fit(name).into_owned();
            assert!(sent.starts_with('_'), "{sent}");
            assert_eq!(names.own(&sent), name);
        }
        assert_eq!(names.fit("get_2-nd"), "get_2-nd");
        assert_eq!(names.fit("_x"), "_x");
        assert_eq!(ToolNames::of(Dialect::OpenAiChat).fit("2nd"), "2nd");
    }

    #[test]
    fn an_identifier_fits_the_target_s_rule_and_stays_the_same() {
        assert_eq!(fit_id("toolu_01", ToolIds::Plain), "toolu_01");
        let plain = fit_id("functions.f:0", ToolIds::Plain);
        assert!(plain.starts_with("call_") && plain.len() == 21);
        let nine = fit_id("toolu_01", ToolIds::NineAlphanumeric);
        assert!(nine.len() == 9 && nine.bytes().all(|b| b.is_ascii_alphanumeric()));
        assert_eq!(nine, fit_id("toolu_01", ToolIds::NineAlphanumeric));
        assert_eq!(fit_id("abcDEF123", ToolIds::NineAlphanumeric), "abcDEF123");
    }
}
