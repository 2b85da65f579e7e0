//! What the gateway's cost per request does when there is more of something: cores, upstreams, keys.

use anyhow::Context as _;

use super::Run;
use crate::{
    cases::{Case, Drive},
    live::{Launch, Live},
    peers::{Peer, Route},
    process::Core,
};

impl Run<'_> {
    /// Measures `peer` on one core and on two, and `large`, the same with a large configuration, on
    /// one; adds the ratios of their costs.
    pub(super) fn growth(&mut self, peer: &Peer, large: Option<&Peer>) {
        let base = self.cost(peer, ONE_WORKER, Core::First);
        let two = self.cost(peer, TWO_WORKERS, Core::Any);
        let large = large.and_then(|large| self.cost(large, LARGE, Core::First));
        let Some(base) = base else { return };
        for (figure, cost) in [("two_workers", two), ("configuration", large)] {
            if let Some(cost) = cost {
                self.add(&peer.name, "growth", figure, cost / base);
            }
        }
    }

    /// What a request costs `peer` in processor time; a fault becomes one of the record.
    fn cost(&mut self, peer: &Peer, case: Case, core: Core) -> Option<f64> {
        self.terminal
            .step(&format!("round {}: {}", self.round + 1, case.id));
        let outcome = self.start_and_drive(peer, case, core);
        if let Err(fault) = &outcome {
            self.fault(&peer.name, case.id, fault);
        }
        outcome.ok()
    }

    fn start_and_drive(&mut self, peer: &Peer, case: Case, core: Core) -> anyhow::Result<f64> {
        let launch = Launch {
            directory: &self.setup.directory,
            core,
            under: &[],
        };
        let mut live = Live::launch(peer, self.provider, launch)?;
        let traffic = live.traffic(case, self.provider)?.context("no request")?;
        self.drive(case, &live, &traffic)?;
        let sample = self
            .record
            .samples
            .iter()
            .rfind(|sample| sample.case == case.id && sample.figure == "cpu_us");
        Ok(sample.context("nothing was measured")?.value)
    }
}

const fn plain(id: &'static str) -> Case {
    Case {
        id,
        route: Route::Same,
        bytes: 1024,
        drive: Drive::Closed(64),
        includes_slow: false,
    }
}

const ONE_WORKER: Case = plain("growth-one-worker");
const TWO_WORKERS: Case = plain("growth-two-workers");
const LARGE: Case = plain("growth-large");
