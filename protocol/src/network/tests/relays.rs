// SPDX-License-Identifier: MPL-2.0
//! What a node does for others, against those who want more: relaying, and dialling back; and what a hostile relay gets to see.

mod dial_backs;
mod hostile;
mod limits;
mod rates;
mod raw;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt;
use libp2p::Swarm;
use libp2p::identity::Keypair;
use libp2p::swarm::SwarmEvent;
use tokio::task::JoinHandle;

use self::raw::Raw;
use super::*;
use crate::behaviour::agents::Bindings;
use crate::behaviour::{Behaviour, agents, records};
use crate::network::relaying::RelayMeter;
use crate::network::swarm;

/// A node that serves others, and nothing else.
struct Server {
    peer: PeerId,
    tcp: Multiaddr,
    quic: Multiaddr,
    meter: RelayMeter,
    /// Dials that it has made.
    dials: Arc<AtomicUsize>,
    /// Connections that it has.
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A relay with those limits.
async fn relay(limits: RelayLimits) -> Server {
    serve(limits, |behaviour| {
        let enabled = libp2p::relay::Status::Enable;
        behaviour.relay_server.set_status(Some(enabled));
    })
    .await
}

/// The whole swarm of a node, without the driver.
async fn serve(limits: RelayLimits, set_up: impl FnOnce(&mut Behaviour)) -> Server {
    serve_at(limits, Vec::new(), set_up).await
}

/// The same, listening at further addresses.
async fn serve_at(
    limits: RelayLimits,
    further: Vec<Multiaddr>,
    set_up: impl FnOnce(&mut Behaviour),
) -> Server {
    let (keypair, meter) = (Keypair::generate_ed25519(), RelayMeter::new(limits));
    let mut config = config(SigningKey::generate());
    config.upnp = false;
    let (records, _, _) = records::Behaviour::new();
    let (agents, _, _) = agents::Behaviour::new(Bindings::default());
    let mut swarm = swarm::build(&keypair, &config, &meter, records, agents).unwrap();
    set_up(swarm.behaviour_mut());
    let tcp = listening(&mut swarm, "/ip4/127.0.0.1/tcp/0").await;
    let quic = listening(&mut swarm, "/ip4/127.0.0.1/udp/0/quic-v1").await;
    swarm.add_external_address(tcp.clone());
    for address in further {
        swarm.listen_on(address).unwrap();
    }
    let (dials, connections) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
    Server {
        peer: *swarm.local_peer_id(),
        tcp,
        quic,
        meter,
        dials: Arc::clone(&dials),
        connections: Arc::clone(&connections),
        task: tokio::spawn(async move {
            loop {
                let event = swarm.select_next_some().await;
                if let SwarmEvent::Dialing { .. } = event {
                    dials.fetch_add(1, Ordering::Relaxed);
                }
                let open = swarm.network_info().connection_counters().num_established();
                connections.store(open as usize, Ordering::Relaxed);
            }
        }),
    }
}

async fn listening<B: libp2p::swarm::NetworkBehaviour>(
    swarm: &mut Swarm<B>,
    address: &str,
) -> Multiaddr {
    let listener = swarm.listen_on(address.parse().unwrap()).unwrap();
    loop {
        if let SwarmEvent::NewListenAddr {
            listener_id,
            address,
        } = within(swarm.select_next_some()).await
            && listener_id == listener
        {
            return address;
        }
    }
}

/// Limits that no test meets by chance.
fn roomy() -> RelayLimits {
    RelayLimits {
        peer_rate: u64::MAX,
        total_rate: u64::MAX,
        ..RelayLimits::daemon()
    }
}

/// A source and a target of circuits; the target has a reservation.
async fn ends(relay: &Server) -> (Raw, Raw) {
    let (source, target) = (Raw::relay_user().await, Raw::relay_user().await);
    source.connect(relay.peer, &relay.tcp).await;
    target.connect(relay.peer, &relay.tcp).await;
    assert_eq!(target.reserve(relay.peer).await, raw::OK);
    (source, target)
}
