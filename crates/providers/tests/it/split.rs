//! How the bytes of a stream are cut makes no difference.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use crate::setup::{SIDES, Side, TARGETS, read_stream, relay};

/// Every stream among the test data, by the side it comes from.
fn streams() -> Vec<(Side, Vec<u8>)> {
    let mut streams = Vec::new();
    for side in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src")
            .join(side.name)
            .join("testdata/stream");
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_input = !path.file_stem().unwrap().to_string_lossy().contains('.');
            if is_input {
                streams.push((side, read_stream(side, &path)));
            }
        }
    }
    streams
}

#[test]
fn a_stream_cut_at_every_byte_is_relayed_alike() {
    for (from, stream) in streams() {
        for client in SIDES {
            let exchange = client.exchange(from, false);
            let whole = relay(&exchange, [stream.as_slice()]);
            let bytewise = relay(&exchange, stream.chunks(1));
            assert_eq!(
                String::from_utf8_lossy(&whole.bytes),
                String::from_utf8_lossy(&bytewise.bytes)
            );
            assert_eq!(whole, bytewise);
        }
    }
}

/// A stream among the test data.
fn stream() -> impl Strategy<Value = (Side, Vec<u8>)> {
    prop::sample::select(streams())
}

proptest! {
    #[test]
    fn a_stream_cut_anywhere_is_relayed_alike(
        (from, stream) in stream(),
        client in prop::sample::select(&SIDES[..]),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 1..8),
    ) {
        let exchange = client.exchange(from, true);
        let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        at.extend([0, stream.len()]);
        at.sort_unstable();
        let chunks = at.windows(2).map(|pair| &stream[pair[0]..pair[1]]);
        prop_assert_eq!(relay(&exchange, [stream.as_slice()]), relay(&exchange, chunks));
    }

    /// Bytes are flipped, cut out and doubled: whatever comes, nothing panics, and no stream that
    /// lacks its end is called whole.
    #[test]
    fn a_damaged_stream_panics_nowhere(
        (from, stream) in stream(),
        client in prop::sample::select(&SIDES[..]),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut stream = stream;
        for (at, byte) in damage {
            let at = at.index(stream.len());
            stream[at] = byte;
        }
        stream.truncate(cut.index(stream.len() + 1));
        let relayed = relay(&client.exchange(from, true), [stream.as_slice()]);
        if relayed.fault.is_none() && client.dialect == from.dialect {
            prop_assert!(!relayed.bytes.is_empty());
        }
    }

    #[test]
    fn any_bytes_panic_nowhere(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        from in prop::sample::select(&TARGETS[..]),
        client in prop::sample::select(&SIDES[..]),
    ) {
        let exchange = client.exchange(from, true);
        relay(&exchange, [bytes.as_slice()]);
        let faulty = exchange.response(bytes.into()).is_err();
        prop_assert!(faulty);
    }
}
