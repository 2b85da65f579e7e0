//! What a caller knows of an object already: `If-Match` and `If-None-Match`.

use http::{HeaderMap, header};

use crate::{problem::Problem, reply::etag};

/// Checks that an object at `revision` is still the one that the caller knows.
pub(crate) fn check_match(headers: &HeaderMap, revision: u64) -> Result<(), Problem> {
    if is_listed(headers, &header::IF_NONE_MATCH, revision) == Some(true) {
        return Err(Problem::stale(
            "it exists already, and If-None-Match asks for a new one",
        ));
    }
    check_unchanged(headers, revision)
}

/// Checks `If-Match` alone, for a call that adds to what is at `revision`.
pub(crate) fn check_unchanged(headers: &HeaderMap, revision: u64) -> Result<(), Problem> {
    match is_listed(headers, &header::IF_MATCH, revision) {
        None | Some(true) => Ok(()),
        Some(false) => Err(Problem::stale(format!(
            "it has changed: its revision is {revision} now, read it again"
        ))),
    }
}

/// Checks a call that is to create something: there is nothing yet that could match.
pub(crate) fn check_new(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key(header::IF_MATCH) {
        return Err(Problem::stale(
            "it does not exist, so that no revision can match",
        ));
    }
    Ok(())
}

/// Tells whether the caller wants to create, and only that.
pub(crate) fn is_create_only(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .any(|value| value.as_bytes().trim_ascii() == b"*")
}

/// Tells whether the caller has what is at `revision` already.
pub(crate) fn is_known(headers: &HeaderMap, revision: u64) -> bool {
    is_listed(headers, &header::IF_NONE_MATCH, revision) == Some(true)
}

/// Tells whether a header lists the tag of `revision`; `None` when it is absent.
fn is_listed(headers: &HeaderMap, name: &header::HeaderName, revision: u64) -> Option<bool> {
    let wanted = etag(revision);
    let mut values = headers.get_all(name).iter().peekable();
    values.peek()?;
    let is_it = |tag: &str| {
        let tag = tag.trim();
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == wanted
    };
    Some(values.any(|value| value.to_str().is_ok_and(|tags| tags.split(',').any(is_it))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn a_tag_matches_its_own_revision_only() {
        for (value, is_match) in [
            ("\"rev-4\"", true),
            ("*", true),
            ("\"rev-3\", \"rev-4\"", true),
            ("\"rev-3\"", false),
            ("rev-4", false),
            ("", false),
        ] {
            let headers = headers(header::IF_MATCH, value);
            assert_eq!(check_match(&headers, 4).is_ok(), is_match, "{value}");
        }
        assert!(check_match(&HeaderMap::new(), 4).is_ok());
    }

    #[test]
    fn if_none_match_is_the_opposite() {
        assert!(check_match(&headers(header::IF_NONE_MATCH, "*"), 4).is_err());
        assert!(check_match(&headers(header::IF_NONE_MATCH, "\"rev-3\""), 4).is_ok());
        assert!(is_known(&headers(header::IF_NONE_MATCH, "W/\"rev-4\""), 4));
        assert!(check_new(&headers(header::IF_MATCH, "*")).is_err());
    }
}
