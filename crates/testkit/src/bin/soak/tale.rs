//! Streams that both ends know by heart: what a target tells, and what its client holds it against.

use std::fmt::Write as _;

/// The event of that number of a stream, counted from 0, as it is on the wire.
pub(crate) fn event(stream: u64, number: u64) -> String {
    let filler = filler(stream, number);
    let content = format!("{stream}/{number}/{filler}");
    chunk(
        stream,
        &format!(r#"{{"content":"{content}"}},"finish_reason":null"#),
    )
}

/// The event that says that the stream is over.
pub(crate) fn finish(stream: u64) -> String {
    chunk(stream, r#"{},"finish_reason":"stop""#)
}

/// What follows [`finish`].
pub(crate) const DONE: &str = "data: [DONE]\n\n";

fn chunk(stream: u64, delta: &str) -> String {
    format!(
        r#"data: {{"id":"tale-{stream}","object":"chat.completion.chunk","created":1,"model":"m","choices":[{{"index":0,"delta":{delta}}}]}}"#
    ) + "\n\n"
}

/// Up to 240 letters, another text for each event.
fn filler(stream: u64, number: u64) -> String {
    let mut random = fastrand::Rng::with_seed(stream.rotate_left(32) ^ number);
    let length = random.usize(..240);
    (0..length).map(|_| random.lowercase()).collect()
}

/// What was wrong with the events of a stream.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Wrong {
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) reordered: u64,
    /// Of another stream.
    pub(crate) foreign: u64,
    /// Not as they were told, in any other way.
    pub(crate) garbled: u64,
    /// The first of them.
    pub(crate) first: Option<String>,
}

impl Wrong {
    pub(crate) fn events(&self) -> u64 {
        self.lost + self.doubled + self.reordered + self.foreign + self.garbled
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.reordered += other.reordered;
        self.foreign += other.foreign;
        self.garbled += other.garbled;
        self.first = self.first.take().or(other.first);
    }
}

/// A client that holds every byte of a stream against the tale.
#[derive(Debug)]
pub(crate) struct Reading {
    stream: u64,
    next: u64,
    unfinished: Vec<u8>,
    end: End,
    pub(crate) wrong: Wrong,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    Open,
    Finished,
    Done,
}

impl Reading {
    pub(crate) fn of(stream: u64) -> Self {
        Self {
            stream,
            next: 0,
            unfinished: Vec::new(),
            end: End::Open,
            wrong: Wrong::default(),
        }
    }

    /// The stream that is read.
    pub(crate) fn stream(&self) -> u64 {
        self.stream
    }

    /// How many events came, the last two left out.
    pub(crate) fn events(&self) -> u64 {
        self.next
    }

    /// Whether the end was told, and nothing came behind it.
    pub(crate) fn is_whole(&self) -> bool {
        self.end == End::Done && self.unfinished.is_empty()
    }

    /// Reads on; how the bytes are split between calls makes no difference.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.unfinished.extend_from_slice(bytes);
        let ends = |bytes: &[u8]| bytes.windows(2).position(|two| two == b"\n\n");
        while let Some(end) = ends(&self.unfinished) {
            let event: Vec<u8> = self.unfinished.drain(..end + 2).collect();
            self.take(&String::from_utf8_lossy(&event));
        }
    }

    fn take(&mut self, told: &str) {
        if self.end == End::Open && told == event(self.stream, self.next) {
            self.next += 1;
        } else if self.end == End::Open && told == finish(self.stream) {
            self.end = End::Finished;
        } else if self.end == End::Finished && told == DONE {
            self.end = End::Done;
        } else {
            self.blame(told);
        }
    }

    fn blame(&mut self, told: &str) {
        let mut first = format!("stream {}, for event {}: ", self.stream, self.next);
        first
            .write_str(told.get(..told.len().min(200)).unwrap_or(told))
            .ok();
        self.wrong.first.get_or_insert(first);
        match place(told) {
            Some((stream, _)) if stream != self.stream => self.wrong.foreign += 1,
            Some((_, number)) if self.end == End::Open && told == event(self.stream, number) => {
                if number > self.next {
                    self.wrong.lost += number - self.next;
                    self.next = number + 1;
                } else if number + 1 == self.next {
                    self.wrong.doubled += 1;
                } else {
                    self.wrong.reordered += 1;
                }
            }
            _ => self.wrong.garbled += 1,
        }
    }
}

/// The stream and the number that an event names.
fn place(told: &str) -> Option<(u64, u64)> {
    let (_, content) = told.split_once(r#"{"content":""#)?;
    let mut parts = content.split('/');
    let stream = parts.next()?.parse().ok()?;
    Some((stream, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(told: &[String]) -> Reading {
        let mut reading = Reading::of(7);
        let told = told.concat();
        for piece in told.as_bytes().chunks(11) {
            reading.push(piece);
        }
        reading
    }

    fn events(numbers: &[u64]) -> Vec<String> {
        let mut told: Vec<_> = numbers.iter().map(|&number| event(7, number)).collect();
        told.extend([finish(7), DONE.to_owned()]);
        told
    }

    #[test]
    fn a_stream_as_it_was_told_is_whole() {
        let reading = read(&events(&[0, 1, 2]));
        assert!(reading.is_whole());
        assert_eq!((reading.events(), reading.wrong), (3, Wrong::default()));
    }

    #[test]
    fn each_kind_of_fault_is_counted_as_what_it_is() {
        let wrong = |numbers: &[u64]| read(&events(numbers)).wrong;
        assert_eq!(wrong(&[0, 3]).lost, 2);
        assert_eq!(wrong(&[0, 1, 1, 2]).doubled, 1);
        let swapped = wrong(&[0, 2, 1, 3]);
        assert_eq!((swapped.lost, swapped.reordered), (1, 1));
        let mut told = events(&[0, 1]);
        told.insert(1, event(8, 1));
        assert_eq!(read(&told).wrong.foreign, 1);
        let mut told = events(&[0, 1]);
        told[1] = told[1].replace("/1/", "/1/x");
        assert_eq!(read(&told).wrong.garbled, 1);
        let mut told = events(&[0]);
        told.push(event(7, 1));
        assert_eq!(read(&told).wrong.garbled, 1);
    }

    #[test]
    fn a_stream_that_is_cut_is_not_whole() {
        let told = events(&[0, 1]);
        assert!(!read(&told[..3]).is_whole());
        let mut cut = told;
        cut[3].truncate(5);
        assert!(!read(&cut).is_whole());
    }
}
