//! The real `pingora-load-balancing`.

use std::collections::{BTreeSet, HashMap};

use futures_util::FutureExt;
use pingora_load_balancing::discovery::Static;
use pingora_load_balancing::selection::{BackendIter, BackendSelection};
use pingora_load_balancing::{Backend, Backends, LoadBalancer};

use super::breakers::Breakers;
use super::simulation::{End, Gateway, Scenario, Server};

/// Its selection `S`, which is told by its own filter what rests.
pub struct Pingora<S: BackendSelection> {
    balancer: LoadBalancer<S>,
    breakers: Breakers,
    tried: HashMap<usize, usize>,
}

impl<S> Pingora<S>
where
    S: BackendSelection + Send + Sync + 'static,
    S::Iter: BackendIter,
{
    pub fn make(scenario: &Scenario, _: u64) -> Box<dyn Gateway> {
        let backends: BTreeSet<Backend> = (0..)
            .zip(&scenario.weights)
            .map(|(n, &weight): (u32, _)| {
                let address = format!("10.0.{}.{}:80", n / 250, n % 250);
                Backend::new_with_weight(&address, weight as usize).expect("an address")
            })
            .collect();
        let balancer = LoadBalancer::<S>::from_backends(Backends::new(Static::new(backends)));
        balancer.update().now_or_never().expect("a static list").expect("a static list");
        Box::new(Self { balancer, breakers: Breakers::new(scenario), tried: HashMap::new() })
    }
}

fn place(backend: &Backend) -> usize {
    match backend.addr.as_inet() {
        Some(std::net::SocketAddr::V4(address)) => {
            let [.., hundreds, ones] = address.ip().octets();
            usize::from(hundreds) * 250 + usize::from(ones)
        }
        _ => 0,
    }
}

impl<S> Gateway for Pingora<S>
where
    S: BackendSelection + Send + Sync + 'static,
    S::Iter: BackendIter,
{
    fn pick(&mut self, job: usize, key: u64, now: f64, _: &[Server]) -> Option<usize> {
        let open = self.breakers.open(now, self.tried.get(&job).copied());
        let accept = |backend: &Backend, is_ready| is_ready && open.contains(&place(backend));
        let backend = self.balancer.select_with(&key.to_le_bytes(), 4096, accept);
        let target = backend.as_ref().map_or(open[0], place);
        self.tried.insert(job, target);
        Some(target)
    }

    fn first_byte(&mut self, _: usize, _: usize, _: f64, _: f64) {}

    fn end(&mut self, _: usize, target: usize, end: &End) {
        self.breakers.end(target, end);
    }

    fn over(&mut self, job: usize) {
        self.tried.remove(&job);
    }

    fn drain(&mut self, target: usize, _: f64) {
        self.breakers.set_drained(target, true);
    }

    fn enable(&mut self, target: usize, _: f64) {
        self.breakers.set_drained(target, false);
    }

    fn trips(&self) -> u64 {
        self.breakers.trips()
    }
}
