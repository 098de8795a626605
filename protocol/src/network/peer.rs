// SPDX-License-Identifier: MPL-2.0
//! The peers that are connected, and how.

use std::time::Duration;

use libp2p::{Multiaddr, PeerId};

use crate::time::UnixSeconds;

/// A connected peer, and the connection that new streams to it take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its identity.
    pub peer: PeerId,
    /// What it calls itself; empty until it has said so.
    pub agent_version: String,
    /// The way that bytes take.
    pub path: Path,
    /// What carries them; on a relayed path up to the relay.
    pub transport: Transport,
    /// The remote end of the connection; on a relayed path the relay's address is part of it.
    pub address: Multiaddr,
    /// The last round trip that was measured.
    pub rtt: Option<Duration>,
    /// Since when the connection exists.
    pub since: UnixSeconds,
    /// Streams of ours that are open on it.
    pub streams: usize,
    /// Connections to the peer, this one included.
    pub connections: usize,
}

/// The way between two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// From node to node across the public network.
    Direct,
    /// From node to node within a private network or one machine.
    Lan,
    /// Through a relay.
    Relay,
}

/// What carries a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// QUIC over UDP.
    Quic,
    /// TCP with Noise and yamux.
    Tcp,
}
