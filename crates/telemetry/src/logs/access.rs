//! The access log: one line a request, written by hand, since this line is the only one that every
//! request pays for.

use std::cell::RefCell;
use std::sync::OnceLock;
use std::time::{Duration, UNIX_EPOCH};

use tracing::Level;

use super::LogFormat;
use super::line::Line;
use super::queue::Queue;
use crate::RequestRecord;

/// Where access lines go, once the process has a log.
static LOG: OnceLock<AccessLog> = OnceLock::new();

#[derive(Debug)]
struct AccessLog {
    format: LogFormat,
    queue: Queue,
}

/// Sends access lines to `queue` from now on.
pub(super) fn write_to(queue: Queue, format: LogFormat) {
    // A process has one log; `init` has refused a second one already.
    LOG.set(AccessLog { format, queue }).ok();
}

/// Writes the line of a request that is over, where the process has a log and its filter lets
/// `aigw::access=info` through.
pub(crate) fn write(record: &RequestRecord) {
    let Some(log) = LOG.get() else { return };
    if !tracing::enabled!(target: TARGET, Level::INFO) {
        return;
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where wall time enters the log"
    )]
    let now = std::time::SystemTime::now();
    let at = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        AccessLine { record, at }.write(log.format, scratch);
        log.queue.push(scratch);
        // A request with a name of megabytes should not keep them.
        scratch.shrink_to(KEPT_BYTES);
    });
}

/// The line of a request that is over.
pub(crate) struct AccessLine<'a> {
    /// The request.
    pub(crate) record: &'a RequestRecord,
    /// When the line is written, since the Unix epoch.
    pub(crate) at: Duration,
}

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl AccessLine<'_> {
    /// Appends the line, its end included.
    pub(crate) fn write(&self, format: LogFormat, out: &mut Vec<u8>) {
        let record = self.record;
        let last = record
            .attempts
            .last()
            .map(|attempt| attempt.target.identity());
        let mut line = Line::begin(out, format, self.at, (TARGET, "request served"));
        line.text("request_id", &record.request_id);
        line.text("method", &record.method);
        line.text("path", &record.path);
        line.number("status", u64::from(record.status));
        line.text("outcome", record.outcome.as_str());
        line.text("gateway", &record.gateway);
        line.text("route", &record.route);
        line.text("service", &record.service);
        line.text("upstream", &record.upstream);
        line.text("target_id", last.map_or("", |target| &target.target));
        line.text("provider", last.map_or("", |target| &target.provider));
        line.text("asked_model", record.asked_model.as_deref().unwrap_or(""));
        line.text("served_model", record.served_model.as_deref().unwrap_or(""));
        line.flag("is_stream", record.is_stream);
        if record.continued > 0 {
            line.number("continued", u64::from(record.continued));
        }
        line.number("input_tokens", record.usage.input);
        line.number("output_tokens", record.usage.output);
        if let Some(cost) = record.cost_nano_usd {
            line.number("cost_nano_usd", cost);
        }
        if let Some(time) = record.time_to_first_token {
            line.number("first_token_ms", millis(time));
        }
        line.number("duration_ms", millis(record.duration));
        // `openai-0:connect:2ms anthropic-1:success:840ms`
        line.pieces("attempts", |pieces| {
            for (index, attempt) in record.attempts.iter().enumerate() {
                if index > 0 {
                    pieces.text(" ");
                }
                pieces.text(&attempt.target.identity().target);
                pieces.text(":");
                pieces.text(attempt.outcome.as_str());
                pieces.text(":");
                pieces.number(millis(attempt.duration));
                pieces.text("ms");
            }
        });
        line.end();
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What the log's filter knows these lines by.
const TARGET: &str = "aigw::access";
/// Room for a line that a thread keeps.
const KEPT_BYTES: usize = 4 * 1024;
