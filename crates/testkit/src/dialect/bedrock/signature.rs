//! Checks who asks: a signature (AWS Signature Version 4), or a key of Bedrock's own.
//!
//! Written from Amazon's description of the signature, with nothing of what signs in the gateway.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

use super::{Call, Refusal};
use crate::dialect::header;

/// The service that a signature must be made for.
const SERVICE: &str = "bedrock";

/// How far the clock of who signs may be off.
const MOST_OFF: Duration = Duration::from_secs(5 * 60);

/// Lets in who has the stand-in's key: `ID:SECRET` or `ID:SECRET:TOKEN` of AWS, by which requests
/// are signed, or one that is sent as it is.
pub(super) fn check(call: &Call<'_>) -> Result<(), Refusal> {
    let Some(key) = call.key else {
        return Ok(());
    };
    let mut parts = key.splitn(3, ':');
    let (id, secret, token) = (parts.next(), parts.next(), parts.next());
    match (id, secret) {
        (Some(id), Some(secret)) => check_signature(call, id, secret, token.unwrap_or("")),
        _ if header(call.headers, "authorization").strip_prefix("Bearer ") == Some(key) => Ok(()),
        _ => Err(refused(
            "AccessDeniedException",
            "Authentication failed: Please make sure your API Key is valid.",
        )),
    }
}

fn refused(kind: &'static str, message: impl Into<String>) -> Refusal {
    Refusal {
        status: 403,
        kind,
        ..Refusal::invalid(message)
    }
}

fn mismatch(message: impl Into<String>) -> Refusal {
    refused("InvalidSignatureException", message)
}

/// The parts of the header that holds a signature.
struct Signed<'a> {
    id: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    headers: Vec<&'a str>,
    signature: &'a str,
}

impl<'a> Signed<'a> {
    fn read(authorization: &'a str) -> Option<Self> {
        let parts = authorization.strip_prefix("AWS4-HMAC-SHA256 ")?;
        let part = |name: &str| {
            let mut parts = parts.split(',');
            parts.find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
        };
        let mut scope = part("Credential")?.split('/');
        let signed = Self {
            id: scope.next()?,
            date: scope.next()?,
            region: scope.next()?,
            service: scope.next()?,
            headers: part("SignedHeaders")?.split(';').collect(),
            signature: part("Signature")?,
        };
        (scope.next() == Some("aws4_request") && scope.next().is_none()).then_some(signed)
    }
}

fn check_signature(call: &Call<'_>, id: &str, secret: &str, token: &str) -> Result<(), Refusal> {
    let authorization = header(call.headers, "authorization");
    if authorization.is_empty() {
        return Err(refused(
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        ));
    }
    let signed = Signed::read(authorization).ok_or_else(|| {
        refused(
            "IncompleteSignatureException",
            "The request signature does not conform to AWS standards.",
        )
    })?;
    if signed.id != id || header(call.headers, "x-amz-security-token") != token {
        return Err(refused(
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        ));
    }
    if signed.service != SERVICE {
        return Err(mismatch(format!(
            "Credential should be scoped to correct service: '{SERVICE}'."
        )));
    }
    let time = header(call.headers, "x-amz-date");
    if !time.starts_with(signed.date) || !is_fresh(time, call.now) {
        return Err(mismatch(format!(
            "Signature expired or not yet valid: {time}"
        )));
    }
    check_headers(&signed.headers, call.headers)?;
    let canonical = canonical(call, &signed.headers);
    let scope = format!("{}/{}/{SERVICE}/aws4_request", signed.date, signed.region);
    let digest = hex(&Sha256::digest(canonical));
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{digest}");
    let key = [signed.date, signed.region, SERVICE, "aws4_request"]
        .iter()
        .fold(format!("AWS4{secret}").into_bytes(), |key, part| {
            hmac(&key, part.as_bytes())
        });
    if hex(&hmac(&key, to_sign.as_bytes())) == signed.signature {
        return Ok(());
    }
    Err(mismatch(
        "The request signature we calculated does not match the signature you provided. Check your \
         AWS Secret Access Key and signing method.",
    ))
}

fn is_fresh(time: &str, now: SystemTime) -> bool {
    let Ok(time) = DateTime::strptime("%Y%m%dT%H%M%SZ", time) else {
        return false;
    };
    let Ok(time) = time.to_zoned(TimeZone::UTC).map(SystemTime::from) else {
        return false;
    };
    let off = now
        .duration_since(time)
        .or_else(|_| time.duration_since(now));
    off.is_ok_and(|off| off <= MOST_OFF)
}

/// The host, the type of the body and whatever is Amazon's must be signed.
fn check_headers(signed: &[&str], headers: &HeaderMap) -> Result<(), Refusal> {
    let must = |name: &str| matches!(name, "host" | "content-type") || name.starts_with("x-amz-");
    let mut given = headers.keys().map(http::HeaderName::as_str);
    if let Some(name) = given.find(|name| must(name) && !signed.contains(name)) {
        return Err(mismatch(format!("'{name}' must be a signed header")));
    }
    if !signed.is_sorted() {
        return Err(mismatch("The signed headers must be sorted."));
    }
    Ok(())
}

/// The request in the one form in which it is signed.
fn canonical(call: &Call<'_>, signed: &[&str]) -> String {
    let query = call.target.split_once('?').map_or("", |(_, query)| query);
    let mut query: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
    query.sort_unstable();
    let path = call.path.split('/').map(|segment| {
        // Encoded once to be sent, and once more to be signed.
        utf8_percent_encode(segment, ENCODED).to_string()
    });
    let path = path.collect::<Vec<_>>().join("/");
    let mut text = format!("{}\n{path}\n{}\n", call.method, query.join("&"));
    for name in signed {
        let values = call.headers.get_all(*name).iter();
        let values = values.map(|value| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            value.split_whitespace().collect::<Vec<_>>().join(" ")
        });
        text.push_str(&format!(
            "{name}:{}\n",
            values.collect::<Vec<_>>().join(",")
        ));
    }
    let digest = hex(&Sha256::digest(call.body));
    text.push_str(&format!("\n{}\n{digest}", signed.join(";")));
    text
}

/// All but what a URL may hold anywhere.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// HMAC with SHA-256 (RFC 2104).
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 64;
    let mut block = if key.len() > BLOCK {
        Sha256::digest(key).to_vec()
    } else {
        key.to_vec()
    };
    block.resize(BLOCK, 0);
    let padded = |pad: u8| {
        block
            .iter()
            .map(move |byte| byte ^ pad)
            .collect::<Vec<u8>>()
    };
    let inner = Sha256::new()
        .chain_update(padded(0x36))
        .chain_update(message)
        .finalize();
    let outer = Sha256::new().chain_update(padded(0x5c)).chain_update(inner);
    outer.finalize().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").ok();
        text
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use http::{HeaderMap, HeaderName, Method};

    use super::{check, hex, hmac};
    use crate::dialect::Call;

    /// 2015-08-30T12:36:00Z.
    fn then() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_440_938_160)
    }

    fn call<'a>(headers: &'a HeaderMap, path: &'a str, body: &'a str, now: SystemTime) -> Call<'a> {
        Call {
            method: &Method::POST,
            target: path,
            path,
            headers,
            body: body.as_bytes(),
            name: "here",
            key: Some("AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            models: &[],
            refuses_other_models: false,
            say: None,
            serial: 0,
            now,
        }
    }

    fn headers(authorization: &str) -> HeaderMap {
        let given = [
            ("host", "bedrock-runtime.us-east-1.amazonaws.com"),
            ("content-type", "application/json"),
            ("x-amz-date", "20150830T123600Z"),
            ("authorization", authorization),
        ];
        let given = given.map(|(name, value)| (HeaderName::from_static(name), value));
        let given = given.map(|(name, value)| (name, value.parse().unwrap()));
        given.into_iter().collect()
    }

    #[track_caller]
    fn refused_as(call: &Call<'_>, kind: &str) {
        let refusal = check(call).unwrap_err();
        assert_eq!((refusal.status, refusal.kind), (403, kind), "{refusal:?}");
    }

    /// Made with `botocore`, Amazon's own client for Python.
    const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/bedrock/aws4_request, \
         SignedHeaders=content-type;host;x-amz-date, \
         Signature=3e7a65d7be53ea05f2056c8be3595f9e07d04b2c7fdc96efb644946d957658c0";
    const PATH: &str = "/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse";
    const BODY: &str = r#"{"messages": []}"#;

    #[test]
    fn what_amazon_s_client_signs_is_let_in_and_nothing_else() {
        let good = headers(AUTHORIZATION);
        check(&call(&good, PATH, BODY, then())).unwrap();
        let kind = "InvalidSignatureException";
        refused_as(&call(&good, PATH, "{}", then()), kind);
        refused_as(&call(&good, "/model/a/converse", BODY, then()), kind);
        let later = then() + Duration::from_secs(301);
        refused_as(&call(&good, PATH, BODY, later), kind);
        let mut unsigned = good;
        unsigned.insert("x-amz-more", "1".parse().unwrap());
        refused_as(&call(&unsigned, PATH, BODY, then()), kind);
        let other = headers(&AUTHORIZATION.replace("/bedrock/", "/s3/"));
        refused_as(&call(&other, PATH, BODY, then()), kind);
        let stranger = headers(&AUTHORIZATION.replace("AKIDEXAMPLE", "AKIDOTHER"));
        refused_as(
            &call(&stranger, PATH, BODY, then()),
            "UnrecognizedClientException",
        );
        let bearer = headers("Bearer AKIDEXAMPLE");
        refused_as(
            &call(&bearer, PATH, BODY, then()),
            "IncompleteSignatureException",
        );
        refused_as(
            &call(&HeaderMap::new(), PATH, BODY, then()),
            "MissingAuthenticationTokenException",
        );
    }

    /// Test case 1 and 6 of RFC 4231.
    #[test]
    fn the_keyed_digest_is_that_of_the_standard() {
        assert_eq!(
            hex(&hmac(&[0x0b; 20], b"Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
        let long = hmac(
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
        );
        assert_eq!(
            hex(&long),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }
}
