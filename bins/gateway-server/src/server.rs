//! A running gateway: its parts, joined.

use std::net::SocketAddr;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ai_gateway_admin::{Access, Admin, FirstGatewayError, first_gateway};
use ai_gateway_model::Configuration;
use ai_gateway_providers::Catalogue;
use ai_gateway_proxy::{
    Compiler, Connections, Door, Endpoint, Lanes, Proxy, ProxySettings, Shutdown,
};
use ai_gateway_registry::{Fleet, Registry};
use ai_gateway_store::{Clock, CommitError, Location, Store, StoreOptions};
use ai_gateway_telemetry::Telemetry;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::error;

use crate::catalogue;
use crate::secrets;
use crate::settings::{Listen, Settings};
use crate::sockets::Inherited;
use crate::start_error::StartError;
use crate::tls::{Certificate, Reload, TlsError};

/// A running gateway.
///
/// Dropping it stops it at once, with what is under way; [`stop`](Self::stop) drains first.
#[derive(Debug)]
pub struct Server {
    admin: Option<SocketAddr>,
    proxy: Option<SocketAddr>,
    data_dir: PathBuf,
    store: Store,
    /// The proxy's tasks, which end first.
    proxying: TaskTracker,
    tasks: TaskTracker,
    /// Begins the drain of the proxy.
    stopping: CancellationToken,
    /// Ends the rest.
    closing: CancellationToken,
    certificates: Vec<Arc<Certificate>>,
    _stop_on_drop: tokio_util::sync::DropGuard,
}

impl Server {
    /// Starts a gateway; it serves when this returns.
    ///
    /// Dropping the future stops what was begun.
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing is left running then.
    pub async fn start(settings: &Settings) -> Result<Self, StartError> {
        let data_dir = settings.data_dir()?;
        let token = settings.token.read()?;
        let catalogue = Arc::new(catalogue::read(settings.catalogue.as_deref())?);
        let access = match settings.admin_listen {
            Listen::On(address) => Some(Access::for_listener(address, token.as_ref())?),
            Listen::Off => None,
        };
        // The addresses come first: a port that is taken is the most likely mistake.
        let mut inherited = Inherited::take();
        let admin = inherited.listen(settings.admin_listen).await?;
        let proxy = inherited.listen(settings.proxy_listen).await?;
        inherited.finish();
        let proxy_tls = settings.tls.proxy()?.map(Certificate::read).transpose()?;
        let admin_tls = settings.tls.admin()?.map(Certificate::read).transpose()?;
        let mut options = StoreOptions::new(&data_dir);
        if let Some(store) = &settings.store {
            options = options.location(Location::parse(store)?);
        }
        let store = Store::open(options).await?;
        ensure_first_gateway(&store).await?;

        let telemetry = Telemetry::new(env!("CARGO_PKG_VERSION"));
        let lanes = lanes(&telemetry)?;
        let registry = registry(settings, &telemetry, Arc::clone(&catalogue), &lanes);
        let registry = Arc::new(registry);
        make_live(&registry, &telemetry, &store.current());
        let closing = CancellationToken::new();
        let stopping = closing.child_token();
        let tasks = TaskTracker::new();
        let server = Self {
            admin: admin.as_ref().and_then(|socket| socket.local_addr().ok()),
            proxy: proxy.as_ref().and_then(|socket| socket.local_addr().ok()),
            data_dir,
            store: store.clone(),
            _stop_on_drop: closing.clone().drop_guard(),
            stopping,
            closing,
            certificates: proxy_tls.iter().chain(&admin_tls).cloned().collect(),
            proxying: TaskTracker::new(),
            tasks,
        };
        server.follow(&registry, &telemetry);
        server.check_actively(&registry);
        server.watch_certificates();
        if let Some(socket) = proxy {
            let door = door(socket, proxy_tls.as_ref())?.with_lanes(lanes);
            let settings = proxy_settings(settings, catalogue);
            server.serve_proxy(door, Arc::clone(&registry), telemetry.clone(), settings);
        }
        if let (Some(socket), Some(access)) = (admin, access) {
            let fleet: Arc<dyn Fleet> = registry;
            let admin = Admin::new(store, fleet, telemetry, access)
                .providers(ai_gateway_providers::provider_names());
            let tls = admin_tls.map(|certificate| certificate.config(&["http/1.1"]));
            server.serve_admin(socket, tls.transpose()?, admin, settings);
        }
        Ok(server)
    }

    /// Where the Admin API listens; `None` when it is off.
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// Where the proxy listens; `None` when it is off.
    pub fn proxy_addr(&self) -> Option<SocketAddr> {
        self.proxy
    }

    /// The folder of the store.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// What is configured now.
    pub fn configuration(&self) -> Arc<Configuration> {
        self.store.current()
    }

    /// Stops taking the proxy's connections, lets requests under way finish within the drain time,
    /// then ends the Admin API, closes the store and returns. Meanwhile the Admin API answers, and
    /// its `/readyz` says 503.
    ///
    /// Dropping the future cuts what is still under way.
    pub async fn stop(self) {
        self.stopping.cancel();
        self.proxying.close();
        self.proxying.wait().await;
        self.closing.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.store.close().await;
    }

    /// Makes each new configuration live, whoever wrote it.
    fn follow(&self, registry: &Arc<Registry<Endpoint>>, telemetry: &Telemetry) {
        let (registry, telemetry) = (Arc::clone(registry), telemetry.clone());
        let mut configurations = self.store.watch();
        let closing = self.closing.clone();
        self.tasks.spawn(async move {
            while let Some(Ok(())) = closing.run_until_cancelled(configurations.changed()).await {
                let newest = Arc::clone(&configurations.borrow_and_update());
                make_live(&registry, &telemetry, &newest);
            }
        });
    }

    /// Reads the listeners' certificates again. What cannot be used is logged, and stays as it was.
    pub fn reload_certificates(&self) {
        for certificate in &self.certificates {
            certificate.reload(Reload::Always);
        }
    }

    fn watch_certificates(&self) {
        let certificates = self.certificates.clone();
        if certificates.is_empty() {
            return;
        }
        let closing = self.closing.clone();
        self.tasks.spawn(async move {
            let mut looks = tokio::time::interval(CERTIFICATE_LOOKS);
            while closing.run_until_cancelled(looks.tick()).await.is_some() {
                for certificate in &certificates {
                    certificate.reload(Reload::IfChanged);
                }
            }
        });
    }

    fn check_actively(&self, registry: &Arc<Registry<Endpoint>>) {
        let checks = ai_gateway_proxy::check_actively(Arc::clone(registry), self.stopping.clone());
        self.tasks.spawn(checks);
    }

    fn serve_proxy(
        &self,
        door: Door,
        registry: Arc<Registry<Endpoint>>,
        telemetry: Telemetry,
        settings: ProxySettings,
    ) {
        let connections = settings.connections;
        let door = door.counted(telemetry.clone());
        let proxy = Proxy::new(registry, telemetry, settings);
        let shutdown = Shutdown {
            drain: self.stopping.clone(),
            ending: proxy.ending(),
        };
        self.proxying
            .spawn(ai_gateway_proxy::serve(door, proxy, connections, shutdown));
    }

    fn serve_admin(
        &self,
        socket: TcpListener,
        tls: Option<Arc<ServerConfig>>,
        admin: Admin,
        settings: &Settings,
    ) {
        let closing = self.closing.clone();
        let is_stopping = self.stopping.clone();
        let admin = admin.ready_when(move || {
            if is_stopping.is_cancelled() {
                Err("the gateway is stopping")
            } else {
                Ok(())
            }
        });
        let drain = Duration::from_secs(settings.drain_seconds);
        let serving =
            ai_gateway_admin::serve(socket, tls, ai_gateway_admin::router(admin), closing, drain);
        self.tasks.spawn(async move {
            if let Err(error) = serving.await {
                error!(%error, "the Admin API's listener failed");
            }
        });
    }
}

/// Between two looks whether a certificate's files have changed.
const CERTIFICATE_LOOKS: Duration = Duration::from_secs(10);

fn proxy_settings(settings: &Settings, catalogue: Arc<Catalogue>) -> ProxySettings {
    let drain = Duration::from_secs(settings.drain_seconds);
    // What the system says it allows; without an answer, as many as by default.
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    ProxySettings {
        connections: settings.limits.connections(files, drain),
        bodies: settings.limits.bodies(),
        base_domain: settings.base_domain.clone(),
        catalogue,
    }
}

/// The proxy's socket, with TLS where there is a certificate.
fn door(socket: TcpListener, certificate: Option<&Arc<Certificate>>) -> Result<Door, TlsError> {
    Ok(match certificate {
        Some(certificate) => Door::with_tls(socket, certificate.config(&["h2", "http/1.1"])?),
        None => socket.into(),
    })
}

/// One for each core that the process may run on.
fn lanes(telemetry: &Telemetry) -> Result<Lanes, StartError> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let lanes = Lanes::start(cores).map_err(StartError::Threads)?;
    let runtimes = lanes.runtimes().cloned();
    runtimes.for_each(|runtime| telemetry.add_runtime(runtime));
    Ok(lanes)
}

fn registry(
    settings: &Settings,
    telemetry: &Telemetry,
    catalogue: Arc<Catalogue>,
    lanes: &Lanes,
) -> Registry<Endpoint> {
    let elsewhere = settings
        .provider_base_urls
        .iter()
        .map(|given| (given.name.clone(), given.url.to_string()))
        .collect();
    let secrets = Box::new(secrets::read);
    let compiler = Compiler::new(
        Connections::new()
            .reach(settings.private_targets.into())
            .lanes(lanes),
        telemetry.clone(),
        elsewhere,
        secrets,
    );
    Registry::new(compiler.catalogue(catalogue))
}

fn make_live(registry: &Registry<Endpoint>, telemetry: &Telemetry, configuration: &Configuration) {
    let applied = registry.apply(configuration);
    let now = Duration::from_millis(Clock::system().now_ms());
    telemetry.configuration_applied(applied.revision, now);
}

/// A new store gets one gateway, so that the first upstream has somewhere to go.
async fn ensure_first_gateway(store: &Store) -> Result<(), StartError> {
    let written = serde_json::json!({ "name": "default", "default": true });
    match first_gateway(store, &written).await {
        Ok(_) => Ok(()),
        // A broken store serves what it last had; there is nothing to add to it.
        Err(FirstGatewayError::NotWritten(CommitError::ReadOnly(reason))) => {
            error!(error = %reason, "the store takes no changes");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}
