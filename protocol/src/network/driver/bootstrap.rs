// SPDX-License-Identifier: MPL-2.0
//! Joining a network: dialling the bootstrap nodes until somebody is there.

use std::collections::{HashSet, VecDeque};

use libp2p::swarm::ConnectionId;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::{Multiaddr, Swarm};
use tokio::time::{Instant, sleep_until};

use crate::behaviour::Behaviour;
use crate::limits::TCP_DELAY;
use crate::network::address::Bootstrap;

/// The bootstrap nodes, and the second attempts that wait for their time.
#[derive(Debug)]
pub(super) struct Joining {
    nodes: Vec<Bootstrap>,
    delayed: VecDeque<(Instant, Multiaddr)>,
    /// Second attempts under way: superfluous if the first one succeeds as well.
    second: HashSet<ConnectionId>,
}

impl Joining {
    pub(super) fn new(nodes: Vec<Bootstrap>) -> Self {
        Self {
            nodes,
            delayed: VecDeque::new(),
            second: HashSet::new(),
        }
    }

    /// Dials every bootstrap node, and has kad look for the peers it knows, unless somebody is connected.
    pub(super) fn dial(&mut self, swarm: &mut Swarm<Behaviour>) {
        if swarm.network_info().num_peers() > 0 {
            return;
        }
        // Without a known peer there is nobody to ask.
        drop(swarm.behaviour_mut().kad.bootstrap());
        for node in &self.nodes {
            if let Some(peer) = node.peer() {
                dial(
                    swarm,
                    DialOpts::peer_id(peer)
                        .addresses(node.addresses.clone())
                        .build(),
                );
                continue;
            }
            let mut addresses = node.addresses.iter().cloned();
            if let Some(first) = addresses.next() {
                dial(swarm, DialOpts::unknown_peer_id().address(first).build());
            }
            let at = Instant::now() + TCP_DELAY;
            self.delayed.extend(addresses.map(|address| (at, address)));
        }
    }

    /// Waits until a second attempt is due; never ends if there is none.
    pub(super) async fn next_delayed(&mut self) -> Multiaddr {
        let Some((at, address)) = self.delayed.front().cloned() else {
            return std::future::pending().await;
        };
        sleep_until(at).await;
        self.delayed.pop_front();
        address
    }

    /// Makes a second attempt, unless the first one has succeeded.
    pub(super) fn dial_delayed(&mut self, swarm: &mut Swarm<Behaviour>, address: Multiaddr) {
        if swarm.network_info().num_peers() == 0 {
            let options = DialOpts::unknown_peer_id().address(address).build();
            self.second.insert(options.connection_id());
            dial(swarm, options);
        }
    }

    /// Ends a second attempt that came too late: its peer is connected already.
    pub(super) fn on_connected(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        connection: ConnectionId,
        is_first_of_peer: bool,
    ) {
        if self.second.remove(&connection) && !is_first_of_peer {
            swarm.close_connection(connection);
        }
    }

    pub(super) fn on_failed(&mut self, connection: ConnectionId) {
        self.second.remove(&connection);
    }
}

fn dial(swarm: &mut Swarm<Behaviour>, options: DialOpts) {
    if let Err(error) = swarm.dial(options) {
        tracing::debug!(%error, "bootstrap node not dialled");
    }
}
