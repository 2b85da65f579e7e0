//! A tower service over a balancer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ai_gateway_health::{FailureKind, Outcome};
use tower::Service;

use crate::balancer::Balancer;
use crate::error::NoTarget;
use crate::lease::Lease;

/// A service that sends each request to a target's own service.
///
/// Cloning is cheap, clones share the balancer, and there is no task and no queue in between: it
/// is always ready, and a request that no target may take is answered with an error at once. The
/// target's service is cloned for each request and waited for until it is ready. Dropping the
/// future drops both and counts as a caller who left.
pub struct Balance<S, C> {
    balancer: Balancer<S>,
    classify: Arc<C>,
}

impl<S, C> Balance<S, C> {
    /// Makes the service. `classify` says of each answer, or error, what it means for the target.
    pub fn new(balancer: Balancer<S>, classify: C) -> Self {
        Self {
            balancer,
            classify: Arc::new(classify),
        }
    }
}

impl<S, C, Request> Service<Request> for Balance<S, C>
where
    S: Service<Request> + Clone,
    C: Fn(Result<&S::Response, &S::Error>) -> Outcome,
{
    type Response = S::Response;
    type Error = BalanceError<S::Error>;
    type Future = Balanced<S, C, Request>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let stage = match self.balancer.pick() {
            Ok(lease) => {
                let service = S::clone(&lease);
                Stage::Waiting {
                    lease,
                    service,
                    request,
                }
            }
            Err(none) => Stage::Refused(none),
        };
        Balanced {
            stage,
            classify: Arc::clone(&self.classify),
        }
    }
}

impl<S, C> Clone for Balance<S, C> {
    fn clone(&self) -> Self {
        Self {
            balancer: self.balancer.clone(),
            classify: Arc::clone(&self.classify),
        }
    }
}

impl<S, C> fmt::Debug for Balance<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Balance")
            .field("balancer", &self.balancer)
            .finish_non_exhaustive()
    }
}

/// Why a balanced request has no answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum BalanceError<E> {
    /// No target may take it.
    NoTarget(NoTarget),
    /// The target's service failed.
    Service(E),
}

impl<E: fmt::Display> fmt::Display for BalanceError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTarget(none) => none.fmt(f),
            Self::Service(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for BalanceError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoTarget(_) => None,
            Self::Service(error) => error.source(),
        }
    }
}

/// The answer to a balanced request.
#[must_use = "a future does nothing unless it is polled"]
pub struct Balanced<S: Service<Request>, C, Request> {
    stage: Stage<S, Request>,
    classify: Arc<C>,
}

enum Stage<S: Service<Request>, Request> {
    Refused(NoTarget),
    Waiting {
        lease: Lease<S>,
        service: S,
        request: Request,
    },
    Running {
        lease: Lease<S>,
        answer: Pin<Box<S::Future>>,
    },
    Over,
}

impl<S: Service<Request>, C, Request> Unpin for Balanced<S, C, Request> {}

impl<S, C, Request> Future for Balanced<S, C, Request>
where
    S: Service<Request>,
    C: Fn(Result<&S::Response, &S::Error>) -> Outcome,
{
    type Output = Result<S::Response, BalanceError<S::Error>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Refused(none) => return Poll::Ready(Err(BalanceError::NoTarget(none))),
                Stage::Waiting {
                    lease,
                    mut service,
                    request,
                } => {
                    let Poll::Ready(readiness) = service.poll_ready(context) else {
                        self.stage = Stage::Waiting {
                            lease,
                            service,
                            request,
                        };
                        return Poll::Pending;
                    };
                    if let Err(error) = readiness {
                        lease.finish(Outcome::Failure(FailureKind::Connect));
                        return Poll::Ready(Err(BalanceError::Service(error)));
                    }
                    let answer = Box::pin(service.call(request));
                    self.stage = Stage::Running { lease, answer };
                }
                Stage::Running { lease, mut answer } => {
                    let Poll::Ready(result) = answer.as_mut().poll(context) else {
                        self.stage = Stage::Running { lease, answer };
                        return Poll::Pending;
                    };
                    lease.finish((self.classify)(result.as_ref()));
                    return Poll::Ready(result.map_err(BalanceError::Service));
                }
                // Polled again after its end, which a future need not answer.
                Stage::Over => return Poll::Pending,
            }
        }
    }
}

impl<S: Service<Request>, C, Request> fmt::Debug for Balanced<S, C, Request> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Balanced").finish_non_exhaustive()
    }
}
