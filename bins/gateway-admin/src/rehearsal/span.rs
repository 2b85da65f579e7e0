//! Spans of time on the command line and on the screen.

use std::time::Duration;

use ai_gateway_model::read_span;
use serde_json::Value;

/// Reads `5s`, `250ms`, `1m30s`, a number of seconds, or `0`.
pub(crate) fn read(text: &str) -> Result<Duration, String> {
    if matches!(text, "0" | "0s" | "0ms") {
        return Ok(Duration::ZERO);
    }
    let written = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
    read_span(&written)
        .ok_or_else(|| format!("{text} is no span of time: write 5s, 250ms or 1m30s"))
}

/// Writes a span for a person: `250 ms`, `5 s`, `12.3 s`.
pub(crate) fn shown(span: Duration) -> String {
    if span.as_millis() < 1000 && !span.is_zero() {
        return format!("{} ms", span.as_millis());
    }
    let seconds = span.as_secs_f64();
    if span.subsec_millis() < 50 || span.subsec_millis() >= 950 {
        format!("{seconds:.0} s")
    } else {
        format!("{seconds:.1} s")
    }
}

/// A span in milliseconds, to three places.
pub(crate) fn millis(span: Duration) -> f64 {
    (span.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_read_as_a_configuration_writes_it() {
        for (text, ms) in [
            ("5s", 5000),
            ("250ms", 250),
            ("1m30s", 90_000),
            ("2", 2000),
            ("0", 0),
        ] {
            assert_eq!(read(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        assert!(read("soon").is_err());
        assert!(read("-1s").is_err());
    }

    #[test]
    fn a_span_is_shown_as_exactly_as_matters() {
        for (ms, text) in [(0, "0 s"), (40, "40 ms"), (5000, "5 s"), (12_340, "12.3 s")] {
            assert_eq!(shown(Duration::from_millis(ms)), text);
        }
    }
}
