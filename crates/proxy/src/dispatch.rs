//! The attempts: one target after the other, under one deadline, until one answers.

mod hedge;
mod resumption;
mod sending;
mod tried;

use std::sync::Arc;
use std::time::Duration;

use ai_gateway_model::Commit;
use ai_gateway_providers::{
    Interrupted, Surface, encode, encode_continuation, may_be_continued, translate_error,
};
use ai_gateway_registry::{Outcome, Outlook, key_of_prefix};
use ai_gateway_telemetry::{AttemptOutcome, RequestOutcome};
use http::Response;
use tokio::time::Instant;

use crate::attempt::{Answer, AnswerBody, AttemptLimits, CommitPoint, Expected};
use crate::body::Body;
use crate::endpoint::{Endpoint, Lease, served_model};
use crate::failure::Failure;
use crate::intake::Call;
use crate::opaque::Opaque;
use crate::relay::Relay;
use crate::respond::{self, Served};
use crate::route::Route;
use crate::settings::BodyLimits;
use crate::settle::Settlement;
use crate::silence::StreamLimits;
use crate::story::Story;
use crate::verdict::{Again, Next, Setback};
use crate::waiting::{self, Patience};

pub(crate) use self::resumption::{Rest, Resumed, Resumption};
use self::sending::{Asked, Sending};
use self::tried::{TooLong, Tried, jittered, no_target};

type Attempts = ai_gateway_registry::Attempts<Endpoint>;

/// Takes `call` to the targets of `route` until one of them answers.
///
/// The client of a stream that has to wait is sent the head of an answer and comments meanwhile,
/// where its dialect allows; what comes of the attempts follows in the body then.
///
/// Dropping the future ends the attempt under way, or the wait before the next: its connection is
/// closed, its lease goes back without a verdict. Once a stream is returned, its body does the
/// same.
///
/// # Errors
///
/// [`Failure`], with the story so far, when no target's answer can be given to the client.
pub(crate) async fn dispatch(
    call: Call,
    route: Route,
    bodies: BodyLimits,
    story: Story,
) -> Result<Response<Body>, (Failure, Story)> {
    let patience = patience(&call, &route, &story);
    // Boxed: it may move into a body, and a request that still is read need not carry its room.
    let asking = Box::pin(ask_targets(call, route, bodies, story));
    match patience {
        None => asking.await,
        Some(patience) => waiting::answer(asking, patience).await,
    }
}

/// How the client is kept waiting, if it is told anything at all.
fn patience(call: &Call, route: &Route, story: &Story) -> Option<Patience> {
    let every = keep_alive(call, route)?;
    (expected(call) == Expected::Stream).then(|| Patience {
        every,
        client: call.surface.dialect(),
        request_id: story.request_id().to_owned(),
    })
}

/// How long a client hears nothing at most while it waits, where it can be told anything.
fn keep_alive(call: &Call, route: &Route) -> Option<Duration> {
    let every = route.streaming().keep_alive.unwrap_or(KEEP_ALIVE);
    let tells = waiting::takes_comments(call.surface.dialect()) && !every.is_zero();
    tells.then_some(every)
}

async fn ask_targets(
    call: Call,
    route: Route,
    bodies: BodyLimits,
    story: Story,
) -> Result<Response<Body>, (Failure, Story)> {
    let deadline = story.arrived() + route.total;
    let may_be_continued =
        route.retry().continue_stream && may_be_continued(&call.intake, &call.body);
    let mut dispatch = Dispatch {
        call,
        route,
        bodies,
        deadline,
        story,
        tried: Tried::default(),
        waited: Duration::ZERO,
        lacks_count: false,
        may_be_continued,
        broken: None,
    };
    let mut attempts = match dispatch.begin() {
        Ok(attempts) => attempts,
        Err(failure) => return Err((failure, dispatch.story)),
    };
    match dispatch.run(&mut attempts).await {
        Ok(Answered::Good(good)) => Ok(dispatch.respond(*good, attempts)),
        Ok(Answered::Refused(response)) => {
            dispatch
                .story
                .end(response.status(), RequestOutcome::CallerFault);
            Ok(response)
        }
        Err(_) if dispatch.lacks_count && dispatch.story.attempts() == 0 => {
            let answer = respond::estimate(&dispatch.call.body, dispatch.story.request_id());
            let outcome = RequestOutcome::Success;
            dispatch.story.end(answer.status(), outcome);
            Ok(answer)
        }
        Err(failure) => Err((failure, dispatch.story)),
    }
}

/// One request while targets are asked for it.
struct Dispatch {
    call: Call,
    route: Route,
    bodies: BodyLimits,
    deadline: Instant,
    story: Story,
    tried: Tried,
    /// How long it waited for targets to cool.
    waited: Duration,
    /// Whether a target was passed over that cannot count a request's tokens.
    lacks_count: bool,
    /// Whether another target may go on with its stream, should it break off.
    may_be_continued: bool,
    /// The stream that broke off, which the next target is to go on with.
    broken: Option<Box<Interrupted>>,
}

/// A target's answer that the client gets.
enum Answered {
    /// What was asked for.
    Good(Box<Good>),
    /// The target's word that the request itself is at fault.
    Refused(Response<Body>),
}

impl Dispatch {
    /// Counts the request, and finds its targets.
    fn begin(&self) -> Result<Attempts, Failure> {
        self.route.retries().request(self.story.monotonic());
        if let Some((hedge, _)) = self.hedge() {
            self.route.hedges().request(hedge);
        }
        let attempts = self.route.attempts(&self.call);
        attempts.map_err(|nothing| no_target(&nothing, &self.call))
    }

    async fn run(&mut self, attempts: &mut Attempts) -> Result<Answered, Failure> {
        let nothing_left = loop {
            if !self.has_attempts_left() {
                break None;
            }
            let lease = match attempts.pick() {
                Ok(lease) => lease,
                Err(nothing) => break Some(nothing),
            };
            if !self.is_fit(&lease) {
                // Nothing that it was asked: its lease goes back unjudged.
                continue;
            }
            match self.ask(lease, attempts).await {
                Came::Answered(answered) => return Ok(answered),
                Came::Unasked => {}
                Came::Elsewhere => {
                    if !self.may_go_on(attempts).await {
                        break None;
                    }
                }
                Came::Over => break None,
            }
        };
        let mut tried = std::mem::take(&mut self.tried);
        if let Some(refusal) = tried.too_long.take().and_then(|long| long.refusal) {
            return Ok(Answered::Refused(refusal));
        }
        Err(tried.failure(nothing_left, &self.call, self.deadline))
    }

    fn has_attempts_left(&self) -> bool {
        self.tried.attempts < self.route.max_attempts && Instant::now() < self.deadline
    }

    /// Whether the target can be asked at all. That it cannot is not its fault.
    fn is_fit(&mut self, lease: &Lease) -> bool {
        if !self.call.surface.reaches(lease.dialect()) {
            self.lacks_count |= self.call.surface == Surface::CountTokens;
            return false;
        }
        if self.call.surface.is_conversation() && lease.model().is_none() {
            // The client named no model and this target has no default one.
            self.tried.lacks_model = true;
            return false;
        }
        let model = served_model(lease, &self.call);
        if self.broken.is_some() && lease.prefill(&model).is_none() {
            return false;
        }
        self.tried.too_long.as_ref().is_none_or(|long| {
            lease
                .context_window(&model)
                .is_some_and(|window| window > long.window)
        })
    }

    /// Whether another attempt may follow one that failed; waits first where that may keep the
    /// request among the targets that were meant for it.
    ///
    /// The wait is one of two: for a moment's trouble to pass, or for a target to cool, each
    /// within the deadline, and the second at most `retry.max_wait` in all.
    async fn may_go_on(&mut self, attempts: &Attempts) -> bool {
        let retry = self.route.retry();
        let budget = retry.budget.unwrap_or_default();
        let now = self.story.monotonic();
        if !self.has_attempts_left() || !self.route.retries().allows(budget, now) {
            return false;
        }
        let mut has_waited = false;
        loop {
            let wait = match attempts.outlook() {
                Outlook::Again if !has_waited => self.backoff(retry.backoff.unwrap_or(BACKOFF)),
                Outlook::Worse {
                    back_in: Some(wait),
                } if self.waited + wait <= retry.max_wait.unwrap_or(MAX_WAIT) => {
                    self.waited += wait;
                    wait
                }
                Outlook::Again | Outlook::Untried | Outlook::Worse { .. } => return true,
            };
            if Instant::now() + wait >= self.deadline {
                return true;
            }
            tokio::time::sleep(wait).await;
            has_waited = true;
        }
    }

    /// The pause before a second try, another for each request, so that those that failed together
    /// do not come back together.
    fn backoff(&self, pause: Duration) -> Duration {
        let number = key_of_prefix(self.story.request_id().as_bytes());
        jittered(pause, number.wrapping_add(self.tried.attempts as u64))
    }

    /// Asks one target, and perhaps another one beside it.
    async fn ask(&mut self, lease: Lease, attempts: &mut Attempts) -> Came {
        let Some(sending) = self.prepare(lease) else {
            return Came::Unasked;
        };
        let target = &sending.target;
        self.story.record().served_model = Some(Arc::from(target.served.model.as_str()));
        self.story.attempting(target.lease.meters());
        match self.hedge() {
            None => {
                let (asked, came) = sending.send().await;
                self.conclude(asked, came, attempts)
            }
            // Boxed: few requests need its room.
            Some((hedge, kind)) => Box::pin(self.race(sending, hedge, kind, attempts)).await,
        }
    }

    /// Puts the request in the words of the lease's target; `None` when they do not suffice.
    fn prepare(&mut self, lease: Lease) -> Option<Sending> {
        let call = &self.call;
        let model = served_model(&lease, call);
        let (traits, stamp) = (lease.traits(&model), self.story.stamp());
        let encoded = match &self.broken {
            None => encode(&call.intake, &call.body, &traits, stamp),
            Some(broken) => {
                let from = (lease.prefill(&model)?, &**broken);
                encode_continuation(&call.intake, &call.body, &traits, stamp, from)
            }
        };
        let mut encoded = match encoded {
            Ok(encoded) => encoded,
            Err(error) => {
                self.tried.unsayable.get_or_insert(error);
                return None;
            }
        };
        if self.may_be_continued {
            encoded.exchange.keep_sent();
        }
        let served = Served {
            substituted: call
                .model()
                .filter(|asked| *asked != model)
                .map(str::to_owned),
            model,
            dropped: encoded.dropped,
            attempts: 0,
        };
        let request = lease.request(
            call,
            encoded.body,
            encoded.path.as_deref(),
            self.route.host_handling(),
        );
        let limits = self.limits(&lease);
        let target = Asked {
            idle: limits.idle,
            lease,
            served,
            exchange: encoded.exchange,
        };
        Some(Sending {
            target,
            request,
            expected: expected(&self.call),
            limits,
        })
    }

    /// Draws the conclusions from an attempt.
    fn conclude(
        &mut self,
        mut asked: Asked,
        came: Result<Answer, Setback>,
        attempts: &mut Attempts,
    ) -> Came {
        asked.served.attempts = self.tried.attempts + 1;
        match came {
            Ok(answer) => {
                let good = Good { asked, answer };
                Came::Answered(Answered::Good(Box::new(good)))
            }
            Err(setback) => self.set_back(asked.lease, &asked.served, setback, attempts),
        }
    }

    /// Draws the conclusions from an attempt that failed.
    fn set_back(
        &mut self,
        lease: Lease,
        served: &Served,
        setback: Setback,
        attempts: &mut Attempts,
    ) -> Came {
        let verdict = setback.verdict();
        self.story.attempted(verdict.recorded);
        if self.may_try_again(setback.again()) {
            attempts.allow_again(&lease);
        }
        if self.tried.attempts > 0 && verdict.next == Next::Elsewhere {
            self.route.retries().in_vain(self.story.monotonic());
        }
        let asked = match verdict.next {
            Next::Elsewhere => Came::Elsewhere,
            Next::Larger => match (
                lease.context_window(&served.model),
                &mut self.tried.too_long,
            ) {
                (Some(window), Some(long)) => {
                    long.window = long.window.max(window);
                    Came::Elsewhere
                }
                (Some(window), None) => {
                    let refusal = self.refusal(&lease, served, &setback);
                    self.tried.too_long = Some(TooLong { window, refusal });
                    Came::Elsewhere
                }
                (None, _) => self.to_client(&lease, served, &setback),
            },
            Next::ToClient => self.to_client(&lease, served, &setback),
        };
        lease.finish(verdict.outcome);
        self.tried.add(setback);
        asked
    }

    fn may_try_again(&self, again: Again) -> bool {
        let retry = self.route.retry();
        match again {
            Again::No => false,
            Again::Soon => !retry.backoff.unwrap_or(BACKOFF).is_zero(),
            Again::WhenCool => !retry.max_wait.unwrap_or(MAX_WAIT).is_zero(),
        }
    }

    fn to_client(&self, lease: &Lease, served: &Served, setback: &Setback) -> Came {
        match self.refusal(lease, served, setback) {
            Some(refusal) => Came::Answered(Answered::Refused(refusal)),
            None => Came::Over,
        }
    }

    /// The target's refusal as the client gets it; `None` for one that came inside a 200.
    fn refusal(&self, lease: &Lease, served: &Served, setback: &Setback) -> Option<Response<Body>> {
        let Setback::Refused(refusal) = setback else {
            return None;
        };
        let (status, body) = translate_error(
            self.call.surface.dialect(),
            lease.dialect(),
            refusal.status.as_u16(),
            &refusal.body,
        );
        let head = respond::head(status, &refusal.headers, lease, served, &self.story);
        Some(respond::refusal(head, body))
    }

    fn limits(&self, lease: &Lease) -> AttemptLimits {
        let (limits, service) = (lease.limits(), self.route.timeouts);
        let streaming = self.route.streaming();
        let hold_bytes = streaming.hold_bytes.map(|bytes| bytes as usize);
        AttemptLimits {
            head: service.response_head.unwrap_or(limits.head),
            first_token: service.first_token.unwrap_or(limits.first_token),
            idle: service.stream_idle.unwrap_or(limits.idle),
            deadline: self.deadline,
            commit: CommitPoint {
                commit: match self.broken {
                    None => streaming.commit.unwrap_or_default(),
                    // The client has the beginning.
                    Some(_) => Commit::FirstToken,
                },
                hold_bytes: hold_bytes.unwrap_or(self.bodies.held_stream_bytes),
            },
            bodies: self.bodies,
        }
    }
}

/// What came of asking one target.
enum Came {
    /// The client can be answered.
    Answered(Answered),
    /// It was not asked: its dialect has no words for the request.
    Unasked,
    /// Another target may do better.
    Elsewhere,
    /// No other target would do better.
    Over,
}

impl Came {
    /// What comes of two targets that both failed: the one that says more to the client.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (answered @ Self::Answered(_), _) | (_, answered @ Self::Answered(_)) => answered,
            (Self::Over, _) | (_, Self::Over) => Self::Over,
            (_, other) => other,
        }
    }
}

fn expected(call: &Call) -> Expected {
    if !call.surface.is_conversation() {
        Expected::Opaque
    } else if call.intake.is_stream() {
        Expected::Stream
    } else {
        Expected::Plain
    }
}

/// A target's good answer, and what it takes to pass it on.
struct Good {
    asked: Asked,
    answer: Answer,
}

impl Dispatch {
    /// Answers the client with `good`; another of its `attempts` may go on with a stream.
    fn respond(self, good: Good, attempts: Attempts) -> Response<Body> {
        let Good { asked, answer } = good;
        let limits = StreamLimits {
            idle: asked.idle,
            deadline: self.deadline,
        };
        let Asked {
            mut lease,
            mut served,
            exchange,
            ..
        } = asked;
        let (mut story, resumption) = self.into_rest(attempts);
        story.first_token();
        let status = answer.status.as_u16();
        if let AnswerBody::Whole { dropped, .. } = &answer.body {
            served.dropped.extend_from_slice(dropped);
        }
        let head = respond::head(status, &answer.headers, &lease, &served, &story);
        lease.first_byte();
        let body = match answer.body {
            AnswerBody::Whole { bytes, usage, .. } => {
                story.used(&usage, &lease);
                lease.tokens(usage.input, usage.output);
                lease.finish(Outcome::Success);
                story.attempted(AttemptOutcome::Success);
                story.end(answer.status, RequestOutcome::Success);
                Body::whole(bytes)
            }
            AnswerBody::Stream(begun) => {
                story.record().is_stream = true;
                Body::relayed(Relay::new(
                    *begun,
                    limits,
                    Settlement::new(exchange, lease, story),
                    resumption,
                ))
            }
            AnswerBody::Opaque(source) => Body::relayed(Opaque::new(
                source,
                limits,
                Settlement::new(exchange, lease, story),
            )),
        };
        respond::finish(head, body)
    }
}

/// Long enough for a process to be started again, short beside any model's answer.
const BACKOFF: Duration = Duration::from_millis(100);
/// What a client hardly notices.
const MAX_WAIT: Duration = Duration::from_secs(3);
/// Shorter than proxies between client and gateway let a connection be silent.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
