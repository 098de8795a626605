// SPDX-License-Identifier: MPL-2.0
//! What only the swarm can do, for everybody else: connect to a peer, walk the DHT.

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::config::KnownPeer;
use super::peer::Peer;
use super::routing::Route;
use crate::behaviour::agents::CallError;
use crate::behaviour::streams::Paths;
use crate::dht_key::DhtKey;
use crate::limits::{DIAL_TIMEOUT, WALK_TIMEOUT};

/// Requests to the swarm task. A dropped reply means that the asker has left.
#[derive(Debug)]
pub(crate) enum Command {
    /// Connect to a peer, unless connected.
    Connect {
        route: Route,
        paths: Paths,
        reply: oneshot::Sender<Result<(), DialError>>,
    },
    /// Find the nodes closest to a key.
    Walk {
        key: DhtKey,
        reply: oneshot::Sender<Vec<Route>>,
    },
    /// Tell which peers are known, and where.
    KnownPeers {
        reply: oneshot::Sender<Vec<KnownPeer>>,
    },
    /// Tell which peers are connected, and how.
    Peers { reply: oneshot::Sender<Vec<Peer>> },
}

/// Sends commands to the swarm task.
#[derive(Clone, Debug)]
pub(crate) struct Dialer {
    commands: mpsc::Sender<Command>,
}

impl Dialer {
    pub(crate) fn new(commands: mpsc::Sender<Command>) -> Self {
        Self { commands }
    }

    /// Connects to a peer, at the addresses given and those that the routing table knows.
    pub(crate) async fn connect(&self, route: &Route, paths: Paths) -> Result<(), DialError> {
        let route = route.clone();
        let dialled = self.ask(|reply| Command::Connect {
            route,
            paths,
            reply,
        });
        let dialled = timeout(DIAL_TIMEOUT, dialled)
            .await
            .map_err(|_| DialError::Timeout)?;
        dialled.ok_or(DialError::Stopped)?
    }

    /// The nodes closest to a key, closest first; fewer than there are if the walk takes too long.
    pub(crate) async fn walk(&self, key: DhtKey) -> Vec<Route> {
        let walked = self.ask(|reply| Command::Walk { key, reply });
        // The swarm task ends the walk in time; the longer limit here only covers a task that is gone.
        timeout(2 * WALK_TIMEOUT, walked)
            .await
            .ok()
            .flatten()
            .unwrap_or_default()
    }

    /// Every peer of the routing table.
    pub(crate) async fn known_peers(&self) -> Vec<KnownPeer> {
        self.ask(|reply| Command::KnownPeers { reply })
            .await
            .unwrap_or_default()
    }

    /// Every connected peer.
    pub(crate) async fn peers(&self) -> Vec<Peer> {
        self.ask(|reply| Command::Peers { reply })
            .await
            .unwrap_or_default()
    }

    /// Sends a command and waits for its reply; `None` if the swarm task has ended.
    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.ok()?;
        answer.await.ok()
    }
}

/// Why no connection came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DialError {
    #[error("no address of the peer answers")]
    Unreachable,
    #[error("the peer is reached through a relay only")]
    RelayRequired,
    #[error("no connection in time")]
    Timeout,
    #[error("the network is shutting down")]
    Stopped,
}

impl From<DialError> for CallError {
    fn from(error: DialError) -> Self {
        match error {
            DialError::Unreachable => Self::Unreachable,
            DialError::RelayRequired => Self::RelayRequired,
            DialError::Timeout => Self::Timeout,
            DialError::Stopped => Self::Stopped,
        }
    }
}
