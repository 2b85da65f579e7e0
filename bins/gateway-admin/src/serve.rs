//! `serve`: the Admin API alone, on a store that no server uses.

mod standby;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use ai_gateway_admin::{Access, Admin};
use ai_gateway_model::Secret;
use ai_gateway_registry::Fleet as _;
use ai_gateway_store::{Condition, Location, Store, StoreOptions};
use ai_gateway_telemetry::{
    Telemetry,
    logs::{self, LogFormat, LogSettings},
};
use directories::ProjectDirs;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    args::Serve,
    failure::{Failure, chain},
    output,
    signals::Signals,
};
use standby::Standby;

/// Serves until a signal tells it to stop. A second signal stops at once: whatever was answered is
/// on the disk.
pub(crate) async fn run(serve: &Serve, token: Option<&Secret>) -> Result<(), Failure> {
    let failed = |message: String| Failure::Serve { message };
    let _log = logs::init(LogSettings {
        format: LogFormat::Text,
        filter: "warn",
        is_colored: false,
    })
    .map_err(|error| failed(chain(&error)))?;
    let address = serve.admin_listen;
    let access = Access::for_listener(address, token).map_err(|error| failed(chain(&error)))?;
    // The address before the store: a port that is taken is the most likely mistake.
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| failed(format!("cannot listen on {address}: {error}")))?;
    let data_dir = data_dir(serve)?;
    let store = open(serve, &data_dir).await?;
    // From here on a signal is heard, however soon after the announcement it comes.
    let mut signals = Signals::listen()?;
    announce(listener.local_addr()?, &data_dir, &store)?;
    let shutdown = CancellationToken::new();
    let router = ai_gateway_admin::router(admin(&store, access));
    let serving = ai_gateway_admin::serve(listener, None, router, shutdown.clone(), DRAIN);
    let told_twice = async {
        signals.next().await;
        shutdown.cancel();
        signals.next().await;
    };
    let served = tokio::select! {
        served = serving => served,
        () = told_twice => Ok(()),
    };
    store.close().await;
    served.map_err(|error| failed(format!("the Admin API stopped: {error}")))
}

fn admin(store: &Store, access: Access) -> Admin {
    let fleet = Standby::default();
    fleet.apply(&store.current());
    let telemetry = Telemetry::new(env!("CARGO_PKG_VERSION"));
    Admin::new(store.clone(), Arc::new(fleet), telemetry, access)
        .providers(ai_gateway_providers::provider_names())
}

fn data_dir(serve: &Serve) -> Result<PathBuf, Failure> {
    match &serve.data_dir {
        Some(dir) => Ok(dir.clone()),
        None => ProjectDirs::from("", "", "ai-gateway")
            .map(|dirs| dirs.data_dir().to_owned())
            .ok_or(Failure::Usage {
                message: "there is no home folder to keep data in: use --data-dir".to_owned(),
            }),
    }
}

async fn open(serve: &Serve, data_dir: &std::path::Path) -> Result<Store, Failure> {
    let mut options = StoreOptions::new(data_dir);
    if let Some(store) = &serve.store {
        options = options.location(Location::parse(store)?);
    }
    Ok(Store::open(options).await?)
}

fn announce(address: SocketAddr, data_dir: &std::path::Path, store: &Store) -> Result<(), Failure> {
    if let Condition::ReadOnly(reason) = store.condition() {
        output::message(&format!(
            "warning: the last good configuration is served, and nothing can be changed: {}",
            chain(&*reason)
        ));
    }
    output::message(&format!("store: {}", data_dir.display()));
    // On standard output, for whoever started it with port 0.
    output::data(&format!("Admin API: http://{address}"))
}

/// How long calls under way may take after the signal to stop.
const DRAIN: Duration = Duration::from_secs(5);
