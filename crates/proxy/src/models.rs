//! Answers `GET /v1/models` with what the caller may use.

use std::collections::BTreeMap;

use ai_gateway_model::Upstream;
use ai_gateway_providers::{Dialect, ModelEntry, render_models};
use bytes::Bytes;

use crate::failure::Failure;
use crate::route::Caller;

/// Every model that a target within the caller's reach lists, by name, in the client's shape.
///
/// # Errors
///
/// The caller's key is not good.
pub(crate) fn list(caller: &Caller, client: Dialect) -> Result<Bytes, Failure> {
    let mut models: BTreeMap<&str, &str> = BTreeMap::new();
    for upstream in caller.upstreams()? {
        for (model, owner) in of_upstream(upstream) {
            models.entry(model).or_insert(owner);
        }
    }
    let entries: Vec<ModelEntry> = models
        .into_iter()
        .map(|(id, owner)| ModelEntry {
            id: id.to_owned(),
            owned_by: owner.to_owned(),
            created: CREATED,
        })
        .collect();
    Ok(render_models(client, &entries))
}

fn of_upstream(upstream: &Upstream) -> impl Iterator<Item = (&str, &str)> {
    upstream.targets().iter().flat_map(|target| {
        let owner = target.destination().label();
        target
            .models()
            .iter()
            .chain(target.model_map().keys())
            .chain(target.default_model())
            .map(move |model| (&**model, owner))
    })
}

/// Nobody knows when a model was made, and both dialects demand a date: the epoch.
const CREATED: u64 = 0;
