//! A virtual host that spreads requests over targets.

mod naming;

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

use crate::{
    Algorithm, HealthChecks, Name, Retry, Secret, Streaming, Target, Timeouts,
    read::Field,
    reading::Reading,
    target::written::WrittenTarget,
    value::{read_description, read_tags},
    write::Writer,
};

/// A virtual host that spreads requests over targets.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    id: Uuid,
    name: Name,
    algorithm: Algorithm,
    targets: Vec<Target>,
    health_checks: HealthChecks,
    model_fallback: ModelFallback,
    timeouts: Timeouts,
    retry: Retry,
    stream: Streaming,
    tags: Vec<String>,
    description: Option<String>,
}

/// What becomes of a request for a model that no target can serve now.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ModelFallback {
    /// A target serves its default model instead, and the answer says so.
    #[default]
    DefaultModel,
    /// The request is refused.
    Reject,
}

impl ModelFallback {
    /// Returns the name on the wire: `default_model` or `reject`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DefaultModel => "default_model",
            Self::Reject => "reject",
        }
    }
}

impl Upstream {
    /// Returns its identity.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Returns its name, unique in its gateway.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Returns how it chooses among the targets of one priority.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns its targets, at least one, in the order in which they were written.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Finds a target by its id or its name.
    pub fn target(&self, reference: &str) -> Option<&Target> {
        let id = Uuid::try_parse(reference).ok();
        self.targets
            .iter()
            .find(|target| **target.name() == *reference || Some(target.id()) == id)
    }

    /// Returns its health checks; each target's own are laid over them already.
    pub fn health_checks(&self) -> &HealthChecks {
        &self.health_checks
    }

    /// Returns what becomes of a request for a model that no target can serve now.
    pub fn model_fallback(&self) -> ModelFallback {
        self.model_fallback
    }

    /// Returns the deadlines of its requests.
    pub fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Returns how a request is tried again.
    pub fn retry(&self) -> Retry {
        self.retry
    }

    /// Returns how streamed answers are passed on.
    pub fn stream(&self) -> Streaming {
        self.stream
    }

    /// Returns its tags.
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// Returns what the operator says of it.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// Makes the upstream of one target that stands behind an endpoint service.
    pub(crate) fn of_endpoint(id: Uuid, name: Name, target: Target) -> Self {
        Self {
            id,
            name,
            algorithm: Algorithm::default(),
            health_checks: target.health_checks().clone(),
            targets: vec![target],
            model_fallback: ModelFallback::default(),
            timeouts: Timeouts::default(),
            retry: Retry::default(),
            stream: Streaming::default(),
            tags: Vec::new(),
            description: None,
        }
    }

    /// Writes the canonical JSON and puts the secrets aside.
    pub(crate) fn write(&self, secrets: &mut BTreeMap<String, Secret>) -> Value {
        let mut writer = Writer::default();
        writer.put("name", &*self.name);
        writer.put("algorithm", self.algorithm.as_str());
        let targets = self.targets.iter().map(|target| target.write(secrets));
        writer.put("targets", targets.collect::<Value>());
        writer.put_some("health_checks", self.health_checks.write());
        if self.model_fallback != ModelFallback::default() {
            writer.put("model_fallback", self.model_fallback.as_str());
        }
        writer.put_some("timeouts", self.timeouts.write());
        writer.put_some("retry", self.retry.write());
        writer.put_some("stream", self.stream.write());
        writer.put_list("tags", &self.tags);
        writer.put_some("description", self.description.as_deref());
        writer.finish()
    }

    /// Reads the document of the upstream `id`; faults are left in `reading`.
    pub(crate) fn read(id: Uuid, document: &Value, reading: &mut Reading<'_>) -> Option<Self> {
        let document = Field::document(document);
        let mut fields = document.fields(&mut reading.faults)?;
        let name = required_name(&mut fields, reading);
        let written = read_targets(&mut fields, reading);
        let faults = &mut reading.faults;
        let algorithm = fields
            .get("algorithm")
            .and_then(|field| Algorithm::read(&field, faults));
        let health_checks = fields
            .get("health_checks")
            .and_then(|field| HealthChecks::read(&field, faults))
            .unwrap_or_default();
        let model_fallback =
            fields
                .get("model_fallback")
                .and_then(|field| match field.text(faults)? {
                    "default_model" => Some(ModelFallback::DefaultModel),
                    "reject" => Some(ModelFallback::Reject),
                    _ => {
                        faults.push(&field.pointer, "must be default_model or reject");
                        None
                    }
                });
        let timeouts = fields
            .get("timeouts")
            .and_then(|field| Timeouts::read(&field, faults));
        let retry = fields
            .get("retry")
            .and_then(|field| Retry::read(&field, faults));
        let stream = fields
            .get("stream")
            .and_then(|field| Streaming::read(&field, faults));
        let tags = fields
            .get("tags")
            .and_then(|field| read_tags(&field, faults));
        let description = fields
            .get("description")
            .and_then(|field| read_description(&field, faults));
        fields.finish(faults);
        Some(Self {
            id,
            targets: naming::complete(id, written?, &health_checks, reading),
            name: name?,
            algorithm: algorithm.unwrap_or_default(),
            health_checks,
            model_fallback: model_fallback.unwrap_or_default(),
            timeouts: timeouts.unwrap_or_default(),
            retry: retry.unwrap_or_default(),
            stream: stream.unwrap_or_default(),
            tags: tags.unwrap_or_default(),
            description,
        })
    }
}

/// Reads the name that every object must have.
pub(crate) fn required_name(
    fields: &mut crate::read::Fields<'_>,
    reading: &mut Reading<'_>,
) -> Option<Name> {
    match fields.get("name") {
        Some(field) => Name::read(&field, &mut reading.faults),
        None => {
            reading.faults.push(fields.at("name"), "name is required");
            None
        }
    }
}

fn read_targets(
    fields: &mut crate::read::Fields<'_>,
    reading: &mut Reading<'_>,
) -> Option<Vec<WrittenTarget>> {
    let Some(field) = fields.get("targets") else {
        reading
            .faults
            .push(fields.at("targets"), "at least one target is required");
        return None;
    };
    // The faults change places so that reading a target can borrow the whole of `reading`.
    let mut faults = std::mem::take(&mut reading.faults);
    let targets = field.items(MAX_TARGETS, &mut faults, |item, faults| {
        std::mem::swap(faults, &mut reading.faults);
        let target = WrittenTarget::read(item, reading);
        std::mem::swap(faults, &mut reading.faults);
        target
    });
    reading.faults = faults;
    if field.value.as_array().is_some_and(Vec::is_empty) {
        reading
            .faults
            .push(&field.pointer, "at least one target is required");
    }
    targets
}

/// What a pick among them was measured with.
const MAX_TARGETS: usize = 1000;
