// SPDX-License-Identifier: MPL-2.0
//! One open tunnel.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use a2al_protocol::UnixSeconds;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::FIRST_STREAM_KEPT;
use super::ahead::Waiting;
use super::listener::Listeners;
use super::remote::{Remote, Target};
use super::traffic::{Meter, Traffic};
use crate::{Error, Service, clock, model};

/// What a tunnel was opened for. One of each kind exists.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Terms {
    pub(super) target: Target,
    /// The port that was asked for; 0 for any.
    pub(super) port: u16,
}

/// One open tunnel.
#[derive(Debug)]
pub(super) struct Tunnel {
    id: String,
    terms: Terms,
    idle_timeout: Option<Duration>,
    plain: SocketAddr,
    tls: SocketAddr,
    opened: Instant,
    opened_at: UnixSeconds,
    traffic: Arc<Traffic>,
    is_relayed: AtomicBool,
    is_connected: AtomicBool,
    is_allowed: AtomicBool,
    /// The stream that opened the tunnel, until the first connection takes it.
    first: Mutex<Option<Remote>>,
    ended: CancellationToken,
}

impl Tunnel {
    pub(super) fn new(
        terms: Terms,
        idle_timeout: Option<Duration>,
        listeners: &Listeners,
        total: Arc<Meter>,
    ) -> Self {
        Self {
            id: id(),
            terms,
            idle_timeout,
            plain: listeners.plain_addr,
            tls: listeners.tls_addr,
            opened: Instant::now(),
            opened_at: clock::now(),
            traffic: Arc::new(Traffic::new(total)),
            is_relayed: AtomicBool::new(false),
            is_connected: AtomicBool::new(true),
            is_allowed: AtomicBool::new(true),
            first: Mutex::default(),
            ended: CancellationToken::new(),
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn target(&self) -> Target {
        self.terms.target
    }

    pub(super) fn opened(&self) -> Instant {
        self.opened
    }

    pub(super) fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }

    /// Cancelled when the tunnel is closed.
    pub(super) fn ended(&self) -> &CancellationToken {
        &self.ended
    }

    /// Cuts every connection and stops listening.
    pub(super) fn end(&self) {
        self.ended.cancel();
        self.drop_first();
    }

    /// Whether a caller with these terms means this tunnel. Its port may be named though it was
    /// chosen freely.
    pub(super) fn fits(&self, terms: &Terms) -> bool {
        self.terms.target == terms.target
            && (self.terms.port == terms.port || self.plain.port() == terms.port)
    }

    /// Keeps the stream that opened the tunnel for its first connection.
    pub(super) fn keep(&self, remote: Remote) {
        self.is_relayed
            .store(remote.is_relayed(), Ordering::Relaxed);
        *self.first() = Some(remote);
    }

    /// Gives up the stream that no connection has taken.
    pub(super) fn drop_first(&self) {
        self.first().take();
    }

    /// When that stream is given up.
    pub(super) fn first_kept_until(&self) -> Instant {
        self.opened + FIRST_STREAM_KEPT
    }

    /// A stream for one connection, whose client may send meanwhile.
    pub(super) async fn remote(
        &self,
        service: &Service,
        client: &mut impl Waiting,
    ) -> Result<Remote, Error> {
        if let Some(first) = self.first().take() {
            return Ok(first);
        }
        let opened = self.terms.target.open_for(service, client).await;
        let is_denied = matches!(opened, Err(Error::AccessDenied));
        self.is_connected
            .store(opened.is_ok() || is_denied, Ordering::Relaxed);
        self.is_allowed.store(!is_denied, Ordering::Relaxed);
        if let Ok(remote) = &opened {
            self.is_relayed
                .store(remote.is_relayed(), Ordering::Relaxed);
        }
        opened
    }

    /// Returns once nobody has used the tunnel for as long as it was to stay open.
    pub(super) async fn idle(&self) {
        match self.idle_timeout {
            Some(patience) => self.traffic.idle(patience).await,
            None => std::future::pending().await,
        }
    }

    /// As clients see it.
    pub(super) fn shown(&self) -> model::Tunnel {
        let carried = self.traffic.carried();
        let at = |after: Duration| clock::rfc3339(UnixSeconds(self.opened_at.0 + after.as_secs()));
        model::Tunnel {
            id: self.id.clone(),
            local_aid: self.terms.target.caller,
            remote_aid: self.terms.target.agent,
            listen: self.plain.to_string(),
            https_url: format!("https://{}", self.tls),
            is_relayed: self.is_relayed.load(Ordering::Relaxed),
            connected: self.is_connected.load(Ordering::Relaxed),
            allowed: self.is_allowed.load(Ordering::Relaxed),
            opened_at: at(Duration::ZERO),
            last_activity: at(self.traffic.last_activity()),
            active_conns: self.traffic.connections() as u64,
            bytes_up: carried.up,
            bytes_down: carried.down,
            last_progress_at: self.traffic.last_progress().map(at),
        }
    }

    fn first(&self) -> MutexGuard<'_, Option<Remote>> {
        // Nothing panics while the lock is held; a poisoned place is still whole.
        self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name that nobody guesses and none had before.
fn id() -> String {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the system has random numbers");
    hex::encode(bytes)
}
