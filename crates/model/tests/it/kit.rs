//! A workbench: a configuration that documents are written into by name.

use ai_gateway_model::{
    Change, Configuration, Draft, Faults, Kind, Record, RecordFault, Upstream, ValidationContext,
};
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) const GATEWAY: Uuid = Uuid::from_u128(1);

pub(crate) struct Bench {
    pub(crate) configuration: Configuration,
    next_id: u128,
}

impl Bench {
    /// A configuration with one gateway, `main`.
    pub(crate) fn new() -> Self {
        let mut bench = Self {
            configuration: Configuration::empty(),
            next_id: 1,
        };
        bench
            .write(Kind::Gateway, &json!({ "name": "main" }))
            .unwrap();
        bench
    }

    /// Reads a document, over the record of `previous` where there is one.
    pub(crate) fn draft(
        &self,
        kind: Kind,
        written: &Value,
        previous: Option<&Record>,
    ) -> Result<Draft, Faults> {
        let context = ValidationContext {
            configuration: &self.configuration,
            id: previous.map_or(Uuid::from_u128(self.next_id), |record| record.id),
            gateway: (kind != Kind::Gateway).then_some(GATEWAY),
            previous,
            provider_known: &|name| PROVIDERS.contains(&name),
            provider_names: &PROVIDERS,
        };
        Draft::read(kind, written, &context)
    }

    pub(crate) fn change(&self, kind: Kind, draft: Draft, previous: Option<&Record>) -> Change {
        Change::Put(Record {
            kind,
            id: previous.map_or(Uuid::from_u128(self.next_id), |record| record.id),
            gateway: (kind != Kind::Gateway).then_some(GATEWAY),
            name: draft.name,
            spec: draft.spec,
            secrets: draft.secrets,
            revision: 0,
            created_at_ms: 0,
            updated_at_ms: 0,
        })
    }

    pub(crate) fn commit(&mut self, changes: &[Change]) -> Result<(), Vec<RecordFault>> {
        let revision = self.configuration.revision() + 1;
        self.configuration = self.configuration.next(revision, changes)?;
        Ok(())
    }

    /// Creates an object.
    pub(crate) fn write(&mut self, kind: Kind, written: &Value) -> Result<Uuid, Vec<RecordFault>> {
        let mut draft = self.draft(kind, written, None).unwrap();
        if kind == Kind::Key {
            draft.set_key_hash(ai_gateway_model::KeyHash::of(&draft.name));
        }
        let change = self.change(kind, draft, None);
        let id = Uuid::from_u128(self.next_id);
        self.commit(&[change])?;
        self.next_id += 1;
        Ok(id)
    }

    /// Replaces the object called `name`.
    pub(crate) fn replace(
        &mut self,
        kind: Kind,
        name: &str,
        written: &Value,
    ) -> Result<(), Faults> {
        let previous = self.record(kind, name);
        let draft = self.draft(kind, written, Some(&previous))?;
        let change = self.change(kind, draft, Some(&previous));
        self.commit(&[change]).unwrap();
        Ok(())
    }

    pub(crate) fn record(&self, kind: Kind, name: &str) -> Record {
        let found = self.configuration.find(kind, Some(GATEWAY), name);
        Record::clone(found.unwrap())
    }

    pub(crate) fn upstream(&self, name: &str) -> Upstream {
        Upstream::clone(self.configuration.upstream(GATEWAY, name).unwrap())
    }

    pub(crate) fn target_names(&self, upstream: &str) -> Vec<String> {
        let upstream = self.upstream(upstream);
        let names = upstream
            .targets()
            .iter()
            .map(|target| target.name().to_string());
        names.collect()
    }
}

pub(crate) fn seed() -> Value {
    serde_json::from_str(include_str!("../../testdata/seeds-upstream.json")).unwrap()
}

/// Lists faults as `pointer: message`.
pub(crate) fn lines(faults: &Faults) -> Vec<String> {
    let fault_line =
        |fault: &ai_gateway_model::Fault| format!("{}: {}", fault.pointer, fault.message);
    faults.as_slice().iter().map(fault_line).collect()
}

const PROVIDERS: [&str; 3] = ["openai", "anthropic", "mistral"];
