// SPDX-License-Identifier: MPL-2.0
//! Whether UDP gets through: a peer that was reached over TCP is tried over QUIC once, so that nothing is claimed without a test.

use std::collections::{HashMap, HashSet};

use libp2p::swarm::ConnectionId;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId, Swarm};

use super::connections::{Connection, Connections};
use crate::behaviour::Behaviour;
use crate::limits::MAX_CACHED_PEERS;
use crate::network::address;
use crate::network::peer::Transport;
use crate::network::state::Udp;

/// Tests that were made, and those that failed.
#[derive(Debug, Default)]
pub(super) struct UdpTest {
    running: HashMap<ConnectionId, PeerId>,
    tested: HashSet<PeerId>,
    failed: HashSet<PeerId>,
}

impl UdpTest {
    /// A peer that we reached over TCP says where else it listens.
    pub(super) fn on_identified(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        connections: &Connections,
        connection: &Connection,
        listening: &[Multiaddr],
    ) {
        let has_quic = |(_, c): (ConnectionId, &Connection)| c.transport() == Transport::Quic;
        let is_candidate = is_telling(connection) && connection.transport() == Transport::Tcp;
        if !is_candidate || connections.of(&connection.peer).any(has_quic) {
            return;
        }
        let ip = address::ip(&connection.address);
        let mut quic = listening.iter().filter(|address| address::is_quic(address));
        let Some(quic) = quic.find(|address| address::ip(address) == ip) else {
            return;
        };
        if self.tested.len() >= MAX_CACHED_PEERS || !self.tested.insert(connection.peer) {
            return;
        }
        let options = DialOpts::peer_id(connection.peer)
            .condition(PeerCondition::Always)
            .addresses(vec![quic.clone()])
            .build();
        let attempt = options.connection_id();
        if swarm.dial(options).is_ok() {
            self.running.insert(attempt, connection.peer);
        }
    }

    /// An attempt has ended; if it was one of these, UDP did not get through.
    pub(super) fn on_failed(&mut self, attempt: ConnectionId) -> bool {
        let Some(peer) = self.running.remove(&attempt) else {
            return false;
        };
        self.failed.insert(peer);
        true
    }

    pub(super) fn on_connected(&mut self, attempt: ConnectionId) {
        self.running.remove(&attempt);
    }

    /// The host is on another network.
    pub(super) fn on_moved(&mut self) {
        self.tested.clear();
        self.failed.clear();
    }

    /// What is known, by the connections to the public network that we opened.
    pub(super) fn verdict(&self, connections: &Connections) -> Udp {
        let mut opened = connections
            .all()
            .filter(|(_, connection)| is_telling(connection));
        let is_blocked = |(_, c): (ConnectionId, &Connection)| self.failed.contains(&c.peer);
        let all: Vec<_> = opened.by_ref().collect();
        if all.iter().any(|(_, c)| c.transport() == Transport::Quic) {
            Udp::Open
        } else if all.into_iter().any(is_blocked) {
            Udp::Blocked
        } else {
            Udp::Unknown
        }
    }
}

/// Whether a connection says something about the way to the public network.
fn is_telling(connection: &Connection) -> bool {
    let ip = address::ip(&connection.address);
    connection.is_dialer && !connection.relayed && ip.is_some_and(|ip| !address::is_private(ip))
}
