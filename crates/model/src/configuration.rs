//! The whole configuration at one revision.

mod check;

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use uuid::Uuid;

use crate::{
    Change, Gateway, Key, KeyHash, Kind, Record, RecordFault, RecordFaultCause, Rule, RuleSet,
    Service, ServiceTo, Upstream, object::Object,
};

/// Every object at one revision: checked, immutable, cheap to share.
///
/// A clone shares the contents; [`next`](Self::next) shares all objects that did not change.
#[derive(Clone, Debug, Default)]
pub struct Configuration(Arc<Contents>);

#[derive(Clone, Debug, Default)]
struct Contents {
    revision: u64,
    entries: BTreeMap<(Kind, Uuid), Entry>,
    gateways: BTreeMap<Uuid, Arc<Tenant>>,
    names: HashMap<FullName, Uuid>,
    keys: Index<KeyHash, (Uuid, Arc<Key>)>,
    services: Index<Uuid, Arc<Service>>,
    hosts: Index<String, Arc<Gateway>>,
    subdomains: Index<String, Arc<Gateway>>,
    default: Option<Arc<Gateway>>,
}

/// What a request is looked up in. Its keys are the operator's: a client chooses what it asks for and
/// not what is there, so that a hash made for speed is safe.
pub(crate) type Index<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// An object's kind, its gateway and its name.
type FullName = (Kind, Option<Uuid>, String);

#[derive(Clone, Debug)]
struct Entry {
    record: Arc<Record>,
    object: Object,
}

/// What belongs to one gateway, each kind by id.
#[derive(Debug)]
struct Tenant {
    gateway: Arc<Gateway>,
    upstreams: Vec<Arc<Upstream>>,
    services: Vec<Arc<Service>>,
    keys: Vec<Arc<Key>>,
    rules: Vec<Arc<Rule>>,
    rule_set: RuleSet,
}

impl Configuration {
    /// Returns the configuration of a new store: nothing, at revision 0.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Builds the configuration that `records` make up, each with the revision it carries.
    ///
    /// # Errors
    ///
    /// Every fault of every record.
    pub fn from_records(revision: u64, records: Vec<Record>) -> Result<Self, Vec<RecordFault>> {
        let mut contents = Contents {
            revision,
            ..Contents::default()
        };
        let mut faults = Vec::new();
        for record in records {
            contents.put(record, &mut faults);
        }
        contents.finish(&[], faults)
    }

    /// Builds the configuration that follows this one when `changes` are made in their order.
    ///
    /// Each record put gets `revision`. This configuration stays as it is.
    ///
    /// # Errors
    ///
    /// Every fault that the changes would bring in: a name taken, a reference that leads nowhere,
    /// an object deleted while others use it, rules that cannot be told apart.
    pub fn next(&self, revision: u64, changes: &[Change]) -> Result<Self, Vec<RecordFault>> {
        let mut contents = Contents {
            revision,
            entries: self.0.entries.clone(),
            ..Contents::default()
        };
        let mut faults = Vec::new();
        let mut deleted = Vec::new();
        for change in changes {
            match change {
                Change::Put(record) => {
                    let mut record = record.clone();
                    record.revision = revision;
                    contents.put(record, &mut faults);
                }
                Change::Delete { kind, id } => match contents.entries.remove(&(*kind, *id)) {
                    Some(entry) => {
                        if *kind == Kind::Gateway {
                            contents
                                .entries
                                .retain(|_, entry| entry.record.gateway != Some(*id));
                        }
                        deleted.push(entry.record);
                    }
                    None => faults.push(RecordFault {
                        kind: *kind,
                        id: *id,
                        name: String::new(),
                        cause: RecordFaultCause::NotFound,
                    }),
                },
            }
        }
        contents.finish(&deleted, faults)
    }

    /// Returns the revision; it grows with each commit and never repeats.
    pub fn revision(&self) -> u64 {
        self.0.revision
    }

    /// Returns one object's record.
    pub fn record(&self, kind: Kind, id: Uuid) -> Option<&Arc<Record>> {
        self.0.entries.get(&(kind, id)).map(|entry| &entry.record)
    }

    /// Finds the record of the object of `kind` in `gateway` that an id or a name stands for.
    pub fn find(&self, kind: Kind, gateway: Option<Uuid>, reference: &str) -> Option<&Arc<Record>> {
        let id = match Uuid::try_parse(reference) {
            Ok(id) => id,
            Err(_) => *self.0.names.get(&(kind, gateway, reference.to_owned()))?,
        };
        self.record(kind, id)
            .filter(|record| record.gateway == gateway)
    }

    /// Lists the records of `kind` in `gateway` (`None`: the gateways themselves), oldest id first.
    pub fn records(
        &self,
        kind: Kind,
        gateway: Option<Uuid>,
    ) -> impl DoubleEndedIterator<Item = &Arc<Record>> {
        self.0
            .entries
            .range((kind, Uuid::nil())..=(kind, Uuid::max()))
            .map(|(_, entry)| &entry.record)
            .filter(move |record| record.gateway == gateway)
    }

    /// Lists every record, gateways first, each kind by id.
    pub fn all_records(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.0.entries.values().map(|entry| &entry.record)
    }

    /// Lists the objects that refer to an object, each kind by id: who would miss it.
    pub fn used_by(&self, kind: Kind, id: Uuid) -> Vec<&Arc<Record>> {
        self.0
            .entries
            .values()
            .filter(|entry| entry.object.references().contains(&(kind, id)))
            .map(|entry| &entry.record)
            .collect()
    }

    /// Lists the gateways by id.
    pub fn gateways(&self) -> impl Iterator<Item = &Arc<Gateway>> {
        self.0.gateways.values().map(|tenant| &tenant.gateway)
    }

    /// Finds a gateway by its id or its name.
    pub fn gateway(&self, reference: &str) -> Option<&Arc<Gateway>> {
        let record = self.find(Kind::Gateway, None, reference)?;
        self.0
            .gateways
            .get(&record.id)
            .map(|tenant| &tenant.gateway)
    }

    /// Finds the gateway that a host name (without port) belongs to: one that lists it, else the
    /// one whose subdomain it is under `base_domain`.
    pub fn gateway_for_host(&self, host: &str, base_domain: &str) -> Option<&Arc<Gateway>> {
        let host = match host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => Cow::Owned(host.to_ascii_lowercase()),
            false => Cow::Borrowed(host),
        };
        self.0.hosts.get(&*host).or_else(|| {
            let (label, base) = host.split_once('.')?;
            let is_below = !base_domain.is_empty() && base.eq_ignore_ascii_case(base_domain);
            self.0.subdomains.get(label).filter(|_| is_below)
        })
    }

    /// Returns the gateway that takes what no host name or key gives to another: the only one,
    /// else the one marked as the default.
    pub fn default_gateway(&self) -> Option<&Arc<Gateway>> {
        let mut gateways = self.gateways();
        match (gateways.next(), gateways.next()) {
            (Some(only), None) => Some(only),
            _ => self.0.default.as_ref(),
        }
    }

    /// Lists a gateway's upstreams by id.
    pub fn upstreams(&self, gateway: Uuid) -> &[Arc<Upstream>] {
        self.tenant(gateway).map_or(&[], |tenant| &tenant.upstreams)
    }

    /// Lists every upstream that takes traffic in a gateway: its own, then those that stand
    /// behind its endpoint services.
    pub fn live_upstreams(&self, gateway: Uuid) -> impl Iterator<Item = &Arc<Upstream>> {
        let endpoints = self
            .services(gateway)
            .iter()
            .filter_map(|service| match service.to() {
                ServiceTo::Endpoint(upstream) => Some(upstream),
                ServiceTo::Upstream(_) => None,
            });
        self.upstreams(gateway).iter().chain(endpoints)
    }

    /// Finds one of a gateway's upstreams by its id or its name.
    pub fn upstream(&self, gateway: Uuid, reference: &str) -> Option<&Arc<Upstream>> {
        let id = self.find(Kind::Upstream, Some(gateway), reference)?.id;
        match &self.0.entries.get(&(Kind::Upstream, id))?.object {
            Object::Upstream(upstream) => Some(upstream),
            Object::Gateway(_) | Object::Service(_) | Object::Rule(_) | Object::Key(_) => None,
        }
    }

    /// Lists a gateway's services by id.
    pub fn services(&self, gateway: Uuid) -> &[Arc<Service>] {
        self.tenant(gateway).map_or(&[], |tenant| &tenant.services)
    }

    /// Finds one of a gateway's services by its id or its name.
    pub fn service(&self, gateway: Uuid, reference: &str) -> Option<&Arc<Service>> {
        self.service_by_id(self.find(Kind::Service, Some(gateway), reference)?.id)
    }

    /// Finds a service by its id, as a rule names it.
    pub fn service_by_id(&self, id: Uuid) -> Option<&Arc<Service>> {
        self.0.services.get(&id)
    }

    /// Lists a gateway's rules by id, those that are not active included.
    pub fn rules(&self, gateway: Uuid) -> &[Arc<Rule>] {
        self.tenant(gateway).map_or(&[], |tenant| &tenant.rules)
    }

    /// Returns a gateway's active rules, ready to be asked; `None` when it does not exist.
    pub fn rule_set(&self, gateway: Uuid) -> Option<&RuleSet> {
        self.tenant(gateway).map(|tenant| &tenant.rule_set)
    }

    /// Lists a gateway's keys by id.
    pub fn keys(&self, gateway: Uuid) -> &[Arc<Key>] {
        self.tenant(gateway).map_or(&[], |tenant| &tenant.keys)
    }

    /// Finds a key and the id of its gateway by the hash of the secret that a client sent.
    pub fn key_by_hash(&self, hash: KeyHash) -> Option<(Uuid, &Arc<Key>)> {
        self.0.keys.get(&hash).map(|(gateway, key)| (*gateway, key))
    }

    /// Finds a gateway by its id.
    pub fn gateway_by_id(&self, id: Uuid) -> Option<&Arc<Gateway>> {
        self.tenant(id).map(|tenant| &tenant.gateway)
    }

    fn tenant(&self, gateway: Uuid) -> Option<&Arc<Tenant>> {
        self.0.gateways.get(&gateway)
    }
}

impl Contents {
    fn put(&mut self, record: Record, faults: &mut Vec<RecordFault>) {
        match Object::of(&record) {
            Ok(object) => {
                let record = Arc::new(record);
                let entry = Entry { record, object };
                self.entries
                    .insert((entry.record.kind, entry.record.id), entry);
            }
            Err(found) => faults.push(RecordFault {
                kind: record.kind,
                id: record.id,
                name: record.name,
                cause: RecordFaultCause::Invalid(found),
            }),
        }
    }
}
