// SPDX-License-Identifier: MPL-2.0
//! Connections to services that wait for their next request.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use a2al_protocol::Aid;
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::SendRequest;
use tokio::time::Instant;

use crate::service_tcp::ServiceTcp;

/// One HTTP connection, ready for a request.
pub(super) type Sender = SendRequest<Full<Bytes>>;

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
        /// The node that hosts the agent, as text.
        peer: String,
    },
    /// To a service of this node's own agent.
    Local {
        /// Who is called.
        agent: Aid,
        /// Its service.
        service: ServiceTcp,
    },
}

/// Waiting connections by route.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<HashMap<Route, Vec<Idle>>>);

#[derive(Debug)]
struct Idle {
    sender: Sender,
    since: Instant,
}

impl Pool {
    /// The connection that waited least, if the request may go over one that waits.
    pub(super) fn take(&self, route: &Route, is_repeatable: bool) -> Option<Sender> {
        let limit = if is_repeatable {
            MAX_IDLE
        } else {
            MAX_IDLE_ONCE
        };
        let mut idle = self.idle();
        let waiting = idle.get_mut(route)?;
        waiting.retain(|idle| !idle.sender.is_closed());
        let newest = waiting.pop_if(|newest| newest.since.elapsed() < limit)?;
        Some(newest.sender)
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

    /// Closes what waited too long.
    pub(crate) fn prune(&self) {
        self.idle().retain(|_, waiting| {
            waiting.retain(|idle| !idle.sender.is_closed() && idle.since.elapsed() < MAX_IDLE);
            !waiting.is_empty()
        });
    }

    fn idle(&self) -> MutexGuard<'_, HashMap<Route, Vec<Idle>>> {
        // Nothing panics while the lock is held; a poisoned map is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
