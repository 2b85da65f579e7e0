//! The listening sockets: bound here, or handed over by whoever started the process, so that a
//! restart refuses no connection.

use std::net::SocketAddr;

use listenfd::ListenFd;
use tokio::net::TcpListener;
use tracing::{info, warn};

use crate::settings::Listen;
use crate::start_error::StartError;

/// Sockets that the process was started with (systemd's `LISTEN_FDS`).
#[derive(Debug)]
pub(crate) struct Inherited(Vec<std::net::TcpListener>);

impl Inherited {
    /// Takes them from the environment; once, since they are then taken.
    pub(crate) fn take() -> Self {
        let mut given = ListenFd::from_env();
        let mut sockets = Vec::new();
        for index in 0..given.len() {
            match given.take_tcp_listener(index) {
                Ok(Some(socket)) => sockets.push(socket),
                Ok(None) => {}
                Err(error) => warn!(%error, index, "a socket handed over is not one for TCP"),
            }
        }
        Self(sockets)
    }

    /// The socket for an address: the one handed over that listens there, else a new one.
    ///
    /// # Errors
    ///
    /// [`StartError::Listen`] when the address cannot be listened on.
    pub(crate) async fn listen(
        &mut self,
        listen: Listen,
    ) -> Result<Option<TcpListener>, StartError> {
        let Listen::On(address) = listen else {
            return Ok(None);
        };
        let failed = |source| StartError::Listen { address, source };
        let listens_there =
            |socket: &std::net::TcpListener| socket.local_addr().is_ok_and(|own| own == address);
        let socket = match self.0.iter().position(listens_there) {
            Some(index) => {
                info!(%address, "listening on the socket handed over");
                adopt(self.0.swap_remove(index)).map_err(failed)?
            }
            None => TcpListener::bind(address).await.map_err(failed)?,
        };
        Ok(Some(socket))
    }

    /// Says which of them nobody wanted.
    pub(crate) fn finish(self) {
        for socket in self.0 {
            let address: Option<SocketAddr> = socket.local_addr().ok();
            warn!(
                ?address,
                "a socket handed over is at no address to listen on"
            );
        }
    }
}

fn adopt(socket: std::net::TcpListener) -> std::io::Result<TcpListener> {
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket)
}
