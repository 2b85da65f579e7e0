//! Who takes part: the real balancer, the real pingora and tower, and what others do, made anew.

use ai_gateway_balancer::Algorithm;
use pingora_load_balancing::selection::RoundRobin;
use pingora_load_balancing::selection::consistent::KetamaHashing;

use super::litellm::LiteLlm;
use super::pingora::Pingora;
use super::prequal::Prequal;
use super::recreated::{Recreated, Rule};
use super::simulation::{Gateway, Ours, Prompts, Scenario};
use super::tower_p2c::Tower;

pub struct Entry {
    pub name: &'static str,
    /// Whether it is an algorithm of this project's.
    pub is_ours: bool,
    pub takes_part: fn(&Scenario) -> bool,
    pub make: fn(&Scenario, u64) -> Box<dyn Gateway>,
}

pub static ROSTER: [Entry; 17] = [
    ours("token-latency", anywhere, |s, seed| Ours::make(s, seed, Algorithm::TokenLatency)),
    ours("least-connections", anywhere, |s, seed| Ours::make(s, seed, Algorithm::LeastConnections)),
    ours("weighted", anywhere, |s, seed| Ours::make(s, seed, Algorithm::Weighted)),
    ours("prefix-affinity", with_keys, |s, seed| Ours::make(s, seed, Algorithm::PrefixAffinity)),
    ours("consistent-hash", with_keys, |s, seed| Ours::make(s, seed, Algorithm::ConsistentHash)),
    peer("pingora RR (real)", anywhere, Pingora::<RoundRobin>::make),
    peer("pingora ketama (real)", with_keys, Pingora::<KetamaHashing>::make),
    peer("tower p2c (real)", alike, Tower::pending),
    peer("tower peak EWMA (real)", alike, Tower::peak_ewma),
    peer("Envoy least request", anywhere, |s, seed| Recreated::make(s, seed, Rule::Envoy)),
    peer("nginx least_conn", anywhere, |s, seed| Recreated::make(s, seed, Rule::Nginx)),
    peer("HAProxy leastconn", anywhere, |s, seed| Recreated::make(s, seed, Rule::Haproxy)),
    peer("linkerd peak EWMA", alike, |s, seed| Recreated::make(s, seed, Rule::Linkerd)),
    peer("linkerd with penalty", alike, |s, seed| Recreated::make(s, seed, Rule::LinkerdPenalty)),
    peer("agentgateway", alike, |s, seed| Recreated::make(s, seed, Rule::Agentgateway)),
    peer("Prequal HCL", alike, Prequal::make),
    peer("LiteLLM shuffle", anywhere, LiteLlm::make),
];

type Make = fn(&Scenario, u64) -> Box<dyn Gateway>;
type TakesPart = fn(&Scenario) -> bool;

const fn ours(name: &'static str, takes_part: TakesPart, make: Make) -> Entry {
    Entry { name, is_ours: true, takes_part, make }
}

const fn peer(name: &'static str, takes_part: TakesPart, make: Make) -> Entry {
    Entry { name, is_ours: false, takes_part, make }
}

fn anywhere(_: &Scenario) -> bool {
    true
}

/// For those that know nothing of weights.
fn alike(scenario: &Scenario) -> bool {
    scenario.weights.iter().all(|&weight| weight == 1)
}

/// For those that go by a request's key.
fn with_keys(scenario: &Scenario) -> bool {
    scenario.prompts != Prompts::Own
}
