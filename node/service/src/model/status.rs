// SPDX-License-Identifier: MPL-2.0
//! How the node is doing.

use a2al_protocol::Aid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::PendingByAgent;

/// How this node is reached from outside.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reachability {
    /// Not known yet.
    Unknown,
    /// Others can dial it.
    Public,
    /// Others cannot dial it without help.
    Private,
}

/// Whether UDP gets through to the public network.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Udp {
    /// Nobody was met there yet.
    Unknown,
    /// It does.
    Open,
    /// Others are reached over TCP only.
    Blocked,
}

/// The kind of NAT between a node and the public network, in a word.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Nat {
    /// Not known (yet).
    Unknown,
    /// None, or one that lets everybody in.
    Public,
    /// One that lets in hosts that were contacted before.
    Restricted,
    /// One that lets in hosts and ports that were contacted before.
    PortRestricted,
    /// One that uses a new port for every destination.
    Symmetric,
}

impl Nat {
    /// The word for a number as records have it.
    pub fn of_type(nat_type: u8) -> Self {
        match nat_type {
            1 => Self::Public,
            2 => Self::Restricted,
            3 => Self::PortRestricted,
            4 => Self::Symmetric,
            _ => Self::Unknown,
        }
    }
}

/// A relay that keeps a place for this node.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct HeldRelay {
    /// The relay's identity.
    #[schema(example = "12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf")]
    pub peer_id: String,
    /// Multiaddrs that lead to this node through it.
    pub addrs: Vec<String>,
    /// Since when it keeps the place, RFC 3339.
    #[schema(example = "2026-11-23T22:40:00Z")]
    pub since: String,
}

/// What this node relays for others.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct Relaying {
    /// Whether others may use it as a relay just now.
    pub offered: bool,
    /// Nodes it keeps a place for.
    #[schema(example = 12)]
    pub reservations: u64,
    /// Open circuits.
    #[schema(example = 3)]
    pub circuits: u64,
    /// User bytes that circuits have carried since the start, both directions together.
    #[schema(example = 73_400_320_u64)]
    pub carried_bytes: u64,
    /// Whether the bytes of this day are used up, so that no circuit is opened until it is over.
    pub exhausted: bool,
}

/// State of this node.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct Status {
    /// The node's own address.
    #[schema(value_type = String, example = "A0eB165E6D5d1dE7C44e0228E8efE48E4D05F6479A")]
    #[schemars(with = "String")]
    pub node_aid: Aid,
    /// Version of the program.
    #[schema(example = "0.1.0")]
    pub version: String,
    /// Source revision it was built from; empty when the build did not say.
    pub commit: String,
    /// Directory of keys and databases.
    pub data_dir: String,
    /// Whether published records are renewed by themselves.
    pub auto_publish: bool,
    /// Whether the node's own record, published since the start, is still valid.
    pub node_published: bool,
    /// Sequence number of that record; 0 before the first.
    pub node_seq: u64,
    /// When it was published last, RFC 3339.
    #[schema(example = "2026-11-23T22:40:00Z")]
    pub node_last_publish_at: Option<String>,
    /// When it will be published again, RFC 3339.
    pub node_next_republish_estimate: Option<String>,
    /// Seconds between two renewals of a record.
    #[schema(example = 1800)]
    pub republish_interval_s: u64,
    /// Seconds an endpoint record is valid.
    #[schema(example = 3600)]
    pub endpoint_ttl_s: u64,
    /// Peers in the routing table.
    #[schema(example = 20)]
    pub dht_peers: u64,
    /// Whether at least one other node is known, so that lookups leave this machine.
    pub network_ready: bool,
    /// Seconds since the start.
    pub uptime_seconds: u64,
    /// The node's identity in the network, as it ends every multiaddr.
    #[schema(example = "12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf")]
    pub peer_id: String,
    /// Multiaddrs the node listens on.
    pub listen_addrs: Vec<String>,
    /// Multiaddrs others see it under.
    pub external_addrs: Vec<String>,
    /// Multiaddrs to give another machine as its `--bootstrap`.
    pub bootstrap_addrs: Vec<String>,
    /// How the node is reached from outside.
    pub reachability: Reachability,
    /// Kind of NAT: 0 unknown, 1 public, 2 restricted, 3 port-restricted, 4 symmetric.
    #[schema(example = 3)]
    pub nat_type: u8,
    /// The same in a word.
    pub nat: Nat,
    /// Whether UDP gets through to the public network.
    pub udp: Udp,
    /// The relays that keep a place for this node.
    pub relays: Vec<HeldRelay>,
    /// What this node relays for others.
    pub relaying: Relaying,
    /// Open connections to other nodes.
    #[schema(example = 24)]
    pub connected_peers: u64,
    /// Open tunnels.
    #[schema(example = 2)]
    pub tunnel_active_count: u64,
    /// Bytes that tunnels and one-shot connections have sent to agents since the start.
    pub tunnel_bytes_up_total: u64,
    /// Bytes that they have received.
    pub tunnel_bytes_down_total: u64,
    /// What waits for agents of this node; absent when nothing does.
    #[serde(default, skip_serializing_if = "PendingByAgent::is_empty")]
    #[schema(value_type = std::collections::BTreeMap<String, super::Pending>)]
    pub pending: PendingByAgent,
}
