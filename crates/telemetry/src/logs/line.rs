//! Writes one line of the log by hand, in the form that the subscriber gives its own lines.

use std::time::Duration;

use super::LogFormat;

/// A line being written.
///
/// As text, `time LEVEL target: message name=value …`; as JSON, one flat object.
pub(super) struct Line<'a> {
    out: &'a mut Vec<u8>,
    format: LogFormat,
    target: &'static str,
}

impl<'a> Line<'a> {
    /// Begins a line at `info`, written `at`, the time since the Unix epoch.
    pub(super) fn begin(
        out: &'a mut Vec<u8>,
        format: LogFormat,
        at: Duration,
        (target, message): (&'static str, &'static str),
    ) -> Self {
        match format {
            LogFormat::Json => {
                out.extend_from_slice(b"{\"timestamp\":\"");
                push_time(out, at);
                out.extend_from_slice(b"\",\"level\":\"INFO\",\"message\":\"");
                out.extend_from_slice(message.as_bytes());
                out.push(b'"');
            }
            LogFormat::Text => {
                push_time(out, at);
                out.extend_from_slice(b"  INFO ");
                out.extend_from_slice(target.as_bytes());
                out.extend_from_slice(b": ");
                out.extend_from_slice(message.as_bytes());
            }
        }
        Self {
            out,
            format,
            target,
        }
    }

    /// Adds a text.
    pub(super) fn text(&mut self, name: &'static str, value: &str) {
        self.name(name);
        self.open();
        push_escaped(self.out, value);
        self.close();
    }

    /// Adds a text made of pieces that need no escape, or are escaped as they are written.
    pub(super) fn pieces(&mut self, name: &'static str, write: impl FnOnce(&mut Pieces<'_>)) {
        self.name(name);
        self.open();
        write(&mut Pieces(self.out));
        self.close();
    }

    /// Adds a whole number.
    pub(super) fn number(&mut self, name: &'static str, value: u64) {
        self.name(name);
        push_number(self.out, value);
    }

    /// Adds a truth value.
    pub(super) fn flag(&mut self, name: &'static str, value: bool) {
        self.name(name);
        self.out
            .extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// Ends the line.
    pub(super) fn end(self) {
        if self.format == LogFormat::Json {
            self.out.extend_from_slice(b",\"target\":\"");
            self.out.extend_from_slice(self.target.as_bytes());
            self.out.extend_from_slice(b"\"}");
        }
        self.out.push(b'\n');
    }

    fn name(&mut self, name: &'static str) {
        match self.format {
            LogFormat::Json => {
                self.out.extend_from_slice(b",\"");
                self.out.extend_from_slice(name.as_bytes());
                self.out.extend_from_slice(b"\":");
            }
            LogFormat::Text => {
                self.out.push(b' ');
                self.out.extend_from_slice(name.as_bytes());
                self.out.push(b'=');
            }
        }
    }

    fn open(&mut self) {
        self.out.push(b'"');
    }

    fn close(&mut self) {
        self.out.push(b'"');
    }
}

/// Pieces of one text.
pub(super) struct Pieces<'a>(&'a mut Vec<u8>);

impl Pieces<'_> {
    pub(super) fn text(&mut self, piece: &str) {
        push_escaped(self.0, piece);
    }

    pub(super) fn number(&mut self, piece: u64) {
        push_number(self.0, piece);
    }
}

/// Escaped as in JSON, so that no value can end its line or its quotes.
fn push_escaped(out: &mut Vec<u8>, text: &str) {
    let is_plain = |byte: &u8| *byte >= 0x20 && *byte != b'"' && *byte != b'\\' && *byte != 0x7f;
    if text.as_bytes().iter().all(is_plain) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    for char in text.chars() {
        match char {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            control if control.is_control() => {
                out.extend_from_slice(b"\\u");
                let code = u32::from(control);
                for shift in [12, 8, 4, 0] {
                    let digit = char::from_digit((code >> shift) & 0xf, 16).unwrap_or('0');
                    push_char(out, digit);
                }
            }
            other => push_char(out, other),
        }
    }
}

fn push_char(out: &mut Vec<u8>, char: char) {
    out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
}

fn push_number(out: &mut Vec<u8>, mut number: u64) {
    // The longest, 2^64 - 1, has twenty digits.
    let mut digits = [b'0'; 20];
    let mut first = digits.len();
    for (place, slot) in digits.iter_mut().enumerate().rev() {
        *slot = digit(number % 10);
        number /= 10;
        first = place;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(first..).unwrap_or_default());
}

/// `2026-11-22T18:29:48.123456Z`.
fn push_time(out: &mut Vec<u8>, at: Duration) {
    let seconds = at.as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    push_padded(out, year, 4);
    out.push(b'-');
    push_padded(out, month, 2);
    out.push(b'-');
    push_padded(out, day, 2);
    out.push(b'T');
    push_padded(out, second / 3600, 2);
    out.push(b':');
    push_padded(out, second / 60 % 60, 2);
    out.push(b':');
    push_padded(out, second % 60, 2);
    out.push(b'.');
    push_padded(out, u64::from(at.subsec_micros()), 6);
    out.push(b'Z');
}

/// The year, month and day of the Gregorian calendar, `days` after 1970-01-01.
///
/// Counted in years that begin in March, so that a leap day is the last of its year: 400 of them
/// have 146,097 days, and the months from March on repeat 153 days in five.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + DAYS_TO_1970;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let leap_days = day_of_era / 1460 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days + day_of_era / 36_524) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (400 * era + year_of_era + carry, month, day)
}

fn push_padded(out: &mut Vec<u8>, number: u64, width: u32) {
    for place in (0..width).rev() {
        out.push(digit(number / 10_u64.pow(place) % 10));
    }
}

fn digit(number: u64) -> u8 {
    // The remainder of a division by ten always fits.
    b'0' + u8::try_from(number % 10).unwrap_or(0)
}

/// From 1 March of the year 0 to 1 January 1970.
const DAYS_TO_1970: u64 = 719_468;

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// What the library makes of the same moment.
    fn by_jiff(at: Duration) -> String {
        let time = jiff::Timestamp::try_from(UNIX_EPOCH + at).unwrap();
        time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
    }

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    proptest! {
        #[test]
        fn a_time_is_written_as_the_calendar_has_it(
            seconds in 0u64..253_402_300_800,
            nanos in 0u32..1_000_000_000,
        ) {
            let at = Duration::new(seconds, nanos);
            prop_assert_eq!(written(|out| push_time(out, at)), by_jiff(at));
        }

        #[test]
        fn a_number_is_written_as_it_is(number in any::<u64>(), few in 0u64..200) {
            for number in [number, few, 0, u64::MAX] {
                prop_assert_eq!(written(|out| push_number(out, number)), number.to_string());
            }
        }

        #[test]
        fn any_text_comes_back_from_json_and_stays_on_its_line(text in any::<String>()) {
            let line = written(|out| {
                let mut line =
                    Line::begin(out, LogFormat::Json, Duration::ZERO, ("target", "message"));
                line.text("name", &text);
                line.end();
            });
            prop_assert_eq!(line.lines().count(), 1);
            let read: Value = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(read.get("name").and_then(Value::as_str), Some(text.as_str()));
        }
    }

    #[test]
    fn leap_days_are_where_they_belong() {
        for day in [
            "2000-02-29",
            "2024-02-29",
            "2024-03-01",
            "2100-02-28",
            "2100-03-01",
        ] {
            let at: jiff::Timestamp = format!("{day}T00:00:00Z").parse().unwrap();
            let at = Duration::from_secs(u64::try_from(at.as_second()).unwrap());
            assert_eq!(
                written(|out| push_time(out, at)),
                format!("{day}T00:00:00.000000Z")
            );
        }
    }
}
