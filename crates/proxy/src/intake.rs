//! Takes a request in: its body, whole, since it may have to be sent more than once, and what
//! the body says about where it goes.

use std::sync::Arc;
use std::time::Duration;

use ai_gateway_providers::{Intake, IntakeError, Surface};
use bytes::Bytes;
use http::request::Parts;
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::failure::Failure;
use crate::settings::BodyLimits;
use crate::whole::{self, Reading, Unread};

/// A request that is ready to be sent to a target, or to several.
pub(crate) struct Call {
    /// What the client called.
    pub(crate) surface: Surface,
    /// What its body says.
    pub(crate) intake: Intake,
    /// Its body.
    pub(crate) body: Bytes,
    /// Its method, path and headers.
    pub(crate) head: Parts,
    /// What its body takes of the memory for bodies.
    _room: Room,
}

/// The memory for the bodies of requests. A clone is the same memory.
#[derive(Clone, Debug)]
pub(crate) struct Memory(Arc<Semaphore>);

/// A part of the memory; dropping it gives it back.
#[derive(Debug, Default)]
struct Room {
    steps: Option<OwnedSemaphorePermit>,
}

impl Memory {
    /// Memory for `bytes`, in steps.
    pub(crate) fn new(bytes: usize) -> Self {
        let steps = bytes.div_ceil(STEP).min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(steps)))
    }

    /// Makes `room` one for `bytes` in all; answers whether it is.
    fn grow(&self, room: &mut Room, bytes: usize) -> bool {
        let has = room.steps.as_ref().map_or(0, |steps| steps.num_permits());
        let more = bytes.div_ceil(STEP).saturating_sub(has);
        if more == 0 {
            return true;
        }
        let more = u32::try_from(more).ok();
        let more = more.and_then(|more| Arc::clone(&self.0).try_acquire_many_owned(more).ok());
        let Some(more) = more else {
            return false;
        };
        match &mut room.steps {
            Some(steps) => steps.merge(more),
            None => room.steps = Some(more),
        }
        true
    }
}

/// The pace and the room of one body that is being read.
struct Body<'a> {
    memory: &'a Memory,
    room: &'a mut Room,
    began: Instant,
    limits: &'a BodyLimits,
}

impl Reading for Body<'_> {
    /// After a pause that is too long, or when it has come too slowly on the whole.
    fn due(&self, received: usize) -> Instant {
        let at_rate = Duration::from_millis(
            (received as u64).saturating_mul(1000) / self.limits.request_rate.max(1),
        );
        let slowest = self.began + self.limits.request_grace + at_rate;
        slowest.min(Instant::now() + self.limits.request_idle)
    }

    fn hold(&mut self, received: usize) -> bool {
        self.memory.grow(self.room, received)
    }
}

impl Call {
    /// Reads the body.
    ///
    /// # Errors
    ///
    /// The client's own: a body that is too large, too slow, broken, or not what the path asks for.
    /// The gateway's: no room for it in `memory`.
    pub(crate) async fn read(
        surface: Surface,
        head: Parts,
        body: Incoming,
        limits: &BodyLimits,
        memory: &Memory,
    ) -> Result<Self, Failure> {
        let limit = limits.request_bytes;
        let mut room = Room::default();
        let reading = Body {
            memory,
            room: &mut room,
            began: Instant::now(),
            limits,
        };
        let body = whole::read(body, limit, reading)
            .await
            .map_err(|unread| match unread {
                Unread::TooLarge => Failure::TooLarge { limit_bytes: limit },
                Unread::Stalled => Failure::BodyTimeout,
                Unread::Broken => Failure::BodyBroken,
                Unread::NoRoom => Failure::Overloaded,
            })?;
        let intake = Intake::read(surface, &body)
            .map_err(|error| invalid(&error))?
            .with_model_of_path(head.uri.path());
        Ok(Self {
            surface,
            intake,
            body,
            head,
            _room: room,
        })
    }

    /// The model that the client asked for.
    pub(crate) fn model(&self) -> Option<&str> {
        self.intake.model()
    }
}

fn invalid(error: &IntakeError) -> Failure {
    let message = error.to_string();
    match error.param() {
        Some(field) => Failure::InvalidField {
            field: field.to_owned(),
            message,
        },
        None => Failure::InvalidJson { message },
    }
}

/// In what the memory for bodies is counted.
const STEP: usize = 16 * 1024;
