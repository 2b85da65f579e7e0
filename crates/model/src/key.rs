//! An application's API key.

use std::fmt;

use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::{
    Kind, Limits, Name, Secret,
    read::Field,
    reading::{Origin, Reading},
    upstream::required_name,
    value::{read_description, read_tags},
    write::Writer,
};

/// An application's API key, as far as it is kept: its secret is known by its hash alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    id: Uuid,
    name: Name,
    hash: Option<KeyHash>,
    expires_at: Option<Timestamp>,
    rules: Vec<Uuid>,
    limits: Limits,
    tags: Vec<String>,
    description: Option<String>,
}

/// The SHA-256 of a key's secret; the secret is random and long, so that no salt is needed.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// The slot of a key's record that holds the hash.
    pub const SLOT: &'static str = "sha256";

    /// Hashes a key's secret, as made or as a client sent it.
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// Returns the hash as the store keeps it.
    pub fn to_secret(self) -> Secret {
        Secret::new(hex::encode(self.0))
    }

    /// Returns the short digest by which a person recognises the key: `sha256:ab12cd34`.
    pub fn fingerprint(self) -> String {
        let [a, b, c, d, ..] = self.0;
        format!("sha256:{}", hex::encode([a, b, c, d]))
    }

    fn from_secret(secret: &Secret) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(secret.expose(), &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fingerprint())
    }
}

impl Key {
    /// Returns its identity.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Returns its name, unique in its gateway.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Returns the hash of its secret; a key in a [`Configuration`](crate::Configuration) has one.
    pub fn hash(&self) -> Option<KeyHash> {
        self.hash
    }

    /// Tells whether it is no longer good at `now_ms`, in milliseconds since the Unix epoch.
    pub fn is_expired(&self, now_ms: u64) -> bool {
        self.expires_at.is_some_and(|end| {
            u64::try_from(end.as_millisecond()).is_ok_and(|end_ms| end_ms <= now_ms)
                || end.as_millisecond() < 0
        })
    }

    /// Returns the rules it may be used with; empty: all of its gateway.
    pub fn rules(&self) -> &[Uuid] {
        &self.rules
    }

    /// Tells whether it may be used with `rule`.
    pub fn allows(&self, rule: Uuid) -> bool {
        self.rules.is_empty() || self.rules.contains(&rule)
    }

    /// Returns how much it may be used.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Writes the canonical JSON, which has no part of the secret.
    pub(crate) fn write(&self) -> Value {
        let mut writer = Writer::default();
        writer.put("name", &*self.name);
        writer.put_some("expires_at", self.expires_at.map(|end| end.to_string()));
        let rules: Vec<String> = self.rules.iter().map(Uuid::to_string).collect();
        writer.put_list("rules", &rules);
        writer.put_some("limits", self.limits.write());
        writer.put_list("tags", &self.tags);
        writer.put_some("description", self.description.as_deref());
        writer.finish()
    }

    /// Reads the document of the key `id`; faults are left in `reading`.
    pub(crate) fn read(id: Uuid, document: &Value, reading: &mut Reading<'_>) -> Option<Self> {
        let document = Field::document(document);
        let mut fields = document.fields(&mut reading.faults)?;
        fields.ignore(&["fingerprint"]);
        let name = required_name(&mut fields, reading);
        let faults = &mut reading.faults;
        let expires_at = fields.get("expires_at").and_then(|field| {
            field
                .text(faults)?
                .parse::<Timestamp>()
                .map_err(|_| {
                    faults.push_with(
                        &field.pointer,
                        "must be a time of RFC 3339 with its offset",
                        Some("2030-01-31T12:00:00Z".to_owned()),
                    );
                })
                .ok()
        });
        let limits = fields
            .get("limits")
            .and_then(|field| Limits::read(&field, faults));
        let tags = fields
            .get("tags")
            .and_then(|field| read_tags(&field, faults));
        let description = fields
            .get("description")
            .and_then(|field| read_description(&field, faults));
        let rules = fields.get("rules").map(|field| read_rules(&field, reading));
        fields.finish(&mut reading.faults);
        Some(Self {
            id,
            name: name?,
            hash: kept_hash(reading),
            expires_at,
            rules: rules.unwrap_or_default(),
            limits: limits.unwrap_or_default(),
            tags: tags.unwrap_or_default(),
            description,
        })
    }
}

fn read_rules(field: &Field<'_>, reading: &mut Reading<'_>) -> Vec<Uuid> {
    let mut faults = std::mem::take(&mut reading.faults);
    let mut rules = field
        .items(MAX_RULES, &mut faults, |item, faults| {
            std::mem::swap(faults, &mut reading.faults);
            let id = reading.resolve(Kind::Rule, item);
            std::mem::swap(faults, &mut reading.faults);
            id
        })
        .unwrap_or_default();
    if field.value.as_array().is_some_and(Vec::is_empty) {
        faults.push(
            &field.pointer,
            "must name a rule; leave it out to allow all",
        );
    }
    reading.faults = faults;
    rules.sort_unstable();
    rules.dedup();
    rules
}

fn kept_hash(reading: &mut Reading<'_>) -> Option<KeyHash> {
    match reading.origin {
        Origin::Operator { secrets, .. } => {
            secrets.get(KeyHash::SLOT).and_then(KeyHash::from_secret)
        }
        Origin::Store { secrets } => {
            let hash = secrets.get(KeyHash::SLOT).and_then(KeyHash::from_secret);
            if hash.is_none() {
                reading.faults.push("", "its hash is missing");
            }
            hash
        }
    }
}

const MAX_RULES: usize = 1000;
