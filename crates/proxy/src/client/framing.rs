//! Where an answer's body ends (RFC 9112, section 6.3).

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, header};

use super::chunks::Chunks;

/// What of a body is still to come.
#[derive(Clone, Copy, Debug)]
pub(super) enum Framing {
    /// So many bytes.
    Counted(u64),
    /// Chunks.
    Chunked(Chunks),
    /// All until the connection ends.
    UntilClosed,
}

/// The bytes are not framed as HTTP requires.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the body is not well framed")]
pub(super) struct Malformed;

impl Framing {
    /// How the answer with this head to a request of this method is framed.
    ///
    /// # Errors
    ///
    /// Two readers of the head could frame the body differently.
    pub(super) fn of(
        (status, headers): (StatusCode, &HeaderMap),
        (method, is_http_1_0): (&Method, bool),
    ) -> Result<Self, &'static str> {
        if *method == Method::HEAD
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        {
            return Ok(Self::Counted(0));
        }
        let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
        let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
        match (codings.next(), lengths.next()) {
            (Some(coding), None) if !is_http_1_0 && codings.next().is_none() => {
                if !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
                    return Err("a transfer coding that was not asked for");
                }
                Ok(Self::Chunked(Chunks::new()))
            }
            (Some(_), _) => Err("a transfer coding with a length, twice, or in HTTP/1.0"),
            (None, Some(length)) => {
                let count = decimal(length.as_bytes()).ok_or("a length that is no number")?;
                if lengths.any(|other| other != length) {
                    return Err("two lengths");
                }
                Ok(Self::Counted(count))
            }
            (None, None) => Ok(Self::UntilClosed),
        }
    }

    /// Whether nothing is to come.
    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::Counted(left) => *left == 0,
            Self::Chunked(chunks) => chunks.is_over(),
            Self::UntilClosed => false,
        }
    }

    /// How many bytes are to come, where that is known.
    pub(super) fn left(&self) -> Option<u64> {
        match self {
            Self::Counted(left) => Some(*left),
            Self::Chunked(chunks) => chunks.is_over().then_some(0),
            Self::UntilClosed => None,
        }
    }

    /// What of the body is in `bytes`, which is cut down to what lies behind its end.
    ///
    /// # Errors
    ///
    /// [`Malformed`].
    pub(super) fn decode(&mut self, bytes: &mut &[u8]) -> Result<Bytes, Malformed> {
        match self {
            Self::Counted(left) => {
                let count = usize::try_from(*left).unwrap_or(usize::MAX);
                let (data, rest) = bytes.split_at(count.min(bytes.len()));
                *left -= data.len() as u64;
                *bytes = rest;
                Ok(Bytes::copy_from_slice(data))
            }
            Self::UntilClosed => Ok(Bytes::copy_from_slice(std::mem::take(bytes))),
            Self::Chunked(chunks) => {
                let first = chunks.next(bytes)?.unwrap_or_default();
                let Some(second) = chunks.next(bytes)? else {
                    return Ok(Bytes::copy_from_slice(first));
                };
                let room = first.len() + second.len() + bytes.len();
                let mut data = BytesMut::with_capacity(room);
                data.put(first);
                data.put(second);
                while let Some(more) = chunks.next(bytes)? {
                    data.put(more);
                }
                Ok(data.freeze())
            }
        }
    }
}

/// Digits and nothing else.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}
