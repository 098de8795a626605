// SPDX-License-Identifier: MPL-2.0
//! The table of live connections, by peer, through which streams are opened.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use libp2p::PeerId;
use libp2p::swarm::ConnectionId;
use tokio::sync::{mpsc, oneshot};

use super::{Stream, Usage};

/// Requests that may wait for one connection's handler.
const OPEN_QUEUE: usize = 64;

/// Where a connection's handler puts the stream it was asked for.
pub(crate) type OpenRequest = oneshot::Sender<Result<Stream, OpenError>>;

/// Which connections a stream may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Paths {
    /// Direct ones where there are any, else relayed ones.
    #[default]
    Any,
    /// Direct ones only.
    Direct,
}

/// Why no stream could be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// There is no connection to the peer, or it closed meanwhile.
    #[error("not connected")]
    NotConnected,
    /// The peer does not speak the protocol.
    #[error("the peer does not speak the protocol")]
    Unsupported,
    /// The peer did not answer in time.
    #[error("no stream was opened in time")]
    Timeout,
    /// There are as many streams on the connection as it bears.
    #[error("no further stream fits on the connection")]
    Full,
    /// The connection failed.
    #[error("the connection failed")]
    Io(#[source] io::Error),
}

/// Live connections by peer, shared between the swarm and whoever opens streams.
#[derive(Clone, Debug, Default)]
pub(crate) struct Links {
    table: Arc<Mutex<HashMap<PeerId, Vec<Link>>>>,
}

#[derive(Debug)]
struct Link {
    connection: ConnectionId,
    relayed: bool,
    /// Most streams.
    room: usize,
    usage: Arc<Usage>,
    requests: mpsc::Sender<OpenRequest>,
}

impl Links {
    /// Whether a stream to `peer` can be opened without dialling.
    pub(crate) fn is_connected(&self, peer: &PeerId, paths: Paths) -> bool {
        self.best(peer, paths).is_some()
    }

    /// Opens a stream on the best connection to `peer`: the oldest direct one, else the oldest circuit; superseded
    /// ones last.
    ///
    /// Ends within [`STREAM_OPEN_TIMEOUT`](crate::limits::STREAM_OPEN_TIMEOUT). Safe to drop.
    pub(crate) async fn open(
        &self,
        peer: &PeerId,
        paths: Paths,
    ) -> Result<(ConnectionId, Stream), OpenError> {
        let (connection, requests, has_room) =
            self.best(peer, paths).ok_or(OpenError::NotConnected)?;
        if !has_room {
            return Err(OpenError::Full);
        }
        let (reply, opened) = oneshot::channel();
        requests
            .send(reply)
            .await
            .map_err(|_| OpenError::NotConnected)?;
        let stream = opened.await.map_err(|_| OpenError::NotConnected)??;
        Ok((connection, stream))
    }

    /// Keeps new streams off a connection, as long as there is another one.
    pub(crate) fn retire(&self, peer: &PeerId, connection: ConnectionId) {
        self.with(|table| {
            let links = table.get(peer).into_iter().flatten();
            for link in links.filter(|link| link.connection == connection) {
                link.usage.supersede();
            }
        });
    }

    /// What is in use of a connection.
    pub(crate) fn usage(&self, peer: &PeerId, connection: ConnectionId) -> Option<Arc<Usage>> {
        self.with(|table| {
            let mut links = table.get(peer)?.iter();
            let link = links.find(|link| link.connection == connection)?;
            Some(Arc::clone(&link.usage))
        })
    }

    /// Adds a connection and returns what its handler is to serve. A direct one supersedes circuits at once.
    pub(super) fn insert(
        &self,
        peer: PeerId,
        connection: ConnectionId,
        relayed: bool,
        room: usize,
    ) -> (mpsc::Receiver<OpenRequest>, Arc<Usage>) {
        let (requests, served) = mpsc::channel(OPEN_QUEUE);
        let usage = Arc::<Usage>::default();
        let link = Link {
            connection,
            relayed,
            room,
            usage: Arc::clone(&usage),
            requests,
        };
        self.with(|table| {
            let links = table.entry(peer).or_default();
            if !relayed {
                for circuit in links.iter().filter(|link| link.relayed) {
                    circuit.usage.supersede();
                }
            }
            links.push(link);
        });
        (served, usage)
    }

    pub(super) fn remove(&self, peer: PeerId, connection: ConnectionId) {
        self.with(|table| {
            let Some(links) = table.get_mut(&peer) else {
                return;
            };
            // A connection that another behaviour vetoed is never reported closed; its queue is.
            links.retain(|link| link.connection != connection && !link.requests.is_closed());
            if links.is_empty() {
                table.remove(&peer);
            }
        });
    }

    fn best(
        &self,
        peer: &PeerId,
        paths: Paths,
    ) -> Option<(ConnectionId, mpsc::Sender<OpenRequest>, bool)> {
        self.with(|table| {
            let live = table
                .get(peer)?
                .iter()
                .filter(|link| !link.requests.is_closed())
                .filter(|link| paths == Paths::Any || !link.relayed);
            let best = live.min_by_key(|link| (link.relayed, link.usage.is_superseded()))?;
            let has_room = best.usage.streams() < best.room;
            Some((best.connection, best.requests.clone(), has_room))
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut HashMap<PeerId, Vec<Link>>) -> T) -> T {
        change(&mut self.table.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
