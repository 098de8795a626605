// SPDX-License-Identifier: MPL-2.0
//! What an A2AL node does on its connections: libp2p's behaviours and A2AL's own, composed into one.

pub(crate) mod agents;
pub(crate) mod records;
pub(crate) mod streams;

use libp2p::swarm::NetworkBehaviour;
use libp2p::{connection_limits, identify, kad, memory_connection_limits, ping};

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
    /// Routing only: which nodes are closest to a key. It stores nothing.
    pub(crate) kad: kad::Behaviour<records::NoStore>,
    /// `/a2al/rec/1`: sets of signed records at the closest nodes.
    pub(crate) records: records::Behaviour,
    /// `/a2al/agent/1`: authenticated streams between agents.
    pub(crate) agents: agents::Behaviour,
}
