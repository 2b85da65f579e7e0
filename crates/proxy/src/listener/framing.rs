//! Follows the bytes of an HTTP/1 connection from request to request, and names what two readers
//! of the same head could frame differently.
//!
//! hyper frames the messages; it also hides what it was lenient about: a line that ends in a bare
//! LF, a second Content-Length that says the same, a Content-Length beside a Transfer-Encoding.
//! This reader changes no byte and decides nothing else. After a fault it stops reading, since the
//! connection ends with the refusal.

use memchr::memchr;

/// What a connection's bytes were about, as far as they came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    /// Nothing of a request has come since the last one ended.
    Between,
    /// A request's head has begun and not ended.
    Head,
    /// The rest of a body, or bytes that are not followed any more.
    Body,
}

/// A head that could be framed in two ways.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Misframed {
    /// A line of the head ends without a carriage return.
    BareLineFeed,
    /// The length is given twice, or with the chunked encoding.
    TwoLengths,
    /// The transfer encoding is not a single `chunked`.
    TransferEncoding,
}

impl Misframed {
    /// What to send instead, for the client.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::BareLineFeed => "end each line of the request's head with CR and LF",
            Self::TwoLengths => "give the body's length once: one Content-Length, or chunked",
            Self::TransferEncoding => {
                "the only transfer encoding understood is a single `chunked`, in HTTP/1.1"
            }
        }
    }
}

/// The reader of one connection's bytes.
#[derive(Debug)]
pub(super) struct Framing {
    state: State,
    /// What of an unfinished line came with earlier reads.
    line: Vec<u8>,
    heads: u64,
    fault: Option<(u64, Misframed)>,
    max_line: usize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Start,
    Head(Lengths),
    Counted(u64),
    ChunkSize,
    /// A chunk and the line end after it.
    Chunk(u64),
    Trailers,
    /// Not followed any more: hyper refuses what comes, or the connection ends with a refusal.
    Lost,
}

/// What a head has said of its body so far.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Lengths {
    is_http_1_0: bool,
    counted: Option<u64>,
    is_chunked: bool,
}

impl Framing {
    /// Follows a connection from the first byte of request `number`, counted from 0; a line of more
    /// than `max_line` bytes, which hyper refuses, is not followed.
    pub(super) fn from_request(number: u64, max_line: usize) -> Self {
        Self {
            state: State::Start,
            line: Vec::new(),
            heads: number,
            fault: None,
            max_line,
        }
    }

    /// The request, counted from 0, whose head is at fault.
    pub(super) fn fault(&self) -> Option<(u64, Misframed)> {
        self.fault
    }

    pub(super) fn phase(&self) -> Phase {
        match self.state {
            State::Start if self.line.is_empty() => Phase::Between,
            State::Start | State::Head(_) => Phase::Head,
            _ => Phase::Body,
        }
    }

    /// Reads on; how the bytes are split between calls makes no difference.
    pub(super) fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = match self.state {
                State::Lost => return,
                State::Counted(left) => {
                    let (left, rest) = skip(bytes, left);
                    self.state = if left == 0 {
                        State::Start
                    } else {
                        State::Counted(left)
                    };
                    rest
                }
                State::Chunk(left) => {
                    let (left, rest) = skip(bytes, left);
                    self.state = if left == 0 {
                        State::ChunkSize
                    } else {
                        State::Chunk(left)
                    };
                    rest
                }
                State::Start | State::Head(_) | State::ChunkSize | State::Trailers => {
                    self.read_line(bytes)
                }
            };
        }
    }

    /// Reads to the end of a line, if it is there; answers what is left.
    fn read_line<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let Some((line, rest)) =
            memchr(b'\n', bytes).and_then(|end| bytes.split_at_checked(end + 1))
        else {
            if self.line.len() + bytes.len() > self.max_line {
                self.lose();
            } else {
                self.line.extend_from_slice(bytes);
            }
            return &[];
        };
        self.state = if self.line.is_empty() {
            self.after(line)
        } else {
            let mut whole = std::mem::take(&mut self.line);
            whole.extend_from_slice(line);
            let next = self.after(&whole);
            whole.clear();
            self.line = whole;
            next
        };
        rest
    }

    /// The state after a line that ends in LF.
    fn after(&mut self, line: &[u8]) -> State {
        match (self.state, line.strip_suffix(b"\r\n")) {
            // Some clients send an empty line after a body (RFC 9112, section 2.2).
            (State::Start, Some([])) => State::Start,
            (State::Start, Some(line)) => State::Head(Lengths {
                is_http_1_0: line.ends_with(b"HTTP/1.0"),
                counted: None,
                is_chunked: false,
            }),
            (State::Head(lengths), Some([])) => self.body(lengths),
            (State::Head(lengths), Some(line)) => self.header(lengths, line),
            (State::Start | State::Head(_), None) => self.misframed(Misframed::BareLineFeed),
            (State::ChunkSize, Some(line)) => match chunk_size(line) {
                Some(0) => State::Trailers,
                Some(size) => State::Chunk(size.saturating_add(2)),
                None => State::Lost,
            },
            (State::Trailers, Some([])) => State::Start,
            (State::Trailers, Some(_)) => State::Trailers,
            _ => State::Lost,
        }
    }

    fn header(&mut self, mut lengths: Lengths, line: &[u8]) -> State {
        let Some(colon) = memchr(b':', line) else {
            return State::Lost;
        };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            let Some(length) = decimal(value) else {
                return State::Lost;
            };
            if lengths.counted.is_some() || lengths.is_chunked {
                return self.misframed(Misframed::TwoLengths);
            }
            lengths.counted = Some(length);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if lengths.is_chunked || lengths.is_http_1_0 || !value.eq_ignore_ascii_case(b"chunked")
            {
                return self.misframed(Misframed::TransferEncoding);
            }
            if lengths.counted.is_some() {
                return self.misframed(Misframed::TwoLengths);
            }
            lengths.is_chunked = true;
        }
        State::Head(lengths)
    }

    fn body(&mut self, lengths: Lengths) -> State {
        self.heads += 1;
        match lengths {
            Lengths {
                is_chunked: true, ..
            } => State::ChunkSize,
            Lengths {
                counted: Some(length @ 1..),
                ..
            } => State::Counted(length),
            _ => State::Start,
        }
    }

    fn misframed(&mut self, fault: Misframed) -> State {
        self.fault = Some((self.heads, fault));
        State::Lost
    }

    fn lose(&mut self) {
        self.state = State::Lost;
        self.line = Vec::new();
    }
}

/// Leaves out `count` bytes or all there are; answers what is still to be left out, and the rest.
fn skip(bytes: &[u8], count: u64) -> (u64, &[u8]) {
    let here = usize::try_from(count)
        .unwrap_or(usize::MAX)
        .min(bytes.len());
    (count - here as u64, bytes.get(here..).unwrap_or_default())
}

fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0_u64, |sum, &digit| {
        let digit = (digit as char).to_digit(10)?;
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// The size in a chunk's line; what follows a `;` is an extension, which nobody uses.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|&byte| byte == b';').next()?.trim_ascii_end();
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |sum, &digit| {
        let digit = (digit as char).to_digit(16)?;
        sum.checked_mul(16)?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests;
