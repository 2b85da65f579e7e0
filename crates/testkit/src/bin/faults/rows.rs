//! The catalogue: every fault that a target or a client can do to a request.
//!
//! The second try in a tier has a short pause here, and nothing is waited for longer than a second,
//! so that the whole takes a minute. A 500 is tried again on the same target before the second one
//! is asked: three attempts.

mod continued;
mod malformed;
mod others;
mod statuses;

use std::time::Duration;

use ai_gateway_testkit::{Behaviour, Cut, Dialect, Fault, RawCue, RawStep};
use serde_json::json;

use crate::row::Blame::Failure;
use crate::row::{Row, Upset, breaks, fails_over, fault, is_whole};

/// Every row, in the order of the specification.
pub(crate) fn all() -> Vec<Row> {
    let mut rows = [
        connections(),
        broken(),
        slow(),
        malformed::streams(),
        malformed::heads(),
        statuses::limits(),
        statuses::others(),
        endings(),
        dialects(),
        commits(),
        continued::rows(),
        others::black_holes(),
        others::certificates(),
        others::scenes(),
        others::clients(),
        rest(),
    ]
    .concat();
    // Stable: rows of one number stay in the order in which they stand here.
    rows.sort_by_key(|row| number(row.id));
    rows
}

/// Where a row's number stands: the faults of targets, those of clients, the rest.
fn number(id: &str) -> (usize, u32, &str) {
    let Some(group) = ["U", "C", "G"]
        .iter()
        .position(|group| id.starts_with(group))
    else {
        return (usize::MAX, 0, id);
    };
    let rest = id.get(1..).unwrap_or_default();
    let digits = rest.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    (group, digits.parse().unwrap_or(u32::MAX), id)
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
fn connections() -> Vec<Row> {
    let garbage = RawStep::send("HTTP/1.1 400 Bad Request\r\n\r\n");
    let nobody_home = fails_over(2, Failure("connect"));
    let again = fails_over(3, Failure("connect"));
    vec![
        Row::both("U1", "connection refused", Upset::Down, again),
        Row::both(
            "U2",
            "no answer to a connection",
            Upset::Unreachable,
            nobody_home,
        ),
        Row::both(
            "U3",
            "reset once connected",
            Upset::Raw(RawCue::Connected, vec![RawStep::End(Cut::Reset)]),
            again,
        ),
        Row::both(
            "U4",
            "reset before the head",
            fault(Fault::CutBeforeHead { how: Cut::Reset }),
            again,
        ),
        Row::both(
            "U4",
            "reset in the head",
            raw(&["HTTP/1.1 200 OK\r\ncontent-ty"], RawStep::End(Cut::Reset)),
            again,
        ),
        Row::both(
            "U4",
            "closed before the head",
            fault(Fault::CutBeforeHead { how: Cut::Close }),
            again,
        ),
        Row::both(
            "U20",
            "no TLS where TLS is meant",
            Upset::RawTls(vec![garbage]),
            again,
        ),
        Row::both(
            "U20",
            "a TLS handshake that stalls",
            Upset::RawTls(vec![RawStep::Hang]),
            nobody_home,
        ),
        Row::both(
            "U21",
            "a name that does not resolve",
            Upset::NoSuchHost,
            again,
        ),
        Row::plain(
            "U22",
            "each connection closed after its answer",
            raw(&[&whole_json()], RawStep::End(Cut::Close)),
            is_whole(1),
        )
        .asked(10),
    ]
}

fn broken() -> Vec<Row> {
    let reset = |events| Fault::CutAfterEvents {
        events,
        how: Cut::Reset,
    };
    let close = |events| Fault::CutAfterEvents {
        events,
        how: Cut::Close,
    };
    let bytes = |how| fault(Fault::CutAfterBytes { bytes: 40, how });
    let broken = Failure("stream");
    let unframed = format!("{STREAM_HEAD}connection: close\r\n\r\n{FIRST_EVENTS}");
    vec![
        Row::plain(
            "U5",
            "reset in a plain answer",
            bytes(Cut::Reset),
            fails_over(3, broken),
        ),
        Row::stream("U5", "reset in a stream", fault(reset(4)), breaks(broken)),
        Row::stream("U5", "the same, Anthropic", fault(reset(5)), breaks(broken)).anthropic(),
        Row::stream(
            "U5",
            "reset before the first token",
            fault(reset(1)),
            fails_over(3, broken),
        ),
        Row::plain(
            "U6",
            "closed in a plain answer",
            bytes(Cut::Close),
            fails_over(3, broken),
        ),
        Row::stream(
            "U6",
            "closed in a chunked stream",
            fault(close(4)),
            breaks(broken),
        ),
        Row::stream("U6", "the same, Anthropic", fault(close(5)), breaks(broken)).anthropic(),
        Row::stream(
            "U6",
            "closed in an unframed stream",
            raw(&[&unframed], RawStep::End(Cut::Close)),
            breaks(broken),
        ),
        Row::stream(
            "U6",
            "closed before the first token",
            fault(close(1)),
            fails_over(3, broken),
        ),
    ]
}

fn slow() -> Vec<Row> {
    let late = Failure("timeout");
    let hang = |events| fault(Fault::HangAfterEvents { events });
    let slowly = Upset::Behaves(Behaviour {
        head_delay: Duration::from_millis(400),
        ..Behaviour::default()
    });
    let mut waited = is_whole(0);
    waited.target = "";
    vec![
        Row::both(
            "U7",
            "no head in time",
            fault(Fault::HangBeforeHead),
            fails_over(2, late),
        ),
        Row::stream("U7", "no first token in time", hang(1), fails_over(2, late)),
        Row::stream("U7", "a late head, comments meanwhile", slowly, waited)
            .with(json!({ "stream": { "keep_alive": "100ms" } })),
        Row::plain(
            "U8",
            "a plain answer that stalls",
            hang(0),
            fails_over(2, Failure("stream")),
        ),
        Row::stream(
            "U8",
            "a stream that stalls",
            hang(4),
            breaks(Failure("stream")),
        ),
        Row::stream(
            "U8",
            "the same, Anthropic",
            hang(5),
            breaks(Failure("stream")),
        )
        .anthropic(),
        Row::both(
            "U10",
            "byte by byte",
            fault(Fault::Drip { gap: 0 }),
            is_whole(1),
        ),
    ]
}

fn endings() -> Vec<Row> {
    let broken = breaks(Failure("stream"));
    let error = |after_events| {
        fault(Fault::ErrorEvent {
            after_events,
            error_type: "server_error".to_owned(),
            message: "gone".to_owned(),
        })
    };
    vec![
        Row::stream(
            "U18b",
            "no [DONE] after the finish",
            fault(Fault::MissingEnd),
            is_whole(1),
        ),
        Row::stream(
            "U18b",
            "no message_stop, Anthropic",
            fault(Fault::MissingEnd),
            broken,
        )
        .anthropic(),
        Row::stream("U17", "an error event in a stream", error(4), broken),
        Row::stream("U17", "the same, Anthropic", error(5), broken).anthropic(),
        Row::stream(
            "U17",
            "an error event before the first token",
            error(1),
            fails_over(3, Failure("status")),
        ),
    ]
}

/// What proves an answer whole differs from dialect to dialect, and so does how it breaks.
fn dialects() -> Vec<Row> {
    let broken = breaks(Failure("stream"));
    let mut rows = Vec::new();
    // Events behind which a token has come, and more would follow.
    for (dialect, events, names) in [
        (Dialect::Responses, 6, RESPONSES),
        (Dialect::Gemini, 3, GEMINI),
        (Dialect::Bedrock, 4, BEDROCK),
        (Dialect::Cohere, 4, COHERE),
    ] {
        let cut = |how| fault(Fault::CutAfterEvents { events, how });
        let malformed = Fault::MalformedEvent {
            after_events: events,
        };
        let [reset, closed, stall, no_end, bad, whole] = names;
        let of_dialect = [
            Row::stream("U5", reset, cut(Cut::Reset), broken),
            Row::stream("U6", closed, cut(Cut::Close), broken),
            Row::stream(
                "U8",
                stall,
                fault(Fault::HangAfterEvents { events }),
                broken,
            ),
            Row::stream("U18b", no_end, fault(Fault::MissingEnd), broken),
            Row::stream("U18c", bad, fault(malformed), broken),
            Row::both(
                "–",
                whole,
                Upset::Behaves(Behaviour::default()),
                is_whole(1),
            ),
        ];
        rows.extend(of_dialect.map(|row| row.of(dialect)));
    }
    rows
}

const RESPONSES: [&str; 6] = [
    "reset in a stream, Responses",
    "closed in a stream, Responses",
    "a stream that stalls, Responses",
    "no response.completed, Responses",
    "a malformed event in a stream, Responses",
    "nothing at all, Responses",
];
const GEMINI: [&str; 6] = [
    "reset in a stream, Gemini",
    "closed in a stream, Gemini",
    "a stream that stalls, Gemini",
    "no finishReason, Gemini",
    "a malformed event in a stream, Gemini",
    "nothing at all, Gemini",
];

const BEDROCK: [&str; 6] = [
    "reset in a stream, Bedrock",
    "closed in a stream, Bedrock",
    "a stream that stalls, Bedrock",
    "no messageStop, Bedrock",
    "a malformed message in a stream, Bedrock",
    "nothing at all, Bedrock",
];
const COHERE: [&str; 6] = [
    "reset in a stream, Cohere",
    "closed in a stream, Cohere",
    "a stream that stalls, Cohere",
    "no message-end, Cohere",
    "a malformed event in a stream, Cohere",
    "nothing at all, Cohere",
];

fn commits() -> Vec<Row> {
    let whole = json!({ "stream": { "commit": "complete" } });
    let cut = |how| fault(Fault::CutAfterEvents { events: 4, how });
    let broken = Failure("stream");
    let malformed = fault(Fault::MalformedEvent { after_events: 4 });
    let stalled = fault(Fault::HangAfterEvents { events: 4 });
    vec![
        Row::stream(
            "U5",
            "reset in a stream that is held",
            cut(Cut::Reset),
            fails_over(3, broken),
        )
        .with(whole.clone()),
        Row::stream(
            "U6",
            "closed in a stream that is held",
            cut(Cut::Close),
            fails_over(3, broken),
        )
        .with(whole.clone()),
        Row::stream(
            "U8",
            "a stall in a stream that is held",
            stalled,
            fails_over(2, broken),
        )
        .with(whole.clone()),
        Row::stream(
            "U18c",
            "malformed in a stream that is held",
            malformed,
            fails_over(2, Failure("malformed")),
        )
        .with(whole),
    ]
}

fn rest() -> Vec<Row> {
    let mut gone = is_whole(0);
    gone.target = "";
    vec![
        Row::both(
            "C1",
            "the client leaves before the head",
            Upset::LeftBeforeHead,
            gone,
        ),
        Row::stream(
            "C1",
            "the client leaves in a stream",
            Upset::LeftInBody,
            gone,
        ),
        Row::both(
            "–",
            "nothing at all",
            Upset::Behaves(Behaviour::default()),
            is_whole(1),
        ),
        Row::both(
            "–",
            "nothing at all, Anthropic",
            Upset::Behaves(Behaviour::default()),
            is_whole(1),
        )
        .anthropic(),
    ]
}

/// Sends `pieces` to each request, then `last`.
fn raw(pieces: &[&str], last: RawStep) -> Upset {
    let sends = pieces.iter().map(|piece| RawStep::send(*piece));
    Upset::Raw(RawCue::Asked, sends.chain([last]).collect())
}

fn whole_json() -> String {
    let choice = json!({
        "index": 0, "finish_reason": "stop",
        "message": { "role": "assistant", "content": RAW_TEXT },
    });
    let body = json!({
        "id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice],
    });
    let body = body.to_string();
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// What a server that is no stand-in says.
pub(crate) const RAW_TEXT: &str = "raw words";
pub(crate) const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
const FIRST_EVENTS: &str = concat!(
    "data: {\"id\":\"x\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",",
    "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"raw\"},",
    "\"finish_reason\":null}]}\n\n",
);
const LAST_EVENTS: &str = concat!(
    "data: {\"id\":\"x\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",",
    "\"choices\":[{\"index\":0,\"delta\":{\"content\":\" words\"},\"finish_reason\":\"stop\"}]}\n\n",
    "data: [DONE]\n\n",
);
