// SPDX-License-Identifier: MPL-2.0
//! What a [`Service`](crate::Service) is started with, already checked.

use std::net::SocketAddr;
use std::path::PathBuf;

use a2al_protocol::limits::{
    MAX_INBOUND_STREAMS, MAX_INBOUND_STREAMS_PER_AGENT, MAX_INBOUND_STREAMS_PER_PEER,
};
use a2al_protocol::network::{Bootstrap, Multiaddr, RelayServer};

/// Settings of the use cases.
#[derive(Clone, Debug)]
pub struct Config {
    /// Directory of keys and databases; made when missing. The caller holds its lock.
    pub data_dir: PathBuf,
    /// Directory of `node.key`; made when missing.
    pub key_dir: PathBuf,
    /// Settings of the network.
    pub network: NetworkConfig,
    /// Whether published records are renewed by themselves.
    pub auto_publish: bool,
    /// Where the daemon's own interface listens, so that no agent can hand it out as its service.
    pub api_addr: Option<SocketAddr>,
    /// Whether services of agents may be on other machines than this one.
    pub allow_lan_services: bool,
    /// How many streams to services there may be.
    pub inbound: InboundLimits,
}

impl Config {
    /// Settings with everything but the directory at its default; keys are in `<data_dir>/keys`.
    pub fn new(data_dir: PathBuf) -> Self {
        Self {
            key_dir: data_dir.join("keys"),
            data_dir,
            network: NetworkConfig::default(),
            auto_publish: true,
            api_addr: None,
            allow_lan_services: false,
            inbound: InboundLimits::default(),
        }
    }
}

/// How many streams from other agents to services there may be at one time; further calls are
/// refused as busy.
#[derive(Clone, Copy, Debug)]
pub struct InboundLimits {
    /// In all.
    pub total: usize,
    /// To one agent.
    pub per_agent: usize,
    /// From one node.
    pub per_peer: usize,
}

impl Default for InboundLimits {
    fn default() -> Self {
        Self {
            total: MAX_INBOUND_STREAMS,
            per_agent: MAX_INBOUND_STREAMS_PER_AGENT,
            per_peer: MAX_INBOUND_STREAMS_PER_PEER,
        }
    }
}

/// Settings of the network.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// Addresses to listen on; port 0 chooses a free one. Empty = the network's own default.
    pub listen: Vec<Multiaddr>,
    /// Nodes to join the network through.
    pub bootstrap: Vec<Bootstrap>,
    /// Further addresses to publish, beside what is found out.
    pub advertise: Vec<Multiaddr>,
    /// Whether relayed paths are used: places reserved on relays, and agents called through them.
    pub use_relays: bool,
    /// Whether others may use this node as a relay.
    pub relay_server: RelayServer,
    /// Whether the router is asked to forward ports (UPnP).
    pub upnp: bool,
    /// Whether nodes are looked for on the local network (mDNS).
    pub mdns: bool,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            bootstrap: Vec::new(),
            advertise: Vec::new(),
            use_relays: true,
            relay_server: RelayServer::WhenPublic,
            upnp: true,
            mdns: false,
        }
    }
}
