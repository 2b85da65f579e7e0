//! One backend of an upstream.

pub(crate) mod written;

use std::{collections::BTreeMap, num::NonZeroU32, time::Duration};

use serde_json::Value;
use uuid::Uuid;

use crate::{
    Credentials, Destination, Faults, HealthChecks, ModelName, Name, Priority, Secret, Timeouts,
    Weight, headers::write_headers, read::Field, span, write::Writer,
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
    timeouts: Timeouts,
    locality: Option<String>,
    prefill: Option<Prefill>,
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

/// How a target is told to go on with the beginning of an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Prefill {
    /// It can't be told.
    Never,
    /// It goes on with a last message of the assistant's.
    LastMessage,
    /// The same, with `"prefix": true` in it.
    Prefix,
    /// The same, with `"continue_final_message": true` in the request.
    FinalMessage,
}

impl Prefill {
    const ALL: [(Self, &str); 3] = [
        (Self::LastMessage, "last_message"),
        (Self::Prefix, "prefix"),
        (Self::FinalMessage, "continue_final_message"),
    ];

    /// Reads one of the names, or `false` for a target that can't be told.
    fn read(field: &Field<'_>, faults: &mut Faults) -> Option<Self> {
        if field.value.as_bool() == Some(false) {
            return Some(Self::Never);
        }
        let named = |name| Self::ALL.iter().find(|(_, known)| *known == name);
        match field.value.as_str().and_then(named) {
            Some((prefill, _)) => Some(*prefill),
            None => {
                let message = "must be last_message, prefix, continue_final_message or false";
                faults.push(&field.pointer, message);
                None
            }
        }
    }

    fn write(self) -> Value {
        let named = Self::ALL.iter().find(|(known, _)| *known == self);
        named.map_or(Value::Bool(false), |(_, name)| Value::from(*name))
    }
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

    /// Returns its own deadlines, which go before its upstream's.
    pub fn timeouts(&self) -> Timeouts {
        self.settings.timeouts
    }

    /// Returns where it is, for targets that are near to be preferred.
    pub fn locality(&self) -> Option<&str> {
        self.settings.locality.as_deref()
    }

    /// Returns how it is told to go on with the beginning of an answer; `None`: as its provider
    /// is known to be.
    pub fn prefill(&self) -> Option<Prefill> {
        self.settings.prefill
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
        writer.put_some("timeouts", self.timeouts.write());
        writer.put_some("locality", self.locality.as_deref());
        writer.put_some("prefill", self.prefill.map(Prefill::write));
        writer.put_list("tags", &self.tags);
        writer.put("state", self.state.as_str());
        if let TargetState::Draining {
            deadline: Some(deadline),
        } = self.state
        {
            writer.put("drain_deadline", span::write(deadline));
        }
    }
}
