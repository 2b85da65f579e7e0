//! Objects as the store keeps them.

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

use crate::{Faults, Kind, Secret};

/// One object as the store keeps it: its canonical JSON without secrets, and the secrets beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// What the object is.
    pub kind: Kind,
    /// Its identity, for as long as it exists; version 7, so that ids order by creation.
    pub id: Uuid,
    /// The gateway it belongs to; `None` for a gateway itself.
    pub gateway: Option<Uuid>,
    /// Its name, unique in its gateway and kind.
    pub name: String,
    /// Its canonical JSON. Where a secret belongs stands [`Secret::MASK`].
    pub spec: Value,
    /// The secrets by slot: `targets/openai-0/credentials/header_value`.
    pub secrets: BTreeMap<String, Secret>,
    /// The configuration's revision that last wrote it; [`Configuration::next`] sets it.
    ///
    /// [`Configuration::next`]: crate::Configuration::next
    pub revision: u64,
    /// When it was created, in milliseconds since the Unix epoch.
    pub created_at_ms: u64,
    /// When it was last written, in milliseconds since the Unix epoch.
    pub updated_at_ms: u64,
}

/// One write to the configuration.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Creates the object, or replaces the one of the same kind and id.
    Put(Record),
    /// Removes the object, and with a gateway all that belongs to it.
    Delete {
        /// What the object is.
        kind: Kind,
        /// Its identity.
        id: Uuid,
    },
}

/// An object that cannot be part of a configuration, and why.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{kind} {name} ({id}): {cause}")]
pub struct RecordFault {
    /// What the object is.
    pub kind: Kind,
    /// Its identity.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// What is wrong with it.
    pub cause: RecordFaultCause,
}

/// What is wrong with one object of a configuration.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordFaultCause {
    /// Another object of its gateway and kind has the name.
    #[error("the name is taken")]
    NameTaken,
    /// Its gateway does not exist, or it is a gateway inside a gateway.
    #[error("its gateway does not exist")]
    NoSuchGateway,
    /// A deletion names an object that does not exist.
    #[error("it does not exist")]
    NotFound,
    /// A deletion would leave others without what they use.
    #[error("it is being used by {}", used_by(by))]
    InUse {
        /// Who uses it: kind and name.
        by: Vec<(Kind, String)>,
    },
    /// Its document is at fault, by itself or together with others.
    #[error("{0}")]
    Invalid(Faults),
}

/// Words who uses an object: `2 services: a, b`.
pub fn used_by(users: &[(Kind, String)]) -> String {
    let mut parts = Vec::new();
    for kind in Kind::ALL {
        let names: Vec<&str> = users
            .iter()
            .filter(|(user_kind, _)| *user_kind == kind)
            .map(|(_, name)| name.as_str())
            .collect();
        match names.len() {
            0 => {}
            1 => parts.push(format!("1 {kind}: {}", names.join(", "))),
            count => parts.push(format!(
                "{count} {}: {}",
                kind.collection(),
                names.join(", ")
            )),
        }
    }
    parts.join("; ")
}
