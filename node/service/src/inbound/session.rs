// SPDX-License-Identifier: MPL-2.0
//! Who is behind each connection to a service, for the service to ask.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
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

    fn describe(&self, local: SocketAddr) -> model::Session {
        let now = clock::now();
        let last = UnixSeconds(now.0.saturating_sub(self.silence().as_secs()));
        model::Session {
            caller_aid: self.caller,
            caller_pubkey: BASE64_URL_SAFE_NO_PAD.encode(self.caller_key.as_bytes()),
            local_aid: self.agent,
            addr: local.to_string(),
            connected_at: clock::rfc3339(self.connected_at),
            bytes_up: self.up.load(Ordering::Relaxed),
            bytes_down: self.down.load(Ordering::Relaxed),
            last_progress_at: clock::rfc3339(last.max(self.connected_at)),
        }
    }
}

/// The sessions by the local port of their connection to the service.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions(Arc<Mutex<HashMap<u16, Entered>>>);

/// A session, and the local address of its connection to the service.
#[derive(Clone, Debug)]
struct Entered {
    local: SocketAddr,
    session: Arc<Session>,
}

/// Keeps a session in the table until this is dropped.
#[derive(Debug)]
pub(super) struct Listed {
    sessions: Sessions,
    port: u16,
}

impl Sessions {
    /// Lists a session whose connection comes from `local`; `None` if another one has that port,
    /// with another address.
    pub(super) fn list(&self, local: SocketAddr, session: &Arc<Session>) -> Option<Listed> {
        let port = local.port();
        match self.table().entry(port) {
            Entry::Occupied(_) => None,
            Entry::Vacant(free) => {
                let session = Arc::clone(session);
                free.insert(Entered { local, session });
                let sessions = self.clone();
                Some(Listed { sessions, port })
            }
        }
    }

    fn get(&self, asked: Asked) -> Option<Entered> {
        let (Asked::Port(port) | Asked::Addr(_, port)) = asked;
        let entered = self.table().get(&port).cloned()?;
        match asked {
            Asked::Addr(ip, _) if ip != entered.local.ip() => None,
            _ => Some(entered),
        }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<u16, Entered>> {
        // Nothing panics while the lock is held; a poisoned table is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.sessions.table().remove(&self.port);
    }
}

/// What a service sees of the other end of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Asked {
    Port(u16),
    Addr(IpAddr, u16),
}

impl FromStr for Asked {
    type Err = Input;

    fn from_str(text: &str) -> Result<Self, Input> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
        let asked = if is_plain {
            text.parse().ok().map(Self::Port)
        } else {
            let addr = text.parse::<SocketAddr>().ok();
            // A service that listens on IPv6 and IPv4 at once sees addresses of IPv4 as mapped.
            addr.map(|addr| Self::Addr(addr.ip().to_canonical(), addr.port()))
        };
        asked
            .filter(|asked| !matches!(asked, Self::Port(0) | Self::Addr(_, 0)))
            .ok_or(Input::Port)
    }
}

impl Service {
    /// Who calls over a connection that a local service accepted; `remote` is the remote address
    /// that the service sees, or its port alone.
    ///
    /// Known before the service can have accepted, until the connection ends. While it lives, a
    /// program of this machine may connect from the same port of another address, such as
    /// 127.0.0.2: only the whole address tells it apart.
    ///
    ///
    /// # Errors
    /// [`Input::Port`], [`Error::SessionNotFound`].
    pub fn session(&self, remote: &str) -> Result<model::Session, Error> {
        let entered = self.core.inbound.sessions.get(remote.parse()?);
        let Entered { local, session } = entered.ok_or(Error::SessionNotFound)?;
        Ok(session.describe(local))
    }
}

#[cfg(test)]
mod tests {
    use a2al_protocol::SigningKey;

    use super::*;

    #[test]
    fn a_session_is_asked_for_by_port_or_by_its_very_address() {
        let key = SigningKey::generate().public();
        let session = Arc::new(Session::new(key.aid(), key, key.aid()));
        let sessions = Sessions::default();
        let get = |text: &str| sessions.get(text.parse().unwrap());
        let local = "127.0.0.1:4000".parse().unwrap();
        let listed = sessions.list(local, &session);
        assert!(
            sessions
                .list("127.0.0.2:4000".parse().unwrap(), &session)
                .is_none()
        );
        for right in ["4000", "127.0.0.1:4000", "[::ffff:127.0.0.1]:4000"] {
            assert_eq!(get(right).map(|found| found.local), Some(local), "{right}");
        }
        for wrong in ["4001", "127.0.0.1:4001", "127.0.0.2:4000", "[::1]:4000"] {
            assert!(get(wrong).is_none(), "{wrong}");
        }
        drop(listed);
        assert!(get("4000").is_none());
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in [
            "",
            "0",
            "65536",
            "+1",
            "-1",
            "80x",
            "127.0.0.1",
            "127.0.0.1:",
            "127.0.0.1:0",
            "127.0.0.1:65536",
            ":80",
            "::1:80",
            "[::1]",
            "localhost:80",
            "127.0.0.1:80 ",
        ] {
            assert!(matches!(bad.parse::<Asked>(), Err(Input::Port)), "{bad}");
        }
    }
}
