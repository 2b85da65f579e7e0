//! Reads a body whole, within its bounds.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt as _;
use tokio::time::Instant;

/// Why a body could not be read whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Unread {
    /// It is larger than the bound.
    #[error("the body is too large")]
    TooLarge,
    /// No piece of it came for too long.
    #[error("the body stopped coming")]
    Stalled,
    /// It ended early, or is not framed as HTTP requires.
    #[error("the body broke off")]
    Broken,
    /// There is no room for what came.
    #[error("there is no room for the body")]
    NoRoom,
}

/// Who is asked before a body is read on.
pub(crate) trait Reading {
    /// When what has come so far is to have grown, at the latest.
    fn due(&self, received: usize) -> Instant;

    /// Makes room for `received` bytes in all; answers whether there is.
    fn hold(&mut self, received: usize) -> bool;
}

/// A bounded pause between two pieces, and nothing else.
pub(crate) struct Pauses(pub(crate) Duration);

impl Reading for Pauses {
    fn due(&self, _: usize) -> Instant {
        Instant::now() + self.0
    }

    fn hold(&mut self, _: usize) -> bool {
        true
    }
}

/// Reads `body` to its end: at most `limit` bytes, as `reading` allows.
///
/// A body that announces a larger length is refused before anything is read. Trailers are
/// dropped. A body that comes in one piece is not copied.
pub(crate) async fn read(
    mut body: impl Body<Data = Bytes> + Unpin,
    limit: usize,
    mut reading: impl Reading,
) -> Result<Bytes, Unread> {
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        return Err(Unread::TooLarge);
    }
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    loop {
        let received = first.len() + whole.len();
        let due = reading.due(received);
        let frame = match tokio::time::timeout_at(due, body.frame()).await {
            Err(_) => return Err(Unread::Stalled),
            Ok(None) => break,
            Ok(Some(Err(_))) => return Err(Unread::Broken),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if received + data.len() > limit {
            return Err(Unread::TooLarge);
        }
        if !reading.hold(received + data.len()) {
            return Err(Unread::NoRoom);
        }
        if first.is_empty() && whole.is_empty() {
            first = data;
            continue;
        }
        if whole.is_empty() {
            whole.reserve(
                usize::try_from(announced)
                    .unwrap_or(0)
                    .max(first.len() + data.len()),
            );
            whole.extend_from_slice(&std::mem::take(&mut first));
        }
        whole.extend_from_slice(&data);
    }
    Ok(if whole.is_empty() {
        first
    } else {
        whole.freeze()
    })
}
