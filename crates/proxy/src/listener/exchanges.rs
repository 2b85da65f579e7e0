//! What the two ends of a connection's handling tell each other: the one that sees its bytes, and
//! the one that sees its requests.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use ai_gateway_telemetry::Closing;
use tokio_util::sync::CancellationToken;

use super::framing::Misframed;

/// The exchanges of one connection. A clone is the same connection's.
#[derive(Clone, Debug)]
pub(super) struct Exchanges(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    begun: AtomicU64,
    under_way: AtomicU32,
    /// The number of the request at fault in the upper bits, the fault in the lowest two.
    fault: AtomicU64,
    /// Bytes of a request have come, and not all of them.
    is_in_request: AtomicBool,
    /// The peer has yet to take what was written.
    is_writing: AtomicBool,
    retired: CancellationToken,
    /// Why the proxy closes the connection, once it does.
    closing: OnceLock<Closing>,
}

/// An exchange from the request's head to the end of the answer's body.
#[derive(Debug)]
pub(crate) struct Exchange(Exchanges);

impl Exchanges {
    /// `retired` ends the connection once the exchanges under way are over.
    pub(super) fn new(retired: CancellationToken) -> Self {
        Self(Arc::new(Shared {
            begun: AtomicU64::new(0),
            under_way: AtomicU32::new(0),
            fault: AtomicU64::new(0),
            is_in_request: AtomicBool::new(false),
            is_writing: AtomicBool::new(false),
            retired,
            closing: OnceLock::new(),
        }))
    }

    /// Begins an exchange; answers its number, from 0, as well.
    pub(super) fn begin(&self) -> (u64, Exchange) {
        // Relaxed throughout: the numbers order nothing else, and one task at a time uses them.
        let number = self.0.begun.fetch_add(1, Ordering::Relaxed);
        self.0.under_way.fetch_add(1, Ordering::Relaxed);
        (number, Exchange(self.clone()))
    }

    /// Exchanges begun so far.
    pub(super) fn begun(&self) -> u64 {
        self.0.begun.load(Ordering::Relaxed)
    }

    /// Whether no exchange is under way.
    pub(super) fn is_quiet(&self) -> bool {
        self.0.under_way.load(Ordering::Relaxed) == 0
    }

    /// Whether the connection waits for its next request, and for nothing else.
    pub(super) fn is_between(&self) -> bool {
        self.is_quiet()
            && !self.0.is_in_request.load(Ordering::Relaxed)
            && !self.0.is_writing.load(Ordering::Relaxed)
    }

    /// Notes whether bytes of a request have come, and not all of them.
    pub(super) fn in_request(&self, is_in_request: bool) {
        self.0.is_in_request.store(is_in_request, Ordering::Relaxed);
    }

    /// Notes whether the peer has yet to take what was written.
    pub(super) fn writing(&self, is_writing: bool) {
        self.0.is_writing.store(is_writing, Ordering::Relaxed);
    }

    /// Notes that the head of request `number` is at fault.
    pub(super) fn blame(&self, number: u64, fault: Misframed) {
        let code = match fault {
            Misframed::BareLineFeed => 1,
            Misframed::TwoLengths => 2,
            Misframed::TransferEncoding => 3,
        };
        self.0.fault.store(number << 2 | code, Ordering::Relaxed);
    }

    /// What is wrong with the head of request `number`.
    pub(super) fn fault_of(&self, number: u64) -> Option<Misframed> {
        let fault = self.0.fault.load(Ordering::Relaxed);
        let what = match fault & 3 {
            1 => Misframed::BareLineFeed,
            2 => Misframed::TwoLengths,
            3 => Misframed::TransferEncoding,
            _ => return None,
        };
        (fault >> 2 == number).then_some(what)
    }

    /// Takes no further request on this connection and ends it after those under way.
    pub(super) fn retire(&self) {
        self.0.retired.cancel();
    }

    /// Notes why the connection is closed; the first reason counts.
    pub(super) fn close(&self, closing: Closing) {
        // A reason that is there already led to this one.
        self.0.closing.set(closing).ok();
    }

    /// Why the connection was closed, where that was the proxy's doing.
    pub(super) fn closing(&self) -> Option<Closing> {
        self.0.closing.get().copied()
    }

    pub(super) fn is_retired(&self) -> bool {
        self.0.retired.is_cancelled()
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}
