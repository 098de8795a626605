// SPDX-License-Identifier: MPL-2.0
//! Connections that somebody waits for.

use std::collections::HashMap;

use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{self, ConnectionId};
use libp2p::{Multiaddr, PeerId, Swarm};
use tokio::sync::oneshot;

use crate::behaviour::Behaviour;
use crate::network::dialer::DialError;
use crate::network::routing::Route;

type Reply = oneshot::Sender<Result<(), DialError>>;

/// Dials under way, by peer.
#[derive(Debug, Default)]
pub(super) struct Dials {
    pending: HashMap<PeerId, Pending>,
}

#[derive(Debug)]
struct Pending {
    addresses: Vec<Multiaddr>,
    /// Our own attempt; `None` while one that kad made is under way.
    attempt: Option<ConnectionId>,
    replies: Vec<Reply>,
}

impl Dials {
    /// Connects to a peer, unless connected; whoever asks for the same peer meanwhile shares the outcome.
    pub(super) fn connect(&mut self, swarm: &mut Swarm<Behaviour>, route: Route, reply: Reply) {
        if swarm.is_connected(&route.peer) {
            return tell(vec![reply], Ok(()));
        }
        if let Some(pending) = self.pending.get_mut(&route.peer) {
            pending.addresses.extend(route.addresses);
            pending.replies.push(reply);
            return;
        }
        let pending = Pending {
            addresses: route.addresses,
            attempt: None,
            replies: vec![reply],
        };
        self.attempt(swarm, route.peer, pending);
    }

    pub(super) fn on_connected(&mut self, peer: &PeerId) {
        if let Some(pending) = self.pending.remove(peer) {
            tell(pending.replies, Ok(()));
        }
    }

    pub(super) fn on_failed(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        peer: PeerId,
        attempt: ConnectionId,
    ) {
        let Some(pending) = self.pending.remove(&peer) else {
            return;
        };
        match pending.attempt {
            Some(ours) if ours == attempt => tell(pending.replies, Err(DialError::Unreachable)),
            // Somebody else's attempt failed, at addresses that may not be ours.
            Some(_) => drop(self.pending.insert(peer, pending)),
            None => self.attempt(swarm, peer, pending),
        }
    }

    fn attempt(&mut self, swarm: &mut Swarm<Behaviour>, peer: PeerId, mut pending: Pending) {
        let options = DialOpts::peer_id(peer)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .addresses(pending.addresses.clone())
            .extend_addresses_through_behaviour()
            .build();
        let attempt = options.connection_id();
        match swarm.dial(options) {
            Ok(()) => pending.attempt = Some(attempt),
            Err(swarm::DialError::DialPeerConditionFalse(_)) if swarm.is_connected(&peer) => {
                return tell(pending.replies, Ok(()));
            }
            Err(swarm::DialError::DialPeerConditionFalse(_)) => {}
            Err(error) => {
                tracing::debug!(%peer, %error, "cannot dial");
                return tell(pending.replies, Err(DialError::Unreachable));
            }
        }
        self.pending.insert(peer, pending);
    }
}

/// Answers everybody who waits; whoever has left does not mind.
fn tell(replies: Vec<Reply>, outcome: Result<(), DialError>) {
    for reply in replies {
        let _ = reply.send(outcome);
    }
}
