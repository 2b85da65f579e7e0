//! A peer that runs: its process, and what to ask of it.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use anyhow::{Context as _, ensure};

use crate::{
    cases::Case,
    clock,
    load::{self, Expected, Traffic},
    peers::{Peer, Route},
    process::{Core, Group, Provider},
    provider::Program,
};

/// A peer that runs and answers.
#[derive(Debug)]
pub(crate) struct Live<'a> {
    /// Which one.
    pub(crate) peer: &'a Peer,
    /// Its processes; `None` for the stand-in itself.
    pub(crate) group: Option<Group>,
    /// From its start to its first right answer.
    pub(crate) started: Duration,
    /// Sizes of right answers by case, where the peer does not keep the provider's bytes.
    sizes: BTreeMap<&'static str, u64>,
}

/// How a peer is started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Launch<'a> {
    /// Where its log goes.
    pub(crate) directory: &'a Path,
    /// Where it runs.
    pub(crate) core: Core,
    /// What runs it: a debugger with its arguments, or nothing.
    pub(crate) under: &'a [String],
}

impl<'a> Live<'a> {
    /// The stand-in asked directly.
    pub(crate) fn direct(peer: &'a Peer) -> Self {
        Self {
            peer,
            group: None,
            started: Duration::ZERO,
            sizes: BTreeMap::new(),
        }
    }

    /// Starts `peer` and waits for its first right answer.
    ///
    /// # Errors
    ///
    /// When it gives none within a minute and a half; the end of its log is in the error.
    pub(crate) fn launch(
        peer: &'a Peer,
        provider: &mut Provider,
        launch: Launch<'_>,
    ) -> anyhow::Result<Self> {
        provider.play(Program::Plain { bytes: 1024 })?;
        let request = peer
            .request(Route::Same, 1024, false)
            .context("no request")?;
        let log = launch.directory.join(format!("{}.log", peer.name));
        let command = [launch.under, &peer.command].concat();
        let start = clock::now();
        let mut group = Group::start(&command, launch.core, &log)?;
        loop {
            let asked = load::run(Duration::from_secs(10), load::once(peer.address, &request));
            let started = start.elapsed();
            match asked {
                Ok(_) => {
                    let sizes = BTreeMap::new();
                    return Ok(Self {
                        peer,
                        group: Some(group),
                        started,
                        sizes,
                    });
                }
                Err(refused) if !group.is_running() || started > START_DEADLINE => {
                    let log = fs::read_to_string(&log).unwrap_or_default();
                    let tail = log.get(log.len().saturating_sub(1500)..).unwrap_or(&log);
                    return Err(refused.context(format!("{} did not start: {tail}", peer.name)));
                }
                Err(_) => clock::pause(Duration::from_micros(300)),
            }
        }
    }

    /// Processor time of the peer so far.
    pub(crate) fn cpu(&self, provider: &Provider) -> Duration {
        self.group
            .as_ref()
            .map_or_else(|| provider.cpu(), Group::cpu)
    }

    /// Has the stand-in play `case`, and says what to send and what to expect; `None` when the peer
    /// cannot take part.
    ///
    /// # Errors
    ///
    /// When a first answer is not right.
    pub(crate) fn traffic(
        &mut self,
        case: Case,
        provider: &mut Provider,
    ) -> anyhow::Result<Option<Traffic>> {
        let is_streaming = case.events() > 0;
        let Some(request) = self.peer.request(case.route, case.bytes, is_streaming) else {
            return Ok(None);
        };
        provider.play(case.program())?;
        let bytes = if is_streaming {
            None
        } else if self.peer.keeps_bytes && case.route == Route::Same {
            let exact = case.bytes as u64;
            Some(exact..=exact)
        } else {
            let size = match self.sizes.get(case.id) {
                Some(size) => *size,
                None => self.sample(case, &request)?,
            };
            self.sizes.insert(case.id, size);
            Some(size.saturating_sub(SIZE_TOLERANCE)..=size + SIZE_TOLERANCE)
        };
        let expected = Expected {
            bytes,
            events: case.events(),
        };
        Ok(Some(Traffic {
            address: self.peer.address,
            request,
            expected,
        }))
    }

    /// Asks once, checks that the text came through whole, and returns the answer's size.
    fn sample(&self, case: Case, request: &[u8]) -> anyhow::Result<u64> {
        let ask = load::once(self.peer.address, request);
        let body = load::run(Duration::from_secs(30), ask)?;
        let answer: serde_json::Value = serde_json::from_slice(&body)?;
        let text = answer
            .pointer("/choices/0/message/content")
            .and_then(|text| text.as_str());
        let text = text.context("the answer has no text")?;
        // Escapes and the envelope take the rest.
        ensure!(
            text.len() * 100 > case.bytes * 40,
            "the answer's text is cut short"
        );
        Ok(body.len() as u64)
    }
}

/// What LiteLLM needs for its imports, generously.
const START_DEADLINE: Duration = Duration::from_secs(90);

/// What translated answers of one size may differ by: ids and times in them.
const SIZE_TOLERANCE: u64 = 64;
