//! The attempts: one target after the other, under one deadline, until one answers.

use std::sync::Arc;
use std::time::Duration;

use ai_gateway_providers::{EncodeError, Exchange, FaultClass, encode, translate_error};
use ai_gateway_registry::{NoTarget, NoTargetReason, Outcome};
use ai_gateway_telemetry::{AttemptOutcome, RequestOutcome};
use http::Response;
use tokio::time::Instant;

use crate::attempt::{Answer, AnswerBody, AttemptLimits, Expected, attempt};
use crate::body::Body;
use crate::endpoint::{Lease, served_model};
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
use crate::verdict::{Next, Refusal, Setback};

/// Takes `call` to the targets of `route` until one of them answers.
///
/// Dropping the future ends the attempt under way: its connection is closed, its lease goes back
/// without a verdict. Once a stream is returned, its body does the same.
///
/// # Errors
///
/// [`Failure`], with the story so far, when no target's answer can be given to the client.
pub(crate) async fn dispatch(
    call: &Call,
    route: &Route,
    bodies: BodyLimits,
    story: Story,
) -> Result<Response<Body>, (Failure, Story)> {
    let deadline = story.arrived() + route.total;
    let mut dispatch = Dispatch {
        call,
        route,
        bodies,
        deadline,
        story,
        tried: Tried::default(),
    };
    match dispatch.run().await {
        Ok(Answered::Good(good)) => {
            let limits = StreamLimits {
                idle: good.lease.limits().idle,
                deadline,
            };
            Ok(good.respond(limits, dispatch.story))
        }
        Ok(Answered::Refused(response)) => {
            dispatch
                .story
                .end(response.status(), RequestOutcome::CallerFault);
            Ok(response)
        }
        Err(failure) => Err((failure, dispatch.story)),
    }
}

/// One request while targets are asked for it.
struct Dispatch<'a> {
    call: &'a Call,
    route: &'a Route,
    bodies: BodyLimits,
    deadline: Instant,
    story: Story,
    tried: Tried,
}

/// A target's answer that the client gets.
enum Answered {
    /// What was asked for.
    Good(Box<Good>),
    /// The target's word that the request itself is at fault.
    Refused(Response<Body>),
}

impl Dispatch<'_> {
    async fn run(&mut self) -> Result<Answered, Failure> {
        let mut attempts = self
            .route
            .attempts(self.call)
            .map_err(|nothing| no_target(&nothing, self.call))?;
        let nothing_left = loop {
            if self.tried.attempts >= self.route.max_attempts || Instant::now() >= self.deadline {
                break None;
            }
            let lease = match attempts.pick() {
                Ok(lease) => lease,
                Err(nothing) => break Some(nothing),
            };
            if !self.call.surface.reaches(lease.dialect()) {
                // Not this target's fault, and nothing it was asked: its lease goes back unjudged.
                continue;
            }
            if self.call.surface.is_conversation() && lease.model().is_none() {
                // The client named no model and this target has no default one.
                self.tried.lacks_model = true;
                continue;
            }
            match self.ask(lease).await {
                Asked::Answered(answered) => return Ok(answered),
                Asked::Elsewhere => {}
                Asked::Over => break None,
            }
        };
        Err(std::mem::take(&mut self.tried).failure(nothing_left, self.call, self.deadline))
    }

    /// Asks one target.
    async fn ask(&mut self, lease: Lease) -> Asked {
        let call = self.call;
        let model = served_model(&lease, call);
        let traits = lease.traits(&model);
        let encoded = match encode(&call.intake, &call.body, &traits, self.story.stamp()) {
            Ok(encoded) => encoded,
            Err(error) => {
                self.tried.unsayable.get_or_insert(error);
                return Asked::Elsewhere;
            }
        };
        let served = Served {
            substituted: call
                .model()
                .filter(|asked| *asked != model)
                .map(str::to_owned),
            model,
            dropped: encoded.dropped,
            attempts: self.tried.attempts + 1,
        };
        self.story.record().served_model = Some(Arc::from(served.model.as_str()));
        self.story.attempting(lease.meters());
        let request = lease.request(
            call,
            encoded.body,
            encoded.path.as_deref(),
            self.route.host_handling(),
        );
        let limits = self.limits(&lease);
        match attempt(
            lease.pool(),
            request,
            &encoded.exchange,
            expected(call),
            &limits,
        )
        .await
        {
            Ok(answer) => {
                let good = Good {
                    lease,
                    served,
                    exchange: encoded.exchange,
                    answer,
                };
                Asked::Answered(Answered::Good(Box::new(good)))
            }
            Err(setback) => self.set_back(lease, &served, setback),
        }
    }

    /// Draws the conclusions from an attempt that failed.
    fn set_back(&mut self, lease: Lease, served: &Served, setback: Setback) -> Asked {
        let verdict = setback.verdict();
        self.story.attempted(verdict.recorded);
        let asked = match (verdict.next, &setback) {
            (Next::Elsewhere, _) => Asked::Elsewhere,
            (Next::ToClient, Setback::Refused(refusal)) => {
                let (status, body) = translate_error(
                    self.call.surface.dialect(),
                    lease.dialect(),
                    refusal.status.as_u16(),
                    &refusal.body,
                );
                let head = respond::head(status, &refusal.headers, &lease, served, &self.story);
                Asked::Answered(Answered::Refused(respond::refusal(head, body)))
            }
            (Next::ToClient, _) => Asked::Over,
        };
        lease.finish(verdict.outcome);
        self.tried.add(setback);
        asked
    }

    fn limits(&self, lease: &Lease) -> AttemptLimits {
        let limits = lease.limits();
        AttemptLimits {
            head: limits.head,
            first_token: limits.first_token,
            idle: limits.idle,
            deadline: self.deadline,
            bodies: self.bodies,
        }
    }
}

/// What came of asking one target.
enum Asked {
    /// The client can be answered.
    Answered(Answered),
    /// Another target may do better.
    Elsewhere,
    /// No other target would do better.
    Over,
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
    lease: Lease,
    served: Served,
    exchange: Exchange,
    answer: Answer,
}

impl Good {
    fn respond(self, limits: StreamLimits, mut story: Story) -> Response<Body> {
        let Self {
            mut lease,
            served,
            exchange,
            answer,
        } = self;
        story.first_token();
        let status = answer.status.as_u16();
        let head = respond::head(status, &answer.headers, &lease, &served, &story);
        lease.first_byte();
        let body = match answer.body {
            AnswerBody::Whole { bytes, usage } => {
                story.used(&usage);
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

/// What has been tried for one request, and what came of it.
#[derive(Default)]
struct Tried {
    attempts: usize,
    last: Option<Setback>,
    rate_limited: usize,
    model_missing: usize,
    retry_after: Option<Duration>,
    /// A target was passed over because neither it nor the client names a model.
    lacks_model: bool,
    /// The first target's dialect that has no words for the request.
    unsayable: Option<EncodeError>,
}

impl Tried {
    fn add(&mut self, setback: Setback) {
        self.attempts += 1;
        if let Setback::Refused(Refusal { fault, .. }) = &setback {
            self.rate_limited += usize::from(fault.class == FaultClass::RateLimited);
            self.model_missing += usize::from(fault.class == FaultClass::ModelMissing);
            self.retry_after = earliest(self.retry_after, fault.retry_after);
        }
        self.last = Some(setback);
    }

    /// What the client is told when no target is left, or no time.
    fn failure(self, nothing_left: Option<NoTarget>, call: &Call, deadline: Instant) -> Failure {
        let Some(last) = self.last else {
            return match (self.unsayable, nothing_left) {
                (Some(EncodeError { field, message }), _) => {
                    Failure::InvalidField { field, message }
                }
                (None, _) if self.lacks_model => Failure::ModelRequired,
                (None, Some(nothing)) => no_target(&nothing, call),
                (None, None) => Failure::Internal,
            };
        };
        let retry_after = earliest(self.retry_after, nothing_left.and_then(|no| no.retry_after));
        if Instant::now() >= deadline {
            Failure::UpstreamTimeout
        } else if self.rate_limited == self.attempts {
            Failure::RateLimited { retry_after }
        } else if self.model_missing == self.attempts {
            model_not_found(call)
        } else {
            let status = last.status();
            Failure::UpstreamFailed {
                status,
                attempts: self.attempts,
                retry_after,
            }
        }
    }
}

fn no_target(nothing: &NoTarget, call: &Call) -> Failure {
    if nothing.reason == NoTargetReason::Model {
        model_not_found(call)
    } else {
        Failure::NoTargetAvailable {
            retry_after: nothing.retry_after,
        }
    }
}

fn model_not_found(call: &Call) -> Failure {
    match call.model() {
        Some(model) => Failure::ModelNotFound {
            model: model.to_owned(),
        },
        None => Failure::ModelRequired,
    }
}

fn earliest(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
