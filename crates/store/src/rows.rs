//! The form in which objects rest, in the database and in the last-good file alike, and the proof
//! that they are as this gateway wrote them.
//!
//! Each row carries a mark that only the holder of the master key can make. The marks of all rows
//! fold into one value, sealed together with the revision: so an altered row shows by its mark, and
//! a lost or revived row by the fold. Whatever is read is taken for hostile until both fit.

use std::collections::{BTreeMap, HashMap};

use ai_gateway_model::{Kind, Record, Secret};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    error::Damage,
    keyring::{Context, Keyring, Mark, NotAuthentic, SealError},
};

/// Which store this is and where it stands.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Head {
    pub(crate) store_id: String,
    pub(crate) key_id: String,
    pub(crate) revision: u64,
    #[serde(with = "hex::serde")]
    pub(crate) content_fold: Mark,
    #[serde(with = "hex::serde")]
    pub(crate) seal: Vec<u8>,
}

/// An object as it rests.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct ObjectRow {
    pub(crate) kind: String,
    pub(crate) id: String,
    pub(crate) gateway_id: Option<String>,
    pub(crate) name: String,
    pub(crate) spec: String,
    pub(crate) revision: i64,
    pub(crate) created_at_ms: i64,
    pub(crate) updated_at_ms: i64,
    #[serde(with = "hex::serde")]
    pub(crate) mac: Vec<u8>,
}

/// One secret of an object as it rests.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct SecretRow {
    pub(crate) kind: String,
    pub(crate) object_id: String,
    pub(crate) slot: String,
    #[serde(with = "hex::serde")]
    pub(crate) sealed: Vec<u8>,
}

/// All that is configured, as it rests.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Contents {
    pub(crate) objects: Vec<ObjectRow>,
    pub(crate) secrets: Vec<SecretRow>,
}

impl Head {
    /// Makes the head of a store that is new and empty.
    pub(crate) fn new(keyring: &Keyring) -> Self {
        let mut head = Self {
            store_id: Uuid::now_v7().to_string(),
            key_id: keyring.id().to_owned(),
            revision: 0,
            content_fold: Mark::default(),
            seal: Vec::new(),
        };
        head.seal = head.expected_seal(keyring).to_vec();
        head
    }

    /// Makes the head that follows when the marks in `changed` come or go.
    pub(crate) fn next(&self, keyring: &Keyring, changed: impl IntoIterator<Item = Mark>) -> Self {
        let mut next = self.clone();
        next.revision += 1;
        for mark in changed {
            fold(&mut next.content_fold, &mark);
        }
        next.seal = next.expected_seal(keyring).to_vec();
        next
    }

    fn expected_seal(&self, keyring: &Keyring) -> Mark {
        keyring.mark(&[
            b"head".as_slice(),
            self.store_id.as_bytes(),
            &self.revision.to_le_bytes(),
            &self.content_fold,
        ])
    }
}

impl ObjectRow {
    /// Writes down `record`, marked.
    pub(crate) fn new(record: &Record, keyring: &Keyring) -> Self {
        let mut row = Self {
            kind: record.kind.as_str().to_owned(),
            id: record.id.to_string(),
            gateway_id: record.gateway.map(|id| id.to_string()),
            name: record.name.clone(),
            spec: record.spec.to_string(),
            revision: clamp(record.revision),
            created_at_ms: clamp(record.created_at_ms),
            updated_at_ms: clamp(record.updated_at_ms),
            mac: Vec::new(),
        };
        row.mac = row.expected_mark(&record.secrets, keyring).to_vec();
        row
    }

    fn expected_mark(&self, secrets: &BTreeMap<String, Secret>, keyring: &Keyring) -> Mark {
        let (revision, created, updated) = (
            self.revision.to_le_bytes(),
            self.created_at_ms.to_le_bytes(),
            self.updated_at_ms.to_le_bytes(),
        );
        let mut parts: Vec<&[u8]> = vec![
            b"object",
            self.kind.as_bytes(),
            self.id.as_bytes(),
            self.gateway_id.as_deref().unwrap_or_default().as_bytes(),
            self.name.as_bytes(),
            self.spec.as_bytes(),
            &revision,
            &created,
            &updated,
        ];
        for (slot, secret) in secrets {
            parts.extend([slot.as_bytes(), secret.expose().as_bytes()]);
        }
        keyring.mark(&parts)
    }

    fn owner(&self) -> String {
        owner(&self.kind, &self.id)
    }

    fn unreadable(&self, column: &'static str) -> Damage {
        Damage::Value {
            table: "objects",
            row: self.owner(),
            column,
        }
    }

    fn open(
        &self,
        secrets: BTreeMap<String, Secret>,
        keyring: &Keyring,
    ) -> Result<(Record, Mark), Damage> {
        let mark = self.expected_mark(&secrets, keyring);
        if self.mac != mark {
            return Err(Damage::Altered {
                table: "objects",
                row: self.owner(),
            });
        }
        let record = Record {
            kind: self.kind.parse().map_err(|_| self.unreadable("kind"))?,
            id: self.id.parse().map_err(|_| self.unreadable("id"))?,
            gateway: self
                .gateway_id
                .as_deref()
                .map(str::parse)
                .transpose()
                .map_err(|_| self.unreadable("gateway_id"))?,
            name: self.name.clone(),
            spec: serde_json::from_str(&self.spec).map_err(|_| self.unreadable("spec"))?,
            secrets,
            revision: unclamp(self.revision),
            created_at_ms: unclamp(self.created_at_ms),
            updated_at_ms: unclamp(self.updated_at_ms),
        };
        Ok((record, mark))
    }
}

impl SecretRow {
    /// Encrypts one secret of an object.
    pub(crate) fn seal(
        (kind, id): (Kind, Uuid),
        slot: &str,
        secret: &Secret,
        keyring: &Keyring,
    ) -> Result<Self, SealError> {
        let object_id = id.to_string();
        let context = Context {
            purpose: "secret",
            owner: &owner(kind.as_str(), &object_id),
            slot,
        };
        Ok(Self {
            sealed: keyring.seal(&context, secret.expose().as_bytes())?,
            kind: kind.as_str().to_owned(),
            object_id,
            slot: slot.to_owned(),
        })
    }

    fn open(&self, keyring: &Keyring) -> Result<Secret, Damage> {
        let owner = owner(&self.kind, &self.object_id);
        let context = Context {
            purpose: "secret",
            owner: &owner,
            slot: &self.slot,
        };
        let altered = || Damage::Altered {
            table: "secrets",
            row: format!("{owner}/{}", self.slot),
        };
        let plain = keyring
            .open(&context, &self.sealed)
            .map_err(|NotAuthentic| altered())?;
        let text = str::from_utf8(&plain).map_err(|_| altered())?;
        Ok(Secret::new(text))
    }
}

impl Contents {
    /// Opens every row, having made sure that they are the rows that `head` was sealed for.
    pub(crate) fn open(&self, head: &Head, keyring: &Keyring) -> Result<Vec<Record>, Damage> {
        if head.seal != head.expected_seal(keyring) {
            return Err(Damage::Altered {
                table: "meta",
                row: head.store_id.clone(),
            });
        }
        let mut secrets: HashMap<_, BTreeMap<_, _>> = HashMap::new();
        for row in &self.secrets {
            secrets
                .entry((row.kind.as_str(), row.object_id.as_str()))
                .or_default()
                .insert(row.slot.clone(), row.open(keyring)?);
        }
        let mut content_fold = Mark::default();
        let mut records = Vec::with_capacity(self.objects.len());
        for row in &self.objects {
            let secrets = secrets
                .remove(&(row.kind.as_str(), row.id.as_str()))
                .unwrap_or_default();
            let (record, mark) = row.open(secrets, keyring)?;
            fold(&mut content_fold, &mark);
            records.push(record);
        }
        if content_fold != head.content_fold || !secrets.is_empty() {
            return Err(Damage::OtherRows {
                revision: head.revision,
            });
        }
        Ok(records)
    }
}

/// Adds `mark` to the fold, or takes it away again: marks fold by exclusive or, in any order.
fn fold(into: &mut Mark, mark: &Mark) {
    for (to, from) in into.iter_mut().zip(mark) {
        *to ^= from;
    }
}

fn owner(kind: &str, id: &str) -> String {
    format!("{kind}/{id}")
}

/// SQL integers are signed; no revision or time reaches the half that is lost.
fn clamp(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unclamp(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}
