//! Joins the parts of the AI gateway and runs them.
//!
//! [`Server::start`] reads the store, opens the listeners and serves until it is told to stop;
//! the binary of the same name does that for the settings of a command line. Programs and tests
//! use it to run a whole gateway within themselves.

mod banner;
mod catalogue;
mod secrets;
mod server;
mod settings;
mod sockets;
mod start_error;
mod tls;

pub use banner::banner;
pub use catalogue::CatalogueFault;
pub use server::Server;
pub use settings::{
    LimitSettings, Listen, LogFormat, NoDataDir, PrivateTargets, ProviderBaseUrl, Seconds,
    Settings, TlsSettings, TokenError, TokenSettings,
};
pub use start_error::StartError;
pub use tls::TlsError;
