//! How long a provider asks to be left alone.

use std::time::Duration;

/// Reads the wait from an answer's headers, most telling first.
///
/// A date counts from the answer's own `date`, so that no clock of ours is involved. What can't
/// be read, or lies in the past, is no wait.
pub(super) fn from_headers<'h>(
    status: u16,
    headers: &impl Fn(&str) -> Option<&'h str>,
) -> Option<Duration> {
    let milliseconds = headers("retry-after-ms")
        .and_then(|value| value.trim().parse::<f64>().ok())
        .and_then(|value| Duration::try_from_secs_f64(value / 1_000.0).ok());
    milliseconds
        .or_else(|| headers("retry-after").and_then(|value| stated(value, headers("date"))))
        .or_else(|| (status == 429).then(|| reset(headers)).flatten())
}

/// Reads `Retry-After`: seconds, or a date.
fn stated(value: &str, date: Option<&str>) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let now = httpdate::parse_http_date(date?.trim()).ok()?;
    until.duration_since(now).ok()
}

/// Reads when a window of OpenAI's limits that is used up begins anew.
fn reset<'h>(headers: &impl Fn(&str) -> Option<&'h str>) -> Option<Duration> {
    const WINDOWS: [(&str, &str); 2] = [
        (
            "x-ratelimit-remaining-requests",
            "x-ratelimit-reset-requests",
        ),
        ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ];
    WINDOWS
        .iter()
        .filter(|(remaining, _)| headers(remaining).is_some_and(|left| left.trim() == "0"))
        .filter_map(|(_, reset)| headers(reset).and_then(duration))
        .max()
}

/// Reads a duration as Go writes it: `6m0s`, `1.5s`, `250ms`; a bare number is seconds.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut sum = 0.0;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let unit = tail
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        let seconds = match unit {
            "h" => 3_600.0,
            "m" => 60.0,
            "s" | "" => 1.0,
            "ms" => 1e-3,
            "us" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        sum += number.parse::<f64>().ok()? * seconds;
        rest = tail;
    }
    Duration::try_from_secs_f64(sum).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{duration, from_headers};

    #[track_caller]
    fn check(headers: &[(&str, &'static str)], milliseconds: Option<u64>) {
        let find = |name: &str| {
            headers
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| *value)
        };
        assert_eq!(
            from_headers(429, &find),
            milliseconds.map(Duration::from_millis)
        );
    }

    #[test]
    fn a_wait_is_seconds_milliseconds_or_a_date() {
        check(&[("retry-after", "20")], Some(20_000));
        check(&[("retry-after", "0")], Some(0));
        check(&[("retry-after", "1.5")], Some(1_500));
        check(
            &[("retry-after-ms", "250"), ("retry-after", "1")],
            Some(250),
        );
        check(
            &[
                ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
                ("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT"),
            ],
            Some(60_000),
        );
    }

    #[test]
    fn what_cannot_be_a_wait_is_none() {
        for value in ["-1", "soon", "", "NaN", "inf", "1e300"] {
            check(&[("retry-after", value)], None);
        }
        check(&[("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT")], None);
        check(
            &[
                ("date", "Sun, 06 Nov 1994 08:51:37 GMT"),
                ("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT"),
            ],
            None,
        );
    }

    #[test]
    fn a_used_up_window_says_when_it_begins_anew() {
        check(
            &[
                ("x-ratelimit-remaining-requests", "0"),
                ("x-ratelimit-reset-requests", "1m6s"),
                ("x-ratelimit-remaining-tokens", "15"),
                ("x-ratelimit-reset-tokens", "1h"),
            ],
            Some(66_000),
        );
    }

    #[test]
    fn durations_are_read_as_go_writes_them() {
        assert_eq!(duration("6m0s"), Some(Duration::from_secs(360)));
        assert_eq!(duration("20ms"), Some(Duration::from_millis(20)));
        assert_eq!(duration("7"), Some(Duration::from_secs(7)));
        assert_eq!(duration("5d"), None);
        assert_eq!(duration("."), None);
        assert_eq!(duration(""), None);
        assert_eq!(duration("s"), None);
    }
}
