//! Clients that each follow one stream to its end.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use http_body_util::BodyExt as _;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::line::{Leaving, Line, Protocol, Upload};
use crate::tale::{Reading, Wrong};
use crate::teller::Teller;

/// Clients of one proxy.
#[derive(Debug)]
pub(crate) struct Crowd {
    proxy: SocketAddr,
    path: String,
    /// How many have heard their first event.
    begun: watch::Sender<u32>,
    following: JoinSet<Followed>,
}

/// A stream that was followed as far as it went.
#[derive(Debug)]
struct Followed {
    stream: u64,
    reading: Reading,
    /// Why it ended, where that was not its proper end.
    broken: Option<String>,
}

/// What became of all of them.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) whole: u32,
    pub(crate) events: u64,
    pub(crate) wrong: Wrong,
    /// Why the first one that is not whole is not.
    pub(crate) first_broken: Option<String>,
}

impl Crowd {
    pub(crate) fn new(proxy: SocketAddr, name: &str) -> Self {
        Self {
            proxy,
            path: format!("/{name}/v1/chat/completions"),
            begun: watch::Sender::new(0),
            following: JoinSet::new(),
        }
    }

    /// Has `streams` begin, and waits until each has heard its first event.
    pub(crate) async fn join(&mut self, protocol: Protocol, streams: Range<u32>) -> Result<()> {
        let mut shared: Option<Line> = None;
        let until = *self.begun.borrow() + streams.end.saturating_sub(streams.start);
        for stream in streams {
            let again = shared.as_ref().and_then(Line::again);
            let again = again.filter(|_| !stream.is_multiple_of(STREAMS_A_CONNECTION));
            let line = match again {
                Some(line) => line,
                None => {
                    // A listener's queue is short; a crowd does not come all at once.
                    sleep(Duration::from_millis(2)).await;
                    Line::connect(self.proxy, protocol, Leaving::Fin).await?
                }
            };
            shared = line.again();
            let (path, begun) = (self.path.clone(), self.begun.clone());
            self.following
                .spawn(follow(line, path, u64::from(stream), begun));
        }
        drop(shared);
        let mut begun = self.begun.subscribe();
        tokio::select! {
            all = timeout(LONG, begun.wait_for(|begun| *begun >= until)) => {
                all.context("not all streams began")??;
            }
            ended = self.next() => bail!("a stream ended before its time: {ended:?}"),
        }
        Ok(())
    }

    /// Fails as soon as a stream ends; otherwise waits for ever.
    pub(crate) async fn until_one_ends(&mut self) -> Result<()> {
        let ended = self.next().await?;
        bail!("a stream ended before its time: {ended:?}")
    }

    async fn next(&mut self) -> Result<Followed> {
        let ended = self.following.join_next().await;
        Ok(ended.context("nobody follows a stream")??)
    }

    /// Waits until all streams have ended, and holds them against what `teller` told.
    pub(crate) async fn told(mut self, teller: &Teller) -> Result<Told> {
        let mut told = Told::default();
        while !self.following.is_empty() {
            let followed = timeout(LONG, self.next()).await;
            told.note(followed.context("a stream does not end")??, teller);
        }
        Ok(told)
    }
}

impl Told {
    fn note(&mut self, followed: Followed, teller: &Teller) {
        let Followed {
            stream,
            mut reading,
            broken,
        } = followed;
        let (heard, told) = (reading.events(), teller.told(stream));
        self.events += heard;
        let is_whole = reading.is_whole() && broken.is_none() && told == Some(heard);
        if is_whole {
            self.whole += 1;
        } else {
            // What was told and never came is lost as well, though nothing followed to show it.
            reading.wrong.lost += told.unwrap_or(heard).saturating_sub(heard);
            let why = || format!("stream {stream}: {heard} of {told:?} events, {broken:?}");
            self.first_broken.get_or_insert_with(why);
        }
        self.wrong.add(reading.wrong);
    }

    /// Whether each of `streams` came as it was told.
    pub(crate) fn is_good(&self, streams: u32) -> bool {
        self.whole == streams && self.wrong.events() == 0
    }

    /// The first that was wrong.
    pub(crate) fn first_wrong(&self) -> Option<&String> {
        self.wrong.first.as_ref().or(self.first_broken.as_ref())
    }
}

/// Asks for a stream and reads it to its end.
async fn follow(line: Line, path: String, stream: u64, begun: watch::Sender<u32>) -> Followed {
    let mut reading = Reading::of(stream);
    let broken = match read(line, &path, &mut reading, begun).await {
        Ok(()) => None,
        Err(error) => Some(format!("{error:#}")),
    };
    Followed {
        stream,
        reading,
        broken,
    }
}

async fn read(
    mut line: Line,
    path: &str,
    reading: &mut Reading,
    begun: watch::Sender<u32>,
) -> Result<()> {
    let body = json!({
        "model": "m", "stream": true,
        "messages": [{ "role": "user", "content": format!("tale {}", reading.stream()) }],
    });
    let mut answer = line.post(path, Upload::whole(body.to_string())).await?;
    ensure!(answer.status() == 200, "answered {}", answer.status());
    let mut has_begun = false;
    while let Some(frame) = answer.body_mut().frame().await {
        if let Ok(data) = frame?.into_data() {
            reading.push(&data);
        }
        if !has_begun && reading.events() > 0 {
            has_begun = true;
            begun.send_modify(|begun| *begun += 1);
        }
    }
    Ok(())
}

/// Streams on one HTTP/2 connection; gateways allow a hundred.
const STREAMS_A_CONNECTION: u32 = 50;
/// What takes longer has failed.
const LONG: Duration = Duration::from_secs(60);
