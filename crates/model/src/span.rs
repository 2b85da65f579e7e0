//! Spans of time as written: seconds as a number, or a text such as `1m30s`.

use std::time::Duration;

use serde_json::Value;

/// Reads a span as documents write it, a number of seconds or a text such as `1m30s`; `None` when it
/// is not from 1 ms to 24 h.
pub fn read(value: &Value) -> Option<Duration> {
    let span = match value {
        Value::Number(number) => Duration::try_from_secs_f64(number.as_f64()?).ok()?,
        Value::String(text) => parse(text.trim())?,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    // Steps of a millisecond, so that what is written back reads the same.
    let millis = u64::try_from(span.as_nanos().checked_add(500_000)? / 1_000_000).ok()?;
    let span = Duration::from_millis(millis);
    (span >= SHORTEST && span <= LONGEST).then_some(span)
}

/// Writes whole seconds as a number and all else as milliseconds: `60`, `"250ms"`.
pub(crate) fn write(span: Duration) -> Value {
    if span.subsec_millis() == 0 {
        Value::from(span.as_secs())
    } else {
        Value::from(format!("{}ms", span.as_millis()))
    }
}

/// Writes what may be turned off: no time at all is `false`.
pub(crate) fn write_or_false(span: Duration) -> Value {
    if span.is_zero() {
        Value::Bool(false)
    } else {
        write(span)
    }
}

/// Reads parts of a number and a unit each, such as `1h`, `1m30s` or `0.5s`.
fn parse(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    loop {
        let (number, after) =
            rest.split_at_checked(rest.find(|c: char| !c.is_ascii_digit() && c != '.')?)?;
        let end = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, tail) = after.split_at_checked(end)?;
        let seconds_each = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        let seconds = number.parse::<f64>().ok()? * seconds_each;
        total = total.checked_add(Duration::try_from_secs_f64(seconds).ok()?)?;
        if tail.is_empty() {
            return Some(total);
        }
        rest = tail.trim_start();
    }
}

/// Shorter waits than this are slips of the pen.
const SHORTEST: Duration = Duration::from_millis(1);

/// Longer waits than this are too.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_documented_forms_are_read() {
        for (written, millis) in [
            (json!(60), 60_000),
            (json!(0.5), 500),
            (json!("30s"), 30_000),
            (json!("500ms"), 500),
            (json!("1m30s"), 90_000),
            (json!("1h"), 3_600_000),
            (json!("1.5s"), 1_500),
        ] {
            assert_eq!(
                read(&written),
                Some(Duration::from_millis(millis)),
                "{written}"
            );
        }
    }

    #[test]
    fn all_else_is_refused() {
        for written in [
            json!(0),
            json!(-1),
            json!("0s"),
            json!("30"),
            json!("s"),
            json!(""),
            json!("1d"),
            json!("25h"),
            json!("1.2.3s"),
            json!("-5s"),
            json!(true),
            json!(1e300),
            json!("1s!"),
        ] {
            assert_eq!(read(&written), None, "{written}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(millis in 1_u64..86_400_000) {
            let span = Duration::from_millis(millis);
            prop_assert_eq!(read(&write(span)), Some(span));
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let span = read(&Value::from(text));
            prop_assert!(span.is_none_or(|span| span >= SHORTEST && span <= LONGEST));
        }
    }
}
