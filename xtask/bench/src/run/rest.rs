//! What a peer costs before and between requests: its start, its size, its memory.

use std::{fs, path::Path, time::Duration};

use anyhow::Context as _;

use super::Run;
use crate::{
    clock,
    load::{self, Expected, Holds, Traffic},
    peers::{Peer, Route},
    process::{Group, Usage},
    provider::Program,
};

impl Run<'_> {
    /// Measures `peer` at rest; a fault becomes one of the record.
    pub(super) fn rest(&mut self, peer: &Peer) {
        if self.settled.contains(&peer.name) {
            return;
        }
        self.terminal
            .step(&format!("round {}: {} at rest", self.round + 1, peer.name));
        if let Err(fault) = self.at_rest(peer) {
            self.fault(&peer.name, "rest", &fault);
        }
    }

    /// Starts `peer` anew and measures it at rest, with idle connections, and with streams that are
    /// hardly ever heard of.
    fn at_rest(&mut self, peer: &Peer) -> anyhow::Result<()> {
        let live = self.launch(peer)?;
        let started = live.started;
        let group = live.group.context("no process")?;
        clock::pause(Duration::from_millis(300));
        let idle = group.usage();
        let name = peer.name.as_str();
        self.add(
            name,
            "start",
            "first_served_ms",
            started.as_secs_f64() * 1e3,
        );
        self.add(
            name,
            "memory",
            "idle_mib",
            idle.proportional_bytes as f64 / MIB,
        );
        self.add(
            name,
            "memory",
            "idle_resident_mib",
            idle.resident_bytes as f64 / MIB,
        );
        if let Some(path) = &peer.footprint {
            self.add(
                name,
                "size",
                "mib",
                size_of(&fs::canonicalize(path)?)? as f64 / MIB,
            );
        }
        let mut count = self.plan.held;
        if started > SLOW_START {
            self.settled.insert(peer.name.clone());
            count = count.min(SLOW_HELD);
        }
        let plain = Expected {
            bytes: None,
            events: 0,
        };
        self.hold(peer, &group, (Holds::Idle, count), plain)
            .with_context(|| format!("{count} idle connections"))?;
        drop(group);
        if !peer.can_stream {
            return Ok(());
        }
        // What the idle connections left behind would hide what streams need.
        let group = self.launch(peer)?.group.context("no process")?;
        // Each stream has its answer's head and first event, and a second to the next one.
        self.provider.play(Program::Stream {
            events: 600,
            every_us: 1_000_000,
        })?;
        let streams = Expected {
            bytes: None,
            events: 600,
        };
        self.hold(peer, &group, (Holds::Streaming, count), streams)
            .with_context(|| format!("{count} live streams"))
    }

    /// Holds connections on `group` and adds what each needs.
    fn hold(
        &mut self,
        peer: &Peer,
        group: &Group,
        (holds, count): (Holds, usize),
        expected: Expected,
    ) -> anyhow::Result<()> {
        let is_streaming = matches!(holds, Holds::Streaming);
        let request = peer
            .request(Route::Same, 1024, is_streaming)
            .context("no request")?;
        let traffic = Traffic {
            address: peer.address,
            request,
            expected,
        };
        let before = group.usage();
        let settle = Duration::from_millis(1200);
        let work = load::held(&traffic, count, holds, settle, || group.usage());
        let during: Usage = load::run(Duration::from_secs(60), work)?;
        let grown = during
            .proportional_bytes
            .saturating_sub(before.proportional_bytes);
        let figure = match holds {
            Holds::Idle => "idle_connection_kib",
            Holds::Streaming => "live_stream_kib",
        };
        self.add(
            &peer.name,
            "memory",
            figure,
            grown as f64 / 1024.0 / count as f64,
        );
        Ok(())
    }
}

/// Bytes of a file, or of all files below a folder.
fn size_of(path: &Path) -> anyhow::Result<u64> {
    let entry = fs::symlink_metadata(path)?;
    if !entry.is_dir() {
        return Ok(entry.len());
    }
    let mut total = 0;
    for child in fs::read_dir(path)? {
        total += size_of(&child?.path())?;
    }
    Ok(total)
}

const MIB: f64 = 1024.0 * 1024.0;

/// From here on a start is not repeated in every round.
const SLOW_START: Duration = Duration::from_secs(2);

/// Connections held on a peer that takes seconds to start.
const SLOW_HELD: usize = 100;
