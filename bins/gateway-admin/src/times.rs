//! Points in time as a person reads them: how long ago, or how soon.

use std::fmt::Write as _;

use jiff::Timestamp;

/// Says how long before `now_ms` the time that `text` writes was: `5m 3s`.
pub(crate) fn age(text: &str, now_ms: u64) -> Option<String> {
    Some(span(now_ms.saturating_sub(millis(text)?)))
}

/// Says how long after `now_ms` the time that `text` writes will be: `in 5m 3s`, or `now`.
pub(crate) fn ahead(text: &str, now_ms: u64) -> Option<String> {
    let ahead = millis(text)?.saturating_sub(now_ms);
    Some(if ahead < 1000 {
        "now".to_owned()
    } else {
        format!("in {}", span(ahead))
    })
}

fn millis(text: &str) -> Option<u64> {
    let at: Timestamp = text.parse().ok()?;
    u64::try_from(at.as_millisecond()).ok()
}

/// Writes a span by its two largest units.
fn span(ms: u64) -> String {
    let mut rest = ms / 1000;
    let mut text = String::new();
    let mut written = 0;
    for (unit, seconds) in [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)] {
        let count = rest / seconds;
        rest %= seconds;
        if count > 0 && written < 2 {
            let gap = if written > 0 { " " } else { "" };
            // Writing to a string does not fail.
            write!(text, "{gap}{count}{unit}").ok();
        }
        if count > 0 || written > 0 {
            written += 1;
        }
    }
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_shows_its_two_largest_units() {
        for (seconds, expected) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (303, "5m 3s"),
            (3600, "1h"),
            (3605, "1h"),
            (86_400 + 7200, "1d 2h"),
        ] {
            assert_eq!(span(seconds * 1000), expected, "{seconds}");
        }
    }

    #[test]
    fn a_time_is_told_from_now() {
        let now_ms = 1_000_000;
        assert_eq!(age("1970-01-01T00:16:30Z", now_ms).as_deref(), Some("10s"));
        assert_eq!(
            ahead("1970-01-01T00:17:40Z", now_ms).as_deref(),
            Some("in 1m")
        );
        assert_eq!(
            ahead("1970-01-01T00:16:30Z", now_ms).as_deref(),
            Some("now")
        );
        assert_eq!(age("yesterday", now_ms), None);
    }
}
