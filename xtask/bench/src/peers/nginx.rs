//! nginx with one worker, tuned as for this task: pooled connections both ways, bodies in memory,
//! events passed on at once.

use std::{fs, net::SocketAddr, process::Command};

use super::{Peer, Setup, bearer, find, free_address, own_directory, version_of};

/// Writes its configuration.
///
/// # Errors
///
/// When nginx is not installed.
pub(super) fn prepare(setup: &Setup) -> anyhow::Result<Peer> {
    let program = find("nginx", "nginx-light")?;
    let directory = own_directory(setup, "nginx")?;
    let address = free_address()?;
    let home = directory.display().to_string();
    let configuration = configuration(&home, address, setup.provider);
    let file = directory.join("nginx.conf");
    fs::write(&file, configuration)?;
    Ok(Peer {
        name: "nginx".to_owned(),
        version: version_of(Command::new(&program).arg("-v")),
        command: vec![
            program.display().to_string(),
            "-p".to_owned(),
            home,
            "-c".to_owned(),
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

fn configuration(home: &str, address: SocketAddr, provider: SocketAddr) -> String {
    format!(
        "daemon off;
worker_processes 1;
user root;
pid {home}/pid;
error_log stderr error;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    tcp_nodelay on;
    keepalive_requests 1000000000;
    keepalive_timeout 300s;
    client_max_body_size 0;
    client_body_buffer_size 512k;
    upstream provider {{
        server {provider};
        keepalive 1024;
        keepalive_requests 1000000000;
        keepalive_timeout 300s;
    }}
    server {{
        listen {address} backlog=4096;
        location / {{
            proxy_pass http://provider;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_buffering off;
        }}
    }}
}}
"
    )
}
