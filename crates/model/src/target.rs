//! One backend of an upstream.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
    time::Duration,
};

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::{
    Credentials, Destination, Faults, HealthChecks, ModelName, Name, Priority, Secret, Weight,
    credentials::WrittenCredentials,
    headers::{read_headers, write_headers},
    limits::read_count,
    read::{Field, Fields},
    reading::Reading,
    span,
    value::{read_tags, short_text},
    write::Writer,
};

/// One backend of an upstream.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    id: Uuid,
    name: Name,
    slot: String,
    settings: TargetSettings,
    credentials: Option<Credentials>,
    effective_checks: HealthChecks,
}

/// What a target is, apart from its name and its secrets.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TargetSettings {
    destination: Destination,
    path: Option<String>,
    weight: Weight,
    priority: Priority,
    models: Vec<ModelName>,
    default_model: Option<ModelName>,
    model_map: BTreeMap<ModelName, ModelName>,
    headers: BTreeMap<String, String>,
    max_in_flight: Option<NonZeroU32>,
    health_checks: Option<HealthChecks>,
    locality: Option<String>,
    tags: Vec<String>,
    state: TargetState,
}

/// What the operator wants of a target.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TargetState {
    /// It takes traffic while it is healthy.
    #[default]
    Enabled,
    /// It finishes what is under way and takes nothing new.
    Draining {
        /// After how long what is still under way no longer keeps it from being disabled.
        deadline: Option<Duration>,
    },
    /// It takes no traffic.
    Disabled,
}

impl TargetState {
    /// Returns the state's name: `enabled`, `draining` or `disabled`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Draining { .. } => "draining",
            Self::Disabled => "disabled",
        }
    }
}

impl Target {
    /// Returns its identity: the same for as long as its upstream and its name stay.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Returns its name, unique in its upstream; ASCII.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Returns where its requests go.
    pub fn destination(&self) -> &Destination {
        &self.settings.destination
    }

    /// Returns the path of its requests, where it is not the dialect's own; begins with `/`.
    pub fn path(&self) -> Option<&str> {
        self.settings.path.as_deref()
    }

    /// Returns its share of traffic.
    pub fn weight(&self) -> Weight {
        self.settings.weight
    }

    /// Returns its place in the order of failover.
    pub fn priority(&self) -> Priority {
        self.settings.priority
    }

    /// Returns the models it serves; empty: any.
    pub fn models(&self) -> &[ModelName] {
        &self.settings.models
    }

    /// Returns the model it serves when none was asked for, or none that is to be had.
    pub fn default_model(&self) -> Option<&ModelName> {
        self.settings.default_model.as_ref()
    }

    /// Returns what its provider calls the model that it serves as `model`.
    pub fn provider_model<'m>(&'m self, model: &'m str) -> &'m str {
        self.settings
            .model_map
            .iter()
            .find(|(asked, _)| ***asked == *model)
            .map_or(model, |(_, name)| name)
    }

    /// Returns the provider's names of models, by the names they are asked for.
    pub fn model_map(&self) -> &BTreeMap<ModelName, ModelName> {
        &self.settings.model_map
    }

    /// Returns the headers added to its requests; names in lower case.
    pub fn headers(&self) -> &BTreeMap<String, String> {
        &self.settings.headers
    }

    /// Returns how it is shown who calls.
    pub fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// Returns how many requests may be under way at once; `None`: any number.
    pub fn max_in_flight(&self) -> Option<NonZeroU32> {
        self.settings.max_in_flight
    }

    /// Returns its health checks, with the upstream's filled in.
    pub fn health_checks(&self) -> &HealthChecks {
        &self.effective_checks
    }

    /// Returns where it is, for targets that are near to be preferred.
    pub fn locality(&self) -> Option<&str> {
        self.settings.locality.as_deref()
    }

    /// Returns its tags.
    pub fn tags(&self) -> &[String] {
        &self.settings.tags
    }

    /// Returns what the operator wants of it.
    pub fn state(&self) -> TargetState {
        self.settings.state
    }

    pub(crate) fn secret_slot(&self) -> &str {
        &self.slot
    }

    /// Writes the canonical JSON and puts the secrets aside.
    pub(crate) fn write(&self, secrets: &mut BTreeMap<String, Secret>) -> Value {
        let mut writer = Writer::default();
        writer.put("name", &*self.name);
        let credentials = self
            .credentials
            .as_ref()
            .map(|credentials| credentials.write(&self.slot, secrets).finish());
        self.settings.write(&mut writer, credentials);
        writer.finish()
    }
}

impl TargetSettings {
    pub(crate) fn destination(&self) -> &Destination {
        &self.destination
    }

    fn write(&self, writer: &mut Writer, credentials: Option<Value>) {
        self.destination.write(writer);
        writer.put_some("path", self.path.as_deref());
        writer.put("weight", self.weight.get());
        writer.put("priority", self.priority.get());
        let models: Vec<&str> = self.models.iter().map(|model| &**model).collect();
        writer.put_list("models", &models);
        writer.put_some("default_model", self.default_model.as_deref());
        let map = self
            .model_map
            .iter()
            .map(|(asked, name)| (&**asked, &**name));
        writer.put_texts("model_map", map);
        write_headers(writer, &self.headers);
        writer.put_some("credentials", credentials);
        writer.put_some("max_in_flight", self.max_in_flight.map(NonZeroU32::get));
        let checks = self.health_checks.as_ref();
        writer.put_some("health_checks", checks.and_then(HealthChecks::write));
        writer.put_some("locality", self.locality.as_deref());
        writer.put_list("tags", &self.tags);
        writer.put("state", self.state.as_str());
        if let TargetState::Draining {
            deadline: Some(deadline),
        } = self.state
        {
            writer.put("drain_deadline", span::write(deadline));
        }
    }

    fn read(fields: &mut Fields<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let destination = Destination::read(fields, reading);
        let faults = &mut reading.faults;
        let mut models = None;
        if let Some(field) = fields.get("models") {
            models = field.items(MAX_MODELS, faults, ModelName::read);
        }
        let settings = |destination| Self {
            destination,
            path: fields
                .get("path")
                .and_then(|field| read_path(&field, faults)),
            weight: fields
                .get("weight")
                .and_then(|field| Weight::read(&field, faults))
                .unwrap_or_default(),
            priority: fields
                .get("priority")
                .and_then(|field| Priority::read(&field, faults))
                .unwrap_or_default(),
            default_model: fields
                .get("default_model")
                .and_then(|field| ModelName::read(&field, faults)),
            model_map: fields
                .get("model_map")
                .and_then(|field| read_model_map(&field, faults))
                .unwrap_or_default(),
            models: models.unwrap_or_default(),
            headers: fields
                .get("headers")
                .and_then(|field| read_headers(&field, faults))
                .unwrap_or_default(),
            max_in_flight: fields
                .get("max_in_flight")
                .and_then(|field| read_count(&field, faults)),
            health_checks: fields
                .get("health_checks")
                .and_then(|field| HealthChecks::read(&field, faults)),
            locality: fields
                .get("locality")
                .and_then(|field| short_text(&field, 128, faults)),
            tags: fields
                .get("tags")
                .and_then(|field| read_tags(&field, faults))
                .unwrap_or_default(),
            state: read_state(fields, faults),
        };
        // The other fields are read even when the destination is at fault: all faults at once.
        let stand_in = Destination::Address {
            protocol: crate::Protocol::Https,
            host: String::new(),
            port: 443,
        };
        let is_placed = destination.is_some();
        let settings = settings(destination.unwrap_or(stand_in));
        settings.check_models(fields, faults);
        is_placed.then_some(settings)
    }

    fn check_models(&self, fields: &Fields<'_>, faults: &mut Faults) {
        if self.models.is_empty() {
            return;
        }
        let listed: BTreeSet<_> = self.models.iter().collect();
        if self
            .default_model
            .as_ref()
            .is_some_and(|model| !listed.contains(model))
        {
            let message = "default model must be in the models list";
            faults.push(fields.at("default_model"), message);
        }
        for asked in self
            .model_map
            .keys()
            .filter(|asked| !listed.contains(asked))
        {
            let pointer = crate::read::join(&fields.at("model_map"), asked);
            faults.push(pointer, "must be in the models list");
        }
    }
}

/// A target as read: without the name and the secrets that it may get from a previous one.
#[derive(Debug)]
pub(crate) struct WrittenTarget {
    pub(crate) name: Option<Name>,
    pub(crate) name_pointer: String,
    pub(crate) settings: TargetSettings,
    pub(crate) credentials: Option<WrittenCredentials>,
}

impl WrittenTarget {
    pub(crate) fn read(field: &Field<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let mut fields = field.fields(&mut reading.faults)?;
        fields.ignore(&["id"]);
        let name_pointer = fields.at("name");
        let name = fields
            .get("name")
            .and_then(|field| Name::read_ascii(&field, &mut reading.faults));
        let credentials = fields
            .get("credentials")
            .and_then(|field| WrittenCredentials::read(&field, &mut reading.faults));
        let settings = TargetSettings::read(&mut fields, reading);
        fields.finish(&mut reading.faults);
        Some(Self {
            name,
            name_pointer,
            settings: settings?,
            credentials,
        })
    }

    /// Makes the target whole, once its name is known.
    pub(crate) fn complete(
        self,
        owner: Uuid,
        place: Place,
        upstream_checks: &HealthChecks,
        reading: &mut Reading<'_>,
    ) -> Target {
        let Place { name, slot } = place;
        let credentials = self
            .credentials
            .and_then(|written| written.resolve(&slot, &self.settings.destination, reading));
        let own_checks = self.settings.health_checks.clone().unwrap_or_default();
        Target {
            id: target_id(owner, &name),
            name,
            slot,
            effective_checks: own_checks.over(upstream_checks),
            settings: self.settings,
            credentials,
        }
    }
}

/// What a target is called, and where its secrets are kept.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) name: Name,
    pub(crate) slot: String,
}

/// Makes the identity of the target called `name`: a version 8 UUID of a digest.
fn target_id(owner: Uuid, name: &str) -> Uuid {
    let digest = Sha256::new()
        .chain_update(owner.as_bytes())
        .chain_update(name.as_bytes())
        .finalize();
    let mut bytes = [0; 16];
    bytes
        .iter_mut()
        .zip(digest)
        .for_each(|(to, from)| *to = from);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// Reads the path of a request, query allowed.
pub(crate) fn read_path(field: &Field<'_>, faults: &mut Faults) -> Option<String> {
    let text = field.text(faults)?;
    let is_good = text.starts_with('/')
        && text.len() <= 2048
        && text
            .bytes()
            .all(|byte| (b'!'..=b'~').contains(&byte) && byte != b'#');
    if !is_good {
        let message = "must be a path that begins with /, without spaces and #";
        faults.push(&field.pointer, message);
    }
    is_good.then(|| text.to_owned())
}

fn read_model_map(
    field: &Field<'_>,
    faults: &mut Faults,
) -> Option<BTreeMap<ModelName, ModelName>> {
    let map = field.value.as_object();
    let Some(map) = map.filter(|map| map.len() <= MAX_MODELS) else {
        return field.wrong("an object of up to 1000 models", faults);
    };
    let mut models = BTreeMap::new();
    for (asked, name) in map {
        let entry = field.under(asked, name);
        match (ModelName::new(asked), ModelName::read(&entry, faults)) {
            (Ok(asked), Some(name)) => {
                models.insert(asked, name);
            }
            (Err(error), _) => faults.push(entry.pointer, error.to_string()),
            (Ok(_), None) => {}
        }
    }
    Some(models)
}

fn read_state(fields: &mut Fields<'_>, faults: &mut Faults) -> TargetState {
    let deadline_field = fields.get("drain_deadline");
    let deadline = deadline_field.as_ref().and_then(|field| field.span(faults));
    let Some(field) = fields.get("state") else {
        return TargetState::default();
    };
    match field.text(faults) {
        Some("enabled") => TargetState::Enabled,
        Some("draining") => TargetState::Draining { deadline },
        Some("disabled") => TargetState::Disabled,
        Some(_) => {
            faults.push(&field.pointer, "must be enabled, draining or disabled");
            TargetState::default()
        }
        None => TargetState::default(),
    }
}

const MAX_MODELS: usize = 1000;
