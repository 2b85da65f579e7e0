//! The framing of event streams: whole events out of bytes cut anywhere.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};

/// No event may be longer. Streams of tokens stay far below; pictures in a stream do not.
pub(crate) const EVENT_LIMIT_BYTES: usize = 1024 * 1024;

/// Cuts a stream into its events.
///
/// An event ends with an empty line; lines end with LF, CR LF or CR. An event that arrives whole
/// in one chunk is a slice of that chunk; only one that is cut is copied.
#[derive(Debug, Default)]
pub(crate) struct Framer {
    /// What is left of the chunk at hand.
    chunk: Bytes,
    /// The beginning of an event that is not yet whole.
    carried: BytesMut,
    lines: Lines,
}

/// An event is longer than [`EVENT_LIMIT_BYTES`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TooLarge;

impl Framer {
    /// Takes the next bytes. Those taken before must have been used up by [`next`](Self::next).
    pub(crate) fn push(&mut self, chunk: Bytes) {
        debug_assert!(self.chunk.is_empty());
        self.chunk = chunk;
    }

    /// Returns the next whole event, its closing empty line included; `None` until more bytes
    /// come. The LF of a CR LF that was cut there comes by itself, as an event of nothing.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, TooLarge> {
        if self.chunk.is_empty() {
            return Ok(None);
        }
        if self.carried.is_empty() && self.lines.completes_event(&self.chunk) {
            return Ok(Some(self.chunk.split_to(1)));
        }
        let end = self.lines.end_of_event(&self.chunk);
        let length = end.unwrap_or(self.chunk.len());
        if self.carried.len() + length > EVENT_LIMIT_BYTES {
            return Err(TooLarge);
        }
        let piece = self.chunk.split_to(length);
        if end.is_some() && self.carried.is_empty() {
            return Ok(Some(piece));
        }
        self.carried.extend_from_slice(&piece);
        Ok(end.map(|_| self.carried.split().freeze()))
    }

    /// Hands out the rest of the chunk at hand, right behind an event.
    pub(crate) fn take_rest(&mut self) -> Bytes {
        debug_assert!(self.carried.is_empty());
        std::mem::take(&mut self.chunk)
    }

    /// Hands out what is left when the stream has ended: an event without its closing empty line.
    pub(crate) fn finish(&mut self) -> Bytes {
        self.carried.split().freeze()
    }
}

/// Where the reading stands.
#[derive(Debug, Default)]
struct Lines {
    line: Line,
    /// Whether the event at hand has any line that is not empty.
    has_lines: bool,
}

/// Where in a line the reading stands.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Line {
    /// At its beginning.
    #[default]
    Empty,
    /// At the beginning of one, behind a CR, so that an LF belongs to the line before.
    AfterCr,
    /// Behind its first byte.
    Filled,
}

impl Lines {
    /// Tells whether `bytes` begin with the LF that belongs to the event before.
    fn completes_event(&mut self, bytes: &[u8]) -> bool {
        let completes =
            self.line == Line::AfterCr && !self.has_lines && bytes.first() == Some(&b'\n');
        if completes {
            self.line = Line::Empty;
        }
        completes
    }

    /// Returns where the event at hand ends in `bytes`, just behind its empty line.
    ///
    /// Empty lines in front of an event belong to it.
    fn end_of_event(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut from = usize::from(self.line == Line::AfterCr && bytes.first() == Some(&b'\n'));
        while let Some(found) = bytes
            .get(from..)
            .and_then(|rest| memchr::memchr2(b'\n', b'\r', rest))
        {
            let at = from + found;
            let is_empty_line = found == 0 && self.line != Line::Filled;
            from = at + 1;
            self.line = Line::Empty;
            if bytes.get(at) == Some(&b'\r') {
                match bytes.get(from) {
                    Some(b'\n') => from += 1,
                    Some(_) => {}
                    None => self.line = Line::AfterCr,
                }
            }
            if !is_empty_line {
                self.has_lines = true;
            } else if self.has_lines {
                self.has_lines = false;
                return Some(from);
            }
        }
        if from < bytes.len() {
            self.line = Line::Filled;
        } else if self.line == Line::AfterCr && from > 0 && bytes.last() == Some(&b'\n') {
            self.line = Line::Empty;
        }
        None
    }
}

/// What an event says.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Frame<'a> {
    /// The event's name, when it has one.
    pub(crate) name: Option<&'a [u8]>,
    /// The event's data; `None` for an event of comments alone.
    pub(crate) data: Option<Cow<'a, [u8]>>,
}

impl<'a> Frame<'a> {
    /// Reads the lines of an event.
    pub(crate) fn of(event: &'a [u8]) -> Self {
        let mut frame = Self {
            name: None,
            data: None,
        };
        let mut rest = event.strip_prefix(b"\xef\xbb\xbf").unwrap_or(event);
        while !rest.is_empty() {
            let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
            let (line, tail) = rest.split_at(end);
            rest = tail.get(1..).unwrap_or_default();
            frame.take_line(line);
        }
        frame
    }

    fn take_line(&mut self, line: &'a [u8]) {
        let (field, value) = match memchr::memchr(b':', line) {
            Some(at) => {
                let (field, value) = line.split_at(at);
                let value = value.get(1..).unwrap_or_default();
                (field, value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, &b""[..]),
        };
        match field {
            b"event" => self.name = Some(value),
            b"data" => match &mut self.data {
                None => self.data = Some(Cow::Borrowed(value)),
                Some(data) => {
                    let data = data.to_mut();
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
            },
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::{EVENT_LIMIT_BYTES, Frame, Framer, TooLarge};

    /// Feeds chunks and returns the events, and what is left.
    fn cut(chunks: &[&[u8]]) -> (Vec<Bytes>, Bytes) {
        let mut framer = Framer::default();
        let mut events = Vec::new();
        for chunk in chunks {
            framer.push(Bytes::copy_from_slice(chunk));
            while let Some(event) = framer.next().unwrap() {
                events.push(event);
            }
        }
        (events, framer.finish())
    }

    fn data(event: &[u8]) -> Option<String> {
        Frame::of(event)
            .data
            .map(|data| String::from_utf8(data.into_owned()).unwrap())
    }

    #[test]
    fn every_line_end_ends_an_event() {
        for stream in [
            "data: a\n\ndata:b\n\n",
            "data: a\r\n\r\ndata:b\r\n\r\n",
            "data: a\r\rdata:b\r\r",
            "\n\ndata: a\n\n\n\ndata:b\n\n",
            "data: a\n\r\ndata:b\r\n\n",
        ] {
            let (events, _) = cut(&[stream.as_bytes()]);
            let read: Vec<_> = events.iter().map(|event| data(event)).collect();
            assert_eq!(
                read,
                [Some("a".to_owned()), Some("b".to_owned())],
                "{stream:?}"
            );
        }
    }

    #[test]
    fn an_event_has_name_and_lines_of_data_and_comments() {
        let frame = Frame::of(b"\xef\xbb\xbf: hello\nevent:  x\ndata: a\ndata\ndata:b\nid: 3\n\n");
        assert_eq!(frame.name, Some(&b" x"[..]));
        assert_eq!(frame.data.unwrap().as_ref(), b"a\n\nb");
        assert_eq!(Frame::of(b": ping\n\n").data, None);
        assert_eq!(Frame::of(b"data:\r\n\r\n").data.unwrap().as_ref(), b"");
    }

    #[test]
    fn an_event_in_one_chunk_is_a_slice_of_it() {
        let chunk = Bytes::from_static(b"data: a\n\ndata: b\n\n");
        let mut framer = Framer::default();
        framer.push(chunk.clone());
        framer.next().unwrap();
        let event = framer.next().unwrap().unwrap();
        assert_eq!(event.as_ptr(), chunk[9..].as_ptr());
    }

    #[test]
    fn an_event_without_end_is_bounded() {
        let mut framer = Framer::default();
        framer.push(Bytes::from(vec![b'x'; EVENT_LIMIT_BYTES]));
        assert_eq!(framer.next(), Ok(None));
        framer.push(Bytes::from_static(b"x"));
        assert_eq!(framer.next(), Err(TooLarge));
    }

    proptest! {
        #[test]
        fn events_do_not_depend_on_how_bytes_are_split(
            stream in "(data: ?[a-zé]{0,3}|:|event:x|\r\n|\n|\r){0,24}",
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..6),
        ) {
            let bytes = stream.as_bytes();
            let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            at.extend([0, bytes.len()]);
            at.sort_unstable();
            let chunks: Vec<_> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            let (whole, whole_rest) = cut(&[bytes]);
            let (split, split_rest) = cut(&chunks);
            let read = |events: &[Bytes]| -> Vec<_> {
                events.iter().filter_map(|event| data(event)).collect()
            };
            prop_assert_eq!(read(&whole), read(&split));
            prop_assert_eq!(data(&whole_rest), data(&split_rest));
            let joined = |events: &[Bytes], rest: &Bytes| [events.concat(), rest.to_vec()].concat();
            prop_assert_eq!(joined(&whole, &whole_rest), bytes);
            prop_assert_eq!(joined(&split, &split_rest), bytes);
        }
    }
}
