//! Goes over an object's fields without building anything.
//!
//! A body that only passes through is looked at in full, to be sure that it is JSON, but two or three
//! of its fields are all that anybody wants of it. This reads at about one instruction a byte where
//! `serde_json` takes five. It knows no errors: what it does not take, or only may take, is left to
//! `serde_json` to judge and to name.

/// An object's fields, each value as written.
#[derive(Debug, Default)]
pub(crate) struct Slices<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Slices<'a> {
    /// Reads `text`; `None` says nothing about it.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        let mut slices = Vec::with_capacity(16);
        fields(text, |name, value| slices.push((name, value)))?;
        Some(Self(slices))
    }

    /// Returns the value of `name`, the last one when it is given twice; `null` counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        let found = self.0.iter().rev().find(|(key, _)| *key == name);
        found
            .map(|(_, value)| *value)
            .filter(|value| *value != "null")
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Slices<'a> {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}

/// Hands each field of the object that `text` is to `each`: its name, and its value as written.
///
/// `None` when `text` is not exactly one JSON object, or is one that is left to `serde_json`: with a
/// name that is written with escapes, or nested more than 128 deep.
pub(crate) fn fields<'a>(text: &'a str, mut each: impl FnMut(&'a str, &'a str)) -> Option<()> {
    let mut scan = Scan {
        text,
        has_controls: has_controls(text),
        rest: text.as_bytes(),
    };
    scan.token(b'{')?;
    if scan.peek()? == b'}' {
        scan.step();
    } else {
        loop {
            let (name, is_plain) = scan.name()?;
            if !is_plain {
                return None;
            }
            scan.space();
            let start = scan.at();
            scan.value()?;
            each(name, text.get(start..scan.at())?);
            match scan.peek()? {
                b',' => scan.step(),
                b'}' => break scan.step(),
                _ => return None,
            }
        }
    }
    scan.space();
    scan.rest.is_empty().then_some(())
}

struct Scan<'a> {
    text: &'a str,
    has_controls: bool,
    /// What of the text is still to be read.
    rest: &'a [u8],
}

impl<'a> Scan<'a> {
    fn at(&self) -> usize {
        self.text.len() - self.rest.len()
    }

    fn step(&mut self) {
        self.skip(1);
    }

    fn skip(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }

    fn space(&mut self) {
        while let [b' ' | b'\n' | b'\t' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        self.space();
        self.rest.first().copied()
    }

    fn token(&mut self, token: u8) -> Option<()> {
        (self.peek()? == token).then(|| self.step())
    }

    /// Reads a field's name and the colon behind it; tells whether the name has no escapes.
    fn name(&mut self) -> Option<(&'a str, bool)> {
        self.token(b'"')?;
        let start = self.at();
        let is_plain = self.string()?;
        let name = self.text.get(start..self.at() - 1)?;
        self.token(b':')?;
        Some((name, is_plain))
    }

    /// Goes over one value, with all that is in it.
    fn value(&mut self) -> Option<()> {
        let mut open = Open::default();
        loop {
            let first = self.peek()?;
            self.step();
            match first {
                b'"' => {
                    self.string()?;
                }
                b'{' if self.peek()? == b'}' => self.step(),
                b'{' => {
                    open.push(Container::Object)?;
                    self.name()?;
                    continue;
                }
                b'[' if self.peek()? == b']' => self.step(),
                b'[' => {
                    open.push(Container::Array)?;
                    continue;
                }
                b't' => self.word(b"rue")?,
                b'f' => self.word(b"alse")?,
                b'n' => self.word(b"ull")?,
                b'-' => self.number()?,
                b'0'..=b'9' => self.number_from(first)?,
                _ => return None,
            }
            // A value has ended; with it perhaps the array or object it was the last of.
            loop {
                let Some(container) = open.last() else {
                    return Some(());
                };
                let next = self.peek()?;
                self.step();
                match (next, container) {
                    (b',', Container::Array) => break,
                    (b',', Container::Object) => {
                        self.name()?;
                        break;
                    }
                    (b']', Container::Array) | (b'}', Container::Object) => open.pop(),
                    _ => return None,
                }
            }
        }
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(word)?;
        Some(())
    }

    fn number(&mut self) -> Option<()> {
        let first = *self.rest.first()?;
        self.step();
        self.number_from(first)
    }

    /// Goes over a number whose first digit has been read.
    fn number_from(&mut self, first: u8) -> Option<()> {
        match first {
            b'0' => {}
            b'1'..=b'9' => self.digits(),
            _ => return None,
        }
        if let [b'.', rest @ ..] = self.rest {
            self.rest = rest;
            self.some_digits()?;
        }
        if let [b'e' | b'E', rest @ ..] = self.rest {
            self.rest = rest;
            if let [b'+' | b'-', rest @ ..] = self.rest {
                self.rest = rest;
            }
            self.some_digits()?;
        }
        Some(())
    }

    fn some_digits(&mut self) -> Option<()> {
        self.rest.first().filter(|byte| byte.is_ascii_digit())?;
        self.digits();
        Some(())
    }

    fn digits(&mut self) {
        while let [b'0'..=b'9', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    /// Goes over a string whose opening quote has been read; tells whether it has no escapes.
    fn string(&mut self) -> Option<bool> {
        let mut is_plain = true;
        loop {
            let (passed, rest) = self.rest.split_at_checked(plain(self.rest))?;
            if self.has_controls && passed.iter().any(|byte| *byte < 0x20) {
                return None;
            }
            self.rest = rest;
            match self.rest {
                [b'"', rest @ ..] => {
                    self.rest = rest;
                    return Some(is_plain);
                }
                [b'\\', b'u', a, b, c, d, rest @ ..] => {
                    let digits = [a, b, c, d];
                    digits
                        .iter()
                        .all(|digit| digit.is_ascii_hexdigit())
                        .then_some(())?;
                    self.rest = rest;
                }
                [
                    b'\\',
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
                    rest @ ..,
                ] => {
                    self.rest = rest;
                }
                _ => return None,
            }
            is_plain = false;
        }
    }
}

/// Whether `text` holds a control character, which no string may; what is written for people has them
/// between its values.
fn has_controls(text: &str) -> bool {
    let (blocks, rest) = text.as_bytes().as_chunks::<BLOCK>();
    // Without a branch in a block, so that the compiler looks at many bytes at once.
    let in_block = |block: &[u8; BLOCK]| {
        block
            .iter()
            .fold(0, |found, byte| found | u8::from(*byte < 0x20))
            != 0
    };
    blocks.iter().any(in_block) || rest.iter().any(|byte| *byte < 0x20)
}

/// How many bytes at the beginning stand for themselves in a string: neither its end nor an escape.
fn plain(bytes: &[u8]) -> usize {
    // Names and most values are short; what is longer than that is mostly a prompt.
    let (words, _) = bytes.as_chunks::<WORD>();
    let mut seen = 0;
    for word in words.iter().take(SHORT_WORDS) {
        let word = u64::from_le_bytes(*word);
        // The high bit of each byte that is zero, and possibly of those above it.
        let zero = |word: u64| word.wrapping_sub(ONES) & !word;
        let found = (zero(word ^ QUOTES) | zero(word ^ BACKSLASHES)) & (ONES << 7);
        if found != 0 {
            return seen + found.trailing_zeros() as usize / 8;
        }
        seen += WORD;
    }
    let rest = bytes.get(seen..).unwrap_or_default();
    seen + memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len())
}

/// The arrays and objects that a value lies in, a bit each.
#[derive(Default)]
struct Open {
    kinds: u128,
    depth: u32,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Container {
    Array,
    Object,
}

impl Open {
    fn push(&mut self, container: Container) -> Option<()> {
        if self.depth == u128::BITS {
            return None;
        }
        self.kinds = self.kinds << 1 | u128::from(container == Container::Object);
        self.depth += 1;
        Some(())
    }

    fn pop(&mut self) {
        self.kinds >>= 1;
        self.depth = self.depth.saturating_sub(1);
    }

    fn last(&self) -> Option<Container> {
        match (self.depth, self.kinds & 1) {
            (0, _) => None,
            (_, 0) => Some(Container::Array),
            (_, _) => Some(Container::Object),
        }
    }
}

const BLOCK: usize = 64;
const WORD: usize = size_of::<u64>();
/// How much of a string is looked at before a search that takes a while to set up.
const SHORT_WORDS: usize = 2;
/// Each byte 1.
const ONES: u64 = u64::MAX / 0xff;
const QUOTES: u64 = ONES * 0x22;
const BACKSLASHES: u64 = ONES * 0x5c;

#[cfg(test)]
mod tests;
