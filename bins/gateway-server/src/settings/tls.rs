//! TLS of the listeners, as flags.

use std::path::PathBuf;

use clap::Args;

use crate::tls::{TlsError, TlsFiles};

/// Certificates of the listeners; without them they speak plain HTTP.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "TLS")]
pub struct TlsSettings {
    /// The proxy's certificate with its chain, PEM; read again when it changes and on SIGHUP.
    #[arg(long, env = "AIGW_PROXY_TLS_CERT", value_name = "FILE")]
    pub proxy_tls_cert: Option<PathBuf>,

    /// The key of that certificate, PEM.
    #[arg(long, env = "AIGW_PROXY_TLS_KEY", value_name = "FILE")]
    pub proxy_tls_key: Option<PathBuf>,

    /// The Admin API's certificate with its chain, PEM; read again as the proxy's is.
    #[arg(long, env = "AIGW_ADMIN_TLS_CERT", value_name = "FILE")]
    pub admin_tls_cert: Option<PathBuf>,

    /// The key of that certificate, PEM.
    #[arg(long, env = "AIGW_ADMIN_TLS_KEY", value_name = "FILE")]
    pub admin_tls_key: Option<PathBuf>,

    /// Authorities, PEM; callers of the Admin API must show a certificate of one of them.
    #[arg(long, env = "AIGW_ADMIN_TLS_CLIENT_CA", value_name = "FILE")]
    pub admin_tls_client_ca: Option<PathBuf>,
}

impl TlsSettings {
    pub(crate) fn proxy(&self) -> Result<Option<TlsFiles>, TlsError> {
        files(
            self.proxy_tls_cert.as_ref(),
            self.proxy_tls_key.as_ref(),
            None,
        )
    }

    pub(crate) fn admin(&self) -> Result<Option<TlsFiles>, TlsError> {
        files(
            self.admin_tls_cert.as_ref(),
            self.admin_tls_key.as_ref(),
            self.admin_tls_client_ca.as_ref(),
        )
    }
}

fn files(
    certificates: Option<&PathBuf>,
    key: Option<&PathBuf>,
    client_authorities: Option<&PathBuf>,
) -> Result<Option<TlsFiles>, TlsError> {
    match (certificates, key, client_authorities) {
        (None, None, None) => Ok(None),
        (Some(certificates), Some(key), client_authorities) => Ok(Some(TlsFiles {
            certificates: certificates.clone(),
            key: key.clone(),
            client_authorities: client_authorities.cloned(),
        })),
        _ => Err(TlsError::Half),
    }
}
