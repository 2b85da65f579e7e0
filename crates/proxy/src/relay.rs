//! Passes a stream on, event by event, to its proof of wholeness or an error event.

mod asking;

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ai_gateway_providers::{StreamFault, StreamRelay, Usage};
use bytes::Bytes;
use http_body::{Body as _, Frame};

use crate::attempt::Begun;
use crate::body::Cut;
use crate::client::Source;
use crate::dispatch::{Rest, Resumed, Resumption};
use crate::settle::{Ending, Settlement};
use crate::silence::{Silence, StreamLimits};

use self::asking::{Asking, Told};

/// A target's stream from the commit point on.
pub(crate) struct Relay {
    /// What the target sends; `None` while others are asked to go on.
    source: Option<Source>,
    events: StreamRelay,
    ready: VecDeque<Bytes>,
    phase: Phase,
    silence: Silence,
    settlement: Settlement,
    /// Who else may go on, should the stream break off.
    resumption: Option<Box<Resumption>>,
    /// Others are being asked to.
    asking: Option<Box<Asking>>,
}

/// Where a stream stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// Events come.
    Flowing,
    /// The answer is proven whole; what is still to come is its tail: usage, the terminator.
    Whole,
    /// Nothing more is read; what is ready is sent.
    Over,
}

/// Why a stream ended before it was whole.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Break {
    /// What the target sent is at fault.
    Fault(BrokenStream),
    /// The connection broke or ended.
    Disconnected,
    /// No byte came for too long.
    Silent,
    /// The request's deadline passed.
    Deadline,
    /// The gateway stops, and its time to finish is over.
    Stopping,
}

/// A [`StreamFault`] without its text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum BrokenStream {
    /// The target said in the stream that it failed.
    ErrorEvent,
    /// The target said in the stream that the request itself is at fault.
    Refusal,
    /// An event is not of the target's dialect, or too large.
    Malformed,
    /// It ended without proof that it was whole.
    Truncated,
}

impl From<&StreamFault> for BrokenStream {
    fn from(fault: &StreamFault) -> Self {
        match fault {
            StreamFault::ErrorEvent { class, .. } if class.blames_caller() => Self::Refusal,
            StreamFault::ErrorEvent { .. } => Self::ErrorEvent,
            StreamFault::Truncated => Self::Truncated,
            _ => Self::Malformed,
        }
    }
}

impl Break {
    /// Whether another target may well do better.
    fn may_be_mended(self) -> bool {
        match self {
            Self::Fault(BrokenStream::Refusal) | Self::Deadline | Self::Stopping => false,
            Self::Fault(_) | Self::Disconnected | Self::Silent => true,
        }
    }
}

impl Relay {
    /// Takes over a stream that has begun, with which `resumption` may find others to go on.
    pub(crate) fn new(
        begun: Begun,
        limits: StreamLimits,
        settlement: Settlement,
        resumption: Option<Box<Resumption>>,
    ) -> Self {
        let Begun {
            source,
            events,
            ready,
        } = begun;
        let mut relay = Self {
            source: Some(source),
            events,
            ready,
            phase: Phase::Flowing,
            silence: Silence::watch(limits, settlement.ending()),
            settlement,
            resumption,
            asking: None,
        };
        relay.note_wholeness();
        relay
    }

    /// Reads what the source has, until something is ready to be sent or the stream is over.
    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(source) = &mut self.source else {
            self.end(Break::Disconnected);
            return Poll::Ready(());
        };
        match Pin::new(source).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    self.take(data);
                }
                Poll::Ready(())
            }
            Poll::Ready(Some(Err(_))) => {
                self.end(Break::Disconnected);
                Poll::Ready(())
            }
            Poll::Ready(None) => {
                match self.events.end(&mut self.ready) {
                    Ok(()) => self.finish(),
                    Err(fault) => self.end(Break::Fault((&fault).into())),
                }
                Poll::Ready(())
            }
            Poll::Pending => {
                let why = ready!(self.silence.poll(cx));
                self.end(why);
                Poll::Ready(())
            }
        }
    }

    fn take(&mut self, data: Bytes) {
        self.silence.heard();
        match self.events.push(data, &mut self.ready) {
            Ok(()) => self.note_wholeness(),
            Err(fault) => self.end(Break::Fault((&fault).into())),
        }
    }

    /// Once the answer is proven whole, what comes after is not waited for long: a target may
    /// leave the terminator out and keep the connection open.
    fn note_wholeness(&mut self) {
        if self.phase == Phase::Flowing && self.events.is_whole() {
            self.phase = Phase::Whole;
            self.silence.wait_at_most(TAIL);
        }
    }

    fn finish(&mut self) {
        self.phase = Phase::Over;
        self.settlement
            .settle(Ending::Complete, &self.events.usage());
    }

    /// What a stream that is not whole has used: most providers say so only at its end, so the
    /// events that brought something of the answer are counted instead, about one a token.
    fn partial_usage(&self) -> Usage {
        let mut usage = self.events.usage();
        if !usage.complete {
            usage.output = usage.output.max(self.events.output_events());
        }
        usage
    }

    /// Ends a stream that is not whole: in the dialect's error event.
    ///
    /// When its wholeness was already proven, only the tail broke, and the tail is supplied.
    fn end(&mut self, why: Break) {
        if self.phase == Phase::Whole && self.events.end(&mut self.ready).is_ok() {
            self.finish();
            return;
        }
        let usage = self.partial_usage();
        self.asking = self.ask_others(why, &usage);
        if self.asking.is_none() {
            self.tell(why);
            self.settlement.settle(Ending::Broken(why), &usage);
        }
    }

    /// Tells the client that the stream broke off, and nothing after that.
    fn tell(&mut self, why: Break) {
        self.phase = Phase::Over;
        let event = self.settlement.error_event(why);
        self.ready.push_back(event);
    }

    /// Asks others to go on with a stream that broke off after `usage` of its target, where the
    /// operator wants that and somebody could.
    fn ask_others(&mut self, why: Break, usage: &Usage) -> Option<Box<Asking>> {
        let resumption = self.resumption.take().filter(|_| why.may_be_mended())?;
        let broken = self.events.interrupted(*usage)?;
        let story = self.settlement.hand_over(why, usage)?;
        // Its target has nothing more to say to anyone.
        self.source = None;
        Some(Box::new(Asking::begin(why, resumption, story, broken)))
    }

    /// Goes on with what another target sends, or ends where none does.
    fn resume(&mut self, why: Break, resumed: Resumed) {
        self.asking = None;
        match resumed {
            Resumed::On(rest) => {
                let Rest {
                    begun,
                    limits,
                    settlement,
                    resumption,
                    mark,
                } = *rest;
                self.source = Some(begun.source);
                self.events = begun.events;
                self.ready.extend((!mark.is_empty()).then(|| mark.into()));
                self.ready.extend(begun.ready);
                self.silence = Silence::watch(limits, settlement.ending());
                self.settlement = settlement;
                self.resumption = resumption;
                self.note_wholeness();
            }
            Resumed::Off(story) => {
                self.tell(why);
                story.broke_off();
            }
        }
    }
}

impl http_body::Body for Relay {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = &mut *self;
        loop {
            if let Some(bytes) = this.ready.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            if this.phase == Phase::Over {
                return Poll::Ready(None);
            }
            match &mut this.asking {
                None => ready!(this.poll_source(cx)),
                Some(asking) => match ready!(asking.poll(cx)) {
                    Told::Comment(comment) => return Poll::Ready(Some(Ok(Frame::data(comment)))),
                    Told::Resumed(why, resumed) => this.resume(why, resumed),
                },
            }
        }
    }
}

impl Drop for Relay {
    /// The client left: the target's connection goes with the source, and nobody is to blame.
    fn drop(&mut self) {
        let ending = match self.phase {
            Phase::Flowing => Ending::ClientGone,
            // Everything that matters was there to be sent.
            Phase::Whole | Phase::Over => Ending::Complete,
        };
        let usage = match ending {
            Ending::Complete => self.events.usage(),
            Ending::ClientGone | Ending::Broken(_) => self.partial_usage(),
        };
        self.settlement.settle(ending, &usage);
    }
}

/// How long the tail of a whole answer is waited for.
pub(crate) const TAIL: Duration = Duration::from_millis(500);
