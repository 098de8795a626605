// SPDX-License-Identifier: MPL-2.0
//! What an A2AL node does on its connections: libp2p's behaviours and A2AL's own, composed into one.

pub(crate) mod agents;
pub(crate) mod dial_back;
pub(crate) mod identify;
pub(crate) mod probe;
pub(crate) mod reach;
pub(crate) mod records;
pub(crate) mod relay_server;
pub(crate) mod streams;

use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{connection_limits, dcutr, kad, mdns, memory_connection_limits, ping, relay, upnp};

/// Everything that runs on the swarm. The order is the order of veto on new connections: limits come first.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    /// Refuses connections above the counts in [`crate::limits`].
    pub(crate) connection_limits: connection_limits::Behaviour,
    /// Refuses connections while the process uses too much memory.
    pub(crate) memory_limits: memory_connection_limits::Behaviour,
    /// Tells peers our addresses and protocols, and learns theirs.
    pub(crate) identify: identify::Behaviour,
    /// Measures round trips and notices dead connections.
    pub(crate) ping: ping::Behaviour,
    /// Gathers under which addresses this node may be reached, and tells the behaviours below.
    pub(crate) reach: reach::Behaviour,
    /// Asks other nodes whether they can dial us there.
    pub(crate) reachability_client: probe::Behaviour,
    /// Dials those who ask the same.
    pub(crate) reachability_server: dial_back::Behaviour,
    /// Has the router forward ports.
    pub(crate) upnp: Toggle<upnp::tokio::Behaviour>,
    /// Finds nodes on the local network.
    pub(crate) mdns: Toggle<mdns::tokio::Behaviour>,
    /// Reserves a place on relays, and calls through them.
    pub(crate) relay_client: relay::client::Behaviour,
    /// Relays for others.
    pub(crate) relay_server: relay_server::Behaviour,
    /// Punches holes, so that relayed peers get a direct connection.
    pub(crate) dcutr: dcutr::Behaviour,
    /// Routing only: which nodes are closest to a key. It stores nothing.
    pub(crate) kad: kad::Behaviour<records::NoStore>,
    /// `/a2al/rec/1`: sets of signed records at the closest nodes.
    pub(crate) records: records::Behaviour,
    /// `/a2al/agent/1`: authenticated streams between agents.
    pub(crate) agents: agents::Behaviour,
}
