// SPDX-License-Identifier: MPL-2.0
//! Joining a network: dialling the bootstrap nodes until somebody is there.

use std::collections::{HashSet, VecDeque};

use libp2p::swarm::ConnectionId;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::{Multiaddr, Swarm};
use tokio::time::{Instant, sleep_until};

use super::names::{Names, has_name};
use crate::behaviour::Behaviour;
use crate::limits::{BOOTSTRAP_RETRY, TCP_DELAY};
use crate::network::address::Bootstrap;

/// The bootstrap nodes, and the second attempts that wait for their time.
#[derive(Debug)]
pub(super) struct Joining {
    nodes: Vec<Bootstrap>,
    names: Names,
    /// When the nodes were dialled last.
    dialled: Option<Instant>,
    /// Whether it was said that nobody answers, or that somebody does.
    told: Option<bool>,
    delayed: VecDeque<(Instant, Multiaddr)>,
    /// Attempts under way.
    attempts: HashSet<ConnectionId>,
    /// Of these, second ones: superfluous if the first one succeeds as well.
    second: HashSet<ConnectionId>,
}

/// What has become possible.
#[derive(Debug)]
pub(super) enum Step {
    /// A second attempt, at this address.
    SecondAttempt(Multiaddr),
    /// A node whose name is resolved now.
    Resolved(Bootstrap),
}

impl Joining {
    pub(super) fn new(nodes: Vec<Bootstrap>) -> Self {
        Self {
            nodes: merged(nodes),
            names: Names::default(),
            dialled: None,
            told: None,
            delayed: VecDeque::new(),
            attempts: HashSet::new(),
            second: HashSet::new(),
        }
    }

    /// Dials every bootstrap node, and has kad look for the peers it knows, unless somebody is connected or being dialled.
    pub(super) fn dial(&mut self, swarm: &mut Swarm<Behaviour>) {
        let is_under_way =
            !self.attempts.is_empty() || !self.delayed.is_empty() || !self.names.is_empty();
        if is_under_way || swarm.network_info().num_peers() > 0 {
            return;
        }
        // The last round has ended, and nobody is there.
        if self.dialled.is_some() && !self.nodes.is_empty() {
            self.tell(false);
        }
        self.dialled = Some(Instant::now());
        // Without a known peer there is nobody to ask.
        drop(swarm.behaviour_mut().kad.bootstrap());
        for node in self.nodes.clone() {
            if has_name(&node) {
                self.names.resolve(node);
            } else {
                self.dial_node(swarm, node);
            }
        }
    }

    /// Dials one node, at addresses and not at names.
    fn dial_node(&mut self, swarm: &mut Swarm<Behaviour>, node: Bootstrap) {
        if let Some(peer) = node.peer() {
            let options = DialOpts::peer_id(peer).addresses(node.addresses);
            self.attempts.extend(dial(swarm, options.build()));
            return;
        }
        let mut addresses = node.addresses.into_iter();
        if let Some(first) = addresses.next() {
            let options = DialOpts::unknown_peer_id().address(first);
            self.attempts.extend(dial(swarm, options.build()));
        }
        let at = Instant::now() + TCP_DELAY;
        self.delayed.extend(addresses.map(|address| (at, address)));
    }

    /// Says once whether the network is joined, and again when that changes.
    fn tell(&mut self, is_joined: bool) {
        if self.told.replace(is_joined) == Some(is_joined) {
            return;
        }
        if is_joined {
            tracing::info!("joined the network");
        } else {
            let nodes = self.nodes.len();
            tracing::warn!(
                nodes,
                "none of the nodes to join through answers; trying again"
            );
        }
    }

    /// The same right after a change, but not again and again where nobody wants to stay connected.
    pub(super) fn dial_early(&mut self, swarm: &mut Swarm<Behaviour>) {
        if self
            .dialled
            .is_none_or(|at| at.elapsed() >= BOOTSTRAP_RETRY)
        {
            self.dial(swarm);
        }
    }

    /// Waits until something is to be done; never ends if there is nothing.
    pub(super) async fn next_step(&mut self) -> Step {
        let due = self
            .delayed
            .front()
            .map(|(at, address)| (*at, address.clone()));
        let second_attempt = async {
            match due {
                Some((at, address)) => {
                    sleep_until(at).await;
                    address
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            address = second_attempt => {
                self.delayed.pop_front();
                Step::SecondAttempt(address)
            }
            node = self.names.next() => Step::Resolved(node),
        }
    }

    pub(super) fn take(&mut self, swarm: &mut Swarm<Behaviour>, step: Step) {
        match step {
            Step::SecondAttempt(address) => self.dial_again(swarm, address),
            Step::Resolved(node) => self.dial_node(swarm, node),
        }
    }

    /// Makes a second attempt, unless the first one has succeeded.
    fn dial_again(&mut self, swarm: &mut Swarm<Behaviour>, address: Multiaddr) {
        if swarm.network_info().num_peers() == 0 {
            let options = DialOpts::unknown_peer_id().address(address).build();
            if let Some(attempt) = dial(swarm, options) {
                self.attempts.insert(attempt);
                self.second.insert(attempt);
            }
        }
    }

    /// Ends a second attempt that came too late: its peer is connected already.
    pub(super) fn on_connected(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        connection: ConnectionId,
        is_first_of_peer: bool,
    ) {
        self.attempts.remove(&connection);
        self.tell(true);
        if self.second.remove(&connection) && !is_first_of_peer {
            swarm.close_connection(connection);
        }
    }

    pub(super) fn on_failed(&mut self, connection: ConnectionId) {
        self.attempts.remove(&connection);
        self.second.remove(&connection);
    }
}

/// Brings the addresses of one peer together, so that they are raced and not dialled one instead of the other.
fn merged(nodes: Vec<Bootstrap>) -> Vec<Bootstrap> {
    let mut merged: Vec<Bootstrap> = Vec::new();
    for node in nodes {
        let peer = node.peer();
        let known = merged.iter_mut().find(|known| known.peer() == peer);
        match known.filter(|_| peer.is_some()) {
            Some(known) => known.addresses.extend(node.addresses),
            None => merged.push(node),
        }
    }
    merged
}

/// Begins an attempt, if it can be made.
fn dial(swarm: &mut Swarm<Behaviour>, options: DialOpts) -> Option<ConnectionId> {
    let attempt = options.connection_id();
    match swarm.dial(options) {
        Ok(()) => Some(attempt),
        Err(error) => {
            tracing::debug!(%error, "bootstrap node not dialled");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use libp2p::PeerId;

    use super::*;

    #[test]
    fn addresses_of_one_peer_are_dialled_together() {
        let (one, two) = (PeerId::random(), PeerId::random());
        let nodes = [
            format!("/ip4/203.0.113.1/udp/1/quic-v1/p2p/{one}"),
            "203.0.113.1:1".to_owned(),
            format!("/ip4/203.0.113.1/tcp/1/p2p/{one}"),
            "203.0.113.2:1".to_owned(),
            format!("/ip4/203.0.113.3/tcp/1/p2p/{two}"),
        ];
        let nodes = merged(nodes.iter().map(|node| node.parse().unwrap()).collect());
        let counts: Vec<usize> = nodes.iter().map(|node| node.addresses.len()).collect();
        assert_eq!(counts, [2, 2, 2, 1]);
    }
}
