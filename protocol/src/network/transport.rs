// SPDX-License-Identifier: MPL-2.0
//! The transports: QUIC, TCP with Noise and yamux, names, and circuits through relays.

use futures::future::Either;
use libp2p::core::StreamMuxer;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::timeout::TransportTimeout;
use libp2p::core::transport::{Boxed, OrTransport};
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::{PeerId, Transport, dns, noise, quic, relay, tcp, yamux};

use super::error::StartError;
use super::prompt::Prompt;
use super::relaying::{Muxer, RelayMeter};
use crate::limits::{
    HANDSHAKE_TIMEOUT, MAX_STREAMS_PER_CONNECTION, QUIC_IDLE_TIMEOUT, QUIC_KEEP_ALIVE,
    YAMUX_STREAMS,
};

/// QUIC receive windows of one stream and one connection, in bytes: what a reader who does not read can be made to hold, and all of them
/// together. What is not read counts for the connection, so 64 of them leave no room for anything else, pings included; with the
/// 8 and 16 MiB that were tried first, two did. 2 MiB carry 20 MiB/s over a round trip of 100 ms.
const QUIC_WINDOWS: (u32, u32) = (2 * 1024 * 1024, 128 * 1024 * 1024);

/// Builds the transport of a node, and the behaviour that its circuits need. What others relay through it goes by `meter`.
pub(super) fn build(
    keypair: &Keypair,
    meter: &RelayMeter,
) -> Result<(Boxed<(PeerId, StreamMuxerBox)>, relay::client::Behaviour), StartError> {
    let noise = || noise::Config::new(keypair).map_err(|error| failed(error.into()));
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(Version::V1Lazy)
        .authenticate(noise()?)
        .multiplex(yamux_config());
    let quic = quic::tokio::Transport::new(quic_config(keypair));
    let meter = meter.clone();
    let direct = OrTransport::new(quic, tcp).map(|either, _| match either {
        Either::Left((peer, muxer)) => (peer, boxed(Muxer::new(muxer, peer, meter))),
        Either::Right((peer, muxer)) => (peer, boxed(Muxer::new(muxer, peer, meter))),
    });
    let direct = TransportTimeout::new(direct, HANDSHAKE_TIMEOUT);
    let named = dns::tokio::Transport::system(direct).map_err(|error| failed(error.into()))?;
    let (circuits, client) = relay::client::new(keypair.public().to_peer_id());
    let circuits = circuits
        .upgrade(Version::V1Lazy)
        .authenticate(noise()?)
        .multiplex(yamux_config())
        .map(|(peer, muxer), _| (peer, boxed(muxer)));
    let circuits = TransportTimeout::new(circuits, HANDSHAKE_TIMEOUT);
    let all = OrTransport::new(circuits, named).map(|either, _| either.into_inner());
    Ok((all.boxed(), client))
}

/// A peer that opens more streams than this loses the connection, so our own side stops before
/// ([`MAX_YAMUX_STREAMS`]).
fn yamux_config() -> yamux::Config {
    let mut config = yamux::Config::default();
    config.set_max_num_streams(YAMUX_STREAMS);
    config
}

fn boxed<M>(muxer: M) -> StreamMuxerBox
where
    M: StreamMuxer + Send + Unpin + 'static,
    M::Substream: Send + 'static,
    M::Error: Send + Sync + 'static,
{
    StreamMuxerBox::new(Prompt::new(muxer))
}

fn quic_config(keypair: &Keypair) -> quic::Config {
    let mut config = quic::Config::new(keypair);
    config.max_concurrent_stream_limit = MAX_STREAMS_PER_CONNECTION;
    (config.max_stream_data, config.max_connection_data) = QUIC_WINDOWS;
    config.keep_alive_interval = QUIC_KEEP_ALIVE;
    config.max_idle_timeout = u32::try_from(QUIC_IDLE_TIMEOUT.as_millis()).unwrap_or(u32::MAX);
    config
}

fn failed(source: Box<dyn std::error::Error + Send + Sync>) -> StartError {
    StartError::Transport(source)
}
