//! What a new store begins with.

use ai_gateway_model::{Change, Configuration, Draft, Faults, Kind, Record, ValidationContext};
use ai_gateway_store::{CommitError, Committed, Store};
use serde_json::Value;
use uuid::Uuid;

/// Creates a gateway as `document` says, such as `{"name": "default"}`, in a store that nobody has
/// written yet; any other store stays as it is, even one whose gateways were all deleted.
///
/// # Errors
///
/// [`FirstGatewayError`]; nothing was written then.
pub async fn first_gateway(
    store: &Store,
    document: &Value,
) -> Result<Committed, FirstGatewayError> {
    let id = Uuid::now_v7();
    let change = |configuration: &Configuration| {
        if configuration.revision() > 0 {
            return Ok(Vec::new());
        }
        let context = ValidationContext {
            configuration,
            id,
            gateway: None,
            previous: None,
            provider_known: &|_| false,
            provider_names: &[],
        };
        let draft = Draft::read(Kind::Gateway, document, &context)?;
        Ok(vec![Change::Put(Record {
            kind: Kind::Gateway,
            id,
            gateway: None,
            name: draft.name,
            spec: draft.spec,
            secrets: draft.secrets,
            revision: 0,
            created_at_ms: 0,
            updated_at_ms: 0,
        })])
    };
    let committed = store.commit("first start", change).await;
    committed.map_err(|error| match error {
        CommitError::Rejected(faults) => FirstGatewayError::Invalid(faults),
        error => FirstGatewayError::NotWritten(error),
    })
}

/// Why a new store has no gateway yet.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FirstGatewayError {
    /// The document describes no gateway.
    #[error("the first gateway cannot be made: {0}")]
    Invalid(Faults),
    /// The store did not take it.
    #[error("the first gateway could not be written")]
    NotWritten(#[source] CommitError<Faults>),
}
