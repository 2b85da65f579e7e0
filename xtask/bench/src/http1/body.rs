//! Decodes a message body, however it is framed and however its bytes are split.

use anyhow::{bail, ensure};

/// How much of a body is still to come.
#[derive(Debug)]
pub(super) enum Body {
    /// This many bytes.
    Length(u64),
    /// Chunks, and this is where in them the input stands.
    Chunked(Chunks),
    /// Whatever comes before the connection closes.
    UntilClose,
}

/// A position within a chunked body.
#[derive(Debug)]
pub(super) enum Chunks {
    /// In a chunk's size line: the size so far, and whether its digits are over.
    Size { size: u64, is_past_digits: bool },
    /// In a chunk's data, with this many bytes left.
    Data(u64),
    /// At the line end after a chunk's data.
    DataEnd,
    /// In the trailer, with this many bytes in the line so far.
    Trailer(usize),
    /// Behind the last byte.
    Done,
}

impl Body {
    /// A chunked body at its start.
    pub(super) fn chunked() -> Self {
        Self::Chunked(START)
    }

    /// Whether the last byte of the body was fed.
    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunks::Done))
    }

    /// Whether the close of the connection is the body's proper end.
    pub(super) fn ends_at_close(&self) -> bool {
        matches!(self, Self::UntilClose)
    }

    /// Decodes from the start of `input`, hands the content to `sink`, and returns how many bytes
    /// of `input` belong to this body.
    pub(super) fn feed(
        &mut self,
        input: &[u8],
        sink: &mut impl FnMut(&[u8]),
    ) -> anyhow::Result<usize> {
        match self {
            Self::UntilClose => {
                sink(input);
                Ok(input.len())
            }
            Self::Length(left) => Ok(take(left, input, sink)),
            Self::Chunked(chunks) => chunks.feed(input, sink),
        }
    }
}

impl Chunks {
    fn feed(&mut self, input: &[u8], sink: &mut impl FnMut(&[u8])) -> anyhow::Result<usize> {
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            match self {
                Self::Done => break,
                Self::Data(left) => {
                    at += take(left, input.get(at..).unwrap_or(&[]), sink);
                    if *left == 0 {
                        *self = Self::DataEnd;
                    }
                    continue;
                }
                Self::Size {
                    size,
                    is_past_digits,
                } => match (byte, char::from(byte).to_digit(16)) {
                    (b'\n', _) if *size == 0 => *self = Self::Trailer(0),
                    (b'\n', _) => *self = Self::Data(*size),
                    (_, Some(digit)) if !*is_past_digits => {
                        ensure!(*size < 1 << 40, "chunk too large");
                        *size = *size * 16 + u64::from(digit);
                    }
                    (b'\r' | b';' | b' ', _) => *is_past_digits = true,
                    _ if *is_past_digits => {}
                    _ => bail!("malformed chunk size"),
                },
                Self::DataEnd => match byte {
                    b'\r' => {}
                    b'\n' => *self = START,
                    _ => bail!("malformed chunk end"),
                },
                Self::Trailer(line) => match byte {
                    b'\r' => {}
                    b'\n' if *line == 0 => *self = Self::Done,
                    b'\n' => *line = 0,
                    _ => *line += 1,
                },
            }
            at += 1;
        }
        Ok(at)
    }
}

/// Hands the next `left` bytes of `input` to `sink`, as far as they are there.
fn take(left: &mut u64, input: &[u8], sink: &mut impl FnMut(&[u8])) -> usize {
    let count = usize::try_from(*left)
        .unwrap_or(usize::MAX)
        .min(input.len());
    if let Some(content) = input.get(..count) {
        sink(content);
    }
    *left -= count as u64;
    count
}

const START: Chunks = Chunks::Size {
    size: 0,
    is_past_digits: false,
};

#[cfg(test)]
mod tests {
    use super::Body;

    /// Feeds `input` in pieces of `step` bytes and draws the content, then `|` and what is left.
    #[track_caller]
    fn check(mut body: Body, input: &str, step: usize, expected: &str) {
        let (mut content, mut rest) = (Vec::new(), Vec::new());
        for piece in input.as_bytes().chunks(step) {
            let used = body
                .feed(piece, &mut |part| content.extend_from_slice(part))
                .expect("valid");
            rest.extend_from_slice(&piece[used..]);
        }
        content.push(b'|');
        content.append(&mut rest);
        assert!(body.is_done(), "not done after {step}-byte pieces");
        assert_eq!(String::from_utf8(content).expect("text"), expected);
    }

    #[test]
    fn a_body_decodes_alike_however_it_is_split() {
        for step in 1..40 {
            let chunked = "5\r\nhello\r\n1;x=y\r\n!\r\n00\r\nT: 1\r\n\r\nnext";
            check(Body::chunked(), chunked, step, "hello!|next");
            check(
                Body::chunked(),
                "A\r\n0123456789\r\n0\r\n\r\n",
                step,
                "0123456789|",
            );
            let long = "1a\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n";
            check(Body::chunked(), long, step, "abcdefghijklmnopqrstuvwxyz|");
            check(Body::Length(5), "helloHTTP", step, "hello|HTTP");
        }
    }

    #[test]
    fn a_chunk_size_that_is_no_number_is_refused() {
        for input in ["x\r\n", "5\r\nhelloX", "-1\r\n"] {
            assert!(
                Body::chunked().feed(input.as_bytes(), &mut |_| {}).is_err(),
                "{input:?}"
            );
        }
    }
}
