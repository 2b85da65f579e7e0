//! Writes the head of a request, and reads the head of an answer.

use std::io::Write as _;
use std::mem::MaybeUninit;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};

use super::Outgoing;
use super::framing::Framing;

/// The head of `request`, framed by the length of its body.
pub(super) fn write(request: &Outgoing) -> Vec<u8> {
    let mut head = Vec::with_capacity(USUAL_BYTES);
    let uri = request.uri();
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    head.extend_from_slice(request.method().as_str().as_bytes());
    head.extend_from_slice(b" ");
    head.extend_from_slice(target.as_bytes());
    head.extend_from_slice(b" HTTP/1.1\r\n");
    if !request.headers().contains_key(HOST) {
        head.extend_from_slice(b"host: ");
        write_host(&mut head, uri);
        head.extend_from_slice(b"\r\n");
    }
    for (name, value) in request.headers() {
        if *name != CONTENT_LENGTH && *name != TRANSFER_ENCODING {
            head.extend_from_slice(name.as_str().as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
    }
    let length: usize = request.body().iter().map(Bytes::len).sum();
    if length > 0 || *request.method() == Method::POST {
        // Writing to memory does not fail.
        write!(head, "content-length: {length}\r\n").ok();
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// The host of `uri`, and its port where that is not its scheme's own.
fn write_host(head: &mut Vec<u8>, uri: &Uri) {
    head.extend_from_slice(uri.host().unwrap_or_default().as_bytes());
    match (uri.scheme_str(), uri.port()) {
        (Some("https"), Some(port)) if port == 443 => {}
        (Some("http"), Some(port)) if port == 80 => {}
        (_, Some(port)) => {
            head.extend_from_slice(b":");
            head.extend_from_slice(port.as_str().as_bytes());
        }
        (_, None) => {}
    }
}

/// The head of an answer.
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) framing: Framing,
    /// Whether the connection takes another request after this answer.
    pub(super) keeps_alive: bool,
}

/// How far a head has come.
pub(super) enum Progress {
    /// There is more to come; interim heads took so many bytes.
    Partial(usize),
    /// It is whole, and took so many bytes, interim heads before it included.
    Whole(Box<Head>, usize),
}

/// Reads the head of an answer to a request of `method`, and leaves out interim ones before it.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn read(bytes: &[u8], method: &Method) -> Result<Progress, &'static str> {
    let mut begin = 0;
    loop {
        let rest = bytes.get(begin..).unwrap_or_default();
        let Progress::Whole(head, length) = read_one(rest, method)? else {
            return Ok(Progress::Partial(begin));
        };
        begin += length;
        if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Progress::Whole(head, begin));
        }
    }
}

fn read_one(bytes: &[u8], method: &Method) -> Result<Progress, &'static str> {
    let mut lines = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        bytes,
        &mut lines,
    );
    let length = match parsed {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(Progress::Partial(0)),
        Err(httparse::Error::TooManyHeaders) => return Err("too many header lines"),
        Err(_) => return Err("it is not HTTP/1.1"),
    };
    let status = response
        .code
        .and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or("a status that HTTP does not have")?;
    let is_http_1_0 = response.version == Some(0);
    let whole = Bytes::copy_from_slice(bytes.get(..length).unwrap_or_default());
    let mut headers = HeaderMap::with_capacity(response.headers.len());
    for line in response.headers.iter() {
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| BAD_LINE)?;
        // One copy of the head holds all values.
        let at = line
            .value
            .as_ptr()
            .addr()
            .wrapping_sub(bytes.as_ptr().addr());
        let value = at
            .checked_add(line.value.len())
            .filter(|end| *end <= whole.len())
            .map(|end| whole.slice(at..end));
        let value = value.ok_or(BAD_LINE)?;
        let value = HeaderValue::from_maybe_shared(value).map_err(|_| BAD_LINE)?;
        headers.append(name, value);
    }
    let framing = Framing::of((status, &headers), (method, is_http_1_0))?;
    let keeps_alive = status != StatusCode::SWITCHING_PROTOCOLS
        && !matches!(framing, Framing::UntilClosed)
        && keeps_alive(&headers, is_http_1_0);
    let head = Head {
        status,
        headers,
        framing,
        keeps_alive,
    };
    Ok(Progress::Whole(Box::new(head), length))
}

fn keeps_alive(headers: &HeaderMap, is_http_1_0: bool) -> bool {
    let mut keeps = !is_http_1_0;
    for options in headers.get_all(CONNECTION) {
        for option in options.as_bytes().split(|byte| *byte == b',') {
            let option = option.trim_ascii();
            if option.eq_ignore_ascii_case(b"close") {
                return false;
            }
            keeps |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }
    keeps
}

const BAD_LINE: &str = "a header line that HTTP does not allow";
/// Header lines of an answer.
const MAX_HEADERS: usize = 100;
/// What the head of a request takes, with a long credential.
const USUAL_BYTES: usize = 1024;
