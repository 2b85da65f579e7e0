//! A minimal pingora proxy: every request goes to one address over its connection pool.
//!
//! `peer-pingora LISTEN UPSTREAM`, one thread, until it is killed.

use std::{env::args, net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use async_trait::async_trait;
use pingora_core::{
    server::{Server, configuration::ServerConf},
    upstreams::peer::HttpPeer,
};
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

/// Sends everything to one address.
struct ToOne(SocketAddr);

#[async_trait]
impl ProxyHttp for ToOne {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        _ctx: &mut (),
    ) -> pingora_core::Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.0, false, String::new())))
    }
}

fn main() -> anyhow::Result<()> {
    let mut arguments = args().skip(1);
    let listen: SocketAddr = arguments.next().context("LISTEN is missing")?.parse()?;
    let upstream = arguments.next().context("UPSTREAM is missing")?.parse()?;

    let settings = ServerConf {
        threads: 1,
        work_stealing: false,
        upstream_keepalive_pool_size: 1024,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, settings);
    server.bootstrap();
    let mut service = http_proxy_service(&Arc::clone(&server.configuration), ToOne(upstream));
    service.add_tcp(&listen.to_string());
    server.add_service(service);
    server.run_forever()
}
