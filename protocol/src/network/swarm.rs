// SPDX-License-Identifier: MPL-2.0
//! The swarm: the behaviours with their settings, on the transports.

use std::num::NonZeroUsize;
use std::time::Duration;

use libp2p::connection_limits::ConnectionLimits;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{
    PeerId, StreamProtocol, Swarm, connection_limits, dcutr, identify, kad, mdns,
    memory_connection_limits, ping, swarm, upnp,
};

use super::address;
use super::config::{Config, RelayServer};
use super::error::StartError;
use super::relaying::RelayMeter;
use super::transport;
use crate::behaviour::records::NoStore;
use crate::behaviour::{self, Behaviour, agents, dial_back, probe, reach, records, relay_server};
use crate::limits::{
    IDLE_CONNECTION_TIMEOUT, MAX_CONNECTIONS_PER_PEER, MAX_PENDING_INBOUND, MAX_PENDING_OUTBOUND,
    PING_INTERVAL, PING_TIMEOUT, REPLICATION, WALK_TIMEOUT,
};

/// kad under a name of our own: a node of another network is never taken for one of this.
pub(super) const KAD_PROTOCOL: StreamProtocol = StreamProtocol::new("/a2al/kad/1");

/// What identify calls this network.
const IDENTIFY_PROTOCOL: &str = "a2al/1";

/// Builds the swarm; it does not listen yet.
pub(super) fn build(
    keypair: &Keypair,
    config: &Config,
    relaying: &RelayMeter,
    records: records::Behaviour,
    agents: agents::Behaviour,
) -> Result<Swarm<Behaviour>, StartError> {
    let local = keypair.public().to_peer_id();
    let (transport, relay_client) = transport::build(keypair, relaying)?;
    let behaviour = Behaviour {
        connection_limits: connection_limits::Behaviour::new(connection_limits(
            config.max_connections,
        )),
        memory_limits: memory_connection_limits::Behaviour::with_max_bytes(config.max_memory_bytes),
        identify: identify(keypair, config),
        ping: ping::Behaviour::new(
            ping::Config::new()
                .with_interval(PING_INTERVAL)
                .with_timeout(PING_TIMEOUT),
        ),
        reach: reach::Behaviour::new(config.advertise.clone(), expects_public(config))
            .vouching(config.relay_server == RelayServer::Always),
        reachability_client: probe::Behaviour::new(),
        reachability_server: dial_back::Behaviour::default(),
        upnp: upnp(config),
        mdns: mdns(config, local)?,
        relay_client,
        relay_server: relay_server::Behaviour::new(local, relaying.clone()),
        dcutr: dcutr::Behaviour::new(local),
        kad: kad(local),
        records,
        agents,
    };
    Ok(Swarm::new(transport, behaviour, local, swarm_config()))
}

/// Dials QUIC before TCP and IPv6 before IPv4 as RFC 8305 does, and sends the first bytes of a stream along with its negotiation.
pub(super) fn swarm_config() -> swarm::Config {
    swarm::Config::with_tokio_executor()
        .with_smart_dial()
        .with_substream_upgrade_protocol_override(Version::V1Lazy)
        .with_idle_connection_timeout(IDLE_CONNECTION_TIMEOUT)
}

/// Whether a node to join through has a public address, or a name.
fn expects_public(config: &Config) -> bool {
    let mut addresses = config.bootstrap.iter().flat_map(|node| &node.addresses);
    addresses.any(|address| address::ip(address).is_none_or(|ip| !address::is_private(ip)))
}

fn connection_limits(connections: u32) -> ConnectionLimits {
    ConnectionLimits::default()
        .with_max_pending_incoming(Some(MAX_PENDING_INBOUND))
        .with_max_pending_outgoing(Some(MAX_PENDING_OUTBOUND))
        .with_max_established(Some(connections))
        .with_max_established_incoming(Some(connections / 4 * 3))
        .with_max_established_per_peer(Some(MAX_CONNECTIONS_PER_PEER))
}

fn identify(keypair: &Keypair, config: &Config) -> behaviour::identify::Behaviour {
    let identify = identify::Config::new(IDENTIFY_PROTOCOL.to_owned(), keypair.public())
        .with_agent_version(config.agent_version.clone())
        .with_push_listen_addr_updates(true);
    behaviour::identify::Behaviour::new(identify)
}

/// A router is asked only by a node that listens beyond its own machine.
fn upnp(config: &Config) -> Toggle<upnp::tokio::Behaviour> {
    let listens_beyond = config
        .listen
        .iter()
        .any(|listen| address::ip(listen).is_some_and(|ip| !ip.is_loopback()));
    (config.upnp && listens_beyond)
        .then(upnp::tokio::Behaviour::default)
        .into()
}

fn mdns(config: &Config, local: PeerId) -> Result<Toggle<mdns::tokio::Behaviour>, StartError> {
    if !config.mdns {
        return Ok(None.into());
    }
    let mdns = mdns::tokio::Behaviour::new(mdns::Config::default(), local);
    let mdns = mdns.map_err(|error| StartError::Transport(error.into()))?;
    Ok(Some(mdns).into())
}

fn kad(local: PeerId) -> kad::Behaviour<NoStore> {
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
    // The driver decides whether this node serves: a place on a relay would make kad believe that it should.
    let mut kad = kad::Behaviour::with_config(local, NoStore, config);
    kad.set_mode(Some(kad::Mode::Client));
    kad
}
