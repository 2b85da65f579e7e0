//! What has to be written for one configuration to become the next.

use std::sync::Arc;

use ai_gateway_model::{Change, Configuration, Record};

use crate::{
    keyring::{Keyring, SealError},
    rows::{ObjectRow, SecretRow},
    sqlite::Step,
};

/// Gives each record that `changes` put its times: made when it first came, written now.
pub(crate) fn stamp(changes: &mut [Change], current: &Configuration, now_ms: u64) {
    for change in changes {
        if let Change::Put(record) = change {
            let before = current.record(record.kind, record.id);
            record.created_at_ms = before.map_or(now_ms, |before| before.created_at_ms);
            record.updated_at_ms = now_ms;
        }
    }
}

/// Lists the steps from `before` to `after`: what a change drags along, such as the objects of a
/// deleted gateway, is among them.
pub(crate) fn between(
    before: &Configuration,
    after: &Configuration,
    keyring: &Keyring,
) -> Result<Vec<Step>, SealError> {
    let gone = before
        .all_records()
        .filter(|old| after.record(old.kind, old.id).is_none())
        .map(|old| Ok(delete(old)));
    let written = after
        .all_records()
        .map(|new| (before.record(new.kind, new.id), new))
        .filter(|(old, new)| !old.is_some_and(|old| Arc::ptr_eq(old, new)))
        .map(|(old, new)| put(old, new, keyring));
    gone.chain(written).collect()
}

fn put(before: Option<&Arc<Record>>, after: &Record, keyring: &Keyring) -> Result<Step, SealError> {
    let old_secrets = before.map(|before| &before.secrets);
    let secrets = after
        .secrets
        .iter()
        .filter(|(slot, secret)| old_secrets.and_then(|old| old.get(*slot)) != Some(*secret))
        .map(|(slot, secret)| SecretRow::seal((after.kind, after.id), slot, secret, keyring))
        .collect::<Result<_, _>>()?;
    let emptied_slots = old_secrets
        .into_iter()
        .flat_map(|old| old.keys())
        .filter(|slot| !after.secrets.contains_key(*slot))
        .cloned()
        .collect();
    Ok(Step::Put {
        row: ObjectRow::new(after, keyring),
        before: before.map(|before| before.spec.to_string()),
        secrets,
        emptied_slots,
    })
}

fn delete(record: &Record) -> Step {
    Step::Delete {
        kind: record.kind,
        id: record.id,
        gateway: record.gateway,
        name: record.name.clone(),
        before: record.spec.to_string(),
    }
}
