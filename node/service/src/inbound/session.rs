// SPDX-License-Identifier: MPL-2.0
//! Who is behind each connection to a service, for the service to ask.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use a2al_protocol::{Aid, PublicKey, UnixSeconds};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use tokio::time::Instant;

use crate::{Error, Input, Service, clock, model};

/// One connection to a service, and the stream that it belongs to.
#[derive(Debug)]
pub(super) struct Session {
    caller: Aid,
    caller_key: PublicKey,
    agent: Aid,
    connected_at: UnixSeconds,
    started: Instant,
    /// Bytes from the caller to the service.
    up: AtomicU64,
    /// Bytes from the service to the caller.
    down: AtomicU64,
    /// When a byte moved last, in milliseconds after the start.
    progress_ms: AtomicU64,
    /// The caller sends nothing more.
    pub(super) caller_ended: AtomicBool,
    /// The service sends nothing more.
    pub(super) service_ended: AtomicBool,
    /// The bytes are HTTP.
    pub(super) is_http: AtomicBool,
}

impl Session {
    pub(super) fn new(caller: Aid, caller_key: PublicKey, agent: Aid) -> Self {
        Self {
            caller,
            caller_key,
            agent,
            connected_at: clock::now(),
            started: Instant::now(),
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
            progress_ms: AtomicU64::new(0),
            caller_ended: AtomicBool::new(false),
            service_ended: AtomicBool::new(false),
            is_http: AtomicBool::new(false),
        }
    }

    /// The agent that calls.
    pub(super) fn caller(&self) -> Aid {
        self.caller
    }

    /// Counts bytes that went to the service.
    pub(super) fn sent(&self, len: usize) {
        self.up.fetch_add(len as u64, Ordering::Relaxed);
        self.progress();
    }

    /// Counts bytes that came from the service.
    pub(super) fn received(&self, len: usize) {
        self.down.fetch_add(len as u64, Ordering::Relaxed);
        self.progress();
    }

    /// Whether the service has sent anything.
    pub(super) fn has_answered(&self) -> bool {
        self.down.load(Ordering::Relaxed) > 0
    }

    /// How long no byte has moved.
    pub(super) fn silence(&self) -> Duration {
        let last = Duration::from_millis(self.progress_ms.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(last)
    }

    fn progress(&self) {
        let millis = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.progress_ms.store(millis, Ordering::Relaxed);
    }

    fn describe(&self) -> model::Session {
        let now = clock::now();
        let last = UnixSeconds(now.0.saturating_sub(self.silence().as_secs()));
        model::Session {
            caller_aid: self.caller,
            caller_pubkey: BASE64_URL_SAFE_NO_PAD.encode(self.caller_key.as_bytes()),
            local_aid: self.agent,
            connected_at: clock::rfc3339(self.connected_at),
            bytes_up: self.up.load(Ordering::Relaxed),
            bytes_down: self.down.load(Ordering::Relaxed),
            last_progress_at: clock::rfc3339(last.max(self.connected_at)),
        }
    }
}

/// The sessions by the local port of their connection to the service.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions(Arc<Mutex<HashMap<u16, Arc<Session>>>>);

/// Keeps a session in the table until this is dropped.
#[derive(Debug)]
pub(super) struct Listed {
    sessions: Sessions,
    port: u16,
}

impl Sessions {
    /// Lists a session; `None` if another one has that port, with another address.
    pub(super) fn list(&self, port: u16, session: &Arc<Session>) -> Option<Listed> {
        match self.table().entry(port) {
            Entry::Occupied(_) => None,
            Entry::Vacant(free) => {
                free.insert(Arc::clone(session));
                let sessions = self.clone();
                Some(Listed { sessions, port })
            }
        }
    }

    fn get(&self, port: u16) -> Option<Arc<Session>> {
        self.table().get(&port).cloned()
    }

    fn table(&self) -> MutexGuard<'_, HashMap<u16, Arc<Session>>> {
        // Nothing panics while the lock is held; a poisoned table is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.sessions.table().remove(&self.port);
    }
}

impl Service {
    /// Who calls over a connection that a local service accepted; `port` is the remote port that
    /// the service sees.
    ///
    /// Known before the service can have accepted, until the connection ends.
    ///
    /// # Errors
    /// [`Input::Port`], [`Error::SessionNotFound`].
    pub fn session(&self, port: &str) -> Result<model::Session, Error> {
        let is_plain = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port
            .parse::<u16>()
            .ok()
            .filter(|&port| is_plain && port != 0);
        let port = port.ok_or(Input::Port)?;
        let session = self
            .core
            .inbound
            .sessions
            .get(port)
            .ok_or(Error::SessionNotFound)?;
        Ok(session.describe())
    }
}
