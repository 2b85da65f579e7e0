//! The client against targets that are played byte by byte.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Outgoing, SendError, Source};
use crate::connect::{Connections, Pool, PoolKey};

/// The answers of one connection, each in pieces.
type Answers = &'static [&'static [&'static str]];

/// A target that answers each request of a connection with the next of its answers, in pieces that
/// are written apart; after the last it closes.
struct Target {
    url: String,
    connections: Arc<AtomicUsize>,
    /// How often it has finished an answer, or closed a connection.
    done: watch::Receiver<usize>,
    _tasks: JoinSet<()>,
}

impl Target {
    async fn start(answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/path?q", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        let counted = Arc::clone(&connections);
        let (tell, done) = watch::channel(0);
        tasks.spawn(async move {
            let mut serving = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                serving.spawn(answer(stream, answers, tell.clone()));
            }
        });
        Self {
            url,
            connections,
            done,
            _tasks: tasks,
        }
    }

    fn request(&self, method: Method, body: &'static str) -> Outgoing {
        let request = Request::builder().method(method).uri(&self.url);
        request.body(vec![body.into()]).unwrap()
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn answer(mut stream: TcpStream, answers: Answers, tell: watch::Sender<usize>) {
    stream.set_nodelay(true).unwrap();
    let mut buffer = [0; 4096];
    for pieces in answers {
        // The requests here are small: each comes in one piece.
        if !matches!(stream.read(&mut buffer).await, Ok(1..)) {
            return;
        }
        for piece in *pieces {
            stream.write_all(piece.as_bytes()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        tell.send_modify(|done| *done += 1);
    }
    drop(stream);
    tell.send_modify(|done| *done += 1);
}

fn pool() -> Arc<Pool> {
    Connections::new().pool(PoolKey {
        origin: "http://127.0.0.1".into(),
        credential: String::new(),
        connect: Duration::from_secs(1),
    })
}

async fn text(response: Response<Source>) -> String {
    let whole = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(whole.to_vec()).unwrap()
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let target = Target::start(&[
        &[OK],
        &[
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n",
            "o\r\n1\r\nk\r\n0\r\n\r\n",
        ],
        &["HTTP/1.1 200 O", "K\r\ncontent-length: 2\r", "\n\r\no", "k"],
        &[
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\na: b\r\n\r\n",
            OK,
        ],
        &["HTTP/1.1 204 No Content\r\n\r\n"],
        &[OK],
    ])
    .await;
    let pool = pool();
    for expected in ["ok", "ok", "ok", "ok", "", "ok"] {
        let request = target.request(Method::POST, "{}");
        assert_eq!(text(pool.request(&request).await.unwrap()).await, expected);
    }
    assert_eq!(target.connections(), 1);
}

#[tokio::test]
async fn a_connection_that_is_at_its_end_is_not_used_again() {
    let cases: &[Answers] = &[
        // It closes, said or unsaid; it goes on with what nobody asked for; it ends with its body.
        &[
            &["HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"],
            &[OK],
        ],
        &[&["HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok"], &[OK]],
        &[&[OK]],
        &[&["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok?"], &[OK]],
        &[
            &[
                OK,
                "HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n",
            ],
            &[OK],
        ],
        &[&["HTTP/1.1 200 OK\r\n\r\no", "k"]],
    ];
    for &answers in cases {
        let mut target = Target::start(answers).await;
        let pool = pool();
        // With one answer, it closes behind it.
        let steps = if answers.len() == 1 { 2 } else { 1 };
        for connections in 1..=2 {
            let request = target.request(Method::POST, "{}");
            assert_eq!(text(pool.request(&request).await.unwrap()).await, "ok");
            assert_eq!(target.connections(), connections, "{answers:?}");
            let all = connections * steps;
            target.done.wait_for(|done| *done >= all).await.unwrap();
            // The runtime rests, and learns what became of its sockets.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test]
async fn a_body_that_is_dropped_takes_its_connection_along() {
    let target = Target::start(&[&["HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok"], &[OK]]).await;
    let pool = pool();
    for connections in 1..=2 {
        let request = target.request(Method::POST, "{}");
        let response = pool.request(&request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        drop(response);
        assert_eq!(target.connections(), connections);
    }
}

#[tokio::test]
async fn a_head_that_two_readers_could_read_differently_is_refused() {
    let cases: &[Answers] = &[
        &[&["HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok"]],
        &[&["HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok"]],
        &[&[
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        ]],
        &[&["HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"]],
        &[&["HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"]],
        &[&["HTTP/1.1 200 OK\r\nbad name: 1\r\n\r\n"]],
        &[&["HTTP/1.1 200 OK\r\n folded: 1\r\n\r\n"]],
        &[&["SSH-2.0-OpenSSH_9.6\r\n"]],
    ];
    for &answers in cases {
        let target = Target::start(answers).await;
        let sent = pool().request(&target.request(Method::POST, "{}")).await;
        assert!(matches!(sent, Err(SendError::BadHead(_))), "{answers:?}");
    }
}

#[tokio::test]
async fn a_body_that_is_cut_is_an_error() {
    let cases: &[Answers] = &[
        &[&["HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok"]],
        &[&["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n"]],
        &[&[
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
            "x",
        ]],
    ];
    for &answers in cases {
        let target = Target::start(answers).await;
        let response = pool().request(&target.request(Method::POST, "{}")).await;
        let body = response.unwrap().into_body().collect().await;
        assert!(body.is_err(), "{answers:?}");
    }
}

#[tokio::test]
async fn a_head_request_has_no_body_to_wait_for() {
    let target = Target::start(&[&["HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"], &[OK]]).await;
    let pool = pool();
    let response = pool
        .request(&target.request(Method::HEAD, ""))
        .await
        .unwrap();
    assert_eq!(text(response).await, "");
    let response = pool
        .request(&target.request(Method::GET, ""))
        .await
        .unwrap();
    assert_eq!(text(response).await, "ok");
    assert_eq!(target.connections(), 1);
}

#[tokio::test]
async fn an_answer_counts_that_comes_before_the_request_is_taken() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/", listener.local_addr().unwrap());
    let mut tasks = JoinSet::<()>::new();
    tasks.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut some = [0; 1024];
        stream.read_exact(&mut some).await.unwrap();
        let head = "HTTP/1.1 413 Content Too Large\r\ncontent-length: 5\r\n\r\nla";
        stream.write_all(head.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
        stream.write_all(b"rge").await.unwrap();
        std::future::pending::<()>().await;
    });
    let body = vec![vec![b'x'; 32 * 1024 * 1024].into()];
    let request = Request::post(uri).body(body).unwrap();
    let response = pool().request(&request).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(text(response).await, "large");
}
