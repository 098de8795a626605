// SPDX-License-Identifier: MPL-2.0
//! A port for one connection to an agent.

use std::sync::Arc;
use std::time::Duration;

use a2al_protocol::Aid;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::carry::{Local, carry};
use super::remote::{Remote, Target};
use super::traffic::Traffic;
use super::{FIRST_STREAM_KEPT, MAX_ONCE, listen};
use crate::{Error, Service, model};

/// How long the port waits for its connection, after the agent's stream was given up.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(360);

impl Service {
    /// Reaches `aid` and listens for one TCP connection to its service. Takes at most 30 s.
    ///
    /// An agent that does not let the caller in is no error: the answer says so.
    ///
    /// # Errors
    /// [`Error::Input`], or how far the call came.
    pub async fn connect(
        &self,
        aid: Aid,
        request: model::Connect,
    ) -> Result<model::Connected, Error> {
        let target = self.target(aid, request.local_aid.as_deref(), request.disable_relay)?;
        let slot = Arc::clone(&self.core.tunnels.once).try_acquire_owned();
        let slot = slot.map_err(|_| Error::TooManyTunnels(MAX_ONCE))?;
        let remote = match target.open(self).await {
            Ok(remote) => remote,
            Err(Error::AccessDenied) => return Ok(denied()),
            // Where the call is the whole request, not to find its target is not to find it.
            Err(Error::TargetUnresolved(cause)) => return Err(*cause),
            Err(error) => return Err(error),
        };
        let listener = listen(0)?;
        let answer = model::Connected {
            tunnel: Some(listener.local_addr().map_err(Error::Listen)?.to_string()),
            connected: true,
            allowed: true,
            is_relayed: remote.is_relayed(),
        };
        self.spawn(serve(self.clone(), target, remote, listener, slot));
        Ok(answer)
    }
}

fn denied() -> model::Connected {
    model::Connected {
        tunnel: None,
        connected: true,
        allowed: false,
        is_relayed: false,
    }
}

async fn serve(
    service: Service,
    target: Target,
    first: Remote,
    listener: TcpListener,
    _slot: OwnedSemaphorePermit,
) {
    let own = listener.local_addr().map(|at| service.core.targets.own(at));
    let (tcp, first) = match timeout(FIRST_STREAM_KEPT, listener.accept()).await {
        Ok(Ok((tcp, _))) => (tcp, Some(first)),
        Ok(Err(_)) => return,
        Err(_) => {
            drop(first);
            match timeout(CLIENT_TIMEOUT, listener.accept()).await {
                Ok(Ok((tcp, _))) => (tcp, None),
                Ok(Err(_)) | Err(_) => return,
            }
        }
    };
    drop((listener, own));
    let _ = tcp.set_nodelay(true);
    join(&service, target, tcp, first).await;
}

async fn join(service: &Service, target: Target, tcp: TcpStream, first: Option<Remote>) {
    let opened = match first {
        Some(first) => Ok(first),
        None => target.open(service).await,
    };
    match opened {
        Ok(remote) => {
            let traffic = Traffic::new(Arc::clone(&service.core.tunnels.total));
            // It ends with itself, or with the node.
            carry(tcp, remote, Arc::new(traffic), &CancellationToken::new()).await;
        }
        Err(error) => {
            tracing::debug!(agent = %target.agent, %error, "no stream for a connection");
            tcp.reset();
        }
    }
}
