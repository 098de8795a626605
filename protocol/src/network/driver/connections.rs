// SPDX-License-Identifier: MPL-2.0
//! Every live connection, and what is known about it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use libp2p::core::ConnectedPoint;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};
use tokio::time::Instant;

use crate::behaviour::streams::{Links, Paths, Usage, is_relayed};
use crate::clock;
use crate::limits::PING_TIMEOUT;
use crate::network::address;
use crate::network::peer::{Path, Peer, Transport};
use crate::time::UnixSeconds;

/// The live connections, by peer.
#[derive(Debug)]
pub(super) struct Connections {
    /// Where agents' streams are opened, and counted.
    agents: Links,
    /// Where records' streams are opened.
    records: Links,
    table: HashMap<ConnectionId, Connection>,
    /// What peers call themselves.
    versions: HashMap<PeerId, String>,
}

/// One connection.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) peer: PeerId,
    /// The remote end, without the peer's name.
    pub(super) address: Multiaddr,
    pub(super) relayed: bool,
    /// Whether we dialled.
    pub(super) is_dialer: bool,
    pub(super) since: Instant,
    pub(super) rtt: Option<Duration>,
    /// What agents' streams had carried when that was looked at last, and when that had changed.
    carried: u64,
    moved_at: Instant,
    since_wall: UnixSeconds,
}

impl Connection {
    fn new(peer: PeerId, endpoint: &ConnectedPoint) -> Self {
        // The remote end of an inbound circuit is named by nothing but the peer; our own end says which relay.
        let address = match endpoint {
            ConnectedPoint::Dialer { address, .. } => address,
            ConnectedPoint::Listener { local_addr, .. } if is_relayed(local_addr) => local_addr,
            ConnectedPoint::Listener { send_back_addr, .. } => send_back_addr,
        };
        Self {
            peer,
            address: address::without_peer(address.clone()),
            relayed: endpoint.is_relayed(),
            is_dialer: endpoint.is_dialer(),
            since: Instant::now(),
            rtt: None,
            carried: 0,
            moved_at: Instant::now(),
            since_wall: clock::now(),
        }
    }

    pub(super) fn transport(&self) -> Transport {
        if address::is_quic(&self.address) {
            Transport::Quic
        } else {
            Transport::Tcp
        }
    }

    pub(super) fn is_loopback(&self) -> bool {
        address::ip(&self.address).is_some_and(|ip| ip.is_loopback())
    }

    fn path(&self) -> Path {
        let is_lan = address::ip(&self.address).is_some_and(address::is_private);
        match (self.relayed, is_lan) {
            (true, _) => Path::Relay,
            (false, true) => Path::Lan,
            (false, false) => Path::Direct,
        }
    }
}

impl Connections {
    pub(super) fn new(agents: Links, records: Links) -> Self {
        Self {
            agents,
            records,
            table: HashMap::new(),
            versions: HashMap::new(),
        }
    }

    pub(super) fn on_connected(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        endpoint: &ConnectedPoint,
    ) {
        self.table
            .insert(connection, Connection::new(peer, endpoint));
    }

    pub(super) fn on_closed(&mut self, connection: ConnectionId) -> Option<Connection> {
        let closed = self.table.remove(&connection)?;
        if self.of(&closed.peer).next().is_none() {
            self.versions.remove(&closed.peer);
        }
        Some(closed)
    }

    pub(super) fn on_identified(&mut self, peer: PeerId, agent_version: &str) {
        self.versions.insert(peer, agent_version.to_owned());
    }

    /// A peer has answered, or has not for two rounds; whether it must be taken for gone.
    ///
    /// Where bytes still move, the answer only waits behind them: a slow line with much to carry is alive.
    pub(super) fn on_pinged(&mut self, id: ConnectionId, rtt: Option<Duration>) -> bool {
        self.note_movement(id);
        let Some(connection) = self.table.get_mut(&id) else {
            return false;
        };
        connection.rtt = rtt.or(connection.rtt);
        rtt.is_none() && connection.moved_at.elapsed() >= PING_TIMEOUT
    }

    /// Looks on which connections bytes move; to be called about once a second.
    pub(super) fn care(&mut self) {
        let ids: Vec<ConnectionId> = self.table.keys().copied().collect();
        for id in ids {
            self.note_movement(id);
        }
    }

    fn note_movement(&mut self, id: ConnectionId) {
        let Some(peer) = self.table.get(&id).map(|connection| connection.peer) else {
            return;
        };
        let carried = self.usage(&peer, id).map_or(0, |usage| usage.bytes());
        if let Some(connection) = self.table.get_mut(&id)
            && connection.carried != carried
        {
            connection.carried = carried;
            connection.moved_at = Instant::now();
        }
    }

    pub(super) fn get(&self, connection: ConnectionId) -> Option<&Connection> {
        self.table.get(&connection)
    }

    /// Keeps new streams off a connection that another one supersedes.
    pub(super) fn retire(&self, peer: &PeerId, connection: ConnectionId) {
        self.agents.retire(peer, connection);
        self.records.retire(peer, connection);
    }

    /// What agents use of a connection. Records do not count: whoever asks for them asks again elsewhere.
    pub(super) fn usage(&self, peer: &PeerId, connection: ConnectionId) -> Option<Arc<Usage>> {
        self.agents.usage(peer, connection)
    }

    /// Whether a stream to a peer can be opened without dialling.
    pub(super) fn is_connected(&self, peer: &PeerId, paths: Paths) -> bool {
        self.of(peer)
            .any(|(_, connection)| paths == Paths::Any || !connection.relayed)
    }

    /// Every connection.
    pub(super) fn all(&self) -> impl Iterator<Item = (ConnectionId, &Connection)> {
        self.table.iter().map(|(id, connection)| (*id, connection))
    }

    /// The connections to one peer.
    pub(super) fn of(&self, peer: &PeerId) -> impl Iterator<Item = (ConnectionId, &Connection)> {
        self.all()
            .filter(move |(_, connection)| connection.peer == *peer)
    }

    /// Every connection, by peer.
    pub(super) fn by_peer(&self) -> HashMap<PeerId, Vec<(ConnectionId, &Connection)>> {
        let mut by_peer: HashMap<_, Vec<_>> = HashMap::new();
        for (id, connection) in self.all() {
            by_peer
                .entry(connection.peer)
                .or_default()
                .push((id, connection));
        }
        by_peer
    }

    /// The connected peers, and the connection that new streams to each would take.
    pub(super) fn peers(&self) -> Vec<Peer> {
        let mut peers: Vec<Peer> = self
            .by_peer()
            .into_values()
            .filter_map(|all| self.peer(&all))
            .collect();
        peers.sort_unstable_by_key(|peer| peer.peer);
        peers
    }

    /// What is told about the peer of these connections.
    fn peer(&self, connections: &[(ConnectionId, &Connection)]) -> Option<Peer> {
        // Direct before relayed, superseded ones last, old before new: as streams choose.
        let best = connections.iter().min_by_key(|(id, connection)| {
            let usage = self.usage(&connection.peer, *id);
            let is_superseded = usage.is_some_and(|usage| usage.is_superseded());
            (connection.relayed, is_superseded, connection.since)
        });
        let &(id, connection) = best?;
        let usage = self.usage(&connection.peer, id);
        Some(Peer {
            peer: connection.peer,
            agent_version: self
                .versions
                .get(&connection.peer)
                .cloned()
                .unwrap_or_default(),
            path: connection.path(),
            transport: self.first_leg(connection).transport(),
            address: connection.address.clone(),
            rtt: connection.rtt,
            since: connection.since_wall,
            streams: usage.as_deref().map_or(0, Usage::streams),
            connections: connections.len(),
        })
    }

    /// The connection that carries a circuit up to its relay; a direct connection itself.
    fn first_leg<'a>(&'a self, connection: &'a Connection) -> &'a Connection {
        let Some((relay, _)) = address::via(&connection.address) else {
            return connection;
        };
        let direct = self.of(&relay).filter(|(_, leg)| !leg.relayed);
        let oldest = direct.min_by_key(|(_, leg)| leg.since);
        oldest.map_or(connection, |(_, leg)| leg)
    }
}
