// SPDX-License-Identifier: MPL-2.0
//! What the swarm knows about itself, as a value.

use libp2p::{Multiaddr, Swarm};

use crate::behaviour::Behaviour;
use crate::network::address;
use crate::network::state::{Reachability, State, Udp};
use crate::record::NatType;

/// The state of the network just now. `advertise` is what the operator says of its addresses.
pub(super) fn state(
    swarm: &Swarm<Behaviour>,
    advertise: &[Multiaddr],
    has_met_public: bool,
    dht_peers: usize,
) -> State {
    let listen_addrs: Vec<Multiaddr> = swarm.listeners().cloned().collect();
    let mut addresses = advertise.iter().chain(&listen_addrs);
    let is_public =
        addresses.any(|address| address::ip(address).is_none_or(|ip| !address::is_private(ip)));
    let is_private_network = !is_public && !has_met_public;
    let mut best_first = advertise.to_vec();
    best_first.extend(address::advertisable(&listen_addrs, is_private_network));
    let advertised = address::with_peer(best_first, *swarm.local_peer_id());
    State {
        listen_addrs,
        external_addrs: advertise.to_vec(),
        relays: Vec::new(),
        is_relay: false,
        udp: Udp::Unknown,
        bootstrap_addrs: advertised.clone(),
        advertised,
        reachability: match (is_public, is_private_network) {
            (true, _) => Reachability::Public,
            (false, true) => Reachability::Unknown,
            (false, false) => Reachability::Private,
        },
        nat: if is_public {
            NatType::Public
        } else {
            NatType::Unknown
        },
        connected_peers: swarm.network_info().num_peers(),
        dht_peers,
        is_private_network,
    }
}
