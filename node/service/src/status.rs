// SPDX-License-Identifier: MPL-2.0
//! How the node is doing.

use a2al_protocol::limits::DEFAULT_RECORD_TTL;
use a2al_protocol::network::{self, Multiaddr};

use crate::agents::{is_valid, next_publish_at};
use crate::live::RENEWAL_INTERVAL;
use crate::model::{HeldRelay, Nat, Reachability, Relaying, Status, Udp};
use crate::{Service, clock};

/// Source revision, when whoever builds sets it.
const COMMIT: Option<&str> = option_env!("A2AL_COMMIT");

impl Service {
    /// State of the node. Read from memory; never waits.
    pub fn status(&self) -> Status {
        let core = &self.core;
        let network = core.client.state().borrow().clone();
        let published = core.node_live.publication();
        let carried = core.tunnels.carried();
        Status {
            node_aid: self.node_aid(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: COMMIT.unwrap_or_default().to_owned(),
            data_dir: core.config.data_dir.display().to_string(),
            auto_publish: self.is_auto_publishing(),
            node_published: published.as_ref().is_some_and(is_valid),
            node_seq: published
                .as_ref()
                .map_or(0, |published| published.record.seq().0),
            node_last_publish_at: published.map(|published| clock::rfc3339(published.at)),
            node_next_republish_estimate: self
                .is_auto_publishing()
                .then(|| next_publish_at(&core.node_live)),
            republish_interval_s: RENEWAL_INTERVAL.as_secs(),
            endpoint_ttl_s: DEFAULT_RECORD_TTL.as_secs(),
            dht_peers: network.dht_peers as u64,
            network_ready: network.dht_peers > 0,
            uptime_seconds: core.started.elapsed().as_secs(),
            peer_id: core.client.peer_id().to_string(),
            listen_addrs: texts(&network.listen_addrs),
            external_addrs: texts(&network.external_addrs),
            bootstrap_addrs: texts(&network.bootstrap_addrs),
            reachability: reachability(network.reachability),
            nat_type: network.nat.code(),
            nat: Nat::of_type(network.nat.code()),
            udp: udp(network.udp),
            relays: network.relays.iter().map(held_relay).collect(),
            relaying: self.relaying(network.is_relay),
            connected_peers: network.connected_peers as u64,
            tunnel_active_count: core.tunnels.count() as u64,
            tunnel_bytes_up_total: carried.up,
            tunnel_bytes_down_total: carried.down,
            pending: self.pending(),
        }
    }

    fn relaying(&self, is_offered: bool) -> Relaying {
        let carried = self.core.client.relaying();
        Relaying {
            offered: is_offered,
            reservations: carried.reservations as u64,
            circuits: carried.circuits as u64,
            carried_bytes: carried.carried_bytes,
            exhausted: carried.is_exhausted,
        }
    }
}

fn texts(addresses: &[Multiaddr]) -> Vec<String> {
    addresses.iter().map(ToString::to_string).collect()
}

fn reachability(known: network::Reachability) -> Reachability {
    match known {
        network::Reachability::Unknown => Reachability::Unknown,
        network::Reachability::Public => Reachability::Public,
        network::Reachability::Private => Reachability::Private,
    }
}

fn udp(known: network::Udp) -> Udp {
    match known {
        network::Udp::Unknown => Udp::Unknown,
        network::Udp::Open => Udp::Open,
        network::Udp::Blocked => Udp::Blocked,
    }
}

fn held_relay(relay: &network::HeldRelay) -> HeldRelay {
    HeldRelay {
        peer_id: relay.peer.to_string(),
        addrs: texts(&relay.addresses),
        since: clock::rfc3339(relay.since),
    }
}
