//! An answer as steps: bytes, waits, silence and cuts.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use hyper::body::{Body, Frame, SizeHint};
use serde_json::json;
use tokio::time::{Sleep, sleep};

use super::connection::WireState;
use super::json_bytes;
use crate::dialect::Reply;
use crate::journal::Entry;
use crate::{Behaviour, Cut, Dialect, Fault, Served};

/// The connection was cut on purpose.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut, as the behaviour wants")]
pub(super) struct Severed;

/// A body that follows its steps.
#[derive(Debug)]
pub(super) struct Script {
    steps: VecDeque<Step>,
    /// The length that the head promises; an event stream promises none.
    length: Option<u64>,
    sleep: Option<Pin<Box<Sleep>>>,
    is_flushing: bool,
    exchange: Option<Exchange>,
}

/// The request that a script answers and the connection it answers on.
#[derive(Debug)]
struct Exchange {
    wire: Arc<WireState>,
    entry: Entry,
}

#[derive(Clone, Debug)]
enum Step {
    Send(Bytes),
    Wait(Duration),
    Hang,
    Cut(Cut),
}

impl Script {
    /// A plain body that belongs to no journalled request.
    pub(super) fn whole(body: Bytes) -> Self {
        let length = Some(body.len() as u64);
        Self::new(VecDeque::from([Step::Send(body)]), length, None)
    }

    fn new(steps: VecDeque<Step>, length: Option<u64>, exchange: Option<Exchange>) -> Self {
        Self {
            steps,
            length,
            sleep: None,
            is_flushing: false,
            exchange,
        }
    }

    fn end(&mut self, served: Served) {
        if let Some(exchange) = &mut self.exchange {
            exchange.entry.end(served);
        }
    }

    /// Lets what was sent reach the socket, then ends the connection.
    fn poll_cut(&mut self, how: Cut, context: &Context<'_>) -> Poll<Severed> {
        let Some(exchange) = &mut self.exchange else {
            return Poll::Ready(Severed);
        };
        if !std::mem::replace(&mut self.is_flushing, true) {
            exchange.wire.wake_when_flushed(context.waker());
            return Poll::Pending;
        }
        exchange.wire.end_with(how);
        exchange.entry.end(Served::Cut);
        Poll::Ready(Severed)
    }

    fn poll_wait(&mut self, time: Duration, context: &mut Context<'_>) -> Poll<()> {
        let timer = self.sleep.get_or_insert_with(|| Box::pin(sleep(time)));
        let waited = timer.as_mut().poll(context);
        if waited.is_ready() {
            self.sleep = None;
        }
        waited
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = Severed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Severed>>> {
        loop {
            match self.steps.front().cloned() {
                None => {
                    self.end(Served::Done);
                    return Poll::Ready(None);
                }
                Some(Step::Hang) => return Poll::Pending,
                Some(Step::Cut(how)) => {
                    return self
                        .poll_cut(how, context)
                        .map(|severed| Some(Err(severed)));
                }
                Some(Step::Wait(time)) => {
                    if self.poll_wait(time, context).is_pending() {
                        return Poll::Pending;
                    }
                    self.steps.pop_front();
                }
                Some(Step::Send(bytes)) => {
                    self.steps.pop_front();
                    // A body with a length is not polled again after its last byte.
                    if self.steps.is_empty() {
                        self.end(Served::Done);
                    }
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.length
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Turns a reply into the response that `behaviour` makes of it.
pub(super) fn play(
    dialect: Dialect,
    reply: Reply,
    behaviour: &Behaviour,
    wire: Arc<WireState>,
    entry: Entry,
) -> Response<Script> {
    let plan = Plan::new(dialect, reply, behaviour);
    let mut steps = VecDeque::from([Step::Wait(behaviour.body_delay)]);
    for (index, part) in plan.parts.into_iter().enumerate() {
        if index > 0 && !behaviour.event_gap.is_zero() {
            steps.push_back(Step::Wait(behaviour.event_gap));
        }
        steps.push_back(Step::Send(part));
    }
    match &behaviour.fault {
        Some(Fault::CutAfterBytes { bytes, how }) => {
            cut_after_bytes(&mut steps, *bytes);
            steps.push_back(Step::Cut(*how));
        }
        Some(Fault::CutAfterEvents { how, .. }) => steps.push_back(Step::Cut(*how)),
        Some(Fault::HangAfterEvents { .. }) => steps.push_back(Step::Hang),
        Some(Fault::Drip { gap }) => steps = drip(steps, Duration::from_millis(*gap)),
        _ => {}
    }
    let script = Script::new(steps, plan.length, Some(Exchange { wire, entry }));
    let mut response = Response::new(script);
    *response.status_mut() = StatusCode::from_u16(plan.status).unwrap_or(StatusCode::OK);
    for (name, value) in &plan.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The response before times and cuts.
struct Plan {
    status: u16,
    headers: BTreeMap<String, String>,
    parts: Vec<Bytes>,
    length: Option<u64>,
}

impl Plan {
    fn new(dialect: Dialect, reply: Reply, behaviour: &Behaviour) -> Self {
        match (&behaviour.fault, reply) {
            (
                Some(Fault::Status {
                    status,
                    headers,
                    body,
                }),
                _,
            ) => Self::failure(dialect, *status, headers, body.as_ref()),
            (Some(Fault::Html), _) => {
                let page = "<!doctype html><title>Sorry</title><p>Something is being repaired.</p>";
                Self::plain(
                    200,
                    "text/html; charset=utf-8",
                    Bytes::from_static(page.as_bytes()),
                )
            }
            (
                Some(Fault::ErrorEvent {
                    error_type,
                    message,
                    ..
                }),
                Reply::Json { .. },
            ) => {
                let body = dialect.error_in_answer(error_type, message);
                Self::plain(200, "application/json", body)
            }
            (fault, Reply::Json { status, body }) => {
                let mut body = json_bytes(&body);
                let whole = body.len();
                match fault {
                    Some(Fault::TruncatedJson) => body.truncate(whole / 2),
                    Some(Fault::HangAfterEvents { .. }) => body.clear(),
                    Some(Fault::CutAfterEvents { .. }) => body.truncate(whole / 2),
                    _ => {}
                }
                let mut plan = Self::plain(status, "application/json", body);
                if !matches!(fault, Some(Fault::TruncatedJson)) {
                    plan.length = Some(whole as u64);
                }
                plan
            }
            (
                _,
                Reply::Exception {
                    status,
                    kind,
                    message,
                },
            ) => Self::exception(status, kind, &message),
            (fault, Reply::Events(events)) => Self::stream(dialect, events, fault.as_ref()),
        }
    }

    fn plain(status: u16, content_type: &str, body: Bytes) -> Self {
        let length = Some(body.len() as u64);
        let headers = BTreeMap::from([("content-type".to_owned(), content_type.to_owned())]);
        Self {
            status,
            headers,
            parts: vec![body],
            length,
        }
    }

    /// An error as Amazon sends it: its kind stands in the head.
    fn exception(status: u16, kind: &str, message: &str) -> Self {
        let body = json_bytes(&json!({ "message": message }));
        let mut plan = Self::plain(status, "application/json", body);
        plan.headers
            .insert("x-amzn-errortype".to_owned(), kind.to_owned());
        plan
    }

    /// Another status than 200, with the body that the behaviour gives or the dialect's usual one.
    fn failure(
        dialect: Dialect,
        status: u16,
        headers: &BTreeMap<String, String>,
        body: Option<&String>,
    ) -> Self {
        let mut plan = match body {
            Some(body) => Self::plain(status, "application/json", Bytes::from(body.clone())),
            None => Self::new(dialect, dialect.usual_error(status), &Behaviour::default()),
        };
        plan.headers.extend(headers.clone());
        plan
    }

    fn stream(dialect: Dialect, mut events: Vec<Bytes>, fault: Option<&Fault>) -> Self {
        match fault {
            Some(
                Fault::HangAfterEvents { events: sent }
                | Fault::CutAfterEvents { events: sent, .. },
            ) => {
                events.truncate(*sent);
            }
            Some(Fault::MalformedEvent { after_events }) => {
                let at = (*after_events).min(events.len());
                events.insert(at, dialect.malformed_event());
            }
            Some(Fault::MissingEnd) => events.retain(|event| !dialect.is_last_event(event)),
            Some(Fault::TruncatedJson) => events.truncate(events.len() / 2),
            Some(Fault::ErrorEvent {
                after_events,
                error_type,
                message,
            }) => {
                events.truncate(*after_events);
                events.push(dialect.error_event(error_type, message));
            }
            _ => {}
        }
        let headers = [
            ("content-type", dialect.stream_type()),
            ("cache-control", "no-cache"),
        ];
        Self {
            status: 200,
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            parts: events,
            length: None,
        }
    }
}

fn cut_after_bytes(steps: &mut VecDeque<Step>, limit: usize) {
    let mut left = limit;
    for step in steps.iter_mut() {
        if let Step::Send(bytes) = step {
            bytes.truncate(left);
            left -= bytes.len();
        }
    }
}

fn drip(steps: VecDeque<Step>, gap: Duration) -> VecDeque<Step> {
    let mut dripping = VecDeque::new();
    for step in steps {
        match step {
            Step::Send(mut bytes) => {
                while !bytes.is_empty() {
                    dripping.push_back(Step::Send(bytes.split_to(1)));
                    // A timer is never shorter than a millisecond, even for no time.
                    if !gap.is_zero() {
                        dripping.push_back(Step::Wait(gap));
                    }
                }
            }
            other => dripping.push_back(other),
        }
    }
    dripping
}
