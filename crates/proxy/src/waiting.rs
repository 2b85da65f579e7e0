//! Tells the client of a stream that the gateway is still at it, while no target answers yet.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ai_gateway_providers::{Dialect, GatewayError, render_error_event};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};
use http_body::Frame;
use tokio::time::{Instant, Sleep};

use crate::body::{Body, Cut};
use crate::failure::Failure;
use crate::respond;
use crate::story::Story;

/// How a client is kept waiting.
pub(crate) struct Patience {
    /// How long it hears nothing at most.
    pub(crate) every: Duration,
    pub(crate) client: Dialect,
    pub(crate) request_id: String,
}

/// What comes of a request once its targets have been asked.
type Asking<F> = Pin<Box<F>>;

/// Gives what comes of `asking` when it comes soon; else the head of a stream, whose body says
/// every so often that somebody is still at it, and then what came of it.
///
/// With that head the status is said, but no target has been chosen: until one has answered,
/// others may still take over. What is said too late for the status is said in an error event.
///
/// # Errors
///
/// Those of `asking`, when they come soon.
pub(crate) async fn answer<F>(
    mut asking: Asking<F>,
    patience: Patience,
) -> Result<Response<Body>, (Failure, Story)>
where
    F: Future<Output = Result<Response<Body>, (Failure, Story)>> + Send + 'static,
{
    if let Ok(answered) = tokio::time::timeout(patience.every, asking.as_mut()).await {
        return answered;
    }
    let request_id = patience.request_id.clone();
    let body = Waiting {
        phase: Phase::Asking(asking),
        // The head goes with the first comment.
        next: Box::pin(tokio::time::sleep(Duration::ZERO)),
        patience,
    };
    Ok(respond::waiting(Body::relayed(body), &request_id))
}

/// The body of a stream whose head was sent before any target answered.
struct Waiting<F> {
    phase: Phase<F>,
    /// When the client is told again.
    next: Pin<Box<Sleep>>,
    patience: Patience,
}

enum Phase<F> {
    Asking(Asking<F>),
    Answering(Body),
    /// A refusal that has to be read before it can be told.
    Refusing(StatusCode, Body),
    Over,
}

impl<F> Waiting<F> {
    /// The target's word that the request is at fault, as an event.
    fn refusal(&self, status: StatusCode, body: &[u8]) -> Bytes {
        let said: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let field = |name: &str| said.get("error")?.get(name)?.as_str();
        let error = GatewayError {
            status: status.as_u16(),
            code: "invalid_request",
            message: field("message").unwrap_or("the model's provider refused the request"),
            param: field("param"),
            request_id: Some(&self.patience.request_id),
        };
        render_error_event(self.patience.client, &error)
    }
}

impl<F> http_body::Body for Waiting<F>
where
    F: Future<Output = Result<Response<Body>, (Failure, Story)>>,
{
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = &mut *self;
        let patience = &this.patience;
        loop {
            match &mut this.phase {
                Phase::Asking(asking) => match asking.as_mut().poll(cx) {
                    Poll::Ready(Ok(response)) => {
                        let status = response.status();
                        this.phase = if is_event_stream(&response) {
                            Phase::Answering(response.into_body())
                        } else {
                            Phase::Refusing(status, response.into_body())
                        };
                    }
                    Poll::Ready(Err((failure, story))) => {
                        story.refuse_in_stream();
                        this.phase = Phase::Over;
                        let event =
                            respond::failure_event(&failure, patience.client, &patience.request_id);
                        return Poll::Ready(Some(Ok(Frame::data(event))));
                    }
                    Poll::Pending => {
                        ready!(this.next.as_mut().poll(cx));
                        let next = Instant::now() + patience.every;
                        this.next.as_mut().reset(next);
                        return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(COMMENT)))));
                    }
                },
                Phase::Answering(body) => return Pin::new(body).poll_frame(cx),
                Phase::Refusing(status, body) => {
                    // A refusal is there whole: one frame.
                    let frame = ready!(Pin::new(body).poll_frame(cx)).transpose()?;
                    let said = frame.and_then(|frame| frame.into_data().ok());
                    let status = *status;
                    this.phase = Phase::Over;
                    let event = this.refusal(status, &said.unwrap_or_default());
                    return Poll::Ready(Some(Ok(Frame::data(event))));
                }
                Phase::Over => return Poll::Ready(None),
            }
        }
    }
}

fn is_event_stream(response: &Response<Body>) -> bool {
    response.status() == StatusCode::OK
        && response
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
}

/// Whether a client passes over comments: Google's own take each line that is not empty for data.
pub(crate) fn takes_comments(client: Dialect) -> bool {
    client != Dialect::GeminiGenerate
}

/// A line that readers of event streams pass over.
pub(crate) const COMMENT: &[u8] = b": keep-alive\n\n";
