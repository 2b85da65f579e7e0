//! Takes a request in: its body, whole, since it may have to be sent more than once, and what
//! the body says about where it goes.

use ai_gateway_providers::{Intake, IntakeError, Surface};
use bytes::Bytes;
use http::request::Parts;
use hyper::body::Incoming;

use crate::failure::Failure;
use crate::settings::BodyLimits;
use crate::whole::{self, Unread};

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
}

impl Call {
    /// Reads the body.
    ///
    /// # Errors
    ///
    /// The client's own: a body that is too large, too slow, broken, or not what the path asks for.
    pub(crate) async fn read(
        surface: Surface,
        head: Parts,
        body: Incoming,
        limits: &BodyLimits,
    ) -> Result<Self, Failure> {
        let limit = limits.request_bytes;
        let body = whole::read(body, limit, limits.request_idle)
            .await
            .map_err(|unread| match unread {
                Unread::TooLarge => Failure::TooLarge { limit_bytes: limit },
                Unread::Stalled => Failure::BodyTimeout,
                Unread::Broken => Failure::BodyBroken,
            })?;
        let intake = Intake::read(surface, &body)
            .map_err(|error| invalid(&error))?
            .with_model_of_path(head.uri.path());
        Ok(Self {
            surface,
            intake,
            body,
            head,
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
