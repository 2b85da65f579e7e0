//! The rows: a name, a request byte for byte, what it is answered.

/// A row of the table.
type Row = (&'static str, String, Rule);

/// What is answered, and whether the connection goes on after it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Rule {
    /// Answered so, with a target's help.
    Served,
    /// Refused with this status; the connection ends, and no target hears of it.
    Refused(u16),
    /// Refused with this status; no target hears of it.
    Answered(u16),
}

use self::Rule::{Answered, Refused, Served};

pub(super) const BODY: &str = r#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#;

/// A chat request with `headers` before its body.
pub(super) fn chat(headers: &str) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n{headers}content-length: {}\r\n\r\n{BODY}",
        BODY.len()
    )
}

fn chunked(headers: &str, body: &str) -> String {
    format!("POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n{headers}\r\n{body}")
}

fn chunks() -> String {
    format!("{:x}\r\n{BODY}\r\n0\r\n\r\n", BODY.len())
}

const CHUNKED: &str = "transfer-encoding: chunked\r\n";

/// All of them.
pub(super) fn rows() -> Vec<Row> {
    [
        encodings(),
        lengths(),
        lines(),
        heads(),
        hosts(),
        paths(),
        methods(),
    ]
    .concat()
}

fn encodings() -> Vec<Row> {
    let length = format!("content-length: {}\r\n", BODY.len());
    let te = CHUNKED;
    let chunks = chunks();
    vec![
        ("chunked", chunked(te, &chunks), Served),
        (
            "CL then TE",
            chunked(&format!("{length}{te}"), &chunks),
            Refused(400),
        ),
        (
            "TE then CL",
            chunked(&format!("{te}{length}"), &chunks),
            Refused(400),
        ),
        (
            "TE gzip, chunked",
            chunked("transfer-encoding: gzip, chunked\r\n", &chunks),
            Refused(400),
        ),
        (
            "TE chunked, chunked",
            chunked("transfer-encoding: chunked, chunked\r\n", &chunks),
            Refused(400),
        ),
        (
            "TE twice",
            chunked(&format!("{te}{te}"), &chunks),
            Refused(400),
        ),
        (
            "TE identity",
            chunked("transfer-encoding: identity\r\n", BODY),
            Refused(400),
        ),
        (
            "TE xchunked",
            chunked("transfer-encoding: xchunked\r\n", &chunks),
            Refused(400),
        ),
        (
            "TE chunked, gzip",
            chunked("transfer-encoding: chunked, gzip\r\n", &chunks),
            Refused(400),
        ),
        (
            "TE on 1.0",
            chunked(te, &chunks).replace("HTTP/1.1", "HTTP/1.0"),
            Refused(400),
        ),
    ]
}

fn lengths() -> Vec<Row> {
    let length = format!("content-length: {}\r\n", BODY.len());
    vec![
        ("plain", chat(""), Served),
        ("two equal CL", chat(&length), Refused(400)),
        ("two CL", chat("content-length: 3\r\n"), Refused(400)),
        (
            "CL list",
            chunked("content-length: 2, 2\r\n", "{}"),
            Refused(400),
        ),
        (
            "CL +2",
            chunked("content-length: +2\r\n", "{}"),
            Refused(400),
        ),
        (
            "CL 0x2",
            chunked("content-length: 0x2\r\n", "{}"),
            Refused(400),
        ),
        (
            "CL empty",
            chunked("content-length: \r\n", "{}"),
            Refused(400),
        ),
        (
            "CL overflow",
            chunked("content-length: 99999999999999999999\r\n", "{}"),
            Refused(400),
        ),
    ]
}

fn lines() -> Vec<Row> {
    let te = CHUNKED;
    let chunks = chunks();
    let size = format!("{:x}", BODY.len());
    vec![
        (
            "bare LF in the request line",
            chat("").replacen("1.1\r\n", "1.1\n", 1),
            Refused(400),
        ),
        ("bare LF after a header", chat("x: y\n"), Refused(400)),
        (
            "bare LF at the head's end",
            chat("").replace("\r\n\r\n", "\r\n\n"),
            Refused(400),
        ),
        (
            "bare LF in a chunk size",
            chunked(te, &chunks.replacen("\r\n", "\n", 1)),
            Refused(400),
        ),
        (
            "bare LF in an extension",
            chunked(te, &format!("{size};x\n{BODY}\r\n0\r\n\r\n")),
            Refused(400),
        ),
        (
            "chunk size 0x",
            chunked(te, &format!("0x{chunks}")),
            Refused(400),
        ),
        (
            "chunk size overflow",
            chunked(te, "fffffffffffffffff\r\nx"),
            Refused(400),
        ),
        (
            "chunk extension",
            chunked(te, &format!("{size};x=y\r\n{BODY}\r\n0\r\n\r\n")),
            Served,
        ),
        (
            "trailers",
            chunked(
                te,
                &chunks.replace("0\r\n\r\n", "0\r\nauthorization: x\r\nx-t: 1\r\n\r\n"),
            ),
            Served,
        ),
    ]
}

fn heads() -> Vec<Row> {
    vec![
        ("obs-fold", chat("x: y\r\n z\r\n"), Refused(400)),
        ("space before colon", chat("x : y\r\n"), Refused(400)),
        ("CR in a value", chat("x: y\rz\r\n"), Refused(400)),
        ("NUL in a value", chat("x: y\0z\r\n"), Refused(400)),
        (
            "HTTP/1.2",
            chat("").replace("HTTP/1.1", "HTTP/1.2"),
            Refused(400),
        ),
        (
            "encoded body",
            chat("content-encoding: gzip\r\n"),
            Answered(415),
        ),
        (
            "identity and gzip",
            chat("content-encoding: identity\r\ncontent-encoding: gzip\r\n"),
            Answered(415),
        ),
        ("101 headers", chat(&"x: y\r\n".repeat(101)), Refused(431)),
        (
            "64 KiB header",
            chat(&format!("x: {}\r\n", "y".repeat(65536))),
            Refused(431),
        ),
    ]
}

fn hosts() -> Vec<Row> {
    let path = |path: &str| chat("").replace("/v1/chat/completions", path);
    let host = |host: &str| chat("").replace("host: a\r\n", host);
    vec![
        ("no Host", host(""), Refused(400)),
        ("two Hosts", host("host: a\r\nhost: b\r\n"), Refused(400)),
        (
            "two equal Hosts",
            host("host: a\r\nhost: a\r\n"),
            Refused(400),
        ),
        ("Host with a user", host("host: a@b\r\n"), Refused(400)),
        ("Host with a path", host("host: a@b/../c\r\n"), Refused(400)),
        ("Host with a query", host("host: a?b\r\n"), Refused(400)),
        ("Host with a fragment", host("host: a#b\r\n"), Refused(400)),
        ("Host with a space", host("host: a b\r\n"), Refused(400)),
        (
            "Host too long",
            host(&format!("host: {}\r\n", "a".repeat(256))),
            Refused(400),
        ),
        (
            "absolute form of another host",
            path("http://evil/v1/chat/completions"),
            Refused(400),
        ),
        (
            "absolute form of the same host",
            path("http://a/v1/chat/completions"),
            Served,
        ),
    ]
}

fn paths() -> Vec<Row> {
    let path = |path: &str| chat("").replace("/v1/chat/completions", path);
    vec![
        ("dot segments", path("/v1/../admin"), Refused(400)),
        (
            "encoded dot segments",
            path("/v1/%2e%2e/admin"),
            Refused(400),
        ),
        ("two slashes", path("//v1/chat/completions"), Refused(400)),
        (
            "encoded slash",
            path("/v1%2fchat/completions"),
            Refused(400),
        ),
        ("backslash", path("/v1\\..\\admin"), Refused(400)),
        ("encoded backslash", path("/v1%5Cchat"), Refused(400)),
        ("encoded NUL", path("/v1/chat%00"), Refused(400)),
        ("raw non-ASCII", path("/v1/chät"), Refused(400)),
        ("asterisk", path("*"), Refused(400)),
    ]
}

fn methods() -> Vec<Row> {
    let path = |path: &str| chat("").replace("/v1/chat/completions", path);
    vec![
        (
            "CONNECT",
            path("a:443").replace("POST", "CONNECT"),
            Refused(405),
        ),
        (
            "TRACE",
            chat("authorization: Bearer x\r\n").replace("POST", "TRACE"),
            Refused(405),
        ),
        ("PUT", chat("").replace("POST", "PUT"), Refused(405)),
        (
            "unknown method",
            chat("").replace("POST", "BREW"),
            Refused(405),
        ),
        (
            "Upgrade",
            chat("connection: upgrade\r\nupgrade: foo\r\n"),
            Served,
        ),
        (
            "h2c upgrade",
            chat(
                "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n",
            ),
            Served,
        ),
        (
            "underscores",
            chat("x_api_key: k\r\nx-api-key: k\r\n"),
            Served,
        ),
        (
            "hop-by-hop",
            chat(
                "connection: close, x-auth\r\nx-auth: 1\r\nkeep-alive: 5\r\nproxy-authorization: x\r\nte: trailers\r\n",
            ),
            Served,
        ),
        (
            "Expect: 100-continue",
            chat("expect: 100-continue\r\n"),
            Served,
        ),
        ("Expect: 200-ok", chat("expect: 200-ok\r\n"), Refused(417)),
        (
            "duplicate model",
            chat("")
                .replacen(
                    "{\"model\":\"m\",\"me",
                    "{\"model\":\"a\",\"model\":\"b\",\"me",
                    1,
                )
                .replace("content-length: 56", "content-length: 68"),
            Answered(400),
        ),
    ]
}
