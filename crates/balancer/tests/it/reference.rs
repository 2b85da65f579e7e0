//! The whole crate against a naive model of it: whole seconds, one thread, everything spelt out.

use std::time::Duration;

use ai_gateway_balancer::{Algorithm, FailureKind, Lease, Outcome, State, Target};
use proptest::prelude::*;

use crate::support::{Rig, calm, name};

const RAMP: u64 = 5;
const INTERVAL: u64 = 10;

#[derive(Clone, Debug)]
enum Step {
    Pick,
    Finish(usize, Outcome),
    Drop(usize),
    Wait(u64),
    Enable(usize),
    Disable(usize),
    Drain(usize),
    Update,
}

#[derive(Clone, Debug, Default)]
struct Naive {
    priority: u32,
    cap: Option<u32>,
    in_flight: u32,
    out: bool,
    draining: bool,
    rests: Option<Rest>,
    row: u32,
    refusals: u32,
    trips: u32,
    healthy_since: u64,
    ramps_until: u64,
    cool_until: u64,
    undated: u32,
    epoch: u32,
    last_failure: u64,
    last_resort: u64,
}

#[derive(Clone, Debug)]
struct Rest {
    until: u64,
    spent: bool,
    /// The number of the pick that tries it.
    probe: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Plain,
    Probe,
    LastResort,
}

impl Naive {
    fn state(&self) -> State {
        match () {
            () if self.draining => State::Draining,
            () if self.out => State::Disabled,
            () if self.rests.is_some() => State::Unhealthy,
            () => State::Healthy,
        }
    }

    fn has_room(&self) -> bool {
        self.cap.is_none_or(|cap| self.in_flight < cap)
    }

    fn is_up(&self) -> bool {
        !self.out && !self.draining
    }

    fn serves(&self, now: u64) -> bool {
        self.is_up() && self.rests.is_none() && self.cool_until <= now && self.has_room()
    }

    fn awaits_probe(&self, now: u64) -> bool {
        let due = |rest: &Rest| rest.until <= now && rest.probe.is_none();
        self.is_up()
            && self.rests.as_ref().is_some_and(due)
            && self.cool_until <= now
            && self.has_room()
    }

    /// The rank by which it is a last resort, if it is one at all.
    fn resort(&self, now: u64) -> Option<(bool, u64)> {
        match &self.rests {
            _ if !self.is_up() || !self.has_room() => None,
            Some(rest) if rest.spent => None,
            Some(_) => Some((true, self.last_failure.max(self.last_resort))),
            None if self.cool_until > now => Some((false, self.cool_until)),
            None => None,
        }
    }

    fn begin_epoch(&mut self) {
        self.epoch += 1;
        self.row = 0;
        self.refusals = 0;
    }

    fn trip(&mut self, now: u64) {
        if self.rests.is_none() {
            let faded = (now - self.healthy_since) / INTERVAL;
            self.trips = self
                .trips
                .saturating_sub(u32::try_from(faded).unwrap_or(u32::MAX));
        }
        self.trips += 1;
        let rest = (INTERVAL << (self.trips - 1).min(20)).min(300);
        self.rests = Some(Rest {
            until: now + rest,
            spent: false,
            probe: None,
        });
        self.begin_epoch();
    }

    fn recover(&mut self, now: u64) {
        self.rests = None;
        self.healthy_since = now;
        self.ramps_until = now + RAMP;
        self.begin_epoch();
    }

    fn spend(&mut self, now: u64) {
        self.rests = Some(Rest {
            until: now + 900,
            spent: true,
            probe: None,
        });
        self.begin_epoch();
    }

    fn cool(&mut self, outcome: Outcome, now: u64) {
        let (date, most) = match outcome {
            Outcome::Success => {
                self.undated = 0;
                return;
            }
            Outcome::RateLimited { retry_after } => (retry_after, 60),
            Outcome::Overloaded { retry_after } => (retry_after, 30),
            Outcome::Unavailable {
                retry_after: Some(date),
            } => (Some(date), 0),
            _ => return,
        };
        let rest = match date {
            Some(date) => date.as_secs().min(300),
            None if self.cool_until > now => return,
            None => {
                self.undated += 1;
                (1_u64 << (self.undated - 1).min(10)).min(most)
            }
        };
        self.cool_until = self.cool_until.max(now + rest);
    }

    fn end(&mut self, (pick, kind, epoch): (u64, Kind, u32), outcome: Outcome, now: u64) {
        self.in_flight -= 1;
        if epoch == self.epoch {
            self.judge(pick, kind, outcome, now);
        }
        if self.draining && self.in_flight == 0 {
            self.draining = false;
            self.out = true;
        }
    }

    fn judge(&mut self, pick: u64, kind: Kind, outcome: Outcome, now: u64) {
        let counted = matches!(
            outcome,
            Outcome::Failure(_) | Outcome::Unavailable { retry_after: None }
        );
        if counted {
            self.last_failure = now;
        }
        self.cool(outcome, now);
        let Some(rest) = &mut self.rests else {
            match outcome {
                Outcome::QuotaExhausted => return self.spend(now),
                Outcome::Success => (self.row, self.refusals) = (0, 0),
                Outcome::Credentials => self.refusals += 1,
                _ if counted => self.row += 1,
                _ => {}
            }
            let relapsed = counted && now < self.ramps_until;
            if relapsed || self.row >= 3 || self.refusals >= 3 {
                self.trip(now);
            }
            return;
        };
        let is_probe = kind == Kind::Probe && rest.probe == Some(pick);
        if !is_probe && kind != Kind::LastResort {
            return;
        }
        if is_probe {
            rest.probe = None;
        }
        match outcome {
            Outcome::Success => self.recover(now),
            Outcome::QuotaExhausted => self.spend(now),
            _ if is_probe && (counted || outcome == Outcome::Credentials) => self.trip(now),
            _ => {}
        }
    }
}

/// The target that must be picked, and as what, by the algorithm `priority`.
fn expected(targets: &[Naive], now: u64) -> Option<(usize, Kind)> {
    let mut tiers: Vec<u32> = targets.iter().map(|t| t.priority).collect();
    tiers.sort_unstable();
    tiers.dedup();
    for tier in tiers {
        let of = |test: &dyn Fn(&Naive) -> bool| {
            targets.iter().position(|t| t.priority == tier && test(t))
        };
        if let Some(target) = of(&|t| t.awaits_probe(now)) {
            return Some((target, Kind::Probe));
        }
        if let Some(target) = of(&|t| t.serves(now)) {
            return Some((target, Kind::Plain));
        }
    }
    let ranked = targets
        .iter()
        .enumerate()
        .filter_map(|(n, t)| Some((t.resort(now)?, n)));
    ranked.min().map(|(_, target)| (target, Kind::LastResort))
}

struct Held {
    lease: Lease<usize>,
    pick: u64,
    kind: Kind,
    epoch: u32,
}

struct Race {
    rig: Rig,
    naive: Vec<Naive>,
    held: Vec<Held>,
    now: u64,
    picks: u64,
}

impl Race {
    fn new(targets: &[(u32, Option<u32>)]) -> Self {
        let settings = calm()
            .interval(Duration::from_secs(INTERVAL))
            .ramp(Duration::from_secs(RAMP), 0.1);
        let rig = Rig::with(|mut builder| {
            builder = builder.algorithm(Algorithm::Priority).health(settings);
            for (n, &(priority, cap)) in targets.iter().enumerate() {
                let target = Target::new(name(n), n).priority(priority);
                builder = builder.target(match cap {
                    Some(cap) => target.max_in_flight(cap),
                    None => target,
                });
            }
            builder
        });
        let naive = |&(priority, cap): &(u32, Option<u32>)| Naive {
            priority,
            cap,
            healthy_since: 1000,
            ..Naive::default()
        };
        let naive = targets.iter().map(naive).collect();
        Self {
            rig,
            naive,
            held: Vec::new(),
            now: 1000,
            picks: 0,
        }
    }

    fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let len = self.naive.len();
        match *step {
            Step::Pick => self.pick()?,
            Step::Finish(which, outcome) => self.finish(which, Some(outcome)),
            Step::Drop(which) => self.finish(which, None),
            Step::Wait(secs) => {
                self.now += secs;
                self.rig.wait(secs);
            }
            Step::Enable(n) => self.enable(n % len),
            Step::Disable(n) => {
                self.rig.balancer.disable(&name(n % len));
                (self.naive[n % len].out, self.naive[n % len].draining) = (true, false);
            }
            Step::Drain(n) => {
                self.rig.balancer.drain(&name(n % len), None);
                let target = &mut self.naive[n % len];
                if !target.out {
                    target.draining = target.in_flight > 0;
                    target.out = target.in_flight == 0;
                }
            }
            Step::Update => {
                let plan = self.rig.balancer.plan();
                self.rig.balancer.update(plan).expect("the plan is sound");
            }
        }
        for (n, (view, naive)) in self
            .rig
            .balancer
            .snapshot()
            .iter()
            .zip(&self.naive)
            .enumerate()
        {
            prop_assert_eq!(
                view.state(),
                naive.state(),
                "state of {} after {:?}",
                n,
                step
            );
            prop_assert_eq!(
                view.in_flight,
                naive.in_flight,
                "requests on {} after {:?}",
                n,
                step
            );
            prop_assert_eq!(
                view.health.ejections,
                naive.trips,
                "trips of {} after {:?}",
                n,
                step
            );
        }
        Ok(())
    }

    fn enable(&mut self, n: usize) {
        self.rig.balancer.enable(&name(n));
        let target = &mut self.naive[n];
        if !target.is_up() || target.rests.is_some() {
            (target.out, target.draining) = (false, false);
            (target.trips, target.cool_until, target.undated) = (0, 0, 0);
            target.recover(self.now);
        }
    }

    fn pick(&mut self) -> Result<(), TestCaseError> {
        self.picks += 1;
        let expected = expected(&self.naive, self.now);
        let got = self.rig.balancer.pick().ok().map(|lease| {
            let kind = match () {
                () if lease.is_probe() => Kind::Probe,
                () if lease.is_last_resort() => Kind::LastResort,
                () => Kind::Plain,
            };
            (kind, lease)
        });
        prop_assert_eq!(got.as_ref().map(|(kind, lease)| (**lease, *kind)), expected);
        if let Some((kind, lease)) = got {
            let target = &mut self.naive[*lease];
            target.in_flight += 1;
            match (kind, &mut target.rests) {
                (Kind::Probe, Some(rest)) => rest.probe = Some(self.picks),
                (Kind::LastResort, _) => target.last_resort = self.now,
                _ => {}
            }
            let (pick, epoch) = (self.picks, target.epoch);
            self.held.push(Held {
                lease,
                pick,
                kind,
                epoch,
            });
        }
        Ok(())
    }

    fn finish(&mut self, which: usize, outcome: Option<Outcome>) {
        if self.held.is_empty() {
            return;
        }
        let Held {
            lease,
            pick,
            kind,
            epoch,
        } = self.held.swap_remove(which % self.held.len());
        let target = &mut self.naive[*lease];
        target.end(
            (pick, kind, epoch),
            outcome.unwrap_or(Outcome::Cancelled),
            self.now,
        );
        match outcome {
            Some(outcome) => lease.finish(outcome),
            None => drop(lease),
        }
    }
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    let date = prop::option::of((0..400_u64).prop_map(Duration::from_secs));
    prop_oneof![
        4 => Just(Outcome::Success),
        6 => Just(Outcome::Failure(FailureKind::Connect)),
        1 => date.clone().prop_map(|retry_after| Outcome::RateLimited { retry_after }),
        1 => date.clone().prop_map(|retry_after| Outcome::Overloaded { retry_after }),
        1 => date.prop_map(|retry_after| Outcome::Unavailable { retry_after }),
        1 => Just(Outcome::QuotaExhausted),
        2 => Just(Outcome::Credentials),
        1 => Just(Outcome::CallerFault),
        1 => Just(Outcome::Cancelled),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => Just(Step::Pick),
        10 => (any::<usize>(), outcomes()).prop_map(|(n, outcome)| Step::Finish(n, outcome)),
        2 => any::<usize>().prop_map(Step::Drop),
        4 => (0..40_u64).prop_map(Step::Wait),
        1 => any::<usize>().prop_map(Step::Enable),
        1 => any::<usize>().prop_map(Step::Disable),
        1 => any::<usize>().prop_map(Step::Drain),
        1 => Just(Step::Update),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_balancer_does_what_the_naive_model_says(
        targets in prop::collection::vec((1..4_u32, prop::option::of(1..4_u32)), 1..6),
        steps in prop::collection::vec(steps(), 1..200),
    ) {
        let mut race = Race::new(&targets);
        for step in &steps {
            race.take(step)?;
        }
        for held in race.held.drain(..) {
            drop(held.lease);
        }
        prop_assert!(race.rig.balancer.snapshot().iter().all(|view| view.in_flight == 0));
    }
}
