//! Malformed HTTP/1.1: a valid request, and what was done to it.

use super::chance::Chance;

/// One connection's bytes.
pub(crate) fn bytes(chance: &mut Chance, tag: &str) -> Vec<u8> {
    let body = body(tag);
    let length = format!("content-length: {}\r\n", body.len());
    let good = request("POST", PATH, "HTTP/1.1", &length, body.as_bytes());
    let mut bytes = match chance.below(10) {
        0 | 1 => flipped(chance, good),
        2 => {
            let cut = chance.below(good.len());
            // Nothing follows what is cut: it would become a part of it.
            return good.get(..cut).unwrap_or_default().to_vec();
        }
        3 => {
            let more = chance.one_of(&HEADERS).unwrap_or_default();
            request(
                "POST",
                PATH,
                "HTTP/1.1",
                &format!("{length}{more}"),
                body.as_bytes(),
            )
        }
        4 => lengths(chance, &body),
        5 => chunked(chance, &body),
        6 => {
            let method = chance.one_of(&METHODS).unwrap_or_default();
            request(method, PATH, "HTTP/1.1", &length, body.as_bytes())
        }
        7 => {
            let target = chance.one_of(&TARGETS).unwrap_or_default();
            let version = chance.one_of(&VERSIONS).unwrap_or_default();
            request("POST", target, version, &length, body.as_bytes())
        }
        8 => {
            let (count, size) = (chance.below(200), chance.below(2_000));
            let many = format!("x-a: {}\r\n", "y".repeat(size)).repeat(count);
            request(
                "POST",
                PATH,
                "HTTP/1.1",
                &format!("{length}{many}"),
                body.as_bytes(),
            )
        }
        _ => {
            let mut bytes = good;
            let count = chance.below(300) + 1;
            bytes.extend(chance.bytes(count));
            bytes
        }
    };
    bytes.extend_from_slice(b"GET /livez HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    bytes
}

/// What asks for an answer of the target, and says whose it is.
pub(crate) fn body(tag: &str) -> String {
    format!(r#"{{"user":"{tag}","model":"m","messages":[{{"role":"user","content":"hello"}}]}}"#)
}

pub(crate) fn request(
    method: &str,
    target: &str,
    version: &str,
    headers: &str,
    body: &[u8],
) -> Vec<u8> {
    let head = format!(
        "{method} {target} {version}\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         {headers}\r\n"
    );
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// Some bytes changed, left out or put in, before the tag.
fn flipped(chance: &mut Chance, mut bytes: Vec<u8>) -> Vec<u8> {
    let before_tag = bytes.windows(6).position(|six| six == b"\"user\"");
    let end = before_tag.unwrap_or(bytes.len());
    for _ in 0..=chance.below(4) {
        // Never past where the tag may have moved to.
        let place = chance.below(end.saturating_sub(8));
        let new = if chance.below(3) == 0 {
            *chance.one_of(&CONTROLS).unwrap_or(&0)
        } else {
            chance.byte()
        };
        match chance.below(3) {
            0 => drop(bytes.remove(place)),
            1 => bytes.insert(place, new),
            _ => {
                if let Some(byte) = bytes.get_mut(place) {
                    *byte = new;
                }
            }
        }
    }
    bytes
}

/// Lengths that say different things, or two ways to say them.
fn lengths(chance: &mut Chance, body: &str) -> Vec<u8> {
    let n = body.len();
    let other = chance.below(2 * n);
    let headers = match chance.below(10) {
        0 => format!("content-length: {n}\r\ncontent-length: {other}\r\n"),
        1 => format!("content-length: {n}\r\ncontent-length: {n}\r\n"),
        2 => format!("content-length: {n}, {n}\r\n"),
        3 => format!("content-length: +{n}\r\n"),
        4 => format!("content-length: 0x{n:x}\r\n"),
        5 => format!("content-length: {n}\r\ntransfer-encoding: chunked\r\n"),
        6 => format!("transfer-encoding: chunked\r\ncontent-length: {n}\r\n"),
        7 => format!("content-length: {other}\r\n"),
        8 => "content-length: 18446744073709551617\r\n".to_owned(),
        _ => format!("content-length: -{n}\r\n"),
    };
    request("POST", PATH, "HTTP/1.1", &headers, body.as_bytes())
}

/// Chunks with faults in their sizes, ends, extensions and trailers.
fn chunked(chance: &mut Chance, body: &str) -> Vec<u8> {
    let coding = chance.one_of(&CODINGS).unwrap_or_default();
    let n = body.len();
    let chunks = match chance.below(9) {
        0 => format!("{n:x}\r\n{body}\r\n0\r\n\r\n"),
        1 => format!("0x{n:x}\r\n{body}\r\n0\r\n\r\n"),
        2 => format!("{n:x}\n{body}\n0\n\n"),
        3 => format!("{:x}\r\n{body}\r\n0\r\n\r\n", n + 1 + chance.below(9)),
        4 => format!("{:x}\r\n{body}\r\n0\r\n\r\n", n.saturating_sub(1)),
        5 => format!("ffffffffffffffffff\r\n{body}\r\n0\r\n\r\n"),
        6 => format!(
            "{n:x};{}\r\n{body}\r\n0\r\n\r\n",
            "e".repeat(chance.below(40_000))
        ),
        7 => format!("{n:x}\r\n{body}\r\n0\r\nx-mine: y\r\nauthorization: z\r\n\r\n"),
        _ => format!("-{n:x}\r\n{body}\r\n0\r\n\r\n"),
    };
    let headers = format!("transfer-encoding: {coding}\r\n");
    request("POST", PATH, "HTTP/1.1", &headers, chunks.as_bytes())
}

pub(crate) const PATH: &str = "/malformed/v1/chat/completions";
const CONTROLS: [&u8; 8] = [&0, &9, &10, &13, &27, &127, &b':', &b' '];
const METHODS: [&str; 9] = [
    "TRACE",
    "CONNECT",
    "PO ST",
    "post",
    "",
    "P\0ST",
    "PRI",
    "GET",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZABC",
];
const TARGETS: [&str; 11] = [
    "",
    "*",
    "/malformed/../admin",
    "/malformed/%2e%2e/v1/chat/completions",
    "//malformed/v1/chat/completions",
    "/malformed/v1/chat/completions%00",
    "/malformed/v1\\chat",
    "/malformed/v1/chat/completions#x",
    "http://elsewhere/malformed/v1/chat/completions",
    "/malformed/v1/chat/\u{e9}",
    PATH,
];
const VERSIONS: [&str; 7] = [
    "HTTP/1.2",
    "HTTP/2.0",
    "HTTP/0.9",
    "HTTP/1.0",
    "http/1.1",
    "HTTP/1.1 ",
    "",
];
const CODINGS: [&str; 6] = [
    "chunked",
    "chunked",
    "gzip, chunked",
    "chunked, chunked",
    "xchunked",
    "identity",
];
const HEADERS: [&str; 12] = [
    "host: other\r\n",
    "Host: a@b/../c\r\n",
    "x-a : b\r\n",
    "x-a: b\r\n folded\r\n",
    "x-a: b\0c\r\n",
    "x-a: b\rc\r\n",
    "no colon\r\n",
    ": no name\r\n",
    "connection: close, x-mine\r\nx-mine: y\r\n",
    "upgrade: foo\r\nconnection: upgrade\r\n",
    "expect: 200-ok\r\n",
    "X_Api_Key: a\r\nauthorization: z\r\n",
];
