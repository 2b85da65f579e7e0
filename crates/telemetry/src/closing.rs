//! Connections of clients that were closed before their clients meant to.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Why a client's connection was closed, or one of its streams.
///
/// What a request is refused for is another matter: that is answered, logged and counted as a
/// request. Here nobody else would see it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Closing {
    /// Its address had as many connections as it may have.
    AddressFull,
    /// The TLS handshake failed.
    TlsHandshake,
    /// The TLS handshake took too long.
    TlsTimeout,
    /// No first byte came in time.
    FirstByteTimeout,
    /// A request's head, or an HTTP/2 preface, was not whole in time.
    HeadTimeout,
    /// No request came for too long.
    Idle,
    /// The client did not read for too long; on HTTP/2 this may be one stream.
    WriteStall,
    /// More HTTP/2 frames without a request than may be.
    ControlFrames,
    /// What came is no HTTP; over HTTP/1.1 it was answered 400.
    Malformed,
    /// A head is larger than may be, or has more lines; over HTTP/1.1 it was answered 431.
    HeadTooLarge,
    /// The drain's deadline passed.
    DrainDeadline,
}

impl Closing {
    /// Every reason, in the order of declaration.
    pub const ALL: [Self; 11] = [
        Self::AddressFull,
        Self::TlsHandshake,
        Self::TlsTimeout,
        Self::FirstByteTimeout,
        Self::HeadTimeout,
        Self::Idle,
        Self::WriteStall,
        Self::ControlFrames,
        Self::Malformed,
        Self::HeadTooLarge,
        Self::DrainDeadline,
    ];

    /// As it stands in the metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AddressFull => "address_full",
            Self::TlsHandshake => "tls_handshake",
            Self::TlsTimeout => "tls_timeout",
            Self::FirstByteTimeout => "first_byte_timeout",
            Self::HeadTimeout => "head_timeout",
            Self::Idle => "idle",
            Self::WriteStall => "write_stall",
            Self::ControlFrames => "control_frames",
            Self::Malformed => "malformed",
            Self::HeadTooLarge => "head_too_large",
            Self::DrainDeadline => "drain_deadline",
        }
    }
}

/// The counters, one for each reason.
#[derive(Debug)]
pub(crate) struct Closings([Counter; Closing::ALL.len()]);

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Labels {
    reason: &'static str,
}

impl Closings {
    /// Registers all of them, so that each is there before it first happens.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let family = Family::<Labels, Counter>::default();
        registry.register(
            "connections_closed",
            "Connections or streams of clients that were closed for a reason of the proxy's",
            family.clone(),
        );
        Self(Closing::ALL.map(|closing| {
            let reason = closing.as_str();
            family.get_or_create_owned(&Labels { reason })
        }))
    }

    pub(crate) fn count(&self, closing: Closing) {
        // The discriminant is the index: `ALL` has the variants in the order of declaration.
        if let Some(counter) = self.0.get(closing as usize) {
            counter.inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Closing;
    use crate::Telemetry;

    #[test]
    fn each_closing_counts_under_its_own_reason() {
        let telemetry = Telemetry::new("1.2.3");
        for (times, closing) in Closing::ALL.into_iter().enumerate() {
            for _ in 0..times {
                telemetry.connection_closed(closing);
            }
        }
        let text = telemetry.render();
        for (times, closing) in Closing::ALL.into_iter().enumerate() {
            let reason = closing.as_str();
            let line = format!("aigw_connections_closed_total{{reason=\"{reason}\"}} {times}\n");
            assert!(text.contains(&line), "{line}{text}");
        }
    }
}
