//! The whole configuration at one revision.

use std::{collections::BTreeMap, sync::Arc};

use uuid::Uuid;

use crate::{Change, Kind, Record, RecordFault, RecordFaultCause};

/// Every object at one revision: checked, immutable, cheap to share.
///
/// A clone shares the contents; [`next`](Self::next) shares all objects that did not change.
#[derive(Clone, Debug, Default)]
pub struct Configuration(Arc<Contents>);

#[derive(Clone, Debug, Default)]
struct Contents {
    revision: u64,
    records: BTreeMap<(Kind, Uuid), Arc<Record>>,
}

impl Configuration {
    /// Returns the configuration of a new store: nothing, at revision 0.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Builds the configuration that `records` make up, each with the revision it carries.
    ///
    /// # Errors
    ///
    /// Every fault of every record.
    pub fn from_records(revision: u64, records: Vec<Record>) -> Result<Self, Vec<RecordFault>> {
        let mut contents = Contents {
            revision,
            records: BTreeMap::new(),
        };
        for record in records {
            contents
                .records
                .insert((record.kind, record.id), Arc::new(record));
        }
        contents.checked()
    }

    /// Builds the configuration that follows this one when `changes` are made in their order.
    ///
    /// Each record put gets `revision`. This configuration stays as it is.
    ///
    /// # Errors
    ///
    /// Every fault that the changes would bring in.
    pub fn next(&self, revision: u64, changes: &[Change]) -> Result<Self, Vec<RecordFault>> {
        let mut contents = Contents {
            revision,
            records: self.0.records.clone(),
        };
        let mut faults = Vec::new();
        for change in changes {
            match change {
                Change::Put(record) => {
                    let mut record = record.clone();
                    record.revision = revision;
                    contents
                        .records
                        .insert((record.kind, record.id), Arc::new(record));
                }
                Change::Delete { kind, id } => match contents.records.remove(&(*kind, *id)) {
                    Some(_) if *kind == Kind::Gateway => contents
                        .records
                        .retain(|_, record| record.gateway != Some(*id)),
                    Some(_) => {}
                    None => faults.push(RecordFault {
                        kind: *kind,
                        id: *id,
                        name: String::new(),
                        cause: RecordFaultCause::NotFound,
                    }),
                },
            }
        }
        if faults.is_empty() {
            contents.checked()
        } else {
            Err(faults)
        }
    }

    /// Returns the revision; it grows with each commit and never repeats.
    pub fn revision(&self) -> u64 {
        self.0.revision
    }

    /// Returns one object's record.
    pub fn record(&self, kind: Kind, id: Uuid) -> Option<&Arc<Record>> {
        self.0.records.get(&(kind, id))
    }

    /// Lists the records of `kind` in `gateway` (`None`: the gateways themselves), oldest id first.
    pub fn records(
        &self,
        kind: Kind,
        gateway: Option<Uuid>,
    ) -> impl DoubleEndedIterator<Item = &Arc<Record>> {
        self.0
            .records
            .range((kind, Uuid::nil())..=(kind, Uuid::max()))
            .map(|(_, record)| record)
            .filter(move |record| record.gateway == gateway)
    }

    /// Lists every record, gateways first, each kind by id.
    pub fn all_records(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.0.records.values()
    }
}

impl Contents {
    fn checked(self) -> Result<Configuration, Vec<RecordFault>> {
        let mut faults = Vec::new();
        let mut names = BTreeMap::new();
        for record in self.records.values() {
            let mut fault = |cause| {
                faults.push(RecordFault {
                    kind: record.kind,
                    id: record.id,
                    name: record.name.clone(),
                    cause,
                });
            };
            let has_place = match record.gateway {
                None => record.kind == Kind::Gateway,
                Some(gateway) => {
                    record.kind != Kind::Gateway
                        && self.records.contains_key(&(Kind::Gateway, gateway))
                }
            };
            if !has_place {
                fault(RecordFaultCause::NoSuchGateway);
            }
            if names
                .insert((record.kind, record.gateway, &record.name), record.id)
                .is_some()
            {
                fault(RecordFaultCause::NameTaken);
            }
        }
        if faults.is_empty() {
            Ok(Configuration(Arc::new(self)))
        } else {
            Err(faults)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: Kind, id: u128, gateway: Option<u128>, name: &str) -> Record {
        Record {
            kind,
            id: Uuid::from_u128(id),
            gateway: gateway.map(Uuid::from_u128),
            name: name.into(),
            spec: serde_json::json!({ "name": name }),
            secrets: BTreeMap::new(),
            revision: 1,
            created_at_ms: 0,
            updated_at_ms: 0,
        }
    }

    #[test]
    fn deleting_a_gateway_takes_what_belongs_to_it() {
        let before = Configuration::from_records(
            1,
            vec![
                record(Kind::Gateway, 1, None, "a"),
                record(Kind::Key, 2, Some(1), "k"),
            ],
        )
        .unwrap();
        let after = before
            .next(
                2,
                &[Change::Delete {
                    kind: Kind::Gateway,
                    id: Uuid::from_u128(1),
                }],
            )
            .unwrap();
        assert_eq!(after.all_records().count(), 0);
        assert_eq!(before.all_records().count(), 2);
    }

    #[test]
    fn a_put_carries_the_new_revision() {
        let next = Configuration::empty()
            .next(7, &[Change::Put(record(Kind::Gateway, 1, None, "a"))])
            .unwrap();
        assert_eq!(
            next.records(Kind::Gateway, None).next().unwrap().revision,
            7
        );
    }
}
