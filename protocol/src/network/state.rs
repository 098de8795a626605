// SPDX-License-Identifier: MPL-2.0
//! What the network tells about itself.

use std::net::SocketAddr;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

use super::address;

use crate::record::NatType;
use crate::time::UnixSeconds;

/// A snapshot of the network, renewed whenever something in it changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Where this node listens.
    pub listen_addrs: Vec<Multiaddr>,
    /// Addresses under which others reach it: configured, mapped by the router, or confirmed by other nodes.
    pub external_addrs: Vec<Multiaddr>,
    /// The relays on which it holds a reservation.
    pub relays: Vec<HeldRelay>,
    /// Whether others may use it as a relay just now.
    pub is_relay: bool,
    /// Whether UDP gets through to the public network.
    pub udp: Udp,
    /// What belongs in endpoint records, best first; each ends in `/p2p/<PeerId>`.
    pub advertised: Vec<Multiaddr>,
    /// What to give another machine that is to join through this node; each ends in `/p2p/<PeerId>`.
    pub bootstrap_addrs: Vec<Multiaddr>,
    /// Whether others can dial this node.
    pub reachability: Reachability,
    /// The kind of NAT it is behind, as endpoint records say it.
    pub nat: NatType,
    /// Peers with a live connection.
    pub connected_peers: usize,
    /// Peers in the routing table.
    pub dht_peers: usize,
    /// Whether this node and all peers it has met are on private addresses only.
    pub is_private_network: bool,
}

impl State {
    /// The sockets on which this node listens over TCP.
    pub fn tcp_listeners(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        let over_tcp = |address: &&Multiaddr| {
            let mut parts = address.iter();
            parts.any(|part| matches!(part, Protocol::Tcp(_)))
        };
        let listeners = self.listen_addrs.iter().filter(over_tcp);
        listeners.filter_map(address::socket)
    }
}

/// A relay that keeps a place for this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldRelay {
    /// The relay.
    pub peer: PeerId,
    /// Where others reach this node through it; each ends in `/p2p-circuit/p2p/<PeerId>`.
    pub addresses: Vec<Multiaddr>,
    /// Since when.
    pub since: UnixSeconds,
}

/// Whether UDP gets through to the public network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Udp {
    /// Not known: nobody was met there.
    #[default]
    Unknown,
    /// It does.
    Open,
    /// Others are reached over TCP only.
    Blocked,
}

/// Whether others can dial this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reachability {
    /// Not known: the network is private, or nothing was found out yet.
    #[default]
    Unknown,
    /// It has a public address.
    Public,
    /// It has none.
    Private,
}
