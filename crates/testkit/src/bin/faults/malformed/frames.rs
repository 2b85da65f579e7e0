//! Malformed HTTP/2: bytes of a preface, floods of frames, heads that no client may send.

use super::chance::Chance;
use super::written::{self, PATH};

/// One connection's bytes.
pub(crate) fn bytes(chance: &mut Chance, tag: &str) -> Vec<u8> {
    let mut bytes = PREFACE.to_vec();
    if chance.below(10) == 0 {
        let place = chance.below(bytes.len());
        let garbage = chance.bytes(40);
        bytes.splice(place.., garbage);
        return bytes;
    }
    frame(&mut bytes, SETTINGS, 0, 0, &[]);
    let mut good = bytes.clone();
    frame(&mut good, HEADERS, END_HEADERS, 1, &head(&[]));
    let body = written::body(tag);
    match chance.below(12) {
        0 => {
            frame(&mut good, DATA, END_STREAM, 1, body.as_bytes());
            let end = good.len() - body.len();
            for _ in 0..=chance.below(3) {
                let (place, new) = (24 + chance.below(end - 24), chance.byte());
                if let Some(byte) = good.get_mut(place) {
                    *byte = new;
                }
            }
            bytes = good;
        }
        1 => {
            frame(&mut good, DATA, END_STREAM, 1, body.as_bytes());
            good.truncate(24 + chance.below(good.len() - 25));
            bytes = good;
        }
        kind @ 2..=6 => bytes = flooded(kind, bytes, good),
        7 => {
            for _ in 0..chance.below(30) {
                let (kind, flags) = (chance.byte() % 16, chance.byte());
                let (stream, size) = (chance.byte() % 8, chance.below(60));
                let payload = chance.bytes(size);
                frame(&mut bytes, kind, flags, stream.into(), &payload);
            }
        }
        8 => {
            let size = chance.below(100);
            let block = chance.bytes(size);
            frame(&mut bytes, HEADERS, END_HEADERS | END_STREAM, 1, &block);
        }
        9 => {
            frame(&mut good, WINDOW_UPDATE, 0, 1, &[0; 4]);
            bytes = good;
        }
        10 => {
            let (name, value) = chance.one_of(&FIELDS).copied().unwrap_or_default();
            frame(&mut bytes, HEADERS, END_HEADERS, 1, &head(&[(name, value)]));
            frame(&mut bytes, DATA, END_STREAM, 1, body.as_bytes());
        }
        _ => {
            bytes.extend_from_slice(&[255, 255, 255, HEADERS, END_HEADERS, 0, 0, 0, 1]);
            bytes.extend(chance.bytes(64));
        }
    }
    bytes
}

/// A flood of one kind, behind a preface or behind the head of a request.
fn flooded(kind: usize, mut bytes: Vec<u8>, mut good: Vec<u8>) -> Vec<u8> {
    match kind {
        2 => rapid_resets(&mut bytes),
        3 => {
            frame(&mut bytes, HEADERS, 0, 1, &head(&[]));
            (0..FLOOD).for_each(|_| frame(&mut bytes, CONTINUATION, 0, 1, &[]));
        }
        4 => (0..FLOOD).for_each(|_| frame(&mut bytes, SETTINGS, 0, 0, &[0, 4, 0, 0, 255, 255])),
        5 => (0..FLOOD).for_each(|_| frame(&mut bytes, PING, 0, 0, &[7; 8])),
        _ => {
            (0..FLOOD).for_each(|_| frame(&mut good, DATA, 0, 1, &[]));
            return good;
        }
    }
    bytes
}

/// The classes of the statuses that were answered, hundreds each.
pub(crate) fn classes(mut answer: &[u8]) -> Vec<u8> {
    let mut classes = Vec::new();
    while let Some((&[a, b, c, kind, ..], rest)) = answer.split_first_chunk::<9>() {
        let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        let payload = rest.get(..length).unwrap_or(rest);
        if kind == HEADERS {
            classes.extend(class(payload));
        }
        answer = rest.get(length..).unwrap_or_default();
    }
    classes
}

/// The class of the status that a block of fields begins with; trailers have none.
fn class(block: &[u8]) -> Option<u8> {
    match *block {
        // Whole in the static table.
        [0x88..=0x8a, ..] => Some(2),
        [0x8b, ..] => Some(3),
        [0x8c | 0x8d, ..] => Some(4),
        [0x8e, ..] => Some(5),
        // Its name there, its value in Huffman's code or in ASCII.
        [0x48 | 0x08 | 0x18, length, first, ..] if length & 0x80 != 0 => match first >> 2 {
            0b01_1001 => Some(3),
            0b01_1010 => Some(4),
            0b01_1011 => Some(5),
            _ => Some(2),
        },
        [0x48 | 0x08 | 0x18, _, digit @ b'1'..=b'5', ..] => Some(digit - b'0'),
        _ => None,
    }
}

fn rapid_resets(bytes: &mut Vec<u8>) {
    for number in 0..FLOOD {
        let stream = 2 * number + 1;
        frame(bytes, HEADERS, END_HEADERS, stream, &head(&[]));
        frame(bytes, RST_STREAM, 0, stream, &[0, 0, 0, 8]);
    }
}

/// A head in HPACK without its tables, with `more` behind what belongs there.
fn head(more: &[(&str, &str)]) -> Vec<u8> {
    let mut block = vec![0x83, 0x86];
    for (name, value) in [
        (":path", PATH),
        (":authority", "localhost"),
        ("content-type", "application/json"),
    ]
    .iter()
    .chain(more)
    {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap_or_default() & 0x7f);
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

fn frame(bytes: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let [_, length @ ..] = u32::try_from(payload.len())
        .unwrap_or_default()
        .to_be_bytes();
    bytes.extend_from_slice(&length);
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// Frames of a flood.
const FLOOD: u32 = 1_000;
const FIELDS: [&(&str, &str); 8] = [
    &("Upper", "a"),
    &("connection", "close"),
    &("transfer-encoding", "chunked"),
    &(":status", "200"),
    &(":path", "/two"),
    &("te", "gzip"),
    &("x-a", "b\r\nc: d"),
    &("content-length", "7"),
];
