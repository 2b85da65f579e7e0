//! Answers that are not what HTTP or the dialect says.

use std::time::Duration;

use ai_gateway_testkit::{Behaviour, Cut, Fault, RawCue, RawStep};

use super::{FIRST_EVENTS, LAST_EVENTS, STREAM_HEAD, raw};
use crate::row::Blame::Failure;
use crate::row::{Row, Upset, breaks, fails_over, fault, is_whole};

/// Events, and bodies.
#[expect(clippy::too_many_lines, reason = "it is a table")]
pub(super) fn streams() -> Vec<Row> {
    let bad = Failure("malformed");
    let pieces = |pieces: &[&[u8]]| {
        let head = format!("{STREAM_HEAD}connection: close\r\n\r\n");
        let mut steps = vec![RawStep::send(head)];
        for piece in pieces {
            steps.push(RawStep::Send(piece.to_vec().into()));
            steps.push(RawStep::Wait(Duration::from_millis(50)));
        }
        steps.push(RawStep::End(Cut::Close));
        Upset::Raw(RawCue::Asked, steps)
    };
    let framed = |events: &[u8]| pieces(&[events]);
    let events = [FIRST_EVENTS, LAST_EVENTS].concat();
    let carriage_returns = events.replace('\n', "\r");
    let both_ends = events.replace('\n', "\r\n");
    let marked = format!("\u{feff}{events}");
    let not_text = pieces(&[FIRST_EVENTS.as_bytes(), b"data: \xff\xfe\n\n"]);
    let endless = [b"data: ", &*vec![b'x'; 24 * 1024 * 1024]].concat();
    let endless = pieces(&[FIRST_EVENTS.as_bytes(), &endless]);
    vec![
        Row::stream(
            "U11",
            "lines that end in CR",
            framed(carriage_returns.as_bytes()),
            is_whole(1),
        ),
        Row::stream(
            "U11",
            "lines that end in CRLF",
            framed(both_ends.as_bytes()),
            is_whole(1),
        ),
        Row::stream(
            "U11",
            "a byte order mark",
            framed(marked.as_bytes()),
            is_whole(1),
        ),
        Row::stream(
            "U11",
            "an event that is not UTF-8",
            not_text,
            breaks(Failure("stream")),
        ),
        Row::stream(
            "U11",
            "an event of 24 MiB",
            endless,
            breaks(Failure("stream")),
        ),
        Row::plain(
            "U12",
            "half a JSON, well framed",
            fault(Fault::TruncatedJson),
            fails_over(2, bad),
        ),
        Row::stream(
            "U18c",
            "a malformed first event",
            fault(Fault::MalformedEvent { after_events: 0 }),
            fails_over(2, bad),
        ),
        Row::stream(
            "U18c",
            "a malformed event in a stream",
            fault(Fault::MalformedEvent { after_events: 4 }),
            breaks(Failure("stream")),
        ),
        Row::stream(
            "U18c",
            "the same, Anthropic",
            fault(Fault::MalformedEvent { after_events: 5 }),
            breaks(Failure("stream")),
        )
        .anthropic(),
        Row::both(
            "U24",
            "HTML with status 200",
            fault(Fault::Html),
            fails_over(2, bad),
        ),
    ]
}

/// Heads.
pub(super) fn heads() -> Vec<Row> {
    let broken = fails_over(3, Failure("connect"));
    let header = format!("x-large: {}\r\n", "x".repeat(600 * 1024));
    let lines: String = (0..300).map(|n| format!("x-{n}: y\r\n")).collect();
    let head = |more: &str| format!("HTTP/1.1 200 OK\r\n{more}\r\n");
    let hints = RawStep::send("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100));
    let hints = [hints, RawStep::Wait(Duration::from_millis(10))];
    let interim = std::iter::repeat_n(hints, 500).flatten().collect();
    let interim = Upset::Raw(RawCue::Asked, interim);
    let late = fails_over(2, Failure("timeout"));
    let end = RawStep::End(Cut::Close);
    let switching = "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n";
    let elsewhere = Behaviour::status_with_header(307, "location", "http://127.0.0.1:1/");
    vec![
        Row::both(
            "U13",
            "a header of 600 KiB",
            raw(&[&head(&header)], end.clone()),
            broken,
        ),
        Row::both(
            "U13",
            "300 header lines",
            raw(&[&head(&lines)], end.clone()),
            broken,
        ),
        Row::both(
            "U13",
            "two lengths",
            raw(
                &[&head("content-length: 3\r\ncontent-length: 4\r\n")],
                end.clone(),
            ),
            broken,
        ),
        Row::both("U13", "interim heads without end", interim, late),
        Row::both(
            "U13",
            "no HTTP at all",
            raw(&["SSH-2.0-OpenSSH_9.6\r\n"], end.clone()),
            broken,
        ),
        Row::both(
            "U13",
            "an unasked 101",
            raw(&[switching], end),
            fails_over(2, Failure("malformed")),
        ),
        Row::both(
            "U13",
            "a redirect",
            Upset::Behaves(elsewhere),
            fails_over(2, Failure("malformed")),
        ),
    ]
}
