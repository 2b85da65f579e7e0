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
    let reason = "the path must begin with `/` and hold no `//`, no `.` or `..` segment, no \
                  backslash, and no encoded `/`, `\\`, `.` or NUL";
    let lower = path.to_ascii_lowercase();
    let is_normal = path.starts_with('/')
        && path.is_ascii()
        && !path.contains("//")
        && !path.contains('\\')
        && !path.split('/').any(|segment| matches!(segment, "." | ".."))
        && !["%2f", "%5c", "%2e", "%00"]
            .iter()
            .any(|encoded| lower.contains(encoded));
    if is_normal {
        Ok(())
    } else {
        Err(Failure::BadRequest { reason })
    }
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
    let authority: Authority = text.parse().map_err(|_| Failure::BadRequest {
        reason: MALFORMED_HOST,
    })?;
    if text.len() > MAX_HOST_BYTES || text.contains('@') {
        return Err(Failure::BadRequest {
            reason: MALFORMED_HOST,
        });
    }
    Ok(Host(
        authority.host().trim_end_matches('.').to_ascii_lowercase(),
    ))
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
        ] {
            let checked = check(&request(&[("host", "a")], path));
            assert!(matches!(checked, Err(Failure::BadRequest { .. })), "{path}");
        }
        assert!(check(&request(&[("host", "a")], "/v1/chat/completions?x=..%2f")).is_ok());
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
