// SPDX-License-Identifier: MPL-2.0
//! What a network needs to know at its start.

use std::time::Duration;

use libp2p::{Multiaddr, PeerId};

use super::address::Bootstrap;
use crate::dht_key::DhtKey;
use crate::key::SigningKey;
use crate::limits::{
    BOOTSTRAP_RELAY_DAILY_BYTES, BOOTSTRAP_RELAY_TOTAL_RATE, MAX_BOOTSTRAP_CIRCUITS,
    MAX_BOOTSTRAP_RESERVATIONS, MAX_CIRCUIT_BYTES, MAX_CIRCUIT_DURATION, MAX_CIRCUITS,
    MAX_CIRCUITS_PER_PEER, MAX_CONNECTIONS, MAX_MEMORY_BYTES, MAX_RESERVATIONS, RELAY_DAILY_BYTES,
    RELAY_PEER_RATE, RELAY_TOTAL_RATE, RESERVATION_DURATION,
};
use crate::record::VerifiedRecord;

/// Settings of one node's network, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The node's own key: its [`PeerId`] and its own AID.
    pub key: SigningKey,
    /// What it calls itself towards peers, `a2ald/0.1.0` for one.
    pub agent_version: String,
    /// Where it listens; see [`parse_listen`](super::parse_listen).
    pub listen: Vec<Multiaddr>,
    /// Nodes to join through.
    pub bootstrap: Vec<Bootstrap>,
    /// Further addresses under which others reach this node.
    pub advertise: Vec<Multiaddr>,
    /// Peers met before, tried as well as `bootstrap`.
    pub known_peers: Vec<KnownPeer>,
    /// Records held before a restart.
    pub held: Vec<HeldRecord>,
    /// Whether this node reserves places on relays, and calls others through relays.
    pub use_relays: bool,
    /// Whether others may use this node as a relay.
    pub relay_server: RelayServer,
    /// What they may use, if so.
    pub relay_limits: RelayLimits,
    /// Connections at one time; others may open three quarters of them.
    pub max_connections: u32,
    /// No connection is added while the process holds more than this many bytes of memory.
    pub max_memory_bytes: usize,
    /// Whether the router is asked to forward ports (UPnP).
    pub upnp: bool,
    /// Whether nodes are looked for on the local network (mDNS).
    pub mdns: bool,
}

impl Config {
    /// A node that listens on all interfaces, port 4121, and knows nobody.
    pub fn new(key: SigningKey) -> Self {
        Self {
            key,
            agent_version: concat!("a2al/", env!("CARGO_PKG_VERSION")).to_owned(),
            listen: super::parse_listen(":4121").expect("the default address is valid"),
            bootstrap: Vec::new(),
            advertise: Vec::new(),
            known_peers: Vec::new(),
            held: Vec::new(),
            use_relays: true,
            relay_server: RelayServer::WhenPublic,
            relay_limits: RelayLimits::daemon(),
            max_connections: MAX_CONNECTIONS,
            max_memory_bytes: MAX_MEMORY_BYTES,
            upnp: true,
            mdns: false,
        }
    }
}

/// Whether a node serves as a relay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RelayServer {
    /// It does not.
    Never,
    /// It does while an interface of its own has a public address that others reach.
    #[default]
    WhenPublic,
    /// It does.
    Always,
}

/// What those who use this node as a relay may use of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayLimits {
    /// Nodes that may hold a reservation at one time.
    pub reservations: usize,
    /// How long a reservation holds.
    pub reservation_duration: Duration,
    /// Circuits at one time.
    pub circuits: usize,
    /// Circuits that one node may have opened.
    pub circuits_per_peer: usize,
    /// Bytes that one circuit may carry, both directions together.
    pub circuit_bytes: u64,
    /// How long a circuit may last.
    pub circuit_duration: Duration,
    /// Bits per second that the circuits opened by one node may carry together.
    pub peer_rate: u64,
    /// Bits per second that all circuits may carry together.
    pub total_rate: u64,
    /// Bytes that all circuits may carry in 24 hours.
    pub daily_bytes: u64,
}

/// A peer and where it was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPeer {
    /// Its identity.
    pub peer: PeerId,
    /// Its addresses.
    pub addresses: Vec<Multiaddr>,
}

/// A record held for the network, and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldRecord {
    /// Where it lives.
    pub key: DhtKey,
    /// The record.
    pub record: VerifiedRecord,
}

impl RelayLimits {
    /// What `a2ald` gives.
    pub const fn daemon() -> Self {
        Self {
            reservations: MAX_RESERVATIONS,
            reservation_duration: RESERVATION_DURATION,
            circuits: MAX_CIRCUITS,
            circuits_per_peer: MAX_CIRCUITS_PER_PEER,
            circuit_bytes: MAX_CIRCUIT_BYTES,
            circuit_duration: MAX_CIRCUIT_DURATION,
            peer_rate: RELAY_PEER_RATE,
            total_rate: RELAY_TOTAL_RATE,
            daily_bytes: RELAY_DAILY_BYTES,
        }
    }

    /// What a bootstrap node gives, which is there for others.
    pub const fn bootstrap() -> Self {
        Self {
            reservations: MAX_BOOTSTRAP_RESERVATIONS,
            circuits: MAX_BOOTSTRAP_CIRCUITS,
            total_rate: BOOTSTRAP_RELAY_TOTAL_RATE,
            daily_bytes: BOOTSTRAP_RELAY_DAILY_BYTES,
            ..Self::daemon()
        }
    }
}
