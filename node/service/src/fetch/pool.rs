// SPDX-License-Identifier: MPL-2.0
//! Connections to services that wait for their next request.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use a2al_protocol::Aid;
use a2al_protocol::network::{Paths, PeerId, StreamPath};
use hyper::client::conn::http1::SendRequest;
use tokio::time::Instant;

use super::ended::Halves;
use super::outgoing::Loan;
use crate::service_tcp::ServiceTcp;

/// One HTTP connection, ready for a request.
#[derive(Debug)]
pub(super) struct Sender {
    /// The connection.
    pub(super) http: SendRequest<Loan>,
    /// The way that it takes.
    pub(super) way: Way,
    /// How its stream ends.
    pub(super) halves: Halves,
}

/// The way that an HTTP connection takes.
pub(super) struct Way {
    /// Whether the bytes pass through a relay.
    pub(super) is_relayed: bool,
    /// Whether there is a better one by now.
    is_superseded: Box<dyn Fn() -> bool + Send + Sync>,
}

impl Way {
    /// Within this machine: there is no better one.
    pub(super) fn local() -> Self {
        Self {
            is_relayed: false,
            is_superseded: Box::new(|| false),
        }
    }
}

impl From<StreamPath> for Way {
    fn from(path: StreamPath) -> Self {
        Self {
            is_relayed: path.is_relayed(),
            is_superseded: Box::new(move || path.is_superseded()),
        }
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Way")
            .field("is_relayed", &self.is_relayed)
            .field("is_superseded", &(self.is_superseded)())
            .finish()
    }
}

/// How long a connection waits before it is closed.
const MAX_IDLE: Duration = Duration::from_secs(60);

/// How long one may have waited when the request must not be sent twice.
///
/// A service closes waiting connections after some seconds of its own. A request that crosses that
/// is lost, and only one that may be repeated can then be repeated.
const MAX_IDLE_ONCE: Duration = Duration::from_secs(1);

/// Connections that wait per route; further ones are closed.
const MAX_PER_ROUTE: usize = 64;

/// Who calls whom, and how. A connection is never used for another route: the service may treat
/// callers differently.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) enum Route {
    /// Over the network.
    Remote {
        /// Who calls.
        caller: Aid,
        /// Who is called.
        agent: Aid,
        /// The node that hosts the agent.
        peer: Option<PeerId>,
    },
    /// To a service of this node's own agent.
    Local {
        /// Who calls.
        caller: Aid,
        /// Who is called.
        agent: Aid,
        /// Its service.
        service: ServiceTcp,
    },
}

/// What a request may be sent over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// Whether it may be sent twice.
    pub(super) is_repeatable: bool,
    /// The paths it may take.
    pub(super) paths: Paths,
}

/// Waiting connections by route.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<HashMap<Route, Vec<Idle>>>);

#[derive(Debug)]
struct Idle {
    sender: Sender,
    since: Instant,
}

impl Idle {
    fn is_usable(&self, limit: Duration) -> bool {
        let sender = &self.sender;
        !sender.http.is_closed() && !(sender.way.is_superseded)() && self.since.elapsed() < limit
    }
}

impl Pool {
    /// The connection that waited least, of those that the request may go over.
    ///
    /// One whose way is superseded is closed, so that the next request takes the better one.
    pub(super) fn take(&self, route: &Route, wanted: Wanted) -> Option<Sender> {
        let limit = if wanted.is_repeatable {
            MAX_IDLE
        } else {
            MAX_IDLE_ONCE
        };
        let mut idle = self.idle();
        let waiting = idle.get_mut(route)?;
        waiting.retain(|idle| idle.is_usable(MAX_IDLE));
        let may_take = |idle: &Idle| wanted.paths == Paths::Any || !idle.sender.way.is_relayed;
        let newest = waiting
            .iter()
            .rposition(|idle| may_take(idle) && idle.is_usable(limit))?;
        Some(waiting.remove(newest).sender)
    }

    /// Keeps a connection for the next request.
    pub(super) fn put(&self, route: Route, sender: Sender) {
        let mut idle = self.idle();
        let waiting = idle.entry(route).or_default();
        if waiting.len() < MAX_PER_ROUTE {
            waiting.push(Idle {
                sender,
                since: Instant::now(),
            });
        }
    }

    /// Closes all that wait on a route: what became of one of them will have become of the others.
    pub(super) fn forget(&self, route: &Route) {
        self.idle().remove(route);
    }

    /// Closes what waited too long, and what takes a way that is superseded.
    pub(crate) fn prune(&self) {
        self.idle().retain(|_, waiting| {
            waiting.retain(|idle| idle.is_usable(MAX_IDLE));
            !waiting.is_empty()
        });
    }

    fn idle(&self) -> MutexGuard<'_, HashMap<Route, Vec<Idle>>> {
        // Nothing panics while the lock is held; a poisoned map is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use a2al_protocol::SigningKey;
    use hyper::client::conn::http1;
    use hyper_util::rt::TokioIo;
    use tokio::io::DuplexStream;

    use super::*;

    const GET: Wanted = Wanted {
        is_repeatable: true,
        paths: Paths::Any,
    };

    /// A connection, and the end of the service, which keeps it open.
    ///
    /// A relayed one is superseded when `has_direct` becomes true.
    async fn sender(is_relayed: bool, has_direct: &Arc<AtomicBool>) -> (Sender, DuplexStream) {
        let (near, far) = tokio::io::duplex(1024);
        let (http, connection) = http1::handshake(TokioIo::new(near)).await.unwrap();
        tokio::spawn(connection);
        let has_direct = Arc::clone(has_direct);
        let way = Way {
            is_relayed,
            is_superseded: Box::new(move || is_relayed && has_direct.load(Ordering::Relaxed)),
        };
        let halves = Halves::default();
        (Sender { http, way, halves }, far)
    }

    fn route() -> Route {
        Route::Remote {
            caller: SigningKey::generate().public().aid(),
            agent: SigningKey::generate().public().aid(),
            peer: Some(PeerId::random()),
        }
    }

    /// A pool with a direct connection and a newer relayed one, and what supersedes that.
    async fn filled(route: &Route) -> (Pool, Vec<DuplexStream>, Arc<AtomicBool>) {
        let (pool, mut ends, has_direct) = (Pool::default(), Vec::new(), Arc::default());
        for is_relayed in [false, true] {
            let (sender, end) = sender(is_relayed, &has_direct).await;
            pool.put(route.clone(), sender);
            ends.push(end);
        }
        (pool, ends, has_direct)
    }

    #[tokio::test]
    async fn a_direct_path_takes_the_place_of_a_relayed_one() {
        let route = route();
        let (pool, _ends, _) = filled(&route).await;
        assert!(pool.take(&route, GET).unwrap().way.is_relayed, "the newest");
        let (pool, _ends, has_direct) = filled(&route).await;
        has_direct.store(true, Ordering::Relaxed);
        assert!(!pool.take(&route, GET).unwrap().way.is_relayed);
        assert!(pool.take(&route, GET).is_none(), "closed");
        let (pool, _ends, has_direct) = filled(&route).await;
        has_direct.store(true, Ordering::Relaxed);
        pool.prune();
        assert_eq!(pool.idle().values().flatten().count(), 1);
    }

    #[tokio::test]
    async fn a_call_without_relays_leaves_relayed_connections_to_others() {
        let route = route();
        let (pool, _ends, _) = filled(&route).await;
        let wanted = Wanted {
            paths: Paths::Direct,
            ..GET
        };
        assert!(!pool.take(&route, wanted).unwrap().way.is_relayed);
        assert!(pool.take(&route, wanted).is_none());
        assert!(pool.take(&route, GET).unwrap().way.is_relayed);
    }

    #[tokio::test]
    async fn what_failed_once_is_forgotten_as_a_whole() {
        let (route, other) = (route(), route());
        let (pool, _ends, _) = filled(&route).await;
        let (sender, _end) = sender(false, &Arc::default()).await;
        pool.put(other.clone(), sender);
        pool.forget(&route);
        assert!(pool.take(&route, GET).is_none());
        assert!(pool.take(&other, GET).is_some());
    }

    #[tokio::test]
    async fn a_request_that_cannot_be_repeated_takes_no_old_connection() {
        let route = route();
        let (pool, _ends, _) = filled(&route).await;
        for idle in pool.idle().values_mut().flatten() {
            idle.since -= MAX_IDLE_ONCE;
        }
        let post = Wanted {
            is_repeatable: false,
            ..GET
        };
        assert!(pool.take(&route, post).is_none());
        assert!(pool.take(&route, GET).is_some());
    }
}
