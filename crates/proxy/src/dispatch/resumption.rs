//! Asks other targets to go on with a stream that broke off.

use std::time::Duration;

use ai_gateway_providers::Interrupted;
use tokio::time::Instant;

use crate::attempt::{AnswerBody, Begun};
use crate::intake::Call;
use crate::route::Route;
use crate::settings::BodyLimits;
use crate::settle::Settlement;
use crate::silence::StreamLimits;
use crate::story::Story;
use crate::waiting::takes_comments;

use super::sending::Asked;
use super::tried::Tried;
use super::{Answered, Attempts, Dispatch, Good, keep_alive};

/// What it takes to ask other targets while a stream is passed on: the request, and who was
/// asked for it.
pub(crate) struct Resumption {
    call: Call,
    route: Route,
    bodies: BodyLimits,
    deadline: Instant,
    tried: Tried,
    waited: Duration,
    attempts: Attempts,
}

/// What came of asking others to go on.
pub(crate) enum Resumed {
    /// One does.
    On(Box<Rest>),
    /// None does. The story is still to be told.
    Off(Box<Story>),
}

/// The rest of a stream, from another target.
pub(crate) struct Rest {
    pub(crate) begun: Begun,
    pub(crate) limits: StreamLimits,
    pub(crate) settlement: Settlement,
    /// For the next time.
    pub(crate) resumption: Option<Box<Resumption>>,
    /// Says to the client who goes on, in a line that its library passes over; empty where there
    /// is no such line.
    pub(crate) mark: String,
}

impl Resumption {
    /// How long the client hears nothing at most while others are asked.
    pub(crate) fn keep_alive(&self) -> Option<Duration> {
        keep_alive(&self.call, &self.route)
    }

    /// Asks the targets that are left, within the deadline, the attempts and the budget of the
    /// request, to go on from where `broken` ended.
    ///
    /// Dropping the future ends the attempt under way and tells the story.
    pub(crate) async fn resume(self: Box<Self>, story: Story, broken: Interrupted) -> Resumed {
        let ending = story.ending().clone();
        let mut attempts = self.attempts;
        let mut dispatch = Dispatch {
            call: self.call,
            route: self.route,
            bodies: self.bodies,
            deadline: self.deadline,
            story,
            tried: self.tried,
            waited: self.waited,
            lacks_count: false,
            may_be_continued: true,
            broken: Some(Box::new(broken)),
        };
        dispatch.tried.attempts += 1;
        let asked = Box::pin(dispatch.go_on(&mut attempts));
        let asked = ending.run_until_cancelled(asked);
        match asked.await.flatten() {
            Some((asked, begun)) => Resumed::On(Box::new(dispatch.rest_of(asked, begun, attempts))),
            None => Resumed::Off(Box::new(dispatch.story)),
        }
    }
}

impl Dispatch {
    async fn go_on(&mut self, attempts: &mut Attempts) -> Option<(Asked, Begun)> {
        while self.may_go_on(attempts).await {
            match self.run(attempts).await {
                Ok(Answered::Good(good)) => {
                    let Good { asked, answer } = *good;
                    if let AnswerBody::Stream(begun) = answer.body {
                        return Some((asked, *begun));
                    }
                }
                // What it refuses are the gateway's words as well: another may take them.
                Ok(Answered::Refused(_)) => {}
                Err(_) => return None,
            }
        }
        None
    }

    fn rest_of(self, asked: Asked, begun: Begun, attempts: Attempts) -> Rest {
        let Asked {
            mut lease,
            idle,
            exchange,
            ..
        } = asked;
        lease.first_byte();
        let limits = StreamLimits {
            idle,
            deadline: self.deadline,
        };
        let mark = if takes_comments(exchange.client()) {
            format!(": continued by {}\n\n", lease.meters().identity().target)
        } else {
            String::new()
        };
        let (mut story, resumption) = self.into_rest(attempts);
        story.record().continued += 1;
        Rest {
            begun,
            limits,
            settlement: Settlement::new(exchange, lease, story),
            resumption,
            mark,
        }
    }

    /// What is told of the request, and what is kept of it should its stream break off.
    pub(super) fn into_rest(self, attempts: Attempts) -> (Story, Option<Box<Resumption>>) {
        let Self {
            call,
            route,
            bodies,
            deadline,
            story,
            tried,
            waited,
            may_be_continued,
            ..
        } = self;
        let resumption = may_be_continued.then(|| {
            Box::new(Resumption {
                call,
                route,
                bodies,
                deadline,
                tried,
                waited,
                attempts,
            })
        });
        (story, resumption)
    }
}
