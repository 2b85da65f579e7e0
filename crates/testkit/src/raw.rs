//! A server on loopback that sends exactly the bytes it is told, when it is told.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::Cut;

/// What a [`RawServer`] does next.
#[derive(Clone, Debug)]
pub enum RawStep {
    /// Sends these bytes.
    Send(Bytes),
    /// Does nothing for so long.
    Wait(Duration),
    /// Does nothing until the peer leaves.
    Hang,
    /// Is never heard of again: it neither sends nor takes anything, nor notices that the peer
    /// leaves.
    Vanish,
    /// Ends the connection.
    End(Cut),
}

impl RawStep {
    /// Sends `text`.
    pub fn send(text: impl Into<String>) -> Self {
        Self::Send(Bytes::from(text.into()))
    }
}

/// When a [`RawServer`] plays its steps.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RawCue {
    /// At once, to each connection.
    Connected,
    /// To each request that was read whole.
    Asked,
}

/// A server that plays the same steps to everybody, whatever HTTP says of them. Dropping it closes
/// its port and its connections.
#[derive(Debug)]
pub struct RawServer {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
    open: Arc<()>,
    _tasks: JoinSet<()>,
}

impl RawServer {
    /// Starts it on a free port of 127.0.0.1 and on the current runtime.
    ///
    /// # Errors
    ///
    /// What binding the port met.
    pub async fn start(cue: RawCue, steps: Vec<RawStep>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        let open = Arc::new(());
        let counts_open = Arc::clone(&open);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (steps, counted) = (steps.clone(), Arc::clone(&counted));
                let is_open = Arc::clone(&counts_open);
                connections.spawn(async move {
                    // A peer that leaves is part of the game.
                    serve(stream, cue, &steps, &counted).await.ok();
                    drop(is_open);
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self {
            address,
            requests,
            open,
            _tasks: tasks,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections are open, as far as it has noticed.
    pub fn open_connections(&self) -> usize {
        // One is the server's own, one that of the task that accepts.
        Arc::strong_count(&self.open).saturating_sub(2)
    }

    /// How many requests it has read whole.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

async fn serve(
    mut stream: TcpStream,
    cue: RawCue,
    steps: &[RawStep],
    requests: &AtomicUsize,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        if cue == RawCue::Asked {
            read_request(&mut stream).await?;
            requests.fetch_add(1, Ordering::Relaxed);
        }
        for step in steps {
            match step {
                RawStep::Send(bytes) => stream.write_all(bytes).await?,
                RawStep::Wait(time) => sleep(*time).await,
                RawStep::Hang => {
                    let mut rest = [0; 1024];
                    while stream.read(&mut rest).await? > 0 {}
                    return Ok(());
                }
                RawStep::Vanish => std::future::pending().await,
                RawStep::End(how) => {
                    if *how == Cut::Reset {
                        stream.set_zero_linger()?;
                    }
                    return Ok(());
                }
            }
        }
        if cue == RawCue::Connected {
            return Ok(());
        }
    }
}

/// Reads a request with a length, or with none.
async fn read_request(stream: &mut TcpStream) -> io::Result<()> {
    let mut read = Vec::new();
    let mut piece = [0; 4096];
    loop {
        if let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head =
                String::from_utf8_lossy(read.get(..end).unwrap_or_default()).to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .and_then(|length| length.trim().parse().ok())
                .unwrap_or(0);
            if read.len() - end - 4 >= length {
                return Ok(());
            }
        }
        match stream.read(&mut piece).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => read.extend_from_slice(piece.get(..count).unwrap_or_default()),
        }
    }
}

/// A port of 127.0.0.1 that answers no connection attempt, as behind a firewall that drops them:
/// its queue is full and nobody takes from it.
#[derive(Debug)]
pub struct Unreachable {
    address: SocketAddr,
    _queue: TcpListener,
    _queued: Vec<TcpStream>,
}

impl Unreachable {
    /// Fills the queue.
    ///
    /// # Errors
    ///
    /// What binding the port met.
    pub async fn start() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let queue = socket.listen(1)?;
        let address = queue.local_addr()?;
        let mut queued = Vec::new();
        while let Ok(Ok(stream)) = timeout(FULL_AFTER, TcpStream::connect(address)).await {
            queued.push(stream);
        }
        Ok(Self {
            address,
            _queue: queue,
            _queued: queued,
        })
    }

    /// Where nobody answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// On loopback a connection that is not made by then will not be.
const FULL_AFTER: Duration = Duration::from_millis(150);
