//! The framing of Amazon's event streams: whole messages out of bytes cut anywhere.
//!
//! A message is a prelude (its length, that of its headers, their checksum), headers, a payload,
//! and a checksum over all of it.

use bytes::{Buf, Bytes, BytesMut};

use crate::sse::EVENT_LIMIT_BYTES;

/// Cuts a stream into its messages. Each is checked by both of its checksums.
#[derive(Debug, Default)]
pub(crate) struct Framer {
    carried: BytesMut,
}

/// Why a stream can't be read on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FrameFault {
    /// A message is longer than an event may be.
    TooLarge,
    /// A checksum or a length is wrong.
    Malformed,
}

/// A message: what its headers say it is, and its payload.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Message {
    /// Whether it ends the stream with an error.
    pub(crate) is_exception: bool,
    /// The event's or exception's name.
    pub(crate) kind: String,
    /// What went wrong, where that is told by the headers alone.
    pub(crate) error: String,
    pub(crate) payload: Bytes,
}

impl Framer {
    /// Takes the next bytes.
    pub(crate) fn push(&mut self, chunk: &[u8]) {
        self.carried.extend_from_slice(chunk);
    }

    /// Hands out what has come and was not cut into messages.
    pub(crate) fn take_rest(&mut self) -> Bytes {
        self.carried.split().freeze()
    }

    /// Returns the next whole message; `None` until more bytes come.
    pub(crate) fn next(&mut self) -> Result<Option<Message>, FrameFault> {
        let Some(prelude) = self.carried.first_chunk::<PRELUDE_BYTES>() else {
            return Ok(None);
        };
        let mut fields = &prelude[..];
        let (total, headers) = (as_size(fields.get_u32()), as_size(fields.get_u32()));
        let checksum = fields.get_u32();
        if crc32fast::hash(&prelude[..PRELUDE_BYTES - CHECKSUM_BYTES]) != checksum {
            return Err(FrameFault::Malformed);
        }
        if total > EVENT_LIMIT_BYTES {
            return Err(FrameFault::TooLarge);
        }
        let Some(payload) = total.checked_sub(PRELUDE_BYTES + headers + CHECKSUM_BYTES) else {
            return Err(FrameFault::Malformed);
        };
        if self.carried.len() < total {
            return Ok(None);
        }
        let mut message = self.carried.split_to(total).freeze();
        let mut checksum = message.split_off(total - CHECKSUM_BYTES);
        if crc32fast::hash(&message) != checksum.get_u32() {
            return Err(FrameFault::Malformed);
        }
        let payload = message.split_off(message.len() - payload);
        message.advance(PRELUDE_BYTES);
        let mut read = read_headers(message).ok_or(FrameFault::Malformed)?;
        read.payload = payload;
        Ok(Some(read))
    }
}

/// Reads the headers that say what a message is; `None` when they are not well-formed.
fn read_headers(mut headers: Bytes) -> Option<Message> {
    let mut message = Message::default();
    while headers.has_remaining() {
        let length = usize::from(headers.try_get_u8().ok()?);
        let name = take(&mut headers, length)?;
        let value = read_value(&mut headers)?;
        let Some(value) = value.as_deref().map(String::from_utf8_lossy) else {
            continue;
        };
        match name.as_ref() {
            b":message-type" => message.is_exception = value != "event",
            b":event-type" | b":exception-type" | b":error-code" => {
                message.kind = value.into_owned();
            }
            b":error-message" => message.error = value.into_owned(),
            _ => {}
        }
    }
    Some(message)
}

/// Reads a header's value: the bytes of a string, and nothing of other types.
#[expect(
    clippy::option_option,
    reason = "not well-formed and of no interest are different things"
)]
fn read_value(headers: &mut Bytes) -> Option<Option<Bytes>> {
    let fixed = match headers.try_get_u8().ok()? {
        // True and false are in the type itself.
        0 | 1 => 0,
        2 => 1,
        3 => 2,
        4 => 4,
        // A long, a point in time.
        5 | 8 => 8,
        // A UUID.
        9 => 16,
        kind @ (6 | 7) => {
            let length = usize::from(headers.try_get_u16().ok()?);
            let value = take(headers, length)?;
            return Some((kind == 7).then_some(value));
        }
        _ => return None,
    };
    take(headers, fixed).map(|_| None)
}

fn take(bytes: &mut Bytes, length: usize) -> Option<Bytes> {
    (bytes.len() >= length).then(|| bytes.split_to(length))
}

/// A length that no machine could hold is too large on any.
fn as_size(length: u32) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX / 4)
}

const CHECKSUM_BYTES: usize = 4;

/// Two lengths and their checksum.
const PRELUDE_BYTES: usize = 12;

#[cfg(test)]
mod tests {
    use aws_smithy_eventstream::frame::write_message_to;
    use aws_smithy_types::event_stream::{Header, HeaderValue, Message as Sent};
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::{FrameFault, Framer, Message};
    use crate::sse::EVENT_LIMIT_BYTES;

    fn sent(kind: &str, payload: &str) -> Vec<u8> {
        let text = |text: &str| HeaderValue::String(text.to_owned().into());
        let message = Sent::new(Bytes::copy_from_slice(payload.as_bytes()))
            .add_header(Header::new(":event-type", text(kind)))
            .add_header(Header::new("x-flag", HeaderValue::Bool(true)))
            .add_header(Header::new("x-long", HeaderValue::Int64(-5)))
            .add_header(Header::new("x-id", HeaderValue::Uuid(7)))
            .add_header(Header::new(
                "x-bytes",
                HeaderValue::ByteArray(Bytes::from_static(b"ab")),
            ))
            .add_header(Header::new(":message-type", text("event")));
        let mut bytes = Vec::new();
        write_message_to(&message, &mut bytes).unwrap();
        bytes
    }

    fn read(
        chunks: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<Vec<Message>, FrameFault> {
        let mut framer = Framer::default();
        let mut messages = Vec::new();
        for chunk in chunks {
            framer.push(chunk.as_ref());
            while let Some(message) = framer.next()? {
                messages.push(message);
            }
        }
        Ok(messages)
    }

    #[test]
    fn a_message_of_amazon_s_own_library_is_read_however_it_is_cut() {
        let bytes = [
            sent("messageStart", r#"{"role":"assistant"}"#),
            sent("x", ""),
        ]
        .concat();
        let whole = read([&bytes]).unwrap();
        assert_eq!(whole.len(), 2);
        assert_eq!(whole[0].kind, "messageStart");
        assert_eq!(whole[0].payload, r#"{"role":"assistant"}"#);
        assert!(!whole[0].is_exception);
        assert_eq!(read(bytes.chunks(1)).unwrap(), whole);
    }

    #[test]
    fn a_length_beyond_the_bound_is_not_waited_for() {
        let mut bytes = sent("x", "");
        let long = u32::try_from(EVENT_LIMIT_BYTES + 1).unwrap();
        bytes[..4].copy_from_slice(&long.to_be_bytes());
        let checksum = crc32fast::hash(&bytes[..8]);
        bytes[8..12].copy_from_slice(&checksum.to_be_bytes());
        assert_eq!(read([&bytes]), Err(FrameFault::TooLarge));
    }

    proptest! {
        #[test]
        fn a_flipped_bit_is_never_read(payload in "[a-z]{0,20}", at in any::<prop::sample::Index>(), bit in 0..8) {
            let mut bytes = sent("x", &payload);
            let at = at.index(bytes.len());
            bytes[at] ^= 1_u8 << bit;
            prop_assert_ne!(read([&bytes]).map(|messages| messages.len()), Ok(1));
        }

        #[test]
        fn any_bytes_panic_nowhere(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(read(bytes.chunks(7)).is_ok_and(|messages| messages.is_empty()) || bytes.len() >= 12);
        }
    }
}
