//! What is not over with one answer: silence below HTTP, certificates, and whole scenes.

use ai_gateway_testkit::{Cut, RawStep};

use super::{FIRST_EVENTS, LAST_EVENTS, STREAM_HEAD, raw};
use crate::row::Blame::Failure;
use crate::row::{Row, Upset, breaks, fails_over, is_whole};
use crate::scenes::{Held, Scene};
use crate::tls::Certificate;

/// Nothing says that nobody is there any more.
pub(super) fn black_holes() -> Vec<Row> {
    let length = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{";
    let begun = format!("{STREAM_HEAD}connection: close\r\n\r\n{FIRST_EVENTS}");
    let whole = format!("{begun}{LAST_EVENTS}");
    let broken = Failure("stream");
    vec![
        Row::plain(
            "U9",
            "a black hole in a plain answer",
            raw(&[length], RawStep::Vanish),
            fails_over(2, broken),
        ),
        Row::stream(
            "U9",
            "a black hole in a stream",
            raw(&[&begun], RawStep::Vanish),
            breaks(broken),
        ),
        // HTTP/2 says it by GOAWAY; targets are spoken to over HTTP/1.1.
        Row::stream(
            "U23",
            "each stream is the last of its connection",
            raw(&[&whole], RawStep::End(Cut::Close)),
            is_whole(1),
        )
        .asked(5),
    ]
}

pub(super) fn certificates() -> Vec<Row> {
    let refused = fails_over(3, Failure("connect"));
    let shows = Upset::Tls;
    // A fatal alert: the handshake failed.
    let alert = RawStep::Send(vec![0x15, 3, 3, 0, 2, 2, 40].into());
    vec![
        Row::both(
            "U20",
            "a certificate as it should be",
            shows(Certificate::Right),
            is_whole(1),
        ),
        Row::both(
            "U20",
            "a certificate that has expired",
            shows(Certificate::Expired),
            refused,
        ),
        Row::both(
            "U20",
            "a certificate for another name",
            shows(Certificate::Misnamed),
            refused,
        ),
        Row::both(
            "U20",
            "a certificate of an unknown authority",
            shows(Certificate::Untrusted),
            refused,
        ),
        Row::both("U20", "a TLS alert", Upset::RawTls(vec![alert]), refused),
    ]
}

/// Several targets, or several requests.
pub(super) fn scenes() -> Vec<Row> {
    let overtaken = "the next target answers; this one's request is cancelled";
    vec![
        Row::scene(
            "U26",
            "half of the targets are slow",
            Scene::HalfSlow,
            "most requests go to the others (`least-connections`)",
        ),
        Row::scene(
            "U27",
            "well again, and everybody waits",
            Scene::Recovery,
            "one request tries it, the others go on elsewhere; then it takes traffic",
        ),
        Row::scene(
            "–",
            "slower than usual, with `hedge`",
            Scene::Overtaken,
            overtaken,
        ),
        Row::scene(
            "–",
            "slower than usual, with `hedge`, and the next one fails",
            Scene::NotOvertaken,
            "whole",
        ),
        Row::scene(
            "G5",
            "well; a bad configuration is written",
            Scene::BadConfiguration,
            "whole, by the configuration that was there",
        ),
        Row::scene(
            "G8",
            "well; the gateway may open no more files",
            Scene::FilesGone,
            "what is under way ends whole, and others are served when files are free again",
        )
        .only_streamed(),
        Row::scene(
            "G10",
            "well; the gateway is told to stop",
            Scene::Stopping,
            "whole if it ends in time, else 503 or an error event: `gateway_stopping`",
        ),
    ]
}

/// Clients that take their time.
pub(super) fn clients() -> Vec<Row> {
    let cut = "the client is cut, others are served";
    let held = [
        ("the client sends nothing", Held::Nothing),
        ("the client sends half a head", Held::Head { drips: false }),
        ("the client drips a head", Held::Head { drips: true }),
        ("the client sends half a body", Held::Body { drips: false }),
        ("the client drips a body", Held::Body { drips: true }),
        ("the client sends half of HTTP/2's preface", Held::Preface),
    ];
    let slow = held
        .into_iter()
        .map(|(what, held)| Row::scene("C3", what, Scene::SlowClient(held), cut).only_plain());
    let reader = Row::scene(
        "C2",
        "the client reads nothing of a stream",
        Scene::SlowReader,
        "the client is cut, and the target's request cancelled",
    );
    std::iter::once(reader.only_streamed())
        .chain(slow)
        .collect()
}
