//! Reads a target as an operator writes it.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{Prefill, Target, TargetSettings, TargetState};
use crate::{
    Destination, Faults, HealthChecks, ModelName, Name, Priority, Timeouts, Weight,
    credentials::written::WrittenCredentials,
    headers::read_headers,
    limits::read_count,
    read::{Field, Fields},
    reading::Reading,
    value::{read_tags, short_text},
};

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

impl TargetSettings {
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
            timeouts: fields
                .get("timeouts")
                .and_then(|field| Timeouts::read_of_target(&field, faults))
                .unwrap_or_default(),
            locality: fields
                .get("locality")
                .and_then(|field| short_text(&field, 128, faults)),
            prefill: fields
                .get("prefill")
                .and_then(|field| Prefill::read(&field, faults)),
            tags: fields
                .get("tags")
                .and_then(|field| read_tags(&field, faults))
                .unwrap_or_default(),
            state: read_state(fields, faults),
        };
        // The other fields are read even when the destination is at fault: all faults at once.
        let is_placed = destination.is_some();
        let settings = settings(destination.unwrap_or_else(nowhere));
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

/// Stands in for a destination that is at fault.
fn nowhere() -> Destination {
    Destination::Address {
        protocol: crate::Protocol::Https,
        host: String::new(),
        port: 443,
    }
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
