//! Why a gateway does not start.

use std::net::SocketAddr;

use ai_gateway_admin::{FirstGatewayError, RefusedBind};
use ai_gateway_store::OpenError;

use crate::catalogue::CatalogueFault;
use crate::settings::{NoDataDir, TokenError};
use crate::tls::TlsError;

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// There is no place for the data.
    #[error(transparent)]
    NoDataDir(#[from] NoDataDir),
    /// The store cannot be opened.
    #[error("the store cannot be opened")]
    Store(#[from] OpenError),
    /// The first gateway could not be written.
    #[error("the first gateway cannot be written")]
    FirstGateway(#[from] FirstGatewayError),
    /// The Admin API's token cannot be had.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The operator's catalogue cannot be taken.
    #[error(transparent)]
    Catalogue(#[from] CatalogueFault),
    /// The Admin API would be open to other machines.
    #[error(transparent)]
    OpenAdmin(#[from] RefusedBind),
    /// A listener's certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system gives no more threads.
    #[error("the threads that serve connections cannot be started")]
    Threads(#[source] std::io::Error),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What stands in the way.
        source: std::io::Error,
    },
}
