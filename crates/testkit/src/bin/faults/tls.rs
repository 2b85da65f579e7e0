//! A target behind TLS, with one certificate or another.
//!
//! The certificates and their keys are for this catalogue alone; nobody else trusts them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use ai_gateway_testkit::StandIn;
use anyhow::Result;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// What a target shows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Certificate {
    /// One that is as it should be.
    Right,
    /// One that was good until 2021.
    Expired,
    /// One for another name.
    Misnamed,
    /// One of an authority that the gateway does not trust.
    Untrusted,
}

impl Certificate {
    /// It and its key.
    const fn pem(self) -> &'static [u8] {
        match self {
            Self::Right => include_bytes!("tls/right.pem"),
            Self::Expired => include_bytes!("tls/expired.pem"),
            Self::Misnamed => include_bytes!("tls/misnamed.pem"),
            Self::Untrusted => include_bytes!("tls/untrusted.pem"),
        }
    }
}

/// The authority that the gateway trusts.
pub(crate) const AUTHORITY: &[u8] = include_bytes!("tls/authority.pem");

/// A stand-in that is spoken to through TLS. Dropping it closes its port.
pub(crate) struct Front {
    stand_in: StandIn,
    address: SocketAddr,
    _serving: JoinSet<()>,
}

impl Front {
    /// Puts `certificate` in front of `stand_in`.
    pub(crate) async fn start(certificate: Certificate, stand_in: StandIn) -> Result<Self> {
        let pem = certificate.pem();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(pem)?],
                PrivateKeyDer::from_pem_slice(pem)?,
            )?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let behind = stand_in.address();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(pass(acceptor.clone(), stream, behind));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self {
            stand_in,
            address,
            _serving: serving,
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// How many requests came through.
    pub(crate) fn requests(&self) -> usize {
        self.stand_in.requests().len()
    }
}

/// Takes TLS off one connection. A handshake that fails is what most certificates are there for.
async fn pass(acceptor: TlsAcceptor, stream: TcpStream, behind: SocketAddr) {
    if let Ok(mut outside) = acceptor.accept(stream).await
        && let Ok(mut inside) = TcpStream::connect(behind).await
    {
        copy_bidirectional(&mut outside, &mut inside).await.ok();
    }
}
