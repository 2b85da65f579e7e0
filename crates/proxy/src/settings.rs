//! The proxy's bounds: every wait and every size has a name, a default and a reason here.

use std::sync::Arc;
use std::time::Duration;

use ai_gateway_providers::Catalogue;

/// What the proxy was told at start-up; the same for all gateways.
#[derive(Clone, Debug)]
pub struct ProxySettings {
    /// How connections of clients are taken and how long they may idle.
    pub connections: ConnectionLimits,
    /// How much of a message is held in memory.
    pub bodies: BodyLimits,
    /// `{subdomain}.{base_domain}` finds the gateway with that subdomain; empty finds none.
    pub base_domain: String,
    /// What is known of models, for their list; by default what comes with the gateway.
    pub catalogue: Arc<Catalogue>,
}

impl Default for ProxySettings {
    fn default() -> Self {
        Self {
            connections: ConnectionLimits::default(),
            bodies: BodyLimits::default(),
            base_domain: String::new(),
            catalogue: Arc::new(Catalogue::builtin().clone()),
        }
    }
}

/// Bounds of the client side's connections.
///
/// A client that breaks one is cut or refused; none is ever counted against a target.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Connections served at the same time; further ones wait in the kernel's queue. Default 8192.
    pub max_connections: usize,
    /// Of those, connections of one address, or of one IPv6 network of 64 bits; further ones are
    /// closed at once. Default 4096: nobody takes all places alone.
    pub max_connections_per_ip: usize,
    /// Requests on one connection, which then ends. Default 10,000.
    pub max_requests: u64,
    /// Requests at the same time on one HTTP/2 connection. Default 100.
    pub max_streams: u32,
    /// HTTP/2 frames without a request that one connection may send within 10 s, besides one for
    /// every 64 bytes that it is sent. Default 10,000.
    pub max_control_frames: u64,
    /// From accepting a connection to the end of its TLS handshake, where there is TLS. Default
    /// 10 s.
    pub tls_handshake: Duration,
    /// From accepting a connection to its first bytes, which tell HTTP/1 from HTTP/2. Default 10 s.
    pub first_byte: Duration,
    /// From the first byte of a request's head to its last. Default 10 s.
    pub head: Duration,
    /// Without a request on a connection, or up to twice that. Default 60 s.
    pub keep_alive: Duration,
    /// How long an HTTP/1 connection keeps the buffers of its last request for the next one.
    /// Default 100 ms: new ones cost a hundredth of a request, and these hold 16 KiB.
    pub rest_after: Duration,
    /// A connection's age, after which it ends with the requests under way, a random tenth later
    /// at most. Default 1 h, so that clients spread over gateways that were added.
    pub max_age: Duration,
    /// How long a client may take nothing of an answer that is ready for it. Default 30 s; half as
    /// long again on HTTP/2.
    pub write_stall: Duration,
    /// Header lines of a request; more are answered 431. Default 100.
    pub max_headers: usize,
    /// Bytes of a request's head; more are answered 431. Default 32 KiB.
    pub max_head_bytes: usize,
    /// hyper's read and write buffer of one HTTP/1 connection. Default 64 KiB: hyper's own
    /// 400 KiB would cost a slow reader's connection close to a megabyte.
    pub max_buffer_bytes: usize,
    /// How long requests under way may take to finish once the proxy drains. Default 30 s.
    pub drain: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            max_connections: 8192,
            max_connections_per_ip: 4096,
            max_requests: 10_000,
            max_streams: 100,
            max_control_frames: 10_000,
            tls_handshake: Duration::from_secs(10),
            first_byte: Duration::from_secs(10),
            head: Duration::from_secs(10),
            keep_alive: Duration::from_secs(60),
            rest_after: Duration::from_millis(100),
            max_age: Duration::from_secs(3600),
            write_stall: Duration::from_secs(30),
            max_headers: 100,
            max_head_bytes: 32 * 1024,
            max_buffer_bytes: 64 * 1024,
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
    /// The bodies of all requests that are being read or tried; what does not fit is answered 503.
    /// Counted as the bytes come, in steps of 16 KiB. Default 1 GiB.
    pub memory_bytes: usize,
    /// Between two pieces of a request's body. Default 10 s.
    pub request_idle: Duration,
    /// Bytes a second at which a request's body must come, on the whole, once
    /// [`request_grace`](Self::request_grace) is over. Default 1024.
    pub request_rate: u64,
    /// How long a request's body may come as slowly as it likes. Default 5 s.
    pub request_grace: Duration,
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
            memory_bytes: 1024 * 1024 * 1024,
            request_idle: Duration::from_secs(10),
            request_rate: 1024,
            request_grace: Duration::from_secs(5),
            response_bytes: 32 * 1024 * 1024,
            error_bytes: 256 * 1024,
            held_stream_bytes: 1024 * 1024,
        }
    }
}
