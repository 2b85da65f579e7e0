//! What comes behind the last event of a stream undoes nothing.

use std::path::Path;

use proptest::prelude::*;

use crate::setup::{
    ANTHROPIC, BEDROCK, COHERE, OPENAI, RESPONSES, SIDES, Side, read_stream, relay,
};

/// A whole answer, in a dialect that has a last event.
fn ended_stream() -> impl Strategy<Value = (Side, Vec<u8>)> {
    prop::sample::select(&[OPENAI, ANTHROPIC, RESPONSES, BEDROCK, COHERE][..]).prop_map(|side| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src")
            .join(side.name)
            .join("testdata/stream");
        let extension = if side.name == BEDROCK.name {
            "frames"
        } else {
            "sse"
        };
        let path = folder.join("text").with_extension(extension);
        (side, read_stream(side, &path))
    })
}

/// Anything, now and then the beginning of an event.
fn tail() -> impl Strategy<Value = Vec<u8>> {
    let begin = prop::sample::select(
        [
            "",
            "data: ",
            "data: {",
            "event: error\ndata: {\"error\":1}\n\n",
        ]
        .as_slice(),
    );
    let bytes = prop::collection::vec(any::<u8>(), 0..100);
    (begin, bytes, any::<bool>()).prop_map(|(begin, bytes, is_closed)| {
        let end: &[u8] = if is_closed { b"\n\n" } else { b"" };
        [begin.as_bytes(), &bytes, end].concat()
    })
}

proptest! {
    #[test]
    fn nothing_behind_the_end_makes_a_fault(
        (from, stream) in ended_stream(),
        client in prop::sample::select(&SIDES[..]),
        tail in tail(),
        cut in any::<prop::sample::Index>(),
    ) {
        let exchange = client.exchange(from, true);
        let whole = relay(&exchange, [stream.as_slice()]);
        prop_assert_eq!(&whole.fault, &None);
        let longer = [stream.as_slice(), &tail].concat();
        let (before, behind) = longer.split_at(cut.index(longer.len()));
        let mut relayed = relay(&exchange, [before, behind]);
        prop_assert_eq!(&relayed.fault, &None);
        if exchange.passes_through() {
            prop_assert_eq!(relayed.bytes.split_off(stream.len()), tail);
        }
        prop_assert_eq!(relayed, whole);
    }
}
