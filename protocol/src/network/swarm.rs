// SPDX-License-Identifier: MPL-2.0
//! The swarm: transports, and the behaviours with their settings.

use std::num::NonZeroUsize;
use std::time::Duration;

use libp2p::connection_limits::ConnectionLimits;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::{
    StreamProtocol, Swarm, SwarmBuilder, connection_limits, identify, kad,
    memory_connection_limits, noise, ping, quic, swarm, tcp, yamux,
};

use super::error::StartError;
use crate::behaviour::records::NoStore;
use crate::behaviour::{Behaviour, agents, records};
use crate::limits::{
    IDLE_CONNECTION_TIMEOUT, MAX_CONNECTIONS, MAX_CONNECTIONS_PER_PEER, MAX_INBOUND_CONNECTIONS,
    MAX_MEMORY_BYTES, MAX_PENDING_INBOUND, MAX_PENDING_OUTBOUND, MAX_STREAMS_PER_CONNECTION,
    REPLICATION, WALK_TIMEOUT,
};

/// kad under a name of our own: a node of another network is never taken for one of this.
pub(super) const KAD_PROTOCOL: StreamProtocol = StreamProtocol::new("/a2al/kad/1");

/// What identify calls this network.
const IDENTIFY_PROTOCOL: &str = "a2al/1";

/// QUIC receive windows of one stream and one connection, in bytes: what an idle reader can be made to hold. Above the memory limit no
/// connection is added, but those that exist keep their windows.
const QUIC_WINDOWS: (u32, u32) = (8 * 1024 * 1024, 16 * 1024 * 1024);

/// Builds the swarm; it does not listen yet.
pub(super) fn build(
    keypair: Keypair,
    agent_version: String,
    records: records::Behaviour,
    agents: agents::Behaviour,
) -> Result<Swarm<Behaviour>, StartError> {
    let transport = |source| StartError::Transport(source);
    let swarm = SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(
            tcp::Config::default().nodelay(true),
            noise::Config::new,
            yamux::Config::default,
        )
        .map_err(|error| transport(error.into()))?
        .with_quic_config(quic_config)
        .with_dns()
        .map_err(|error| transport(error.into()))?
        .with_behaviour(|key| behaviour(key, agent_version, records, agents))
        .unwrap_or_else(|never| match never {})
        .with_swarm_config(swarm_config)
        .build();
    Ok(swarm)
}

fn quic_config(mut config: quic::Config) -> quic::Config {
    config.max_concurrent_stream_limit = MAX_STREAMS_PER_CONNECTION;
    (config.max_stream_data, config.max_connection_data) = QUIC_WINDOWS;
    config
}

/// Dials QUIC before TCP and IPv6 before IPv4 as RFC 8305 does, and sends the first bytes of a stream along with its negotiation.
fn swarm_config(config: swarm::Config) -> swarm::Config {
    config
        .with_smart_dial()
        .with_substream_upgrade_protocol_override(Version::V1Lazy)
        .with_idle_connection_timeout(IDLE_CONNECTION_TIMEOUT)
}

fn behaviour(
    key: &Keypair,
    agent_version: String,
    records: records::Behaviour,
    agents: agents::Behaviour,
) -> Behaviour {
    let limits = ConnectionLimits::default()
        .with_max_pending_incoming(Some(MAX_PENDING_INBOUND))
        .with_max_pending_outgoing(Some(MAX_PENDING_OUTBOUND))
        .with_max_established(Some(MAX_CONNECTIONS))
        .with_max_established_incoming(Some(MAX_INBOUND_CONNECTIONS))
        .with_max_established_per_peer(Some(MAX_CONNECTIONS_PER_PEER));
    let identify = identify::Config::new(IDENTIFY_PROTOCOL.to_owned(), key.public())
        .with_agent_version(agent_version)
        .with_push_listen_addr_updates(true);
    Behaviour {
        connection_limits: connection_limits::Behaviour::new(limits),
        memory_limits: memory_connection_limits::Behaviour::with_max_bytes(MAX_MEMORY_BYTES),
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::default(),
        kad: kad(key),
        records,
        agents,
    }
}

fn kad(key: &Keypair) -> kad::Behaviour<NoStore> {
    let count = |n: usize| NonZeroUsize::new(n).expect("kad's counts are not zero");
    let mut config = kad::Config::new(KAD_PROTOCOL);
    config
        .set_query_timeout(WALK_TIMEOUT)
        .set_substreams_timeout(Duration::from_secs(3))
        .set_parallelism(count(5))
        .set_replication_factor(count(REPLICATION))
        .set_kbucket_size(count(REPLICATION))
        .set_kbucket_inserts(kad::BucketInserts::Manual)
        .set_replication_interval(None)
        .set_publication_interval(None)
        .set_provider_publication_interval(None)
        .set_caching(kad::Caching::Disabled);
    let mut kad = kad::Behaviour::with_config(key.public().to_peer_id(), NoStore, config);
    kad.set_mode(Some(kad::Mode::Server));
    kad
}
