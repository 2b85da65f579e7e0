//! Translates requests, answers, streams and errors between dialects.
//!
//! Pure: bytes in, bytes out; no socket, clock, task or environment. In the order a request meets
//! them:
//!
//! * [`Surface`] says what the client called, [`Intake`] reads from its body what routing needs;
//! * [`provider`] knows the providers, [`Dialect`] the wire formats they speak;
//! * [`encode`] writes the request for one target, and leaves an [`Exchange`] that brings its
//!   answer back: [`Exchange::response`] whole, [`Exchange::stream`] event by event;
//! * [`encode_continuation`] asks another target to go on with a stream that broke off, from
//!   where [`StreamRelay::interrupted`] says that it did;
//! * [`Catalogue`] knows models: their size, their price, what they can do;
//! * [`classify`] says what a target's refusal means, [`translate_error`] and [`render_error`]
//!   write errors in the client's dialect.
//!
//! Where client and target speak the same dialect the bytes pass through: nothing that this crate
//! does not know is lost. Where they do not, a request goes through one neutral form of ordered
//! content blocks, so that a dialect is one folder, not one per pair.

mod anthropic;
mod bedrock;
mod catalogue;
mod cohere;
mod continuation;
mod dialect;
mod error;
mod estimate;
mod event_stream;
mod exchange;
mod fault;
mod gemini;
mod intake;
mod json;
mod models;
mod neutral;
mod openai;
mod relay;
mod responses;
mod sse;
mod table;
mod usage;

pub use catalogue::{Ability, Catalogue, CatalogueError, ModelFacts, Price};
pub use continuation::{Interrupted, Prefill, Prefills, encode_continuation, may_be_continued};
pub use dialect::{Dialect, Surface, dialect_of_path};
pub use error::{GatewayError, render_error, render_error_event, translate_error};
pub use estimate::{estimate_tokens, render_token_count};
pub use exchange::{
    EncodeError, Encoded, EncodedBody, Exchange, Response, ResponseFault, Stamp, TargetTraits,
    encode,
};
pub use fault::{FaultClass, ProviderFault, classify};
pub use intake::{Intake, IntakeError};
pub use models::{ModelEntry, ModelLimits, model_of_path, render_model, render_models};
pub use relay::{StreamFault, StreamRelay};
pub use table::{
    Auth, AuthScheme, CallIds, DeveloperRole, MaxTokensField, MissingPart, Probe, Provider, Quirks,
    ResponsesApi, StreamUsage, TextParts, ToolIds, join_url_path, provider, provider_names,
};
pub use usage::Usage;
