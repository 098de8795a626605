// SPDX-License-Identifier: MPL-2.0
//! TCP ports on this machine that lead to agents' services.
//!
//! Opening a tunnel reaches the agent at once, so that what is wrong shows there and not at the first
//! connection; that first stream carries the first connection if one comes soon. From then on every
//! connection opens a stream of its own the moment it is accepted, whoever speaks first. Connections
//! share the QUIC connection to the agent's node and outlive nothing of it: when it is lost they
//! break, and the next one finds another.

mod ahead;
mod carry;
mod certificate;
mod listener;
mod once;
mod remote;
mod traffic;
mod tunnel;

use std::collections::HashMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use a2al_protocol::Aid;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::{OnceCell, Semaphore};

pub(crate) use traffic::Carried;

use crate::error::Input;
use crate::{Error, Service, model};
use listener::Listeners;
use remote::{Remote, Target};
use traffic::Meter;
use tunnel::{Terms, Tunnel};

/// Tunnels open at a time. Each holds two listening sockets.
const MAX_TUNNELS: usize = 256;

/// One-shot connections at a time, waiting or in use.
const MAX_ONCE: usize = 1024;

/// How long a tunnel stays open without a connection, unless the caller says otherwise. Source: the
/// reference.
const IDLE_TIMEOUT: Duration = Duration::from_secs(360);

/// How long the stream that opened a tunnel is kept for its first connection.
///
/// Programs connect at once; a service may end what stays silent, or be another one by then.
const FIRST_STREAM_KEPT: Duration = Duration::from_secs(3);

/// The tunnels of this node.
#[derive(Debug)]
pub(crate) struct Tunnels {
    open: Mutex<HashMap<String, Arc<Tunnel>>>,
    /// Free places for one-shot connections.
    once: Arc<Semaphore>,
    total: Arc<Meter>,
    tls: OnceCell<Arc<ServerConfig>>,
}

impl Default for Tunnels {
    fn default() -> Self {
        Self {
            open: Mutex::default(),
            once: Arc::new(Semaphore::new(MAX_ONCE)),
            total: Arc::default(),
            tls: OnceCell::new(),
        }
    }
}

impl Tunnels {
    /// How many tunnels are open.
    pub(crate) fn count(&self) -> usize {
        self.open().len()
    }

    /// Bytes carried since the start.
    pub(crate) fn carried(&self) -> Carried {
        self.total.carried()
    }

    fn get(&self, id: &str) -> Result<Arc<Tunnel>, Error> {
        self.open().get(id).cloned().ok_or(Error::TunnelNotFound)
    }

    fn with_terms(&self, terms: &Terms) -> Option<Arc<Tunnel>> {
        let open = self.open();
        open.values().find(|tunnel| tunnel.fits(terms)).cloned()
    }

    /// Takes a tunnel out, and ends its connections.
    fn remove(&self, id: &str) -> Result<Arc<Tunnel>, Error> {
        let tunnel = self.open().remove(id).ok_or(Error::TunnelNotFound)?;
        tunnel.end();
        Ok(tunnel)
    }

    /// Listens for a new tunnel, unless one with the same terms was opened meanwhile.
    fn insert(
        &self,
        terms: Terms,
        idle_timeout: Option<Duration>,
        remote: Remote,
    ) -> Result<(Arc<Tunnel>, Option<Listeners>), Error> {
        let mut open = self.open();
        if let Some(tunnel) = open.values().find(|tunnel| tunnel.fits(&terms)) {
            return Ok((Arc::clone(tunnel), None));
        }
        if open.len() >= MAX_TUNNELS {
            return Err(Error::TooManyTunnels(MAX_TUNNELS));
        }
        let listeners = Listeners::bind(terms.port)?;
        let tunnel = Tunnel::new(terms, idle_timeout, &listeners, Arc::clone(&self.total));
        tunnel.keep(remote);
        let tunnel = Arc::new(tunnel);
        open.insert(tunnel.id().to_owned(), Arc::clone(&tunnel));
        Ok((tunnel, Some(listeners)))
    }

    /// What TLS on tunnels works with; the certificate is made with the first tunnel.
    async fn tls(&self, service: &Service) -> Result<Arc<ServerConfig>, Error> {
        let data_dir = service.core.config.data_dir.clone();
        let config = self.tls.get_or_try_init(|| async {
            tokio::task::spawn_blocking(move || certificate::server_config(&data_dir))
                .await
                .map_err(io::Error::other)?
                .map_err(io::Error::other)
        });
        config.await.cloned().map_err(Error::Listen)
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, Arc<Tunnel>>> {
        // Nothing panics while the lock is held; a poisoned map is still whole.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service {
    /// Opens a tunnel to `aid`, or returns the one that was opened with the same caller, port and
    /// paths. The agent's service was reached when this returns. Takes at most 30 s.
    ///
    /// # Errors
    /// [`Error::Input`], [`Error::PortInUse`], or how far the call came.
    pub async fn open_tunnel(
        &self,
        aid: Aid,
        request: model::OpenTunnel,
    ) -> Result<model::Tunnel, Error> {
        let terms = Terms {
            target: self.target(aid, request.local_aid.as_deref(), request.disable_relay)?,
            port: port(request.local_port)?,
        };
        let idle_timeout = idle_timeout(request.idle_timeout_sec)?;
        let tunnels = &self.core.tunnels;
        if let Some(tunnel) = tunnels.with_terms(&terms) {
            return Ok(tunnel.shown());
        }
        let remote = terms.target.open(self).await?;
        let tls = tunnels.tls(self).await?;
        let (tunnel, listeners) = tunnels.insert(terms, idle_timeout, remote)?;
        if let Some(listeners) = listeners {
            let serving = listener::serve(self.clone(), Arc::clone(&tunnel), listeners, tls);
            self.spawn(serving);
        }
        Ok(tunnel.shown())
    }

    /// All open tunnels.
    pub fn tunnels(&self) -> model::TunnelList {
        let mut open: Vec<_> = self.core.tunnels.open().values().cloned().collect();
        open.sort_by_key(|tunnel| tunnel.opened());
        let tunnels = open.iter().map(|tunnel| tunnel.shown()).collect();
        model::TunnelList { tunnels }
    }

    /// One open tunnel.
    ///
    /// # Errors
    /// [`Error::TunnelNotFound`].
    pub fn tunnel(&self, id: &str) -> Result<model::Tunnel, Error> {
        Ok(self.core.tunnels.get(id)?.shown())
    }

    /// Closes a tunnel; its connections are cut.
    ///
    /// # Errors
    /// [`Error::TunnelNotFound`].
    pub fn close_tunnel(&self, id: &str) -> Result<(), Error> {
        self.core.tunnels.remove(id).map(drop)
    }

    /// Closes a tunnel, and looks its agent up again before the next call.
    ///
    /// # Errors
    /// [`Error::TunnelNotFound`].
    pub fn reset_tunnel(&self, id: &str) -> Result<(), Error> {
        let tunnel = self.core.tunnels.remove(id)?;
        self.distrust_endpoint(&tunnel.target().agent);
        Ok(())
    }

    /// Who calls whom.
    fn target(
        &self,
        agent: Aid,
        local_aid: Option<&str>,
        disable_relay: Option<bool>,
    ) -> Result<Target, Error> {
        let caller = match local_aid {
            None | Some("") => self.node_aid(),
            Some(text) => text.parse().map_err(|_| Input::LocalAid)?,
        };
        if self.live(&caller).is_none() {
            return Err(Input::LocalAidNotHosted.into());
        }
        Ok(Target {
            caller,
            agent,
            is_direct_only: disable_relay == Some(true),
        })
    }
}

/// Listens on loopback, at a free port if `port` is 0.
fn listen(port: u16) -> Result<TcpListener, Error> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let listener = listener.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Error::PortInUse(port),
        io::ErrorKind::PermissionDenied => Input::LocalPort.into(),
        _ => Error::Listen(error),
    })?;
    listener.set_nonblocking(true).map_err(Error::Listen)?;
    TcpListener::from_std(listener).map_err(Error::Listen)
}

fn port(port: Option<i64>) -> Result<u16, Input> {
    port.unwrap_or(0).try_into().map_err(|_| Input::LocalPort)
}

/// `None` means that the tunnel stays open.
fn idle_timeout(seconds: Option<i64>) -> Result<Option<Duration>, Input> {
    match seconds.unwrap_or(0) {
        -1 => Ok(None),
        0 => Ok(Some(IDLE_TIMEOUT)),
        seconds => match u32::try_from(seconds) {
            Ok(seconds) => Ok(Some(Duration::from_secs(seconds.into()))),
            // A tunnel that would stay open for a century stays open.
            Err(_) if seconds > 0 => Ok(None),
            Err(_) => Err(Input::IdleTimeout),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_times_are_checked() {
        assert!(matches!(port(None), Ok(0)));
        assert!(matches!(port(Some(65_535)), Ok(65_535)));
        for wrong in [-1, 65_536, i64::MAX] {
            assert!(port(Some(wrong)).is_err(), "{wrong}");
        }
        assert_eq!(idle_timeout(None).unwrap(), Some(IDLE_TIMEOUT));
        assert_eq!(idle_timeout(Some(0)).unwrap(), Some(IDLE_TIMEOUT));
        assert_eq!(idle_timeout(Some(-1)).unwrap(), None);
        assert_eq!(idle_timeout(Some(1)).unwrap(), Some(Duration::from_secs(1)));
        assert_eq!(idle_timeout(Some(i64::MAX)).unwrap(), None);
        assert!(idle_timeout(Some(-2)).is_err());
    }
}
