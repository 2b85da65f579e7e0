//! Answers `GET /v1/models` with what the caller may use, and `GET /v1/models/{model}` with one of
//! them.

use std::collections::BTreeMap;

use ai_gateway_model::Upstream;
use ai_gateway_providers::{
    Catalogue, Dialect, ModelEntry, ModelLimits, model_of_path, render_model, render_models,
};
use bytes::Bytes;

use crate::failure::Failure;
use crate::route::Caller;

/// Every model that a target within the caller's reach lists, by name, in the client's shape; or
/// the one that `path` names.
///
/// # Errors
///
/// The caller's key is not good, or no target lists the one model.
pub(crate) fn list(
    caller: &Caller,
    client: Dialect,
    path: &str,
    catalogue: &Catalogue,
) -> Result<Bytes, Failure> {
    let mut models: BTreeMap<&str, ModelEntry> = BTreeMap::new();
    for upstream in caller.upstreams()? {
        for (id, owner, own_name) in of_upstream(upstream) {
            let facts = catalogue.find(owner, own_name);
            let limits = facts.map(|facts| ModelLimits {
                context_tokens: facts.context_tokens,
                max_output_tokens: facts.max_output_tokens,
            });
            let entry = models.entry(id).or_insert_with(|| ModelEntry {
                id: id.to_owned(),
                owned_by: owner.to_owned(),
                created: CREATED,
                limits: None,
            });
            // Whichever target serves it, no more than this may be counted on.
            entry.limits = match (entry.limits, limits) {
                (Some(known), Some(other)) => Some(known.least(other)),
                (known, other) => known.or(other),
            };
        }
    }
    let Some(model) = model_of_path(path) else {
        let entries: Vec<ModelEntry> = models.into_values().collect();
        return Ok(render_models(client, &entries));
    };
    match models.get(&*model) {
        Some(entry) => Ok(render_model(client, entry)),
        None => Err(Failure::ModelNotFound {
            model: model.into_owned(),
        }),
    }
}

/// The models that targets list: their names, their owners, and the owners' names for them.
fn of_upstream(upstream: &Upstream) -> impl Iterator<Item = (&str, &str, &str)> {
    upstream.targets().iter().flat_map(|target| {
        let owner = target.destination().label();
        target
            .models()
            .iter()
            .chain(target.model_map().keys())
            .chain(target.default_model())
            .map(move |model| {
                let own_name = target.model_map().get(model).unwrap_or(model);
                (&**model, owner, &**own_name)
            })
    })
}

/// Nobody knows when a model was made, and both dialects demand a date: the epoch.
const CREATED: u64 = 0;
