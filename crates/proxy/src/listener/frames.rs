//! Counts the frames of an HTTP/2 connection that carry no request, and knows whether a head is
//! being sent.
//!
//! The `h2` crate bounds memory against every flood that is known, but not the processor's time
//! that SETTINGS, PING, WINDOW_UPDATE, PRIORITY and unknown frames take.

/// The reader of one connection's frames. It keeps nine bytes and a few numbers.
#[derive(Debug)]
pub(super) struct Frames {
    state: State,
    is_in_head: bool,
    control: u64,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Preface { left: usize },
    Header { bytes: [u8; HEADER], len: usize },
    Payload { left: u32, kind: u8 },
}

impl Frames {
    /// Follows a connection from the first byte of its preface.
    pub(super) fn new() -> Self {
        Self {
            state: State::Preface { left: PREFACE },
            is_in_head: false,
            control: 0,
        }
    }

    /// Whether the connection's preface, or a request's head, has begun and not ended.
    pub(super) fn is_in_head(&self) -> bool {
        match self.state {
            State::Preface { .. } => true,
            State::Payload {
                kind: HEADERS | CONTINUATION,
                ..
            } => true,
            State::Header { .. } | State::Payload { .. } => self.is_in_head,
        }
    }

    /// Frames so far that carry no part of a request.
    pub(super) fn control(&self) -> u64 {
        self.control
    }

    /// Reads on; how the bytes are split between calls makes no difference.
    pub(super) fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = match &mut self.state {
                State::Preface { left } => {
                    let taken = bytes.len().min(*left);
                    *left -= taken;
                    if *left == 0 {
                        self.state = HEADER_NEXT;
                    }
                    taken
                }
                State::Header { bytes: header, len } => {
                    let room = header.get_mut(*len..).unwrap_or_default();
                    let taken = bytes.len().min(room.len());
                    room.iter_mut()
                        .zip(bytes)
                        .for_each(|(to, from)| *to = *from);
                    *len += taken;
                    if *len == HEADER {
                        let header = *header;
                        self.state = self.begin(header);
                    }
                    taken
                }
                State::Payload { left, .. } => {
                    let taken = bytes
                        .len()
                        .min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= u32::try_from(taken).unwrap_or(*left);
                    if *left == 0 {
                        self.state = HEADER_NEXT;
                    }
                    taken
                }
            };
            bytes = bytes.get(taken..).unwrap_or_default();
        }
    }

    fn begin(&mut self, header: [u8; HEADER]) -> State {
        let [a, b, c, kind, flags, ..] = header;
        match kind {
            HEADERS | CONTINUATION => self.is_in_head = flags & END_HEADERS == 0,
            DATA => {}
            _ => self.control += 1,
        }
        match u32::from_be_bytes([0, a, b, c]) {
            0 => HEADER_NEXT,
            left => State::Payload { left, kind },
        }
    }
}

/// `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`.
const PREFACE: usize = 24;
const HEADER: usize = 9;
const HEADER_NEXT: State = State::Header {
    bytes: [0; HEADER],
    len: 0,
};
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
        frame.extend_from_slice(payload);
        frame
    }

    fn connection() -> Vec<u8> {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend(frame(4, 0, &[0; 12]));
        bytes.extend(frame(HEADERS, 0, b"abc"));
        bytes.extend(frame(CONTINUATION, END_HEADERS, b"def"));
        bytes.extend(frame(DATA, 1, &[7; 300]));
        bytes.extend(frame(6, 0, &[0; 8]));
        bytes.extend(frame(8, 0, &[0; 4]));
        bytes
    }

    #[test]
    fn frames_that_carry_no_request_are_counted_however_they_are_split() {
        for size in [1, 7, 10_000] {
            let mut frames = Frames::new();
            connection()
                .chunks(size)
                .for_each(|piece| frames.read(piece));
            assert_eq!(frames.control(), 3);
            assert!(!frames.is_in_head());
        }
    }

    #[test]
    fn a_head_ends_with_the_flag_that_says_so() {
        let mut frames = Frames::new();
        frames.read(b"PRI * HT");
        assert!(frames.is_in_head());
        frames.read(b"TP/2.0\r\n\r\nSM\r\n\r\n");
        assert!(!frames.is_in_head());
        frames.read(&frame(HEADERS, 0, b"abc"));
        assert!(frames.is_in_head());
        frames.read(&frame(CONTINUATION, END_HEADERS, b"")[..5]);
        assert!(frames.is_in_head());
        frames.read(&frame(CONTINUATION, END_HEADERS, b"")[5..]);
        assert!(!frames.is_in_head());
    }
}
