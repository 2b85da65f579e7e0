//! What a reader of a document knows beside the document.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::{
    Configuration, Destination, Faults, Kind, Record, Secret, Target,
    fault::{did_you_mean, nearest},
    read::{Field, Fields},
};

/// What a written document is read against.
#[derive(Clone, Copy)]
pub struct ValidationContext<'a> {
    /// The configuration that the document will become part of.
    pub configuration: &'a Configuration,
    /// The object's identity.
    pub id: Uuid,
    /// The gateway that the object belongs to; `None` for a gateway.
    pub gateway: Option<Uuid>,
    /// The record that the document replaces: its names and secrets may be kept.
    pub previous: Option<&'a Record>,
    /// Tells whether a provider of that name exists.
    pub provider_known: &'a dyn Fn(&str) -> bool,
    /// Names to suggest for one that does not.
    pub provider_names: &'a [&'a str],
}

impl std::fmt::Debug for ValidationContext<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ValidationContext")
            .field("id", &self.id)
            .field("gateway", &self.gateway)
            .field("previous", &self.previous.map(|record| record.id))
            .finish_non_exhaustive()
    }
}

/// A document being read: where its secrets and references come from, and what was found wrong.
pub(crate) struct Reading<'a> {
    pub(crate) faults: Faults,
    pub(crate) provider_known: &'a dyn Fn(&str) -> bool,
    pub(crate) provider_names: &'a [&'a str],
    /// The targets that the document's targets may be the same as.
    pub(crate) previous: &'a [Target],
    pub(crate) origin: Origin<'a>,
}

/// Where a document comes from.
#[derive(Clone, Copy)]
pub(crate) enum Origin<'a> {
    /// An operator wrote it: names are looked up, masked secrets are those of `secrets`, for as
    /// long as the destination stays the same.
    Operator {
        configuration: &'a Configuration,
        gateway: Option<Uuid>,
        secrets: &'a BTreeMap<String, Secret>,
    },
    /// The store kept it: every masked secret is in `secrets`, every reference an id.
    Store {
        secrets: &'a BTreeMap<String, Secret>,
    },
}

impl Reading<'_> {
    /// Fetches the secret of `full_slot`, unless it would go elsewhere than it was meant to.
    pub(crate) fn kept_secret(
        &self,
        slot: &str,
        full_slot: &str,
        destination: &Destination,
    ) -> Result<Secret, &'static str> {
        match self.origin {
            Origin::Store { secrets } => secrets.get(full_slot).cloned().ok_or(NOT_KEPT),
            Origin::Operator { secrets, .. } => {
                let secret = secrets.get(full_slot).ok_or(NOT_KEPT)?;
                let was = self
                    .previous
                    .iter()
                    .find(|target| target.secret_slot() == slot);
                if was.is_some_and(|target| target.destination() == destination) {
                    Ok(secret.clone())
                } else {
                    Err(MOVED)
                }
            }
        }
    }

    /// Reads a reference to another object out of the first of `names` that is present; `None`
    /// when neither is, `Some(None)` when it leads nowhere.
    #[expect(
        clippy::option_option,
        reason = "absent and at fault lead to different faults, and both are ordinary here"
    )]
    pub(crate) fn reference(
        &mut self,
        kind: Kind,
        names: [&'static str; 2],
        fields: &mut Fields<'_>,
    ) -> Option<Option<Uuid>> {
        let [first, second] = names;
        let written = [fields.get(first), fields.get(second)];
        let mut found: Option<Option<Uuid>> = None;
        for field in written.into_iter().flatten() {
            let id = self.resolve(kind, &field);
            let is_other = matches!((found, id), (Some(Some(before)), Some(id)) if before != id);
            if is_other {
                let message = format!("must name the same {kind} as {first}");
                self.faults.push(field.pointer, message);
            }
            found = found.or(Some(id));
        }
        found
    }

    /// Finds the object that a reference names, by id or by name.
    pub(crate) fn resolve(&mut self, kind: Kind, field: &Field<'_>) -> Option<Uuid> {
        let text = field.text(&mut self.faults)?;
        match self.origin {
            Origin::Store { .. } => Uuid::try_parse(text)
                .map_err(|_| self.faults.push(&field.pointer, "must be an id"))
                .ok(),
            Origin::Operator {
                configuration,
                gateway,
                ..
            } => {
                let found = configuration.find(kind, gateway, text);
                if found.is_none() {
                    let names = configuration.records(kind, gateway);
                    let near = nearest(text, names.map(|record| record.name.as_str()));
                    let message = format!("no {kind} named {text}");
                    self.faults
                        .push_with(&field.pointer, message, did_you_mean(near));
                }
                found.map(|record| record.id)
            }
        }
    }
}

const NOT_KEPT: &str = "there is no secret to keep here: write the value itself";
const MOVED: &str = "the target's destination has changed: write the secret again";
