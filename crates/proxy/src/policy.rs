//! What a request must be before anything else looks at it.

use http::header::{CONTENT_ENCODING, EXPECT, HOST};
use http::request::Parts;
use http::uri::Authority;
use http::{Method, Version};

use crate::failure::Failure;
use crate::listener::Misframed;

/// The host a request is for: lower case, without its port; empty when HTTP/1.0 names none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Host(String);

impl Host {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Checks framing, method, host and path.
///
/// The framing was judged where the bytes came in: hyper hides what it was lenient about.
/// Strict where two readers of the same request could disagree: what one of them lets through,
/// the other may take for something else (RFC 9112, sections 3.2 and 6.3).
pub(crate) fn check(parts: &Parts) -> Result<Host, Failure> {
    if let Some(fault) = parts.extensions.get::<Misframed>() {
        return Err(Failure::BadRequest {
            reason: fault.reason(),
        });
    }
    check_method(&parts.method)?;
    check_path(parts.uri.path())?;
    if let Some(expected) = parts.headers.get(EXPECT)
        && !expected.as_bytes().eq_ignore_ascii_case(b"100-continue")
    {
        return Err(Failure::Expectation);
    }
    if let Some(encoding) = parts
        .headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .find(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        return Err(Failure::UnsupportedEncoding {
            encoding: String::from_utf8_lossy(encoding.as_bytes()).into_owned(),
        });
    }
    check_host(parts)
}

fn check_method(method: &Method) -> Result<(), Failure> {
    match *method {
        Method::GET | Method::POST | Method::HEAD | Method::DELETE => Ok(()),
        _ => Err(Failure::MethodNotAllowed {
            method: method.to_string(),
            allow: ALLOW,
        }),
    }
}

/// One normal form, so that no rule can be walked around by another spelling of its path.
fn check_path(path: &str) -> Result<(), Failure> {
    if is_normal(path) {
        Ok(())
    } else {
        Err(Failure::BadRequest {
            reason: "the path must begin with `/` and hold no `//`, no `.` or `..` segment, no \
                     backslash, and no encoded `/`, `\\`, `.` or NUL",
        })
    }
}

fn is_normal(path: &str) -> bool {
    let bytes = path.as_bytes();
    let is_plain = |byte: &u8| byte.is_ascii() && *byte != b'\\';
    let is_segment = |segment: &[u8]| !matches!(segment, b"." | b"..");
    bytes.first() == Some(&b'/')
        && bytes.iter().all(is_plain)
        && !bytes.windows(2).any(|pair| pair == b"//")
        && bytes.split(|byte| *byte == b'/').all(is_segment)
        && memchr::memchr_iter(b'%', bytes).all(|at| !hides(bytes.get(at + 1..at + 3)))
}

/// Whether the two digits behind a `%` stand for a byte that makes a path ambiguous.
fn hides(digits: Option<&[u8]>) -> bool {
    let Some([high, low]) = digits else {
        return false;
    };
    let digits = [high.to_ascii_lowercase(), low.to_ascii_lowercase()];
    matches!(&digits, b"2f" | b"5c" | b"2e" | b"00")
}

fn check_host(parts: &Parts) -> Result<Host, Failure> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let header = hosts.next();
    if hosts.next().is_some() {
        return Err(Failure::BadRequest {
            reason: "send exactly one Host header",
        });
    }
    let header = match header.map(|value| value.to_str()) {
        Some(Ok(text)) => Some(text),
        Some(Err(_)) => {
            return Err(Failure::BadRequest {
                reason: MALFORMED_HOST,
            });
        }
        None => None,
    };
    let authority = parts.uri.authority().map(Authority::as_str);
    let text = match (header, authority) {
        (Some(header), Some(authority)) if !header.eq_ignore_ascii_case(authority) => {
            return Err(Failure::BadRequest {
                reason: "the Host header and the request's authority must be the same",
            });
        }
        (Some(text), _) | (None, Some(text)) => text,
        (None, None) if parts.version == Version::HTTP_10 => "",
        (None, None) => {
            return Err(Failure::BadRequest {
                reason: "send a Host header",
            });
        }
    };
    if text.is_empty() {
        return Ok(Host(String::new()));
    }
    let malformed = Failure::BadRequest {
        reason: MALFORMED_HOST,
    };
    if text.len() > MAX_HOST_BYTES || text.contains('@') {
        return Err(malformed);
    }
    if let Some(name) = plain_name(text) {
        return Ok(Host(name.to_ascii_lowercase()));
    }
    let authority: Authority = text.parse().map_err(|_| malformed)?;
    Ok(Host(
        authority.host().trim_end_matches('.').to_ascii_lowercase(),
    ))
}

/// The name in `text` where it is no more than letters, digits, dots and hyphens, perhaps with a port:
/// what nearly every request has, and what needs no parser.
fn plain_name(text: &str) -> Option<&str> {
    let (name, port) = text.split_once(':').unwrap_or((text, "0"));
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
    let is_port = (1..=4).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit());
    (is_port && !name.is_empty() && name.bytes().all(is_plain)).then(|| name.trim_end_matches('.'))
}

const ALLOW: &str = "GET, POST, HEAD, DELETE";
const MALFORMED_HOST: &str = "the Host header is not a host name with an optional port";
/// The longest name that DNS knows.
const MAX_HOST_BYTES: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    fn request(head: &[(&str, &str)], uri: &str) -> Parts {
        let mut builder = http::Request::get(uri);
        for (name, value) in head {
            builder = builder.header(*name, *value);
        }
        builder.body(()).unwrap().into_parts().0
    }

    #[track_caller]
    fn check_host_of(hosts: &[&str], expected: Option<&str>) {
        let head: Vec<_> = hosts.iter().map(|host| ("host", *host)).collect();
        let found = check(&request(&head, "/")).ok();
        assert_eq!(found.as_ref().map(Host::as_str), expected);
    }

    #[test]
    fn a_host_is_lower_case_without_port() {
        check_host_of(&["API.Example.com:8081"], Some("api.example.com"));
        check_host_of(&["[::1]:8081"], Some("[::1]"));
        check_host_of(&["api.example.com.:65535"], Some("api.example.com"));
        check_host_of(&["10.0.0.1"], Some("10.0.0.1"));
    }

    #[test]
    fn a_host_is_given_once_and_well_formed() {
        check_host_of(&[], None);
        check_host_of(&["a", "a"], None);
        check_host_of(&["a@b/../c"], None);
        check_host_of(&["a b"], None);
    }

    #[test]
    fn a_path_has_one_spelling() {
        for path in [
            "/v1/../admin",
            "/v1/%2e%2e/admin",
            "//admin",
            "/a%2Fb",
            "/a/./b",
            "/a/%2E./b",
            "/a/%5C",
            "/a/%00",
            "/a//b",
            "/.",
            "/a/..",
        ] {
            let checked = check(&request(&[("host", "a")], path));
            assert!(matches!(checked, Err(Failure::BadRequest { .. })), "{path}");
        }
        for path in [
            "/v1/chat/completions?x=..%2f",
            "/",
            "/a/",
            "/a/...",
            "/a%2",
            "/%20%",
            "/a.b",
        ] {
            assert!(check(&request(&[("host", "a")], path)).is_ok(), "{path}");
        }
    }

    #[test]
    fn a_compressed_body_is_refused() {
        let parts = request(&[("host", "a"), ("content-encoding", "gzip")], "/");
        assert!(matches!(
            check(&parts),
            Err(Failure::UnsupportedEncoding { .. })
        ));
    }

    #[test]
    fn tracing_and_tunnels_are_refused() {
        for method in [Method::TRACE, Method::CONNECT, Method::PUT] {
            let mut parts = request(&[("host", "a")], "/");
            parts.method = method;
            assert!(matches!(
                check(&parts),
                Err(Failure::MethodNotAllowed { .. })
            ));
        }
    }
}
