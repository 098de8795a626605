// SPDX-License-Identifier: MPL-2.0
//! Connections to services that wait for their next request.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use a2al_protocol::Aid;
use a2al_protocol::network::{Paths, PeerId};
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::SendRequest;
use tokio::time::Instant;

use crate::service_tcp::ServiceTcp;

/// One HTTP connection, ready for a request.
#[derive(Debug)]
pub(super) struct Sender {
    /// The connection.
    pub(super) http: SendRequest<Full<Bytes>>,
    /// Whether it passes through a relay.
    pub(super) is_relayed: bool,
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
        /// Who is called.
        agent: Aid,
        /// Its service.
        service: ServiceTcp,
    },
}

impl Route {
    /// Whether the other node is one of which `is_direct` is true.
    fn leads_to(&self, is_direct: impl Fn(&PeerId) -> bool) -> bool {
        matches!(self, Self::Remote { peer: Some(peer), .. } if is_direct(peer))
    }
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
        !self.sender.http.is_closed() && self.since.elapsed() < limit
    }
}

impl Pool {
    /// The connection that waited least, of those that the request may go over.
    ///
    /// Where `is_direct` says that there is a direct connection to the other node, relayed ones are
    /// closed, so that the next request opens a direct one.
    pub(super) fn take(
        &self,
        route: &Route,
        wanted: Wanted,
        is_direct: impl Fn(&PeerId) -> bool,
    ) -> Option<Sender> {
        let limit = if wanted.is_repeatable {
            MAX_IDLE
        } else {
            MAX_IDLE_ONCE
        };
        let is_outdone = route.leads_to(is_direct);
        let mut idle = self.idle();
        let waiting = idle.get_mut(route)?;
        waiting
            .retain(|idle| !(idle.sender.http.is_closed() || is_outdone && idle.sender.is_relayed));
        let may_take = |idle: &Idle| wanted.paths == Paths::Any || !idle.sender.is_relayed;
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

    /// Closes what waited too long, and relayed connections to nodes that `is_direct` is true of.
    pub(crate) fn prune(&self, is_direct: impl Fn(&PeerId) -> bool) {
        self.idle().retain(|route, waiting| {
            let is_outdone =
                waiting.iter().any(|idle| idle.sender.is_relayed) && route.leads_to(&is_direct);
            waiting
                .retain(|idle| idle.is_usable(MAX_IDLE) && !(is_outdone && idle.sender.is_relayed));
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
    async fn sender(is_relayed: bool) -> (Sender, DuplexStream) {
        let (near, far) = tokio::io::duplex(1024);
        let (http, connection) = http1::handshake(TokioIo::new(near)).await.unwrap();
        tokio::spawn(connection);
        (Sender { http, is_relayed }, far)
    }

    fn route() -> Route {
        Route::Remote {
            caller: SigningKey::generate().public().aid(),
            agent: SigningKey::generate().public().aid(),
            peer: Some(PeerId::random()),
        }
    }

    async fn filled(route: &Route) -> (Pool, Vec<DuplexStream>) {
        let (pool, mut ends) = (Pool::default(), Vec::new());
        for is_relayed in [false, true] {
            let (sender, end) = sender(is_relayed).await;
            pool.put(route.clone(), sender);
            ends.push(end);
        }
        (pool, ends)
    }

    #[tokio::test]
    async fn a_direct_path_takes_the_place_of_a_relayed_one() {
        let route = route();
        let (pool, _ends) = filled(&route).await;
        let taken = pool.take(&route, GET, |_| true).unwrap();
        assert!(!taken.is_relayed);
        assert!(pool.take(&route, GET, |_| false).is_none(), "closed");
        let (pool, _ends) = filled(&route).await;
        assert!(pool.take(&route, GET, |_| false).unwrap().is_relayed);
        let (pool, _ends) = filled(&route).await;
        pool.prune(|_| true);
        assert!(!pool.take(&route, GET, |_| false).unwrap().is_relayed);
        assert!(pool.take(&route, GET, |_| false).is_none(), "closed");
    }

    #[tokio::test]
    async fn a_call_without_relays_leaves_relayed_connections_to_others() {
        let route = route();
        let (pool, _ends) = filled(&route).await;
        let wanted = Wanted {
            paths: Paths::Direct,
            ..GET
        };
        assert!(!pool.take(&route, wanted, |_| false).unwrap().is_relayed);
        assert!(pool.take(&route, wanted, |_| false).is_none());
        assert!(pool.take(&route, GET, |_| false).unwrap().is_relayed);
    }

    #[tokio::test]
    async fn what_failed_once_is_forgotten_as_a_whole() {
        let (route, other) = (route(), route());
        let (pool, _ends) = filled(&route).await;
        let (sender, _end) = sender(false).await;
        pool.put(other.clone(), sender);
        pool.forget(&route);
        assert!(pool.take(&route, GET, |_| false).is_none());
        assert!(pool.take(&other, GET, |_| false).is_some());
    }

    #[tokio::test]
    async fn a_request_that_cannot_be_repeated_takes_no_old_connection() {
        let route = route();
        let (pool, _ends) = filled(&route).await;
        for idle in pool.idle().values_mut().flatten() {
            idle.since -= MAX_IDLE_ONCE;
        }
        let post = Wanted {
            is_repeatable: false,
            ..GET
        };
        assert!(pool.take(&route, post, |_| false).is_none());
        assert!(pool.take(&route, GET, |_| false).is_some());
    }
}
