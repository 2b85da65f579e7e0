//! A name for where traffic goes.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;
use uuid::Uuid;

use crate::{
    HealthChecks, Kind, Name, Secret, Target, Timeouts, Upstream,
    limits::MAX_ATTEMPTS,
    read::{Field, Fields},
    reading::Reading,
    target::written::{Place, WrittenTarget},
    upstream::required_name,
    value::{read_description, read_tags},
    write::Writer,
};

/// A name for where traffic goes: an upstream, or one endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    id: Uuid,
    name: Name,
    to: ServiceTo,
    retries: Option<u32>,
    timeouts: Timeouts,
    tags: Vec<String>,
    description: Option<String>,
}

/// Where a service's traffic goes.
#[derive(Clone, Debug, PartialEq)]
pub enum ServiceTo {
    /// To an upstream of the same gateway.
    Upstream(Uuid),
    /// To one target of its own. It stands here as an upstream of that target alone, with the
    /// service's id and name, so that all traffic goes through an upstream.
    Endpoint(Arc<Upstream>),
}

impl Service {
    /// Returns its identity.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Returns its name, unique in its gateway.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Returns where its traffic goes.
    pub fn to(&self) -> &ServiceTo {
        &self.to
    }

    /// Returns the id of the upstream that takes its traffic; an endpoint's is the service's own.
    pub fn upstream_id(&self) -> Uuid {
        match &self.to {
            ServiceTo::Upstream(id) => *id,
            ServiceTo::Endpoint(upstream) => upstream.id(),
        }
    }

    /// Returns how many further attempts follow the first: 0 to 9.
    pub fn retries(&self) -> Option<u32> {
        self.retries
    }

    /// Returns the deadlines that go before its upstream's.
    pub fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Returns its tags.
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// Returns what the operator says of it.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    pub(crate) fn targets(&self) -> &[Target] {
        match &self.to {
            ServiceTo::Upstream(_) => &[],
            ServiceTo::Endpoint(upstream) => upstream.targets(),
        }
    }

    /// Writes the canonical JSON and puts the secrets aside.
    pub(crate) fn write(&self, secrets: &mut BTreeMap<String, Secret>) -> Value {
        let mut writer = Writer::default();
        writer.put("name", &*self.name);
        match &self.to {
            ServiceTo::Upstream(id) => {
                writer.put("type", UPSTREAM);
                writer.put("upstream", id.to_string());
            }
            ServiceTo::Endpoint(_) => {
                writer.put("type", ENDPOINT);
                let target = self.targets().first();
                writer.put_some("target", target.map(|target| target.write(secrets)));
            }
        }
        writer.put_some("retries", self.retries);
        writer.put_some("timeouts", self.timeouts.write());
        writer.put_list("tags", &self.tags);
        writer.put_some("description", self.description.as_deref());
        writer.finish()
    }

    /// Reads the document of the service `id`; faults are left in `reading`.
    pub(crate) fn read(id: Uuid, document: &Value, reading: &mut Reading<'_>) -> Option<Self> {
        let document = Field::document(document);
        let mut fields = document.fields(&mut reading.faults)?;
        let name = required_name(&mut fields, reading);
        let faults = &mut reading.faults;
        let timeouts = fields
            .get("timeouts")
            .and_then(|field| Timeouts::read(&field, faults))
            .unwrap_or_default();
        let retries = fields
            .get("retries")
            .and_then(|field| field.whole(0, MAX_ATTEMPTS - 1, faults));
        let tags = fields
            .get("tags")
            .and_then(|field| read_tags(&field, faults));
        let description = fields
            .get("description")
            .and_then(|field| read_description(&field, faults));
        let to = read_type(&mut fields, reading)
            .and_then(|service_type| service_type.read_to(id, name.as_ref(), &mut fields, reading));
        fields.finish(&mut reading.faults);
        Some(Self {
            id,
            name: name?,
            to: to?,
            retries,
            timeouts,
            tags: tags.unwrap_or_default(),
            description,
        })
    }
}

#[derive(Clone, Copy)]
enum ServiceType {
    Upstream,
    Endpoint,
}

fn read_type(fields: &mut Fields<'_>, reading: &mut Reading<'_>) -> Option<ServiceType> {
    let Some(field) = fields.get("type") else {
        reading.faults.push_with(
            fields.at("type"),
            "type is required",
            Some("upstream or endpoint".to_owned()),
        );
        // Asked for all the same, so that they do not count as unknown.
        fields.ignore(&["upstream", "upstream_id", "target"]);
        return None;
    };
    match field.text(&mut reading.faults) {
        Some(UPSTREAM) => Some(ServiceType::Upstream),
        Some(ENDPOINT) => Some(ServiceType::Endpoint),
        other => {
            if other.is_some() {
                reading
                    .faults
                    .push(field.pointer, "must be upstream or endpoint");
            }
            fields.ignore(&["upstream", "upstream_id", "target"]);
            None
        }
    }
}

impl ServiceType {
    fn read_to(
        self,
        id: Uuid,
        name: Option<&Name>,
        fields: &mut Fields<'_>,
        reading: &mut Reading<'_>,
    ) -> Option<ServiceTo> {
        let upstream = reading.reference(Kind::Upstream, ["upstream", "upstream_id"], fields);
        let target = fields.get("target");
        match (self, target) {
            (Self::Upstream, target) => {
                if let Some(target) = target {
                    reading.faults.push(
                        target.pointer,
                        "an upstream service cannot have a target of its own",
                    );
                }
                match upstream {
                    None => {
                        reading
                            .faults
                            .push(fields.at("upstream"), "upstream is required");
                        None
                    }
                    Some(found) => found.map(ServiceTo::Upstream),
                }
            }
            (Self::Endpoint, target) => {
                if upstream.is_some() {
                    let message = "an endpoint service cannot have an upstream";
                    reading.faults.push(fields.at("upstream"), message);
                }
                let Some(target) = target else {
                    reading
                        .faults
                        .push(fields.at("target"), "target is required");
                    return None;
                };
                let target = read_endpoint(id, &target, reading)?;
                let upstream = Upstream::of_endpoint(id, name?.clone(), target);
                Some(ServiceTo::Endpoint(Arc::new(upstream)))
            }
        }
    }
}

fn read_endpoint(id: Uuid, field: &Field<'_>, reading: &mut Reading<'_>) -> Option<Target> {
    let written = WrittenTarget::read(field, reading)?;
    let previous = reading.previous.first().map(|target| target.name().clone());
    let name = written
        .name
        .clone()
        .or(previous)
        .unwrap_or_else(|| Name::numbered(written.settings.destination().label(), 0));
    let slot = "target/credentials".to_owned();
    Some(written.complete(id, Place { name, slot }, &HealthChecks::default(), reading))
}

const UPSTREAM: &str = "upstream";
const ENDPOINT: &str = "endpoint";
