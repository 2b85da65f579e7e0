//! The one way out: connections to targets, pooled, with TLS and a deadline.

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use dashmap::DashMap;
use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::{ClientConfig, RootCertStore};
use tower::Service;
use tracing::{info, warn};

use crate::client::{self, BoxError};
use crate::lanes::Lanes;
use crate::reach::{Reach, Resolver};

/// A pool of connections to one origin with one credential.
pub(crate) type Pool = client::Pool<Within<HttpsConnector<HttpConnector<Resolver>>>>;

/// Makes the pools, and gives the same one again to whoever asks for the same origin and
/// credential, so that a change of configuration does not close connections that stay good.
#[derive(Debug)]
pub struct Connections {
    tls: ClientConfig,
    reach: Reach,
    lanes: usize,
    pools: DashMap<PoolKey, Weak<Pool>>,
}

/// What two requests must have in common to share a connection.
///
/// The credential is part of it: an answer that comes late on a connection can then only reach
/// a request of the same account.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct PoolKey {
    /// `https://host:port`.
    pub(crate) origin: String,
    /// The fingerprint of the credential, empty without one.
    pub(crate) credential: String,
    /// The deadline of a connection attempt, name look-up and TLS handshake included.
    pub(crate) connect: Duration,
}

impl Connections {
    /// Trusts the platform's certificate authorities, or Mozilla's where the platform has none.
    pub fn new() -> Self {
        let mut roots = RootCertStore::empty();
        let native = rustls_native_certs::load_native_certs();
        for error in &native.errors {
            warn!(%error, "a trusted certificate could not be read");
        }
        roots.add_parsable_certificates(native.certs);
        if roots.is_empty() {
            info!("the platform has no trusted certificates, using Mozilla's");
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        Self::with_roots(roots)
    }

    /// Trusts the given certificate authorities only.
    pub fn with_roots(roots: RootCertStore) -> Self {
        // The process has one crypto provider, whoever builds this into a larger program.
        let _already_there = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let tls = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            tls,
            reach: Reach::default(),
            lanes: 0,
            pools: DashMap::new(),
        }
    }

    /// Says where targets may be; [`Reach::Private`] when it is not called.
    #[must_use]
    pub fn reach(mut self, reach: Reach) -> Self {
        self.reach = reach;
        self
    }

    /// Keeps the connections of each of `lanes` apart; all together when it is not called.
    #[must_use]
    pub fn lanes(mut self, lanes: &Lanes) -> Self {
        self.lanes = lanes.count();
        self
    }

    /// The pool for `key`.
    pub(crate) fn pool(&self, key: PoolKey) -> Arc<Pool> {
        if let Some(pool) = self.pools.get(&key).and_then(|pool| pool.upgrade()) {
            return pool;
        }
        self.pools.retain(|_, pool| pool.strong_count() > 0);
        let pool = Arc::new(self.make(key.connect));
        self.pools.insert(key, Arc::downgrade(&pool));
        pool
    }

    fn make(&self, connect: Duration) -> Pool {
        let mut tcp = HttpConnector::new_with_resolver(Resolver::new(self.reach));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_connect_timeout(Some(connect));
        tcp.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
        let tls = HttpsConnectorBuilder::new()
            .with_tls_config(self.tls.clone())
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let connector = Within {
            connector: tls,
            reach: self.reach,
            deadline: connect,
        };
        Pool::new(connector, self.lanes)
    }
}

impl Default for Connections {
    fn default() -> Self {
        Self::new()
    }
}

/// A connector to addresses within reach, with a deadline over all that it does: name look-up, TCP, TLS.
#[derive(Clone, Debug)]
pub(crate) struct Within<C> {
    connector: C,
    reach: Reach,
    deadline: Duration,
}

impl<C> Service<Uri> for Within<C>
where
    C: Service<Uri, Future: Send + 'static, Error: Into<BoxError>>,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, origin: Uri) -> Self::Future {
        if let Err(refused) = self.reach.check(&origin) {
            return Box::pin(async move { Err(refused.into()) });
        }
        let connecting = tokio::time::timeout(self.deadline, self.connector.call(origin));
        Box::pin(async move { connecting.await?.map_err(Into::into) })
    }
}

/// Whether `error` came from a connection that could not be made within its deadline.
pub(crate) fn is_timeout(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<tokio::time::error::Elapsed>()
            || error
                .downcast_ref::<std::io::Error>()
                .is_some_and(|error| error.kind() == std::io::ErrorKind::TimedOut)
        {
            return true;
        }
        cause = error.source();
    }
    false
}

/// First probe of a silent TCP connection.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// How long sent data may stay unacknowledged: a peer that vanished in mid-stream.
const UNACKNOWLEDGED: Duration = Duration::from_secs(20);
