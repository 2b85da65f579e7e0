//! Headers that an operator adds to requests.

use std::collections::BTreeMap;

use crate::{
    Faults,
    read::{Field, join},
    write::Writer,
};

/// Reads headers by name, lower-cased; a credential or a header of the connection is refused.
pub(crate) fn read_headers(
    field: &Field<'_>,
    faults: &mut Faults,
) -> Option<BTreeMap<String, String>> {
    let written = field.texts(MAX_HEADERS, faults)?;
    let mut headers = BTreeMap::new();
    for (name, value) in written {
        let pointer = join(&field.pointer, &name);
        let lower = name.to_ascii_lowercase();
        if !is_header_name(&name) {
            faults.push(pointer, "invalid header name");
        } else if !is_header_value(&value) {
            faults.push(pointer, "invalid header value");
        } else if CREDENTIAL_HEADERS.contains(&lower.as_str()) {
            faults.push_with(
                pointer,
                "a credential must not stand among the headers",
                Some("write it in credentials, where it is kept secret".to_owned()),
            );
        } else if CONNECTION_HEADERS.contains(&lower.as_str()) {
            faults.push(
                pointer,
                "this header belongs to the connection and cannot be set",
            );
        } else if headers.insert(lower, value).is_some() {
            faults.push(pointer, "this header is given twice");
        }
    }
    Some(headers)
}

/// Writes headers that there are.
pub(crate) fn write_headers(writer: &mut Writer, headers: &BTreeMap<String, String>) {
    let pairs = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    writer.put_texts("headers", pairs);
}

/// Tells whether `text` is a token (RFC 9110, 5.6.2) of a bearable length.
pub(crate) fn is_header_name(text: &str) -> bool {
    (1..=256).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Tells whether `text` can be sent as a header's value: ASCII, neither control nor line break.
pub(crate) fn is_header_value(text: &str) -> bool {
    text.len() <= MAX_VALUE_BYTES && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

const CREDENTIAL_HEADERS: [&str; 6] = [
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "cookie",
];

/// Headers that the connection to the target sets, or that would split a request in two.
pub(crate) const CONNECTION_HEADERS: [&str; 9] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
];

const MAX_HEADERS: usize = 64;
const MAX_VALUE_BYTES: usize = 8 * 1024;
