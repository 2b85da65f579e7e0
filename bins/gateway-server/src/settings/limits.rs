//! The bounds of the proxy's front door, as flags.

use std::str::FromStr;
use std::time::Duration;

use ai_gateway_proxy::{BodyLimits, ConnectionLimits};
use clap::Args;

/// What clients of the proxy may take: connections, time, memory.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits of the proxy's clients")]
pub struct LimitSettings {
    /// Connections at the same time; more wait [default: 8192, or half of the open files allowed].
    #[arg(long, env = "AIGW_MAX_CONNECTIONS", value_name = "COUNT")]
    pub max_connections: Option<usize>,

    /// Of those, connections of one IPv4 address or IPv6 /64; more are closed [default: half].
    #[arg(long, env = "AIGW_MAX_CONNECTIONS_PER_IP", value_name = "COUNT")]
    pub max_connections_per_ip: Option<usize>,

    /// Requests on one connection, which then ends.
    #[arg(
        long,
        env = "AIGW_MAX_REQUESTS_PER_CONNECTION",
        value_name = "COUNT",
        default_value_t = 10_000
    )]
    pub max_requests_per_connection: u64,

    /// Requests at the same time on one HTTP/2 connection.
    #[arg(
        long,
        env = "AIGW_MAX_STREAMS_PER_CONNECTION",
        value_name = "COUNT",
        default_value_t = 100
    )]
    pub max_streams_per_connection: u32,

    /// HTTP/2 frames without a request that a connection may send within 10 s.
    #[arg(
        long,
        env = "AIGW_MAX_CONTROL_FRAMES",
        value_name = "COUNT",
        default_value_t = 10_000
    )]
    pub max_control_frames: u64,

    /// Header lines of a request.
    #[arg(
        long,
        env = "AIGW_MAX_HEADERS",
        value_name = "COUNT",
        default_value_t = 100
    )]
    pub max_headers: usize,

    /// Bytes of a request's head, from 8192.
    #[arg(long, env = "AIGW_MAX_HEAD_BYTES", value_name = "BYTES", default_value_t = 32 * 1024)]
    pub max_head_bytes: usize,

    /// The largest request body, in bytes.
    #[arg(long, env = "AIGW_BODY_LIMIT_BYTES", value_name = "BYTES", default_value_t = 32 * 1024 * 1024)]
    pub body_limit_bytes: usize,

    /// Memory for all request bodies that are read or tried; what does not fit is answered 503.
    #[arg(long, env = "AIGW_BODY_MEMORY_BYTES", value_name = "BYTES", default_value_t = 1024 * 1024 * 1024)]
    pub body_memory_bytes: usize,

    /// From a connection to the end of its TLS handshake.
    #[arg(
        long,
        env = "AIGW_TLS_HANDSHAKE_TIMEOUT",
        value_name = "SECONDS",
        default_value = "10"
    )]
    pub tls_handshake_timeout: Seconds,

    /// From a connection to its first bytes.
    #[arg(
        long,
        env = "AIGW_FIRST_BYTE_TIMEOUT",
        value_name = "SECONDS",
        default_value = "10"
    )]
    pub first_byte_timeout: Seconds,

    /// From the first byte of a request's head to its last.
    #[arg(
        long,
        env = "AIGW_HEAD_TIMEOUT",
        value_name = "SECONDS",
        default_value = "10"
    )]
    pub head_timeout: Seconds,

    /// Between two pieces of a request's body.
    #[arg(
        long,
        env = "AIGW_BODY_IDLE_TIMEOUT",
        value_name = "SECONDS",
        default_value = "10"
    )]
    pub body_idle_timeout: Seconds,

    /// Bytes a second at which a request's body must come, on the whole, after 5 s.
    #[arg(
        long,
        env = "AIGW_BODY_MIN_RATE",
        value_name = "BYTES",
        default_value_t = 1024
    )]
    pub body_min_rate: u64,

    /// How long a client may take nothing of an answer that is ready for it.
    #[arg(
        long,
        env = "AIGW_WRITE_STALL_TIMEOUT",
        value_name = "SECONDS",
        default_value = "30"
    )]
    pub write_stall_timeout: Seconds,

    /// How long a connection may go without a request.
    #[arg(
        long,
        env = "AIGW_KEEP_ALIVE_TIMEOUT",
        value_name = "SECONDS",
        default_value = "60"
    )]
    pub keep_alive_timeout: Seconds,

    /// A connection's age, after which it ends with its requests under way.
    #[arg(
        long,
        env = "AIGW_MAX_CONNECTION_AGE",
        value_name = "SECONDS",
        default_value = "3600"
    )]
    pub max_connection_age: Seconds,
}

impl LimitSettings {
    /// The bounds of connections, in a process that may open `files` files.
    pub(crate) fn connections(&self, files: Option<u64>, drain: Duration) -> ConnectionLimits {
        let usual = ConnectionLimits::default();
        // Each request under way needs a second one, to its target.
        let half = files.map_or(usize::MAX, |files| {
            usize::try_from(files / 2).unwrap_or(usize::MAX)
        });
        let max = self
            .max_connections
            .unwrap_or_else(|| usual.max_connections.min(half))
            .max(1);
        ConnectionLimits {
            max_connections: max,
            max_connections_per_ip: self.max_connections_per_ip.unwrap_or(max.div_ceil(2)),
            max_requests: self.max_requests_per_connection.max(1),
            max_streams: self.max_streams_per_connection,
            max_control_frames: self.max_control_frames,
            tls_handshake: self.tls_handshake_timeout.0,
            first_byte: self.first_byte_timeout.0,
            head: self.head_timeout.0,
            keep_alive: self.keep_alive_timeout.0,
            rest_after: usual.rest_after,
            max_age: self.max_connection_age.0,
            write_stall: self.write_stall_timeout.0,
            max_headers: self.max_headers,
            max_head_bytes: self.max_head_bytes.max(MIN_HEAD_BYTES),
            max_buffer_bytes: usual.max_buffer_bytes.max(self.max_head_bytes),
            drain,
        }
    }

    /// The bounds of bodies.
    pub(crate) fn bodies(&self) -> BodyLimits {
        BodyLimits {
            request_bytes: self.body_limit_bytes,
            memory_bytes: self.body_memory_bytes,
            request_idle: self.body_idle_timeout.0,
            request_rate: self.body_min_rate,
            ..BodyLimits::default()
        }
    }
}

/// A time in seconds, with a fraction where that is wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Seconds(pub Duration);

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse()
            .ok()
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .filter(|time| !time.is_zero() && *time <= LONGEST)
            .map(Self)
            .ok_or_else(|| {
                format!("`{text}` is not a number of seconds above 0, such as 10 or 0.5")
            })
    }
}

/// What hyper needs to read at all.
const MIN_HEAD_BYTES: usize = 8192;
/// A bound that is longer is none; timers have an end, too.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::settings::Settings;

    fn connections(flags: &[&str], files: u64) -> ConnectionLimits {
        let flags = ["gateway-server"].iter().chain(flags);
        let settings = Settings::try_parse_from(flags).unwrap();
        settings.limits.connections(Some(files), Duration::ZERO)
    }

    #[test]
    fn half_of_the_files_are_left_for_targets() {
        let limits = connections(&[], 1024);
        assert_eq!(
            (limits.max_connections, limits.max_connections_per_ip),
            (512, 256)
        );
        assert_eq!(connections(&[], 1 << 20).max_connections, 8192);
        let limits = connections(&["--max-connections", "20000"], 1024);
        assert_eq!(limits.max_connections, 20_000);
    }

    #[test]
    fn a_time_is_a_number_of_seconds() {
        assert_eq!("0.5".parse(), Ok(Seconds(Duration::from_millis(500))));
        for wrong in ["", "0", "-1", "1s", "inf", "NaN", "1e300"] {
            assert!(wrong.parse::<Seconds>().is_err(), "{wrong}");
        }
    }
}
