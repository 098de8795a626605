// SPDX-License-Identifier: MPL-2.0
//! The routing table: who enters it, at which addresses, and what others see of it.

use std::collections::HashMap;

use libp2p::core::ConnectedPoint;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId, Swarm, identify};

use crate::behaviour::Behaviour;
use crate::limits::{MAX_CACHED_PEERS, MAX_DIALLED_ADDRESSES};
use crate::network::address;
use crate::network::config::KnownPeer;
use crate::network::routing::Routing;
use crate::network::swarm::KAD_PROTOCOL;

/// What connections tell about the peers behind them.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    remotes: HashMap<ConnectionId, Remote>,
    has_met_public: bool,
    /// Dials in a row that failed, by peer.
    failures: HashMap<PeerId, u32>,
}

/// Dials in a row after which a peer is taken out of the routing table.
const MAX_FAILURES: u32 = 2;

#[derive(Debug)]
struct Remote {
    address: Multiaddr,
    /// Whether we dialled it, so that the address is known to work.
    is_dialled: bool,
}

impl Neighbours {
    pub(super) fn on_connected(
        &mut self,
        peer: &PeerId,
        connection: ConnectionId,
        endpoint: &ConnectedPoint,
    ) {
        self.failures.remove(peer);
        let address = address::without_peer(endpoint.get_remote_address().clone());
        let ip = address::ip(&address);
        self.has_met_public |=
            !endpoint.is_relayed() && ip.is_some_and(|ip| !address::is_private(ip));
        self.remotes.insert(
            connection,
            Remote {
                address,
                is_dialled: endpoint.is_dialer(),
            },
        );
    }

    pub(super) fn on_closed(&mut self, connection: ConnectionId) {
        self.remotes.remove(&connection);
    }

    /// Takes a peer out of the routing table that cannot be reached, so that nobody waits for it again; it comes back when it is met.
    ///
    /// Where no peer is connected the fault is more likely to be ours, and the table is kept.
    pub(super) fn on_unreachable(&mut self, swarm: &mut Swarm<Behaviour>, peer: PeerId) {
        if swarm.is_connected(&peer) || swarm.network_info().num_peers() == 0 {
            return;
        }
        // Others can name any number of peers to us; forgetting a count costs one more dial.
        if self.failures.len() >= MAX_CACHED_PEERS {
            self.failures.clear();
        }
        let failures = self.failures.entry(peer).or_default();
        *failures += 1;
        if *failures >= MAX_FAILURES {
            self.failures.remove(&peer);
            swarm.behaviour_mut().kad.remove_peer(&peer);
        }
    }

    /// Whether a peer was met at a public address.
    pub(super) fn met_public(&self) -> bool {
        self.has_met_public
    }

    /// Takes a peer into the routing table if it serves this network's DHT.
    pub(super) fn on_identified(
        &self,
        swarm: &mut Swarm<Behaviour>,
        connection: ConnectionId,
        peer: PeerId,
        info: &identify::Info,
    ) {
        let Some(remote) = self.remotes.get(&connection) else {
            return;
        };
        if !info.protocols.contains(&KAD_PROTOCOL) {
            return;
        }
        let dialled = remote.is_dialled.then(|| remote.address.clone());
        let named = address::credible(&info.listen_addrs, &remote.address);
        for address in dialled.into_iter().chain(named).take(MAX_DIALLED_ADDRESSES) {
            swarm.behaviour_mut().kad.add_address(&peer, address);
        }
    }
}

/// Gives a peer of an earlier run its chance.
pub(super) fn add_known(swarm: &mut Swarm<Behaviour>, known: &KnownPeer) {
    for address in known.addresses.iter().take(MAX_DIALLED_ADDRESSES) {
        swarm
            .behaviour_mut()
            .kad
            .add_address(&known.peer, address.clone());
    }
}

/// The peers of the routing table and their addresses.
pub(super) fn known(swarm: &mut Swarm<Behaviour>) -> Vec<KnownPeer> {
    let mut peers = Vec::new();
    for bucket in swarm.behaviour_mut().kad.kbuckets() {
        peers.extend(bucket.iter().map(|entry| KnownPeer {
            peer: *entry.node.key.preimage(),
            addresses: entry.node.value.iter().cloned().collect(),
        }));
    }
    peers.truncate(MAX_CACHED_PEERS);
    peers
}

/// The routing table as a value.
pub(super) fn routing(swarm: &mut Swarm<Behaviour>) -> Routing {
    let mut peers: Vec<PeerId> = Vec::new();
    for bucket in swarm.behaviour_mut().kad.kbuckets() {
        peers.extend(bucket.iter().map(|entry| *entry.node.key.preimage()));
    }
    Routing::new(
        peers
            .into_iter()
            .map(|peer| (peer, swarm.is_connected(&peer))),
    )
}
