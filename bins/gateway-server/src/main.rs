//! Reads the settings, starts the gateway, waits for a signal, drains.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use ai_gateway_model::Secret;
use ai_gateway_telemetry::logs;
use clap::Parser as _;
use gateway_server::{LogFormat, Server, Settings, StartError, banner};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let mut settings = Settings::parse();
    #[expect(
        clippy::disallowed_methods,
        reason = "this binary is where the environment enters"
    )]
    if let Ok(token) = std::env::var("AIGW_ADMIN_TOKEN") {
        settings.token.set(Secret::new(token));
    }
    let is_terminal = std::io::stderr().is_terminal();
    let format = settings
        .log_format
        .unwrap_or_else(|| LogFormat::for_terminal(is_terminal));
    let log = logs::LogSettings {
        format: match format {
            LogFormat::Text => logs::LogFormat::Text,
            LogFormat::Json => logs::LogFormat::Json,
        },
        filter: &settings.log,
        is_colored: is_terminal,
    };
    let _log = match logs::init(log) {
        Ok(guard) => guard,
        Err(error) => return fail(&error),
    };
    log_panics();
    // For all but the proxy's connections, which have threads of their own.
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    match runtime.block_on(run(&settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

async fn run(settings: &Settings) -> Result<(), StartError> {
    let server = Server::start(settings).await?;
    // What a person reads goes to stdout, whole at once; a closed stdout is no reason to stop.
    std::io::stdout()
        .lock()
        .write_all(banner(&server).as_bytes())
        .ok();
    let signalled = tokio::select! {
        signalled = wait_for_signal() => signalled,
        () = reload_on_hangup(&server) => "none",
    };
    tracing::info!(signal = signalled, "stopping");
    tokio::select! {
        () = server.stop() => {}
        again = wait_for_signal() => tracing::warn!(signal = again, "stopping at once"),
    }
    Ok(())
}

/// Logs where a panic was, but not what it said: that may quote a request.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "a defect of the gateway: please report it");
    }));
}

/// Reads the certificates again at each SIGHUP.
async fn reload_on_hangup(server: &Server) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else {
        return std::future::pending().await;
    };
    while hangup.recv().await.is_some() {
        server.reload_certificates();
    }
    std::future::pending::<()>().await;
}

/// Waits for a request to stop: Ctrl-C or SIGTERM.
async fn wait_for_signal() -> &'static str {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        tracing::error!("signals cannot be received; stop the process by other means");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}

/// Tells a person why the gateway does not run, with every cause.
fn fail(error: &dyn std::error::Error) -> ExitCode {
    let mut text = format!("error: {error}\n");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!("  because: {error}\n"));
        cause = error.source();
    }
    std::io::stderr().lock().write_all(text.as_bytes()).ok();
    ExitCode::FAILURE
}
