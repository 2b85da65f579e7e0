//! What is done to each peer, and what is counted while it is.

use std::time::Duration;

use crate::{peers::Route, provider::Program};

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    /// Its name in the record.
    pub(crate) id: &'static str,
    /// Which dialects meet.
    pub(crate) route: Route,
    /// Size of the request's body, and of a plain answer's, in bytes.
    pub(crate) bytes: usize,
    /// How load is put on.
    pub(crate) drive: Drive,
    /// Whether peers that serve some hundred requests a second take part.
    pub(crate) includes_slow: bool,
}

/// How load is put on a peer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Drive {
    /// So many connections, each with one request at a time.
    Closed(usize),
    /// So many requests a second, whatever becomes of them.
    Open(u32),
    /// So many streams at once, of so many events at this distance.
    Streams {
        /// Streams at once.
        streams: u32,
        /// Content events in each.
        events: u32,
        /// Between two events.
        every: Duration,
    },
}

impl Case {
    /// What the stand-in has to play.
    pub(crate) fn program(&self) -> Program {
        match self.drive {
            Drive::Closed(_) | Drive::Open(_) => Program::Plain { bytes: self.bytes },
            Drive::Streams { events, every, .. } => {
                let every_us = u64::try_from(every.as_micros()).unwrap_or(u64::MAX);
                Program::Stream { events, every_us }
            }
        }
    }

    /// Content events in an answer.
    pub(crate) fn events(&self) -> u32 {
        match self.drive {
            Drive::Closed(_) | Drive::Open(_) => 0,
            Drive::Streams { events, .. } => events,
        }
    }

    /// The same at a pace that a peer of some hundred requests a second can keep.
    pub(crate) fn slowed(mut self) -> Self {
        self.drive = match self.drive {
            Drive::Closed(connections) => Drive::Closed(connections),
            Drive::Open(rate) => Drive::Open(rate / 20),
            Drive::Streams {
                streams,
                events,
                every,
            } => Drive::Streams {
                streams: streams / 8,
                events,
                every: every * 2,
            },
        };
        self
    }
}

const KIB: usize = 1024;

const fn plain(id: &'static str, bytes: usize, connections: usize, includes_slow: bool) -> Case {
    Case {
        id,
        route: Route::Same,
        bytes,
        drive: Drive::Closed(connections),
        includes_slow,
    }
}

const STREAMS: Drive = Drive::Streams {
    streams: 64,
    events: 100,
    every: Duration::from_millis(10),
};

/// All cases, in the order they run in.
pub(crate) const CASES: &[Case] = &[
    plain("plain-1k-c1", KIB, 1, true),
    plain("plain-1k-c64", KIB, 64, true),
    plain("plain-1k-c512", KIB, 512, false),
    plain("plain-32k-c64", 32 * KIB, 64, false),
    plain("plain-256k-c16", 256 * KIB, 16, false),
    Case {
        id: "open-1k",
        route: Route::Same,
        bytes: KIB,
        drive: Drive::Open(1000),
        includes_slow: true,
    },
    Case {
        id: "stream",
        route: Route::Same,
        bytes: KIB,
        drive: STREAMS,
        includes_slow: true,
    },
    Case {
        id: "translated-1k-c64",
        route: Route::Translated,
        bytes: KIB,
        drive: Drive::Closed(64),
        includes_slow: true,
    },
    Case {
        id: "translated-32k-c64",
        route: Route::Translated,
        bytes: 32 * KIB,
        drive: Drive::Closed(64),
        includes_slow: false,
    },
    Case {
        id: "translated-stream",
        route: Route::Translated,
        bytes: KIB,
        drive: STREAMS,
        includes_slow: true,
    },
];
