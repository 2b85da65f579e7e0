//! TLS of the listeners: certificates from files, read again when they change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, VerifierBuilderError, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use tracing::{info, warn};

/// Where a listener's certificate and its key are.
#[derive(Clone, Debug)]
pub(crate) struct TlsFiles {
    pub(crate) certificates: PathBuf,
    pub(crate) key: PathBuf,
    /// The authorities of which clients must have a certificate; `None` asks for none.
    pub(crate) client_authorities: Option<PathBuf>,
}

/// Why a listener has no TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// One of certificate and key is set, or client authorities are set without them.
    #[error("TLS of a listener needs both a certificate and a key file")]
    Half,
    /// A file cannot be read, or holds nothing of what it should.
    #[error("{} cannot be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What stood in the way.
        source: pem::Error,
    },
    /// Certificate and key do not belong together, or are of a kind that is not known.
    #[error("{} and its key cannot be used", path.display())]
    Unusable {
        /// The certificate's file.
        path: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
    /// The client authorities cannot be used.
    #[error("the client authorities cannot be used")]
    Authorities(#[from] VerifierBuilderError),
}

/// The certificate that a listener shows; connections that are open keep the one they were shown.
#[derive(Debug)]
pub(crate) struct Certificate {
    files: TlsFiles,
    seen: ArcSwap<Mark>,
    current: ArcSwap<CertifiedKey>,
}

/// When the files were last written, as far as the file system tells.
type Mark = [Option<SystemTime>; 2];

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// [`TlsError`] when they cannot be used.
    pub(crate) fn read(files: TlsFiles) -> Result<Arc<Self>, TlsError> {
        let seen = mark(&files);
        let current = load(&files)?;
        Ok(Arc::new(Self {
            files,
            seen: ArcSwap::from_pointee(seen),
            current: ArcSwap::from_pointee(current),
        }))
    }

    /// How to talk TLS 1.2 and 1.3 with this certificate.
    ///
    /// # Errors
    ///
    /// [`TlsError`] when the client authorities cannot be used.
    pub(crate) fn config(
        self: &Arc<Self>,
        protocols: &[&str],
    ) -> Result<Arc<ServerConfig>, TlsError> {
        let unusable = |source| TlsError::Unusable {
            path: self.files.certificates.clone(),
            source,
        };
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(unusable)?;
        let builder = match &self.files.client_authorities {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for authority in certificates(path)? {
                    roots.add(authority).map_err(unusable)?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
                builder.with_client_cert_verifier(verifier.build()?)
            }
        };
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Self>::clone(self);
        let mut config = builder.with_cert_resolver(resolver);
        config.alpn_protocols = protocols
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        Ok(Arc::new(config))
    }

    /// Reads the files again where they have changed, or in any case; what cannot be used is
    /// logged, and the certificate stays as it was.
    pub(crate) fn reload(&self, when: Reload) {
        let now = mark(&self.files);
        if when == Reload::IfChanged && now == **self.seen.load() {
            return;
        }
        let path = self.files.certificates.display();
        match load(&self.files) {
            Ok(key) => {
                self.current.store(Arc::new(key));
                info!(file = %path, "certificate read");
            }
            Err(error) => warn!(file = %path, %error, "certificate not read, the old one stays"),
        }
        self.seen.store(Arc::new(now));
    }
}

/// When to read a certificate again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reload {
    Always,
    IfChanged,
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn load(files: &TlsFiles) -> Result<CertifiedKey, TlsError> {
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|source| TlsError::File {
        path: files.key.clone(),
        source,
    })?;
    CertifiedKey::from_der(certificates(&files.certificates)?, key, &provider()).map_err(|source| {
        TlsError::Unusable {
            path: files.certificates.clone(),
            source,
        }
    })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::File {
        path: path.to_owned(),
        source,
    };
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .map_err(failed)?
        .collect();
    match read {
        Ok(none) if none.is_empty() => Err(failed(pem::Error::NoItemsFound)),
        Ok(some) => Ok(some),
        Err(error) => Err(failed(error)),
    }
}

fn mark(files: &TlsFiles) -> Mark {
    [&files.certificates, &files.key]
        .map(|path| path.metadata().and_then(|file| file.modified()).ok())
}
