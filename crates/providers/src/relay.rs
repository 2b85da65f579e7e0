//! Streams of events from a target to its client.

mod framing;
mod translation;

pub(crate) use translation::{HeldText, Translation};

use bytes::Bytes;

use crate::continuation::{Interrupted, Sent, Splice};
use crate::dialect::Dialect;
use crate::error::{ErrorBody, GatewayError, render_error_event};
use crate::event_stream::Message;
use crate::exchange::Exchange;
use crate::fault::{FaultClass, classify_event};
use crate::neutral::Event;
use crate::sse::Frame;
use crate::usage::Usage;
use crate::{anthropic, bedrock, cohere, gemini, openai, responses};

use self::framing::{Framing, Piece};

/// Brings a stream of events from a target to its client, event by event.
///
/// How the bytes are cut makes no difference. Between dialects each event is translated; within
/// one it passes through as it is, once it is seen to be whole and well-formed. Memory is bounded:
/// one event, and what parallel tool calls hold back.
#[derive(Debug)]
pub struct StreamRelay {
    exchange: Exchange,
    framing: Framing,
    reader: Reader,
    translation: Option<Translation>,
    seen: Seen,
    /// What the client was sent, where another target may have to go on with it.
    sent: Option<Box<Sent>>,
    /// Where this goes on with an answer of another target, what both have.
    splice: Option<Box<Splice>>,
    /// What the targets before this one used.
    before: Usage,
    failed: Option<StreamFault>,
}

/// What a stream has shown so far.
#[derive(Debug, Default)]
struct Seen {
    meaningful: bool,
    done: bool,
    usage: Usage,
    events: u64,
    error: Option<ErrorBody>,
}

/// Reads the events of the target's dialect.
#[derive(Debug)]
enum Reader {
    OpenAi(openai::Reader),
    Anthropic(anthropic::Reader),
    Gemini(gemini::Reader),
    Responses(responses::Reader),
    Bedrock(bedrock::Reader),
    Cohere(cohere::Reader),
}

/// Why a stream can't go on. What was written before it stands, nothing may follow but an error
/// event.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamFault {
    /// The provider reported an error.
    #[error("the provider reported an error: {message}")]
    ErrorEvent {
        /// What it means.
        class: FaultClass,
        /// The provider's own words, at most 1 KiB of them; may quote the request.
        message: String,
        /// The error as the last event of the client's stream, for a stream that has begun.
        event: Bytes,
    },
    /// An event is not what the dialect says it should be. It was not passed on.
    #[error("the provider sent a malformed event")]
    Malformed,
    /// The stream ended before the answer did.
    #[error("the stream ended before the answer did")]
    Truncated,
    /// An event, or what has to be held back, is larger than the bound.
    #[error("the provider sent more than can be held")]
    TooLarge,
}

impl StreamFault {
    /// What it means for the target.
    pub const fn class(&self) -> FaultClass {
        match self {
            Self::ErrorEvent { class, .. } => *class,
            Self::Malformed | Self::Truncated | Self::TooLarge => FaultClass::ServerError,
        }
    }
}

impl StreamRelay {
    pub(crate) fn new(exchange: Exchange) -> Self {
        let resumes = exchange.resumes.as_deref();
        let translation = match resumes {
            Some(interrupted) => Some(interrupted.translation(&exchange)),
            None => (!exchange.passes_through()).then(|| Translation::new(&exchange)),
        };
        let sent = exchange
            .keeps_sent
            .then(|| Box::new(resumes.map_or_else(Sent::new, |from| from.sent().clone())));
        let reader = match exchange.target {
            Dialect::OpenAiChat => Reader::OpenAi(openai::Reader::new(&exchange)),
            Dialect::AnthropicMessages => Reader::Anthropic(anthropic::Reader::default()),
            Dialect::GeminiGenerate => Reader::Gemini(gemini::Reader::new(&exchange)),
            Dialect::OpenAiResponses => Reader::Responses(responses::Reader::default()),
            Dialect::BedrockConverse => Reader::Bedrock(bedrock::Reader::default()),
            Dialect::CohereChat => Reader::Cohere(cohere::Reader::default()),
        };
        Self {
            framing: Framing::of(exchange.target),
            sent,
            splice: resumes.map(|from| Box::new(from.splice())),
            before: resumes.map_or_else(Usage::default, Interrupted::usage),
            exchange,
            reader,
            translation,
            seen: Seen::default(),
            failed: None,
        }
    }

    /// Takes the target's next bytes and appends to `out` what the client is to get for them.
    /// What comes behind the dialect's last event is not read, and is no fault.
    ///
    /// # Errors
    ///
    /// [`StreamFault`] when the stream can't go on. What `out` got in the same call comes before
    /// it and stands. Every later call fails alike.
    pub fn push(&mut self, chunk: Bytes, out: &mut impl Extend<Bytes>) -> Result<(), StreamFault> {
        if let Some(fault) = &self.failed {
            return Err(fault.clone());
        }
        self.framing.push(chunk);
        let result = loop {
            if self.seen.done {
                self.pass_rest(out);
                break Ok(());
            }
            let taken = match self.framing.next() {
                Ok(Some(Piece::Event(event))) => self.take(event, out),
                Ok(Some(Piece::Message(message))) => self.take_message(&message),
                Ok(None) => break Ok(()),
                Err(fault) => Err(fault),
            };
            if taken.is_err() {
                break taken;
            }
        };
        self.flush(out);
        result.inspect_err(|fault| self.failed = Some(fault.clone()))
    }

    /// Says that the target's stream has ended, and appends to `out` what the client still needs.
    ///
    /// # Errors
    ///
    /// [`StreamFault::Truncated`] when the answer is not whole; what went wrong before, if
    /// anything did.
    pub fn end(&mut self, out: &mut impl Extend<Bytes>) -> Result<(), StreamFault> {
        if let Some(fault) = &self.failed {
            return Err(fault.clone());
        }
        let result = self.close(out);
        result.inspect_err(|fault| self.failed = Some(fault.clone()))
    }

    /// Tells whether anything of the answer itself has come: a token, a piece of a tool call, of
    /// thinking, of a refusal. From then on the request can't be tried elsewhere unnoticed.
    pub const fn has_meaningful_event(&self) -> bool {
        self.seen.meaningful
    }

    /// Tells whether the stream has proved to be whole: every choice has its reason for the end,
    /// or the dialect's last event has come.
    pub fn is_whole(&self) -> bool {
        self.seen.done
            || match &self.reader {
                Reader::OpenAi(reader) => reader.is_finished(),
                Reader::Gemini(reader) => reader.is_finished(),
                Reader::Bedrock(reader) => reader.is_finished(),
                Reader::Cohere(reader) => reader.is_finished(),
                Reader::Anthropic(_) | Reader::Responses(_) => false,
            }
    }

    /// What the exchange has used so far. Its counts are final once
    /// [`complete`](Usage::complete) is set.
    pub const fn usage(&self) -> Usage {
        self.seen.usage
    }

    /// How many events with anything of the answer in them have come: about the number of
    /// tokens, for providers that send each by itself.
    pub const fn output_events(&self) -> u64 {
        self.seen.events
    }

    /// What another target needs to go on with this stream, which broke off after `usage` of its
    /// target; `None` when none can: not every word of it is plain text in one piece, or what
    /// was sent is [not kept](Exchange::keep_sent).
    pub fn interrupted(&self, usage: Usage) -> Option<Interrupted> {
        let sent = self.sent.as_deref()?;
        let is_in_text = match &self.reader {
            Reader::OpenAi(_) | Reader::Bedrock(_) | Reader::Cohere(_) => true,
            Reader::Anthropic(reader) => reader.is_in_only_text(),
            Reader::Gemini(reader) => !reader.has_hidden_part(),
            // Its events tell a whole that its pieces belong to, item by item.
            Reader::Responses(_) => false,
        };
        let usage = self.before.plus(&usage);
        is_in_text
            .then(|| Interrupted::new(sent, self.translation.as_ref(), &self.exchange, usage))
            .flatten()
    }

    fn take(&mut self, event: Bytes, out: &mut impl Extend<Bytes>) -> Result<(), StreamFault> {
        let frame = Frame::of(&event);
        let data = frame.data.as_deref().unwrap_or_default();
        if data.iter().all(u8::is_ascii_whitespace) {
            // A comment, or nothing: it keeps a connection alive, and means nothing elsewhere.
            if self.translation.is_none() {
                out.extend([event]);
            }
            return Ok(());
        }
        let text = std::str::from_utf8(data).map_err(|_| StreamFault::Malformed)?;
        let shown = self.read("", text)?;
        if let Some(said) = self.seen.error.take() {
            return Err(self.reported(&said));
        }
        let hides_usage = shown == Shown::UsageOnly && !self.exchange.shows_usage;
        if self.translation.is_none() && !hides_usage {
            out.extend([event]);
        }
        Ok(())
    }

    /// Takes a message of the binary framing, which no client speaks.
    fn take_message(&mut self, message: &Message) -> Result<(), StreamFault> {
        if message.is_exception {
            return Err(self.reported(&ErrorBody::of_message(message)));
        }
        let text = std::str::from_utf8(&message.payload).map_err(|_| StreamFault::Malformed)?;
        self.read(&message.kind, text)?;
        Ok(())
    }

    /// Reads one event's data, and writes it for the client where it has to be translated. `kind`
    /// is the event's name where the data does not say it.
    fn read(&mut self, kind: &str, data: &str) -> Result<Shown, StreamFault> {
        let Self {
            reader,
            translation,
            seen,
            sent,
            splice,
            before,
            ..
        } = self;
        let mut pass = |event: Event<'_>| {
            seen.note(&event);
            if let Some(sent) = sent {
                sent.note(&event);
            }
            match (&mut *translation, event) {
                (Some(translation), Event::Usage(usage)) => {
                    translation.write(Event::Usage(before.plus(&usage)));
                }
                (Some(translation), event) => translation.write(event),
                (None, event) => {
                    if let Event::Error(said) = event {
                        seen.error = Some(said);
                    }
                }
            }
        };
        let mut emit = |event: Event<'_>| match splice {
            None => pass(event),
            Some(splice) => {
                let (late, event) = splice.take(event);
                late.into_iter().for_each(&mut pass);
                event.into_iter().for_each(&mut pass);
            }
        };
        let shown = match reader {
            Reader::OpenAi(reader) => reader.read(data, &mut emit),
            Reader::Anthropic(reader) => reader.read(data, &mut emit),
            Reader::Gemini(reader) => reader.read(data, &mut emit),
            Reader::Responses(reader) => reader.read(data, &mut emit),
            Reader::Bedrock(reader) => reader.read(kind, data, &mut emit),
            Reader::Cohere(reader) => reader.read(data, &mut emit),
        };
        if let Some(translation) = translation {
            if translation.holds_too_much() {
                return Err(StreamFault::TooLarge);
            }
            if translation.is_broken() {
                return Err(StreamFault::Malformed);
            }
            seen.error = seen.error.take().or_else(|| translation.take_error());
        }
        shown.ok_or(StreamFault::Malformed)
    }

    fn reported(&self, said: &ErrorBody) -> StreamFault {
        let class = classify_event(self.exchange.target, said);
        let message = match said.message.as_str() {
            "" => "the provider gave up and did not say why",
            message => message,
        };
        let error = GatewayError {
            status: class.status(),
            code: class.as_str(),
            message,
            param: None,
            request_id: None,
        };
        StreamFault::ErrorEvent {
            class,
            message: said.message.clone(),
            event: render_error_event(self.exchange.client, &error),
        }
    }

    /// Takes what comes behind the end, unread: it can't undo the answer. Within one dialect it
    /// passes through, to another there is nothing to tell.
    fn pass_rest(&mut self, out: &mut impl Extend<Bytes>) {
        let rest = self.framing.take_rest();
        if self.translation.is_none() && !rest.is_empty() {
            out.extend([rest]);
        }
    }

    fn flush(&mut self, out: &mut impl Extend<Bytes>) {
        if let Some(translation) = &mut self.translation {
            out.extend(translation.take_written());
        }
    }

    fn close(&mut self, out: &mut impl Extend<Bytes>) -> Result<(), StreamFault> {
        // Some leave out the empty line behind their last event.
        let rest = self.framing.finish();
        if self.translation.is_none()
            && !rest.is_empty()
            && rest.iter().all(u8::is_ascii_whitespace)
        {
            out.extend([rest]);
        } else if Frame::of(&rest).data.is_some() {
            let is_ended = rest.ends_with(b"\n") || rest.ends_with(b"\r");
            let ending = if is_ended { "\n" } else { "\n\n" };
            let taken = self.take([&rest, ending.as_bytes()].concat().into(), out);
            if let Err(fault) = taken {
                self.flush(out);
                // Half an event is no malformed one.
                return Err(match fault {
                    StreamFault::Malformed => StreamFault::Truncated,
                    fault => fault,
                });
            }
        }
        if !self.is_whole() {
            self.flush(out);
            return Err(StreamFault::Truncated);
        }
        match &mut self.translation {
            Some(translation) => {
                translation.write(Event::Done);
                if translation.is_broken() {
                    self.flush(out);
                    return Err(StreamFault::Malformed);
                }
            }
            None => {
                if self.exchange.target == Dialect::OpenAiChat && !self.seen.done {
                    out.extend([Bytes::from_static(b"data: [DONE]\n\n")]);
                }
            }
        }
        self.seen.done = true;
        self.flush(out);
        Ok(())
    }
}

impl Seen {
    fn note(&mut self, event: &Event<'_>) {
        if event.is_meaningful() {
            self.meaningful = true;
            self.events += 1;
        }
        match event {
            Event::Usage(usage) => self.usage = *usage,
            Event::Done => self.done = true,
            _ => {}
        }
    }
}

/// What an event has for the client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Shown {
    /// Something, or nothing that would have to be hidden.
    Anything,
    /// The usage and nothing else, in a form that the client has to ask for.
    UsageOnly,
}
