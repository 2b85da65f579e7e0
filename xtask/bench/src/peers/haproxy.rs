//! haproxy with one thread; `http-no-delay` keeps it from holding small events back.

use std::{fs, process::Command};

use super::{Peer, Setup, bearer, find, free_address, own_directory, version_of};

/// Writes its configuration.
///
/// # Errors
///
/// When haproxy is not installed.
pub(super) fn prepare(setup: &Setup) -> anyhow::Result<Peer> {
    let program = find("haproxy", "haproxy")?;
    let directory = own_directory(setup, "haproxy")?;
    let address = free_address()?;
    let configuration = format!(
        "global
    nbthread 1
    maxconn 8000
defaults
    mode http
    option http-no-delay
    option http-keep-alive
    http-reuse always
    timeout connect 5s
    timeout client 300s
    timeout server 300s
frontend client
    bind {address} backlog 4096
    default_backend provider
backend provider
    server stand-in {} pool-max-conn 4096 pool-purge-delay 60s
",
        setup.provider
    );
    let file = directory.join("haproxy.cfg");
    fs::write(&file, configuration)?;
    Ok(Peer {
        name: "haproxy".to_owned(),
        version: version_of(Command::new(&program).arg("-v")),
        command: vec![
            program.display().to_string(),
            "-db".to_owned(),
            "-f".to_owned(),
            file.display().to_string(),
        ],
        address,
        same: bearer("sk-client"),
        translated: None,
        footprint: Some(program),
        keeps_bytes: true,
        can_stream: true,
    })
}
