//! The way of every write: check, commit, make live.

use std::sync::Arc;

use ai_gateway_model::{Change, Configuration, Draft, Faults, Kind, Record, ValidationContext};
use ai_gateway_registry::Applied;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{call::Call, problem::Problem, view::READ_ONLY};

/// A write that is on the disk and live.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) configuration: Arc<Configuration>,
    applied: Applied,
}

impl Written {
    /// Finds the record that was written.
    pub(crate) fn record(&self, kind: Kind, id: Uuid) -> Result<&Record, Problem> {
        self.configuration
            .record(kind, id)
            .map(AsRef::as_ref)
            .ok_or_else(Problem::internal)
    }

    /// Lists why targets of `upstream` take no traffic although nobody took them out.
    pub(crate) fn warnings(&self, upstream: &str) -> Vec<Value> {
        self.applied
            .faults
            .iter()
            .filter(|fault| fault.upstream == upstream)
            .map(|fault| json!({ "target": fault.target, "message": fault.message }))
            .collect()
    }
}

impl Call<'_> {
    /// Makes the changes that `change` wants of the newest configuration, and makes them live.
    ///
    /// Dropping the future leaves the change undone or done, never half done; one that is done is
    /// made live by whoever watches the store.
    pub(crate) async fn commit(
        &self,
        change: impl Fn(&Configuration) -> Result<Vec<Change>, Problem>,
    ) -> Result<Written, Problem> {
        let admin = self.admin;
        let committed = admin.store.commit(admin.access.author(), change).await?;
        let applied = admin.fleet.apply(&committed.configuration);
        let now = std::time::Duration::from_millis(admin.clock.now_ms());
        admin.telemetry.configuration_applied(applied.revision, now);
        Ok(Written {
            configuration: committed.configuration,
            applied,
        })
    }

    /// Checks a document that replaces `previous`, or is new with `id`.
    pub(crate) fn draft(
        &self,
        configuration: &Configuration,
        place: Place<'_>,
        written: &Value,
    ) -> Result<Draft, Problem> {
        let providers = &self.admin.providers;
        let context = ValidationContext {
            configuration,
            id: place.id,
            gateway: place.gateway,
            previous: place.previous,
            provider_known: &|name| providers.contains(&name),
            provider_names: providers,
        };
        let mut written = written.clone();
        let mut faults = Faults::default();
        check_read_only(&mut written, &place, &mut faults);
        let draft = Draft::read(place.kind, &written, &context);
        match (draft, faults.is_empty()) {
            (Ok(draft), true) => Ok(draft),
            (Ok(_), false) => Err(Problem::invalid(&faults)),
            (Err(found), _) => {
                faults.extend(found.as_slice().iter().cloned());
                Err(Problem::invalid(&faults))
            }
        }
    }
}

/// Where a document is to go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) kind: Kind,
    pub(crate) id: Uuid,
    pub(crate) gateway: Option<Uuid>,
    pub(crate) previous: Option<&'a Record>,
}

impl<'a> Place<'a> {
    /// The place of an object that exists.
    pub(crate) fn of(record: &'a Record) -> Self {
        Self {
            kind: record.kind,
            id: record.id,
            gateway: record.gateway,
            previous: Some(record),
        }
    }

    /// Returns the change that puts `draft` there: none when it is there already.
    pub(crate) fn put(self, draft: Draft) -> Vec<Change> {
        let is_same = self
            .previous
            .is_some_and(|record| record.spec == draft.spec && record.secrets == draft.secrets);
        if is_same {
            return Vec::new();
        }
        vec![Change::Put(Record {
            kind: self.kind,
            id: self.id,
            gateway: self.gateway,
            name: draft.name,
            spec: draft.spec,
            secrets: draft.secrets,
            revision: 0,
            created_at_ms: 0,
            updated_at_ms: 0,
        })]
    }
}

/// Takes out the fields that an answer adds; an id that is not the object's own is a fault.
fn check_read_only(written: &mut Value, place: &Place<'_>, faults: &mut Faults) {
    let Some(map) = written.as_object_mut() else {
        return;
    };
    for (name, own) in [("id", Some(place.id)), ("gateway_id", place.gateway)] {
        let is_own = match map.get(name) {
            None | Some(Value::Null) => true,
            Some(value) => own.is_some_and(|own| value.as_str() == Some(&own.to_string())),
        };
        if !is_own {
            let message = "must not be written: ids are given by the gateway and stay";
            faults.push(format!("/{name}"), message);
        }
    }
    for name in READ_ONLY {
        map.shift_remove(name);
    }
}
