//! Streams that break off while another target may go on with them.

use ai_gateway_testkit::{Behaviour, Cut, Fault};
use serde_json::json;

use crate::row::Blame::Failure;
use crate::row::{Row, breaks, fault, goes_on};

pub(super) fn rows() -> Vec<Row> {
    let cut = |how| Fault::CutAfterEvents { events: 4, how };
    let error = |after_events| Fault::ErrorEvent {
        after_events,
        error_type: "server_error".to_owned(),
        message: "gone".to_owned(),
    };
    let whole = [
        ("U5", "reset in a stream, another goes on", cut(Cut::Reset)),
        ("U6", "closed in a stream, another goes on", cut(Cut::Close)),
        (
            "U8",
            "a stream that stalls, another goes on",
            Fault::HangAfterEvents { events: 4 },
        ),
        (
            "U17",
            "an error event in a stream, another goes on",
            error(4),
        ),
        (
            "U18c",
            "a malformed event in a stream, another goes on",
            Fault::MalformedEvent { after_events: 4 },
        ),
    ];
    let broken = Failure("stream");
    let whole = whole
        .into_iter()
        .map(|(id, what, how)| Row::stream(id, what, fault(how), goes_on(broken)));
    let retry = json!({ "continue_stream": true, "backoff": "10ms", "max_wait": "2s" });
    let on = json!({ "retry": retry });
    let rows = whole.chain(once_more());
    rows.map(|row| row.with(on.clone())).collect()
}

fn once_more() -> [Row; 3] {
    let broken = Failure("stream");
    [
        Row::stream(
            "U5",
            "the same, Anthropic, another goes on",
            fault(Fault::CutAfterEvents {
                events: 5,
                how: Cut::Reset,
            }),
            goes_on(broken),
        )
        .anthropic(),
        Row::stream(
            "U5",
            "reset in a stream, and again where another goes on",
            fault(Fault::CutAfterEvents {
                events: 4,
                how: Cut::Reset,
            }),
            breaks(broken),
        )
        .second(Behaviour {
            event_gap: std::time::Duration::from_millis(5),
            ..Behaviour::failing(Fault::CutAfterEvents {
                events: 3,
                how: Cut::Reset,
            })
        }),
        Row::stream(
            "U5",
            "reset in a tool call, where another would go on",
            fault(Fault::CutAfterEvents {
                events: 3,
                how: Cut::Reset,
            }),
            breaks(broken),
        )
        .offering_tool(),
    ]
}
