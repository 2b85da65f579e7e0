//! Takes the chunked coding off an answer's body (RFC 9112, section 7.1).

use super::framing::Malformed;

/// Reads a chunked body; how its bytes are split makes no difference.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunks {
    state: State,
    /// What extensions and trailers have taken.
    overhead: usize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// The digits of a chunk's size, so far.
    Size { size: u64, digits: u8 },
    /// Behind the digits of a size, to the end of its line.
    Extension { size: u64 },
    /// The line feed behind a size.
    SizeEnd { size: u64 },
    /// So many bytes of a chunk are still to come.
    Data(u64),
    /// The carriage return behind a chunk.
    DataReturn,
    /// The line feed behind a chunk.
    DataEnd,
    /// A trailer, or the empty line that ends the body.
    Trailer { is_empty: bool },
    /// The line feed of a trailer, or of the empty line.
    TrailerEnd { is_empty: bool },
    /// The body is over.
    Over,
}

impl Chunks {
    pub(super) const fn new() -> Self {
        Self {
            state: State::Size { size: 0, digits: 0 },
            overhead: 0,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// The next data in `bytes`, which is cut down to what lies behind; `None` when that is nothing
    /// or the body is over.
    ///
    /// # Errors
    ///
    /// What comes is not chunked.
    pub(super) fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Malformed> {
        loop {
            if let State::Data(left @ 1..) = self.state
                && !bytes.is_empty()
            {
                let count = usize::try_from(left).unwrap_or(usize::MAX);
                let (data, rest) = bytes.split_at(count.min(bytes.len()));
                *bytes = rest;
                self.state = match left - data.len() as u64 {
                    0 => State::DataReturn,
                    left => State::Data(left),
                };
                return Ok(Some(data));
            }
            if self.is_over() {
                return Ok(None);
            }
            let Some((&byte, rest)) = bytes.split_first() else {
                return Ok(None);
            };
            *bytes = rest;
            self.state = self.after(byte)?;
        }
    }

    fn after(&mut self, byte: u8) -> Result<State, Malformed> {
        Ok(match (self.state, byte) {
            (State::Size { size, digits: 1.. }, b'\r') => State::SizeEnd { size },
            (
                State::Size { size, digits: 1.. } | State::Extension { size },
                b';' | b' ' | b'\t',
            ) => {
                self.spend()?;
                State::Extension { size }
            }
            (State::Size { size, digits }, byte) if digits < MAX_DIGITS => {
                let digit = char::from(byte).to_digit(16).ok_or(Malformed)?;
                State::Size {
                    size: size << 4 | u64::from(digit),
                    digits: digits + 1,
                }
            }
            (State::Extension { size }, b'\r') => State::SizeEnd { size },
            (State::Extension { size }, byte) if byte != b'\n' => {
                self.spend()?;
                State::Extension { size }
            }
            (State::SizeEnd { size: 0 }, b'\n') => State::Trailer { is_empty: true },
            (State::SizeEnd { size }, b'\n') => State::Data(size),
            (State::DataReturn, b'\r') => State::DataEnd,
            (State::DataEnd, b'\n') => State::Size { size: 0, digits: 0 },
            (State::Trailer { is_empty }, b'\r') => State::TrailerEnd { is_empty },
            (State::Trailer { .. }, byte) if byte != b'\n' => {
                self.spend()?;
                State::Trailer { is_empty: false }
            }
            (State::TrailerEnd { is_empty: true }, b'\n') => State::Over,
            (State::TrailerEnd { is_empty: false }, b'\n') => State::Trailer { is_empty: true },
            _ => return Err(Malformed),
        })
    }

    fn spend(&mut self) -> Result<(), Malformed> {
        self.overhead += 1;
        if self.overhead > MAX_OVERHEAD {
            return Err(Malformed);
        }
        Ok(())
    }
}

/// No more fit into the 64 bits of a size.
const MAX_DIGITS: u8 = 16;
/// What extensions and trailers may take in one body: nobody reads them.
const MAX_OVERHEAD: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The data, whether the body ended, and how many bytes lay behind.
    type Decoded = (Vec<u8>, bool, usize);

    fn decode(pieces: &[&[u8]]) -> Result<Decoded, Malformed> {
        let mut chunks = Chunks::new();
        let (mut data, mut behind) = (Vec::new(), 0);
        for mut piece in pieces.iter().copied() {
            while let Some(more) = chunks.next(&mut piece)? {
                data.extend_from_slice(more);
            }
            behind += piece.len();
        }
        Ok((data, chunks.is_over(), behind))
    }

    #[test]
    fn extensions_and_trailers_are_left_out() {
        let body = b"4;a=\"b;c\"\r\ndata\r\nA \r\n0123456789\r\n0\r\nx: y\r\nz: w\r\n\r\nrest";
        let decoded = (b"data0123456789".to_vec(), true, 4);
        assert_eq!(decode(&[body]), Ok(decoded));
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        for body in [
            "4\ndata\r\n0\r\n\r\n",
            "4\r\ndata\n0\r\n\r\n",
            "4\r\ndata0\r\n\r\n",
            "\r\ndata",
            "+4\r\ndata",
            "0x4\r\ndata",
            "-1\r\n",
            " 4\r\ndata",
            "11111111111111111\r\n",
            "4;a\nb\r\ndata",
            "0\r\n\n",
            "0\r\nx: y\n\r\n",
        ] {
            assert_eq!(decode(&[body.as_bytes()]), Err(Malformed), "{body:?}");
        }
    }

    #[test]
    fn extensions_without_end_are_refused() {
        let line = format!("1;{}\r\nx\r\n", "a".repeat(MAX_OVERHEAD));
        assert_eq!(decode(&[line.as_bytes()]), Err(Malformed));
    }

    proptest! {
        #[test]
        fn decoding_does_not_depend_on_how_bytes_are_split(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let mut encoded = Vec::new();
            for piece in &pieces {
                encoded.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                encoded.extend_from_slice(piece);
                encoded.extend_from_slice(b"\r\n");
            }
            encoded.extend_from_slice(b"0\r\n\r\n");
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(encoded.len())).collect();
            cuts.extend([0, encoded.len()]);
            cuts.sort_unstable();
            let split: Vec<_> = cuts.windows(2).map(|cut| &encoded[cut[0]..cut[1]]).collect();
            prop_assert_eq!(decode(&split), Ok((pieces.concat(), true, 0)));
            let cut_short = &encoded[..encoded.len() - 1];
            prop_assert_eq!(decode(&[cut_short]).map(|(_, is_over, _)| is_over), Ok(false));
        }
    }
}
