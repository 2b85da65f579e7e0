//! Which gateway a request is for, who sends it, and which upstream it goes to.

use std::sync::Arc;
use std::time::Duration;

use ai_gateway_model::{
    Gateway, HostHandling, Key, KeyHash, PathHandling, PathMatch, Retry, Rule, Service, Streaming,
    Target, Timeouts, Upstream,
};
use ai_gateway_providers::Surface;
use ai_gateway_registry::{
    Admission, Affinity, Attempts, HedgeMeter, Live, LiveUpstream, NoTarget, RetryMeter, Usage,
    key_of_prefix,
};
use ai_gateway_telemetry::RequestRecord;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;

use crate::clock::Clock;
use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::intake::Call;
use crate::policy::Host;

/// Who sends a request, and to which gateway.
pub(crate) struct Caller {
    live: Arc<Live<Endpoint>>,
    gateway: Arc<Gateway>,
    identity: Identity,
}

/// What is known of a caller.
enum Identity {
    /// It showed a key of the gateway.
    Known(Arc<Key>),
    /// It showed none, or one that does not count; only what needs none is open to it.
    Unknown(Failure),
}

/// Finds the gateway by host, else by key, else the default one; and checks the key.
pub(crate) fn caller(
    live: &Arc<Live<Endpoint>>,
    host: &Host,
    base_domain: &str,
    head: &Parts,
) -> Result<Caller, Failure> {
    let configuration = live.configuration();
    let shown = credential(&head.headers);
    let found = shown.and_then(|secret| configuration.key_by_hash(KeyHash::of(secret)));
    let gateway = configuration
        .gateway_for_host(host.as_str(), base_domain)
        .or_else(|| configuration.gateway_by_id(found?.0))
        .or_else(|| configuration.default_gateway())
        .ok_or(Failure::GatewayNotFound)?;
    let identity = match (shown, found) {
        (None, _) => Identity::Unknown(Failure::KeyMissing),
        (Some(_), Some((owner, key))) if owner == gateway.id() => {
            if key.is_expired(Clock::wall_ms()) {
                Identity::Unknown(Failure::KeyExpired)
            } else {
                Identity::Known(Arc::clone(key))
            }
        }
        // A key of another gateway says no more here than none at all.
        (Some(_), _) => Identity::Unknown(Failure::KeyUnknown),
    };
    Ok(Caller {
        live: Arc::clone(live),
        gateway: Arc::clone(gateway),
        identity,
    })
}

/// The key that a client shows, in any of the three ways that clients have.
fn credential(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| {
            let (scheme, secret) = value.split_once(' ')?;
            scheme
                .eq_ignore_ascii_case("bearer")
                .then_some(secret.trim())
        });
    text("x-api-key")
        .or(bearer)
        .or_else(|| text("x-goog-api-key"))
        .filter(|key| !key.is_empty())
}

impl Caller {
    pub(crate) fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Refuses a caller without a good key, where the gateway wants one.
    fn check_key(&self, is_public: bool) -> Result<Option<&Arc<Key>>, Failure> {
        match &self.identity {
            Identity::Known(key) => Ok(Some(key)),
            Identity::Unknown(_) if is_public || !self.gateway.requires_key() => Ok(None),
            Identity::Unknown(failure) => Err(failure.clone()),
        }
    }

    /// The upstreams that the caller may reach, each once, for the list of models.
    pub(crate) fn upstreams(&self) -> Result<Vec<&Arc<Upstream>>, Failure> {
        let configuration = self.live.configuration();
        let gateway = self.gateway.id();
        let rules: Vec<&Arc<Rule>> = configuration
            .rules(gateway)
            .iter()
            .filter(|rule| rule.is_active())
            .collect();
        let key = self.check_key(rules.iter().any(|rule| rule.is_public()))?;
        let of_rule = |rule: &&Arc<Rule>| {
            let is_open = rule.is_public()
                || key.map_or(!self.gateway.requires_key(), |key| key.allows(rule.id()));
            let service = configuration.service_by_id(rule.service())?;
            let upstream = self.live.upstream(service.upstream_id())?;
            is_open.then(|| upstream.upstream())
        };
        let mut upstreams: Vec<&Arc<Upstream>> = if rules.is_empty() {
            configuration.upstreams(gateway).iter().collect()
        } else {
            rules.iter().filter_map(of_rule).collect()
        };
        upstreams.sort_by_key(|upstream| upstream.id());
        upstreams.dedup_by_key(|upstream| upstream.id());
        Ok(upstreams)
    }

    /// Finds where the request goes, and lets it in if its limits allow.
    pub(crate) fn route(self, head: &Parts, clock: Clock) -> Result<Route, Failure> {
        let not_found = || Failure::RouteNotFound {
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
        };
        let configuration = self.live.configuration();
        let gateway = self.gateway.id();
        let rules = configuration.rule_set(gateway).ok_or_else(not_found)?;
        let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let rule = rules
            .find(head.method.as_str(), head.uri.path(), header)
            .cloned();
        // The key comes first: whoever has none learns nothing of the routes.
        let key = self
            .check_key(rule.as_ref().is_some_and(|rule| rule.is_public()))?
            .cloned();
        let (service, upstream) = match &rule {
            Some(rule) => {
                if key
                    .as_ref()
                    .is_some_and(|key| !rule.is_public() && !key.allows(rule.id()))
                {
                    return Err(Failure::NotAllowed {
                        path: head.uri.path().to_owned(),
                    });
                }
                let service = configuration
                    .service_by_id(rule.service())
                    .ok_or(Failure::Internal)?;
                (Some(Arc::clone(service)), service.upstream_id())
            }
            None if rules.is_empty() => match configuration.upstreams(gateway) {
                [only] => (None, only.id()),
                _ => return Err(not_found()),
            },
            None => return Err(not_found()),
        };
        let upstream = Arc::clone(self.live.upstream(upstream).ok_or(Failure::Internal)?);
        let mut admissions = Vec::new();
        let limited = [
            key.as_ref().map(|key| (key.id(), key.limits())),
            rule.as_ref().map(|rule| (rule.id(), rule.limits())),
        ];
        for (id, limits) in limited.into_iter().flatten() {
            if let Some(usage) = self.live.usage(id) {
                admissions.push(Usage::admit(usage, &limits, clock.monotonic())?);
            }
        }
        Ok(Route::new(rule, service, upstream, key, admissions))
    }
}

/// Where a request goes, and within which bounds.
pub(crate) struct Route {
    rule: Option<Arc<Rule>>,
    service: Option<Arc<Service>>,
    upstream: Arc<LiveUpstream<Endpoint>>,
    key: Option<Arc<Key>>,
    admissions: Vec<Admission>,
    /// The most that are made.
    pub(crate) max_attempts: usize,
    /// All the time that the request has.
    pub(crate) total: Duration,
    /// The service's deadlines, which go before the targets' own.
    pub(crate) timeouts: Timeouts,
}

impl Route {
    fn new(
        rule: Option<Arc<Rule>>,
        service: Option<Arc<Service>>,
        upstream: Arc<LiveUpstream<Endpoint>>,
        key: Option<Arc<Key>>,
        admissions: Vec<Admission>,
    ) -> Self {
        let told = upstream.upstream();
        let retries = rule
            .as_ref()
            .and_then(|rule| rule.retry_attempts())
            .or_else(|| service.as_ref().and_then(|service| service.retries()));
        let max_attempts = match (retries, told.retry().attempts) {
            (Some(retries), _) => retries.saturating_add(1) as usize,
            (None, Some(attempts)) => attempts as usize,
            (None, None) => default_attempts(told),
        };
        let timeouts = service
            .as_ref()
            .map(|service| service.timeouts())
            .unwrap_or_default();
        let total = timeouts.or(told.timeouts()).total.unwrap_or(TOTAL);
        Self {
            rule,
            service,
            upstream,
            key,
            admissions,
            max_attempts,
            total,
            timeouts,
        }
    }

    /// How its requests are tried again.
    pub(crate) fn retry(&self) -> Retry {
        self.upstream.upstream().retry()
    }

    /// How its streams are passed on.
    pub(crate) fn streaming(&self) -> Streaming {
        self.upstream.upstream().stream()
    }

    /// What its upstream's requests were tried again in vain.
    pub(crate) fn retries(&self) -> &RetryMeter {
        self.upstream.retries()
    }

    /// How soon its upstream's answers usually begin.
    pub(crate) fn hedges(&self) -> &HedgeMeter {
        self.upstream.hedges()
    }

    /// The targets, each once, in the order in which they should be asked.
    ///
    /// # Errors
    ///
    /// Not one target is ready.
    pub(crate) fn attempts(&self, call: &Call) -> Result<Attempts<Endpoint>, NoTarget> {
        let key = match self.upstream.affinity() {
            Affinity::None => None,
            Affinity::Caller => Some(affinity_of(call).unwrap_or_else(|| match &self.key {
                Some(key) => key_of_prefix(key.id().as_bytes()),
                None => 0,
            })),
            Affinity::Prefix => {
                Some(affinity_of(call).unwrap_or_else(|| key_of_prefix(&call.body)))
            }
        };
        self.upstream.attempts(call.model(), key)
    }

    /// Cuts off what the rule says should be, and tells what the client called then.
    pub(crate) fn rewrite(&self, head: &mut Parts, surface: Surface) -> Surface {
        let before = head.uri.path();
        let after = self.path(before);
        if after == before {
            return surface;
        }
        let query = head
            .uri
            .query()
            .map(|query| format!("?{query}"))
            .unwrap_or_default();
        if let Ok(uri) = format!("{after}{query}").parse() {
            head.uri = uri;
        }
        Surface::of(head.method.as_str(), head.uri.path())
    }

    /// The client's path as the target is to see it.
    fn path<'a>(&self, path: &'a str) -> &'a str {
        let Some(rule) = &self.rule else { return path };
        match (rule.path_handling(), rule.path()) {
            (PathHandling::Strip, PathMatch::Prefix(prefix)) => path
                .strip_prefix(prefix.as_str())
                .filter(|rest| rest.starts_with('/'))
                .unwrap_or("/"),
            (PathHandling::Strip, PathMatch::Exact(_)) => "/",
            (PathHandling::Strip, PathMatch::Regex(_, regex)) => {
                let end = regex.find(path).map_or(0, |found| found.end());
                path.get(end..)
                    .filter(|rest| rest.starts_with('/'))
                    .unwrap_or("/")
            }
            (PathHandling::Keep, _) => path,
        }
    }

    /// Which `Host` the target sees.
    pub(crate) fn host_handling(&self) -> HostHandling {
        self.rule
            .as_ref()
            .map_or(HostHandling::Target, |rule| rule.host_handling())
    }

    /// Writes down where the request goes.
    pub(crate) fn describe(&self, record: &mut RequestRecord) {
        if let Some(rule) = &self.rule {
            record.route = rule.name().to_shared();
        }
        if let Some(service) = &self.service {
            record.service = service.name().to_shared();
        }
        record.upstream = self.upstream.upstream().name().to_shared();
    }

    /// Hands over what counts the request against its limits, to be kept until its end.
    pub(crate) fn take_admissions(&mut self) -> Vec<Admission> {
        std::mem::take(&mut self.admissions)
    }
}

/// Each target once, and one second try for each priority.
fn default_attempts(upstream: &Upstream) -> usize {
    let targets = upstream.targets();
    let first_of_its_priority = |(place, target): &(usize, &Target)| {
        let before = targets.get(..*place).unwrap_or_default();
        before
            .iter()
            .all(|other| other.priority() != target.priority())
    };
    let considered = targets.iter().take(MAX_ATTEMPTS).enumerate();
    let priorities = considered.filter(first_of_its_priority).count();
    (targets.len() + priorities).min(MAX_ATTEMPTS)
}

/// What the client says that its requests have in common.
fn affinity_of(call: &Call) -> Option<u64> {
    call.head
        .headers
        .get(AFFINITY)
        .map(|value| key_of_prefix(value.as_bytes()))
}

/// A client's own word for what its requests have in common: a session, a conversation.
const AFFINITY: &str = "x-gateway-affinity";
/// Attempts where nobody set a number and the upstream has more targets.
const MAX_ATTEMPTS: usize = 10;
/// All attempts together: an answer of a reasoning model takes minutes.
const TOTAL: Duration = Duration::from_secs(600);
