// SPDX-License-Identifier: MPL-2.0
//! The ports of a tunnel, and what becomes of each connection to them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

use super::ahead::Ahead;
use super::carry::{Local, carry};
use super::tunnel::Tunnel;
use super::{Error, listen};
use crate::Service;

/// Connections of one tunnel at a time; further ones wait in the kernel's queue.
///
/// Each holds a file descriptor, and two buffers of 64 KiB while bytes wait. Half of what an
/// agent's node takes from one calling node.
const MAX_CONNECTIONS: usize = 2048;

/// How long a client may take for its part of the TLS handshake.
const TLS_TIMEOUT: Duration = Duration::from_secs(10);

/// Pause after the system refused to accept, usually for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The two ports of a tunnel, both on loopback.
#[derive(Debug)]
pub(super) struct Listeners {
    plain: TcpListener,
    tls: TcpListener,
    pub(super) plain_addr: SocketAddr,
    pub(super) tls_addr: SocketAddr,
}

impl Listeners {
    /// Listens at `port`, or a free one if it is 0, and for TLS at another free one.
    pub(super) fn bind(port: u16) -> Result<Self, Error> {
        let (plain, tls) = (listen(port)?, listen(0)?);
        let address = |listener: &TcpListener| listener.local_addr().map_err(Error::Listen);
        Ok(Self {
            plain_addr: address(&plain)?,
            tls_addr: address(&tls)?,
            plain,
            tls,
        })
    }

    /// The next client; whether it will speak TLS.
    async fn accept(&self) -> (io::Result<(TcpStream, SocketAddr)>, bool) {
        tokio::select! {
            accepted = self.plain.accept() => (accepted, false),
            accepted = self.tls.accept() => (accepted, true),
        }
    }
}

/// Serves the ports until the tunnel is closed or was idle for long enough.
pub(super) async fn serve(
    service: Service,
    tunnel: Arc<Tunnel>,
    listeners: Listeners,
    tls: Arc<ServerConfig>,
) {
    // No agent of this node may lead others to a tunnel of its own.
    let _own = [listeners.plain_addr, listeners.tls_addr].map(|at| service.core.targets.own(at));
    let serving = async {
        tokio::select! {
            () = accept(&service, &tunnel, &listeners, TlsAcceptor::from(tls)) => {}
            () = give_up_first(&tunnel) => {}
            () = tunnel.idle() => tracing::debug!(id = tunnel.id(), "tunnel idle, closed"),
        }
    };
    let _ = tunnel.ended().run_until_cancelled(serving).await;
    // Whoever closed the tunnel has removed it already. It is not to be found while its ports are closed.
    let _ = service.core.tunnels.remove(tunnel.id());
    drop(listeners);
}

/// Never returns.
async fn give_up_first(tunnel: &Tunnel) {
    sleep_until(tunnel.first_kept_until()).await;
    tunnel.drop_first();
    std::future::pending::<()>().await;
}

/// Never returns.
async fn accept(service: &Service, tunnel: &Arc<Tunnel>, listeners: &Listeners, tls: TlsAcceptor) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        let (accepted, is_tls) = listeners.accept().await;
        match accepted {
            Ok((tcp, _)) => {
                let client = Client {
                    service: service.clone(),
                    tunnel: Arc::clone(tunnel),
                    _slot: slot,
                };
                let tls = is_tls.then(|| tls.clone());
                service.spawn(client.serve(tcp, tls));
            }
            Err(error) => {
                tracing::warn!(%error, "tunnel connection not accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// A connection that was accepted.
struct Client {
    service: Service,
    tunnel: Arc<Tunnel>,
    _slot: OwnedSemaphorePermit,
}

impl Client {
    async fn serve(self, tcp: TcpStream, tls: Option<TlsAcceptor>) {
        let _counted = self.tunnel.traffic().connection();
        // Programs decide themselves what they send together.
        let _ = tcp.set_nodelay(true);
        let Some(tls) = tls else {
            return self.carry(tcp).await;
        };
        let handshake = timeout(TLS_TIMEOUT, tls.accept(tcp));
        match self.tunnel.ended().run_until_cancelled(handshake).await {
            Some(Ok(Ok(stream))) => self.carry(stream).await,
            Some(Ok(Err(error))) => tracing::debug!(%error, "no TLS on a tunnel's port for TLS"),
            Some(Err(_)) | None => {}
        }
    }

    async fn carry(&self, local: impl Local) {
        let tunnel = &self.tunnel;
        let mut local = Ahead::new(local);
        let opening = tunnel.remote(&self.service, &mut local);
        match tunnel.ended().run_until_cancelled(opening).await {
            Some(Ok(remote)) => {
                let traffic = Arc::clone(tunnel.traffic());
                traffic.sent(local.sent());
                carry(local, remote, traffic, tunnel.ended()).await;
            }
            Some(Err(error)) => {
                tracing::debug!(id = tunnel.id(), %error, "no stream for a tunnel's connection");
                local.reset();
            }
            None => local.reset(),
        }
    }
}
