// SPDX-License-Identifier: MPL-2.0
//! What the swarm knows about itself, as a value.

use libp2p::{Multiaddr, Swarm};

use super::relays::Relays;
use crate::behaviour::Behaviour;
use crate::behaviour::reach::Outlook;
use crate::behaviour::streams::is_relayed;
use crate::network::address;
use crate::network::state::{Reachability, State, Udp};

/// The state of the network just now.
pub(super) fn state(
    swarm: &Swarm<Behaviour>,
    outlook: &Outlook,
    udp: Udp,
    relays: &Relays,
    is_relay: bool,
    dht_peers: usize,
) -> State {
    let local = *swarm.local_peer_id();
    let listen_addrs: Vec<Multiaddr> = swarm
        .listeners()
        .filter(|address| !is_relayed(address))
        .cloned()
        .collect();
    let mut direct = outlook.external.clone();
    if outlook.is_private_network {
        direct.extend(address::local(&listen_addrs));
    }
    let held = relays.held();
    let through_relays = held.iter().flat_map(|relay| relay.addresses.clone());
    let everywhere = direct.iter().cloned().chain(through_relays).collect();
    let advertised = address::with_peer(everywhere, local);
    State {
        external_addrs: outlook.external.clone(),
        reachability: match (outlook.external.is_empty(), outlook.has_met_public) {
            (false, _) => Reachability::Public,
            (true, true) => Reachability::Private,
            (true, false) => Reachability::Unknown,
        },
        bootstrap_addrs: address::with_peer(direct, local),
        listen_addrs,
        advertised,
        relays: held,
        is_relay,
        udp,
        nat: outlook.nat,
        connected_peers: swarm.network_info().num_peers(),
        dht_peers,
        is_private_network: outlook.is_private_network,
    }
}
