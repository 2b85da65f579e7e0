//! The proxy's bounds: every wait and every size has a name, a default and a reason here.

use std::time::Duration;

/// What the proxy was told at start-up; the same for all gateways.
#[derive(Clone, Debug, Default)]
pub struct ProxySettings {
    /// How connections of clients are taken and how long they may idle.
    pub connections: ConnectionLimits,
    /// How much of a message is held in memory.
    pub bodies: BodyLimits,
    /// `{subdomain}.{base_domain}` finds the gateway with that subdomain; empty finds none.
    pub base_domain: String,
}

/// Bounds of the client side's connections.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Connections served at the same time; further ones wait in the kernel's queue. Default 8192.
    pub max_connections: usize,
    /// From accepting a connection to its first three bytes, which tell HTTP/1 from HTTP/2.
    /// hyper's own deadline starts only after them. Default 10 s.
    pub first_byte: Duration,
    /// From the first byte of a request's head to its last, and between two requests of a
    /// connection. Default 60 s.
    pub head: Duration,
    /// Header lines of a request; more are answered 431. Default 100.
    pub max_headers: usize,
    /// Bytes of a request's head; more are answered 431. Default 32 KiB.
    pub max_head_bytes: usize,
    /// hyper's read and write buffer of one HTTP/1 connection. Default 64 KiB: hyper's own
    /// 400 KiB would cost a slow reader's connection close to a megabyte.
    pub max_buffer_bytes: usize,
    /// Requests at the same time on one HTTP/2 connection. Default 100.
    pub max_streams: u32,
    /// How long requests under way may take to finish once the proxy drains. Default 30 s.
    pub drain: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            max_connections: 8192,
            first_byte: Duration::from_secs(10),
            head: Duration::from_secs(60),
            max_headers: 100,
            max_head_bytes: 32 * 1024,
            max_buffer_bytes: 64 * 1024,
            max_streams: 100,
            drain: Duration::from_secs(30),
        }
    }
}

/// Bounds of the messages that are held whole.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// A request's body; it is kept so that it can be sent to another target. Default 32 MiB,
    /// Anthropic's own limit: prompts carry images.
    pub request_bytes: usize,
    /// Between two pieces of a request's body. Default 10 s.
    pub request_idle: Duration,
    /// A plain answer; it is held until it is whole, so that a cut one is never passed on.
    /// Default 32 MiB.
    pub response_bytes: usize,
    /// An error answer of a target; what is beyond is not read. Default 256 KiB.
    pub error_bytes: usize,
    /// Stream bytes held back until the commit point, where the upstream does not say. Default
    /// 1 MiB.
    pub held_stream_bytes: usize,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self {
            request_bytes: 32 * 1024 * 1024,
            request_idle: Duration::from_secs(10),
            response_bytes: 32 * 1024 * 1024,
            error_bytes: 256 * 1024,
            held_stream_bytes: 1024 * 1024,
        }
    }
}
