// SPDX-License-Identifier: MPL-2.0
//! What a network needs to know at its start.

use libp2p::{Multiaddr, PeerId};

use super::address::Bootstrap;
use crate::dht_key::DhtKey;
use crate::key::SigningKey;
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
        }
    }
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
