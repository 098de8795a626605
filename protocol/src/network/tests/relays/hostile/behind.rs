// SPDX-License-Identifier: MPL-2.0
//! A node that is reached through a relay only.

use libp2p::multiaddr::Protocol;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::behaviour::agents::{Callee, Hosted, Newest};

/// The swarm of a node with a reservation, and the agents on it. It listens nowhere else.
pub(super) struct Behind {
    pub(super) peer: PeerId,
    pub(super) hosted: Hosted,
    pub(super) calls: mpsc::Receiver<IncomingCall>,
    relays: mpsc::Sender<Multiaddr>,
    reserved: mpsc::Receiver<Multiaddr>,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Behind {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Behind {
    pub(super) async fn start(relay: &Hostile) -> Self {
        let keypair = Keypair::generate_ed25519();
        let peer = keypair.public().to_peer_id();
        let bindings = Bindings::default();
        let (records, _, _) = records::Behaviour::new();
        let (agents, _, incoming) = agents::Behaviour::new(bindings.clone());
        let mut config = Config::new(SigningKey::generate());
        config.upnp = false;
        let meter = RelayMeter::new(roomy());
        let mut swarm = swarm::build(&keypair, &config, &meter, records, agents).unwrap();
        let (calls, accepted) = mpsc::channel(64);
        let callee = Callee {
            local: peer,
            hosted: Hosted::default(),
            bindings,
            newest: Newest::default(),
            calls,
        };
        let hosted = callee.hosted.clone();
        let (relays, mut wanted) = mpsc::channel::<Multiaddr>(4);
        let (agreed, reserved) = mpsc::channel(16);
        let driving = tokio::spawn(async move {
            loop {
                tokio::select! {
                    event = swarm.select_next_some() => {
                        if let SwarmEvent::NewListenAddr { address, .. } = event {
                            agreed.try_send(address).unwrap();
                        }
                    }
                    Some(address) = wanted.recv() => {
                        swarm.listen_on(address).unwrap();
                    }
                }
            }
        });
        let serving = agents::serve(callee, incoming, CancellationToken::new());
        let mut behind = Self {
            peer,
            hosted,
            calls: accepted,
            relays,
            reserved,
            tasks: [driving, tokio::spawn(serving)],
        };
        behind.join(relay).await;
        behind
    }

    /// Reserves a place on a relay.
    pub(super) async fn join(&mut self, relay: &Hostile) {
        let at = relay.address.clone().with_p2p(relay.peer).unwrap();
        self.relays
            .send(at.with(Protocol::P2pCircuit))
            .await
            .unwrap();
        within(self.reserved.recv()).await.unwrap();
    }
}
