//! Clients that hold a connection as long as they may, and are to be cut.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::written::PATH;

/// How one kind of them fared.
#[derive(Debug)]
pub(crate) struct Slow {
    pub(crate) kind: &'static str,
    pub(crate) cut: usize,
    pub(crate) slowest: Duration,
}

impl Slow {
    pub(crate) fn is_good(&self) -> bool {
        self.cut == EACH
    }
}

/// Opens a few of each kind at once and waits until all are cut, or were not in time.
pub(crate) async fn hold(proxy: SocketAddr) -> Result<Vec<Slow>> {
    let head = format!("POST {PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9999\r\n");
    let body = format!("{head}\r\n{{");
    let kinds = [
        ("no first byte", String::new(), false),
        ("half a head", head.clone(), false),
        ("a head, dripping", head, true),
        ("half a body", body.clone(), false),
        ("a body, dripping", body, true),
    ];
    let mut clients = JoinSet::new();
    for (number, (_, first, drips)) in kinds.iter().enumerate() {
        for _ in 0..EACH {
            let (first, drips) = (first.clone(), *drips);
            clients.spawn(async move { (number, client(proxy, &first, drips).await) });
        }
    }
    let mut all: Vec<_> = kinds.iter().map(|(kind, ..)| new(kind)).collect();
    while let Some(client) = clients.join_next().await {
        let (number, held) = client?;
        if let (Some(slow), Some(held)) = (all.get_mut(number), held) {
            slow.cut += 1;
            slow.slowest = slow.slowest.max(held);
        }
    }
    Ok(all)
}

fn new(kind: &'static str) -> Slow {
    Slow {
        kind,
        cut: 0,
        slowest: Duration::ZERO,
    }
}

/// How long it held a connection; `None` when it was not cut in time.
pub(crate) async fn client(proxy: SocketAddr, first: &str, drips: bool) -> Option<Duration> {
    let mut stream = TcpStream::connect(proxy).await.ok()?;
    let began = Instant::now();
    stream.write_all(first.as_bytes()).await.ok()?;
    let (mut reading, mut writing) = stream.split();
    let drip = async {
        loop {
            sleep(Duration::from_millis(200)).await;
            if drips && writing.write_all(b"x").await.is_err() {
                return;
            }
        }
    };
    let read = async {
        // An answer before the end is as good: what counts is that it ends.
        reading.read_to_end(&mut Vec::new()).await.ok();
    };
    let end = async {
        tokio::select! { () = drip => {}, () = read => {} }
    };
    timeout(IN_TIME, end).await.ok()?;
    Some(began.elapsed())
}

/// Connections of each kind.
pub(crate) const EACH: usize = 16;
/// The longest limit they run into, the minimal rate after 5 s, and room on a machine at work.
const IN_TIME: Duration = Duration::from_secs(10);
