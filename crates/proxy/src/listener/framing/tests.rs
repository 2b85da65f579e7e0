use proptest::prelude::*;

use super::*;

fn read(bytes: &[u8]) -> Framing {
    let mut framing = Framing::from_request(0, 1024);
    framing.read(bytes);
    framing
}

#[track_caller]
fn check(bytes: &str, fault: Option<(u64, Misframed)>) {
    assert_eq!(read(bytes.as_bytes()).fault(), fault, "{bytes:?}");
}

#[test]
fn honest_requests_follow_one_another() {
    let requests = "GET / HTTP/1.1\r\nhost: a\r\n\r\n\
         POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab\n\ncPOST / HTTP/1.1\r\n\
         Transfer-Encoding: Chunked\r\n\r\n3;x=y\r\na\nb\r\n0\r\nt: v\r\n\r\n\r\n";
    let framing = read(requests.as_bytes());
    assert_eq!((framing.fault(), framing.heads), (None, 3));
    assert_eq!(framing.phase(), Phase::Between);
}

#[test]
fn a_line_ends_in_cr_lf() {
    check(
        "GET / HTTP/1.1\nhost: a\r\n\r\n",
        Some((0, Misframed::BareLineFeed)),
    );
    check(
        "GET / HTTP/1.1\r\nhost: a\n\r\n",
        Some((0, Misframed::BareLineFeed)),
    );
    check(
        "GET / HTTP/1.1\r\nhost: a\r\n\n",
        Some((0, Misframed::BareLineFeed)),
    );
}

#[test]
fn a_length_is_given_once() {
    let two = Some((0, Misframed::TwoLengths));
    check(
        "POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 1\r\n",
        two,
    );
    check(
        "POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n",
        two,
    );
    check(
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\nCONTENT-LENGTH: 1\r\n",
        two,
    );
}

#[test]
fn chunked_is_the_only_encoding_and_comes_once() {
    for encodings in [
        "transfer-encoding: gzip, chunked\r\n",
        "transfer-encoding: chunked, chunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: identity\r\n",
    ] {
        check(
            &format!("POST / HTTP/1.1\r\n{encodings}"),
            Some((0, Misframed::TransferEncoding)),
        );
    }
    check(
        "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n",
        Some((0, Misframed::TransferEncoding)),
    );
}

#[test]
fn the_fault_is_of_the_request_that_has_it() {
    check(
        "POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\na\nbGET / HTTP/1.1\n",
        Some((1, Misframed::BareLineFeed)),
    );
}

#[test]
fn a_phase_is_known_at_every_byte() {
    let request = b"POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\nab";
    let mut framing = Framing::from_request(0, 1024);
    assert_eq!(framing.phase(), Phase::Between);
    let (head, body) = request.split_at(request.len() - 2);
    for byte in &head[..head.len() - 1] {
        framing.read(&[*byte]);
        assert_eq!(framing.phase(), Phase::Head);
    }
    framing.read(b"\n");
    assert_eq!(framing.phase(), Phase::Body);
    framing.read(body);
    assert_eq!(framing.phase(), Phase::Between);
}

#[test]
fn an_endless_line_costs_no_more_than_its_bound() {
    let mut framing = Framing::from_request(0, 1024);
    for _ in 0..100 {
        framing.read(&[b'a'; 100]);
    }
    assert!(framing.line.capacity() <= 2048);
    assert_eq!(framing.state, State::Lost);
}

/// Pieces of requests, good and bad, in any order.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(&b"POST / HTTP/1.1\r\n"[..]),
        Just(&b"host: a\r\n"[..]),
        Just(&b"content-length: 4\r\n"[..]),
        Just(&b"transfer-encoding: chunked\r\n"[..]),
        Just(&b"\r\n"[..]),
        Just(&b"\n"[..]),
        Just(&b"4\r\nabcd\r\n"[..]),
        Just(&b"0\r\n\r\n"[..]),
        Just(&b"ab\nd"[..]),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn splitting_changes_nothing(bytes in pieces(), size in 1_usize..9) {
        let whole = read(&bytes);
        let mut split = Framing::from_request(0, 1024);
        for piece in bytes.chunks(size) {
            split.read(piece);
        }
        prop_assert_eq!(split.fault(), whole.fault());
        prop_assert_eq!(split.heads, whole.heads);
        prop_assert_eq!(split.phase(), whole.phase());
    }
}
