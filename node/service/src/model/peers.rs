// SPDX-License-Identifier: MPL-2.0
//! The connected peers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The connected peers.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct PeerList {
    /// One entry a peer, ordered by peer id.
    pub peers: Vec<Peer>,
}

/// A connected peer, and the connection that new streams to it take.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize, ToSchema)]
pub struct Peer {
    /// Its identity.
    #[schema(example = "12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf")]
    pub peer_id: String,
    /// The way that bytes take.
    pub path: Path,
    /// What carries them; on a relayed path up to the relay.
    pub transport: Transport,
    /// Multiaddr of the remote end; on a relayed path the relay's.
    #[schema(example = "/ip4/203.0.113.7/udp/4121/quic-v1")]
    pub addr: String,
    /// The last round trip that was measured, in milliseconds.
    #[schema(example = 23.4)]
    pub rtt_ms: Option<f64>,
    /// Since when it is connected, RFC 3339.
    #[schema(example = "2026-11-23T22:40:00Z")]
    pub since: String,
    /// Open streams to and from agents and records.
    #[schema(example = 2)]
    pub streams: u64,
    /// Connections to the peer, this one included.
    #[schema(example = 1)]
    pub connections: u64,
    /// What it calls itself, at most 64 characters; empty until it has said so.
    #[schema(example = "a2ald/0.1.0")]
    pub agent_version: String,
}

/// The way between two nodes.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Path {
    /// From node to node across the public network.
    Direct,
    /// Through a relay.
    Relay,
    /// From node to node within a private network or one machine.
    Lan,
}

/// What carries a connection.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// QUIC over UDP.
    Quic,
    /// TCP.
    Tcp,
}
