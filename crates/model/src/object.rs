//! From a document or a record to the checked type, and back.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;
use uuid::Uuid;

use crate::{
    Faults, Gateway, Key, KeyHash, Kind, Record, Rule, Secret, Service, Target, Upstream,
    ValidationContext,
    reading::{Origin, Reading},
};

/// What an operator wrote, checked as far as it can be alone: the parts of a [`Record`] that come
/// from the document.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The object's name, given or made.
    pub name: String,
    /// Its canonical JSON, references as ids, [`Secret::MASK`] where a secret belongs.
    pub spec: Value,
    /// Its secrets by slot, those kept from the previous record included.
    pub secrets: BTreeMap<String, Secret>,
}

impl Draft {
    /// Checks a document of `kind` and makes it canonical.
    ///
    /// Names lead to ids, targets get their names, and a secret that is written as
    /// [`Secret::MASK`] is taken from the previous record, if its target still leads to the same
    /// place. Whether names are free and references stay whole is for
    /// [`Configuration::next`](crate::Configuration::next) to say.
    ///
    /// # Errors
    ///
    /// Every fault of the document, each with its JSON pointer.
    pub fn read(
        kind: Kind,
        written: &Value,
        context: &ValidationContext<'_>,
    ) -> Result<Self, Faults> {
        let no_secrets = BTreeMap::new();
        let previous = context.previous.and_then(|record| Object::of(record).ok());
        let mut reading = Reading {
            faults: Faults::default(),
            provider_known: context.provider_known,
            provider_names: context.provider_names,
            previous: previous.as_ref().map_or(&[], Object::targets),
            origin: Origin::Operator {
                configuration: context.configuration,
                gateway: context.gateway,
                secrets: context
                    .previous
                    .map_or(&no_secrets, |record| &record.secrets),
            },
        };
        let object = Object::read(kind, context.id, written, &mut reading);
        reading.faults.or(object).map(|object| object.draft())
    }

    /// Gives the draft of a key the hash of its secret.
    pub fn set_key_hash(&mut self, hash: KeyHash) {
        self.secrets
            .insert(KeyHash::SLOT.to_owned(), hash.to_secret());
    }
}

/// One checked object.
#[derive(Clone, Debug)]
pub(crate) enum Object {
    Gateway(Arc<Gateway>),
    Upstream(Arc<Upstream>),
    Service(Arc<Service>),
    Rule(Arc<Rule>),
    Key(Arc<Key>),
}

impl Object {
    /// Checks what the store kept.
    pub(crate) fn of(record: &Record) -> Result<Self, Faults> {
        let mut reading = Reading {
            faults: Faults::default(),
            // A provider that a newer version dropped must not keep the store from opening.
            provider_known: &|_| true,
            provider_names: &[],
            previous: &[],
            origin: Origin::Store {
                secrets: &record.secrets,
            },
        };
        let object = Self::read(record.kind, record.id, &record.spec, &mut reading);
        reading.faults.or(object)
    }

    fn read(kind: Kind, id: Uuid, document: &Value, reading: &mut Reading<'_>) -> Option<Self> {
        match kind {
            Kind::Gateway => {
                Gateway::read(id, document, reading).map(|it| Self::Gateway(it.into()))
            }
            Kind::Upstream => {
                Upstream::read(id, document, reading).map(|it| Self::Upstream(it.into()))
            }
            Kind::Service => {
                Service::read(id, document, reading).map(|it| Self::Service(it.into()))
            }
            Kind::Rule => Rule::read(id, document, reading).map(|it| Self::Rule(it.into())),
            Kind::Key => Key::read(id, document, reading).map(|it| Self::Key(it.into())),
        }
    }

    /// Lists what the object refers to.
    pub(crate) fn references(&self) -> Vec<(Kind, Uuid)> {
        match self {
            Self::Gateway(_) | Self::Upstream(_) => Vec::new(),
            Self::Service(service) if service.upstream_id() == service.id() => Vec::new(),
            Self::Service(service) => vec![(Kind::Upstream, service.upstream_id())],
            Self::Rule(rule) => vec![(Kind::Service, rule.service())],
            Self::Key(key) => key.rules().iter().map(|rule| (Kind::Rule, *rule)).collect(),
        }
    }

    fn targets(&self) -> &[Target] {
        match self {
            Self::Upstream(upstream) => upstream.targets(),
            Self::Service(service) => service.targets(),
            Self::Gateway(_) | Self::Rule(_) | Self::Key(_) => &[],
        }
    }

    fn draft(&self) -> Draft {
        let mut secrets = BTreeMap::new();
        let (name, spec) = match self {
            Self::Gateway(gateway) => (gateway.name(), gateway.write()),
            Self::Upstream(upstream) => (upstream.name(), upstream.write(&mut secrets)),
            Self::Service(service) => (service.name(), service.write(&mut secrets)),
            Self::Rule(rule) => (rule.name(), rule.write()),
            Self::Key(key) => {
                if let Some(hash) = key.hash() {
                    secrets.insert(KeyHash::SLOT.to_owned(), hash.to_secret());
                }
                (key.name(), key.write())
            }
        };
        Draft {
            name: name.to_string(),
            spec,
            secrets,
        }
    }
}
