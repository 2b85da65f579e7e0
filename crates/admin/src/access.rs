//! Who may call.

use std::{fmt, net::SocketAddr};

use ai_gateway_model::Secret;
use http::{HeaderMap, Uri, header, uri::Authority};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::problem::{Code, Problem};

/// Who may call the Admin API. [`for_listener`](Self::for_listener) chooses what is safe.
#[derive(Clone)]
pub struct Access(Rule);

#[derive(Clone)]
enum Rule {
    /// Whoever is on this machine, and no page that a browser shows there.
    Loopback,
    /// Whoever has the token.
    Token([u8; 32]),
}

impl Access {
    /// Chooses for a listener on `address`: with a token every call must carry it; without one,
    /// only a loopback address is allowed, and only calls that name a loopback host.
    ///
    /// # Errors
    ///
    /// [`RefusedBind`] when there is no token and others than this machine could call.
    pub fn for_listener(address: SocketAddr, token: Option<&Secret>) -> Result<Self, RefusedBind> {
        match token {
            Some(token) if token.expose().trim().is_empty() => Err(RefusedBind::EmptyToken),
            Some(token) => Ok(Self(Rule::Token(Sha256::digest(token.expose()).into()))),
            None if address.ip().to_canonical().is_loopback() => Ok(Self(Rule::Loopback)),
            None => Err(RefusedBind::Open { address }),
        }
    }

    /// Returns in whose name changes are made.
    pub(crate) fn author(&self) -> &'static str {
        match self.0 {
            Rule::Loopback => "admin-api (loopback)",
            Rule::Token(_) => "admin-api (token)",
        }
    }

    /// Checks a call.
    pub(crate) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        match &self.0 {
            Rule::Loopback => check_loopback(uri, headers),
            Rule::Token(expected) => check_token(expected, headers),
        }
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.author())
    }
}

/// Why a listener would not be safe.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusedBind {
    /// Anyone who reaches the address could change everything.
    #[error(
        "the Admin API cannot listen on {address} without a token: set AIGW_ADMIN_TOKEN, or \
         listen on 127.0.0.1"
    )]
    Open {
        /// The address.
        address: SocketAddr,
    },
    /// A token of nothing is none.
    #[error("the admin token is empty")]
    EmptyToken,
}

fn check_token(expected: &[u8; 32], headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| Sha256::digest(token.trim()));
    let Some(given) = given else {
        return Err(Problem::new(
            Code::Unauthorized,
            "this call needs the header Authorization: Bearer with the admin token",
        ));
    };
    // Digests of the same length, compared in the same time whatever they are.
    if bool::from(given.ct_eq(expected)) {
        Ok(())
    } else {
        let detail = "the admin token is wrong";
        Err(Problem::new(Code::Unauthorized, detail))
    }
}

/// Keeps out web pages: neither a name that an attacker points at this machine nor a page of
/// another origin gets through.
fn check_loopback(uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let forbidden = |detail| Err(Problem::new(Code::Forbidden, detail));
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok(),
        (None, None) => uri.authority().map(Authority::as_str),
        (_, Some(_)) => None,
    };
    let authority = host.and_then(|host| host.parse::<Authority>().ok());
    let Some(authority) = authority.filter(|authority| !authority.as_str().contains('@')) else {
        return Err(Problem::new(
            Code::InvalidHost,
            "the Host header is missing or malformed",
        ));
    };
    if !is_loopback_name(authority.host()) {
        return forbidden(
            "without a token only calls to a loopback host, such as 127.0.0.1, are answered",
        );
    }
    if let Some(origin) = headers.get(header::ORIGIN) {
        let is_same = origin
            .to_str()
            .ok()
            .and_then(|origin| origin.split_once("://"))
            .is_some_and(|(_, origin)| origin.eq_ignore_ascii_case(authority.as_str()));
        if !is_same {
            return forbidden("calls from a web page of another origin are not answered");
        }
    }
    let is_cross_site = headers
        .get("sec-fetch-site")
        .is_some_and(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"));
    if is_cross_site {
        return forbidden("calls from a web page of another origin are not answered");
    }
    Ok(())
}

fn is_loopback_name(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loopback(pairs: &[(&'static str, &str)]) -> Option<u16> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        let access = Access::for_listener("127.0.0.1:0".parse().unwrap(), None).unwrap();
        let checked = access.check(&Uri::from_static("/x"), &headers);
        checked.err().map(|problem| problem.code.status().as_u16())
    }

    #[test]
    fn only_loopback_names_are_answered_without_a_token() {
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1:8080",
            "127.9.9.9",
            "[::1]:8080",
        ] {
            assert_eq!(loopback(&[("host", host)]), None, "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example:8080",
            "0.0.0.0:1",
            "10.0.0.1",
            "[::2]",
        ] {
            assert_eq!(loopback(&[("host", host)]), Some(403), "{host}");
        }
        for host in ["a@localhost", "localhost/x?y", ""] {
            assert_eq!(loopback(&[("host", host)]), Some(400), "{host}");
        }
        assert_eq!(loopback(&[]), Some(400));
        assert_eq!(
            loopback(&[("host", "localhost"), ("host", "localhost")]),
            Some(400)
        );
    }

    #[test]
    fn a_page_of_another_origin_is_refused() {
        let from = |origin| loopback(&[("host", "localhost:8080"), ("origin", origin)]);
        assert_eq!(from("http://localhost:8080"), None);
        for origin in ["http://localhost:3000", "https://evil.example", "null"] {
            assert_eq!(from(origin), Some(403), "{origin}");
        }
        let site = |site| loopback(&[("host", "localhost"), ("sec-fetch-site", site)]);
        assert_eq!(site("cross-site"), Some(403));
        assert_eq!(site("same-site"), Some(403));
        assert_eq!(site("none"), None);
    }

    #[test]
    fn an_address_that_others_reach_needs_a_token() {
        let token = Secret::new("t");
        for address in ["0.0.0.0:8080", "[::]:8080", "192.168.1.2:8080"] {
            let address = address.parse().unwrap();
            assert!(Access::for_listener(address, None).is_err(), "{address}");
            assert!(Access::for_listener(address, Some(&token)).is_ok());
        }
        let loopback = "[::1]:8080".parse().unwrap();
        assert!(Access::for_listener(loopback, None).is_ok());
        let empty = Secret::new(" ");
        assert_eq!(
            Access::for_listener(loopback, Some(&empty)).err(),
            Some(RefusedBind::EmptyToken)
        );
    }

    #[test]
    fn a_token_must_be_the_whole_token() {
        let token = Secret::new("s3cret");
        let access = Access::for_listener("0.0.0.0:0".parse().unwrap(), Some(&token)).unwrap();
        let check = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            access.check(&Uri::from_static("/"), &headers).is_ok()
        };
        assert!(check("Bearer s3cret"));
        assert!(check("bearer s3cret"));
        for wrong in [
            "Bearer s3cre",
            "Bearer s3crett",
            "Bearer ",
            "s3cret",
            "Basic s3cret",
        ] {
            assert!(!check(wrong), "{wrong}");
        }
    }
}
