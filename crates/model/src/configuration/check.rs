//! What only the objects together can get wrong, and the indexes over them.

use std::{
    collections::{BTreeMap, HashMap, btree_map},
    sync::Arc,
};

use uuid::Uuid;

use super::{Configuration, Contents, Entry, Tenant};
use crate::{
    Faults, Gateway, Key, Kind, Record, RecordFault, RecordFaultCause, Rule, RuleSet, Service,
    Upstream, object::Object,
};

impl Contents {
    /// Checks the objects together and builds the indexes.
    pub(super) fn finish(
        mut self,
        deleted: &[Arc<Record>],
        mut faults: Vec<RecordFault>,
    ) -> Result<Configuration, Vec<RecordFault>> {
        // An object that could not be read would only bring in faults of those that refer to it.
        if faults.is_empty() {
            self.index_names(&mut faults);
            self.check_references(deleted, &mut faults);
            self.check_hosts(&mut faults);
        }
        if faults.is_empty() {
            self.index_tenants(&mut faults);
        }
        if faults.is_empty() {
            Ok(Configuration(Arc::new(self)))
        } else {
            Err(faults)
        }
    }

    fn index_names(&mut self, faults: &mut Vec<RecordFault>) {
        let mut names = HashMap::with_capacity(self.entries.len());
        for Entry { record, .. } in self.entries.values() {
            let has_place = match record.gateway {
                None => record.kind == Kind::Gateway,
                Some(gateway) => {
                    record.kind != Kind::Gateway
                        && self.entries.contains_key(&(Kind::Gateway, gateway))
                }
            };
            if !has_place {
                faults.push(fault(record, RecordFaultCause::NoSuchGateway));
            }
            let name = (record.kind, record.gateway, record.name.clone());
            if let Some(other) = names.insert(name, record.id) {
                // The one written last is at fault, whichever id is the older.
                let other = self
                    .entries
                    .get(&(record.kind, other))
                    .map(|entry| &entry.record);
                let newer = other
                    .filter(|other| other.revision > record.revision)
                    .unwrap_or(record);
                faults.push(fault(newer, RecordFaultCause::NameTaken));
            }
        }
        self.names = names;
    }

    fn check_references(&self, deleted: &[Arc<Record>], faults: &mut Vec<RecordFault>) {
        let mut missed: BTreeMap<(Kind, Uuid), Users> = BTreeMap::new();
        for Entry { record, object } in self.entries.values() {
            for (kind, id) in object.references() {
                let found = self.entries.get(&(kind, id));
                if found.is_some_and(|entry| entry.record.gateway == record.gateway) {
                    continue;
                }
                if deleted
                    .iter()
                    .any(|gone| (gone.kind, gone.id) == (kind, id))
                {
                    let users = missed.entry((kind, id)).or_default();
                    users.push((record.kind, record.name.clone()));
                } else {
                    let pointer = reference_pointer(kind);
                    let found = Faults::one(pointer, format!("no {kind} with the id {id}"));
                    faults.push(fault(record, RecordFaultCause::Invalid(found)));
                }
            }
        }
        for gone in deleted {
            if let Some(users) = missed.remove(&(gone.kind, gone.id)) {
                faults.push(fault(gone, RecordFaultCause::InUse { by: users }));
            }
        }
    }

    /// Checks that a request's host leads to one gateway.
    fn check_hosts(&self, faults: &mut Vec<RecordFault>) {
        let mut owners: BTreeMap<(&str, String), &Arc<Record>> = BTreeMap::new();
        let gateways = self.entries.range(..=(Kind::Gateway, Uuid::max()));
        for (_, Entry { record, object }) in gateways {
            let Object::Gateway(gateway) = object else {
                continue;
            };
            let hosts = gateway.hosts().iter().map(|host| ("hosts", host.clone()));
            let subdomain = gateway.subdomain().map(|label| ("subdomain", label));
            let default = gateway.is_default().then(|| ("default", String::new()));
            for (field, value) in hosts.chain(subdomain).chain(default) {
                match owners.entry((field, value.clone())) {
                    btree_map::Entry::Vacant(place) => {
                        place.insert(record);
                    }
                    btree_map::Entry::Occupied(place) if place.get().id == record.id => {}
                    btree_map::Entry::Occupied(place) => {
                        let message = already(&value, &place.get().name);
                        let found = Faults::one(format!("/{field}"), message);
                        faults.push(fault(record, RecordFaultCause::Invalid(found)));
                    }
                }
            }
        }
    }

    /// Notes where a gateway is found; no two claim the same, as has been checked.
    fn index_hosts(&mut self, gateway: &Arc<Gateway>) {
        for host in gateway.hosts() {
            self.hosts.insert(host.clone(), Arc::clone(gateway));
        }
        if let Some(label) = gateway.subdomain() {
            self.subdomains.insert(label, Arc::clone(gateway));
        }
        if gateway.is_default() {
            self.default = Some(Arc::clone(gateway));
        }
    }

    fn index_tenants(&mut self, faults: &mut Vec<RecordFault>) {
        let mut parts: BTreeMap<Uuid, Parts> = BTreeMap::new();
        for Entry { record, object } in self.entries.values() {
            let part = parts
                .entry(record.gateway.unwrap_or(record.id))
                .or_default();
            match object {
                Object::Gateway(gateway) => part.gateway = Some(Arc::clone(gateway)),
                Object::Upstream(upstream) => part.upstreams.push(Arc::clone(upstream)),
                Object::Service(service) => part.services.push(Arc::clone(service)),
                Object::Rule(rule) => part.rules.push(Arc::clone(rule)),
                Object::Key(key) => part.keys.push(Arc::clone(key)),
            }
        }
        for (id, part) in parts {
            for service in &part.services {
                self.services.insert(service.id(), Arc::clone(service));
            }
            if let Some(gateway) = &part.gateway {
                self.index_hosts(gateway);
            }
            for key in &part.keys {
                if let Some(hash) = key.hash() {
                    self.keys.insert(hash, (id, Arc::clone(key)));
                }
            }
            match part.into_tenant() {
                Ok(Some(tenant)) => {
                    self.gateways.insert(id, Arc::new(tenant));
                }
                Ok(None) => {}
                Err(found) => faults.extend(found),
            }
        }
    }
}

/// Who uses an object: kind and name.
type Users = Vec<(Kind, String)>;

#[derive(Default)]
struct Parts {
    gateway: Option<Arc<Gateway>>,
    upstreams: Vec<Arc<Upstream>>,
    services: Vec<Arc<Service>>,
    keys: Vec<Arc<Key>>,
    rules: Vec<Arc<Rule>>,
}

impl Parts {
    fn into_tenant(self) -> Result<Option<Tenant>, Vec<RecordFault>> {
        let rule_set = RuleSet::compile(&self.rules).map_err(|pairs| {
            let faults = pairs.into_iter().map(|pair| RecordFault {
                kind: Kind::Rule,
                id: pair.second.id(),
                name: pair.second.name().to_string(),
                cause: RecordFaultCause::Invalid(Faults::one(
                    "/path",
                    format!(
                        "cannot be told apart from rule {}: the same path and headers, and a \
                         method in common",
                        pair.first.name()
                    ),
                )),
            });
            faults.collect::<Vec<_>>()
        })?;
        Ok(self.gateway.map(|gateway| Tenant {
            gateway,
            upstreams: self.upstreams,
            services: self.services,
            keys: self.keys,
            rules: self.rules,
            rule_set,
        }))
    }
}

/// Returns where an object refers to one of `kind`.
fn reference_pointer(kind: Kind) -> &'static str {
    match kind {
        Kind::Gateway => "/gateway",
        Kind::Upstream => "/upstream",
        Kind::Service => "/service",
        Kind::Rule => "/rules",
        Kind::Key => "/key",
    }
}

/// Words a conflict of hosts; an empty `host` is the place of the default gateway.
fn already(host: &str, owner: &str) -> String {
    if host.is_empty() {
        format!("gateway {owner} is the default already")
    } else {
        format!("{host} belongs to gateway {owner} already")
    }
}

fn fault(record: &Record, cause: RecordFaultCause) -> RecordFault {
    RecordFault {
        kind: record.kind,
        id: record.id,
        name: record.name.clone(),
        cause,
    }
}
