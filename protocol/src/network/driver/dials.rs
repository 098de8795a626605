// SPDX-License-Identifier: MPL-2.0
//! Connections that somebody waits for: direct addresses and relays race, with a head start for the direct ones.

use std::collections::HashMap;
use std::time::Duration;

use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{self, ConnectionId};
use libp2p::{PeerId, Swarm};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use crate::behaviour::Behaviour;
use crate::behaviour::streams::Paths;
use crate::limits::{CIRCUIT_RETRY, DIAL_SHARED_FOR, DIAL_TIMEOUT, RELAY_DELAYS};
use crate::network::address;
use crate::network::dialer::DialError;
use crate::network::routing::{Route, Via};

type Reply = oneshot::Sender<Result<(), DialError>>;

/// Dials under way.
#[derive(Debug, Default)]
pub(super) struct Dials {
    pending: HashMap<Goal, Pending>,
}

/// Who is to be connected, and how.
type Goal = (PeerId, Paths);

#[derive(Debug)]
struct Pending {
    route: Route,
    direct: Direct,
    circuits: Vec<Circuit>,
    begun: Instant,
    replies: Vec<Reply>,
}

/// The attempt at the direct addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direct {
    /// Ours is under way.
    Dialling(ConnectionId),
    /// Somebody else dials the peer, at the addresses that we would dial.
    Waiting,
    Failed,
}

/// The attempt through one relay.
#[derive(Debug)]
struct Circuit {
    via: Via,
    state: CircuitState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CircuitState {
    /// The direct addresses still have their head start.
    NotBefore(Instant),
    /// The relay is being dialled.
    Relay,
    /// The circuit is being opened.
    Dialling(ConnectionId),
    Failed,
}

impl Pending {
    /// When nobody waits any more.
    fn deadline(&self) -> Instant {
        self.begun + DIAL_TIMEOUT
    }

    /// Whether the attempts under way are as good as new ones: all addresses of `route` are tried, and none has been silent for long.
    fn will_do_for(&self, route: &Route, now: Instant) -> bool {
        self.route.includes(route) && now - self.begun < DIAL_SHARED_FOR
    }

    fn has_failed(&self) -> bool {
        let through_relays = |circuit: &Circuit| circuit.state == CircuitState::Failed;
        self.direct == Direct::Failed && self.circuits.iter().all(through_relays)
    }

    /// Why there is no connection.
    fn error(&self, paths: Paths) -> DialError {
        match (paths, self.route.relays.is_empty()) {
            (Paths::Direct, false) => DialError::RelayRequired,
            _ => DialError::Unreachable,
        }
    }
}

impl Dials {
    /// Connects to a peer, unless `is_connected` in a way that will do; whoever asks for the same peer meanwhile shares the outcome.
    pub(super) fn connect(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        route: Route,
        paths: Paths,
        is_connected: bool,
        reply: Reply,
    ) {
        if is_connected {
            return tell(vec![reply], Ok(()));
        }
        let now = Instant::now();
        let goal = (route.peer, paths);
        let (mut replies, mut route) = (vec![reply], route);
        if let Some(mut pending) = self.pending.remove(&goal) {
            pending.replies.retain(|reply| !reply.is_closed());
            if pending.will_do_for(&route, now) {
                pending.replies.append(&mut replies);
                self.pending.insert(goal, pending);
                return;
            }
            // Something new is known of the peer, or it may answer by now: whoever waits shall have it.
            route.merge(pending.route);
            replies.append(&mut pending.replies);
        }
        let relays: &[Via] = match paths {
            Paths::Any => &route.relays,
            Paths::Direct => &[],
        };
        let circuit = |(via, delay): (&Via, Duration)| Circuit {
            via: via.clone(),
            state: CircuitState::NotBefore(now + delay),
        };
        let pending = Pending {
            circuits: relays.iter().zip(RELAY_DELAYS).map(circuit).collect(),
            route,
            direct: Direct::Waiting,
            begun: now,
            replies,
        };
        for circuit in &pending.circuits {
            dial_relay(swarm, &circuit.via);
        }
        self.pending.insert(goal, pending);
        self.dial_direct(swarm, goal);
        self.settle(swarm, goal);
    }

    /// Waits until relays lose their patience with direct addresses, or an attempt has taken too long; never ends if there is none.
    pub(super) async fn next_due(&self) {
        let circuits = self.pending.values().flat_map(|pending| &pending.circuits);
        let starts = circuits.filter_map(|circuit| match circuit.state {
            CircuitState::NotBefore(at) => Some(at),
            _ => None,
        });
        let deadlines = self.pending.values().map(Pending::deadline);
        match starts.chain(deadlines).min() {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Turns to the relays whose time has come, and gives up what has taken too long.
    pub(super) fn on_due(&mut self, swarm: &mut Swarm<Behaviour>) {
        let now = Instant::now();
        let late = self
            .pending
            .extract_if(|_, pending| pending.deadline() <= now);
        for (_, pending) in late {
            tell(pending.replies, Err(DialError::Timeout));
        }
        let is_due =
            |circuit: &Circuit| matches!(circuit.state, CircuitState::NotBefore(at) if at <= now);
        for goal in self.goals() {
            if let Some(pending) = self.pending.get_mut(&goal) {
                for circuit in pending.circuits.iter_mut().filter(|c| is_due(c)) {
                    circuit.begin(swarm, goal.0);
                }
            }
            self.settle(swarm, goal);
        }
    }

    /// A peer is connected: those who wait for it are told, and circuits through it can be opened.
    pub(super) fn on_connected(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        peer: PeerId,
        is_relayed: bool,
    ) {
        let mut reached = vec![(peer, Paths::Any)];
        if !is_relayed {
            reached.push((peer, Paths::Direct));
        }
        for goal in reached {
            if let Some(pending) = self.pending.remove(&goal) {
                tell(pending.replies, Ok(()));
            }
        }
        if is_relayed {
            return;
        }
        for goal in self.goals() {
            let circuits = self.pending.get_mut(&goal).into_iter();
            let waiting = circuits.flat_map(|pending| &mut pending.circuits);
            for circuit in waiting {
                if circuit.via.relay == peer && circuit.state == CircuitState::Relay {
                    circuit.begin(swarm, goal.0);
                }
            }
            self.settle(swarm, goal);
        }
    }

    /// An attempt to connect to `peer` failed.
    pub(super) fn on_failed(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        peer: PeerId,
        attempt: ConnectionId,
    ) {
        let is_gone = !swarm.is_connected(&peer);
        for goal in self.goals() {
            let Some(pending) = self.pending.get_mut(&goal) else {
                continue;
            };
            if pending.direct == Direct::Dialling(attempt) {
                pending.direct = Direct::Failed;
            }
            // As long as the direct addresses are silent, the peer may only be about to come back to its relays.
            let lost = if matches!(pending.direct, Direct::Dialling(_)) {
                CircuitState::NotBefore(Instant::now() + CIRCUIT_RETRY)
            } else {
                CircuitState::Failed
            };
            for circuit in &mut pending.circuits {
                let is_lost = match circuit.state {
                    CircuitState::Dialling(ours) => ours == attempt,
                    // The peer is the relay that somebody waits for.
                    CircuitState::Relay => circuit.via.relay == peer && is_gone,
                    CircuitState::NotBefore(_) | CircuitState::Failed => false,
                };
                if is_lost {
                    circuit.state = lost;
                }
            }
            if goal.0 == peer && pending.direct == Direct::Waiting {
                pending.direct = Direct::Failed;
            }
            self.settle(swarm, goal);
        }
    }

    fn goals(&self) -> Vec<Goal> {
        self.pending.keys().copied().collect()
    }

    fn dial_direct(&mut self, swarm: &mut Swarm<Behaviour>, goal: Goal) {
        let Some(pending) = self.pending.get_mut(&goal) else {
            return;
        };
        let peer = goal.0;
        let condition = if swarm.is_connected(&peer) {
            // Through a relay, which is not what is wanted.
            PeerCondition::Always
        } else if pending.route.addresses.is_empty() {
            PeerCondition::DisconnectedAndNotDialing
        } else {
            // Somebody else may be dialling the peer, at addresses that are not these.
            PeerCondition::Disconnected
        };
        let options = DialOpts::peer_id(peer)
            .condition(condition)
            .addresses(pending.route.addresses.clone())
            .extend_addresses_through_behaviour()
            .build();
        let attempt = options.connection_id();
        pending.direct = match swarm.dial(options) {
            Ok(()) => Direct::Dialling(attempt),
            Err(swarm::DialError::DialPeerConditionFalse(_)) => Direct::Waiting,
            Err(error) => {
                tracing::debug!(%peer, %error, "no direct address to dial");
                Direct::Failed
            }
        };
    }

    /// Lets the next relay begin at once where nothing else is left to wait for, and tells those who wait when all has failed.
    fn settle(&mut self, swarm: &mut Swarm<Behaviour>, goal: Goal) {
        let Some(pending) = self.pending.get_mut(&goal) else {
            return;
        };
        let is_under_way =
            |c: &Circuit| matches!(c.state, CircuitState::Relay | CircuitState::Dialling(_));
        while pending.direct == Direct::Failed && !pending.circuits.iter().any(is_under_way) {
            let is_next = |c: &&mut Circuit| matches!(c.state, CircuitState::NotBefore(_));
            let Some(next) = pending.circuits.iter_mut().find(is_next) else {
                break;
            };
            next.begin(swarm, goal.0);
        }
        if pending.has_failed()
            && let Some(pending) = self.pending.remove(&goal)
        {
            let error = pending.error(goal.1);
            tell(pending.replies, Err(error));
        }
    }
}

impl Circuit {
    /// Opens the circuit, or has the relay dialled first.
    fn begin(&mut self, swarm: &mut Swarm<Behaviour>, target: PeerId) {
        let relay = self.via.relay;
        if !swarm.is_connected(&relay) {
            self.state = if dial_relay(swarm, &self.via) {
                CircuitState::Relay
            } else {
                CircuitState::Failed
            };
            return;
        }
        self.state = match dial_circuit(swarm, &self.via, target) {
            Some(attempt) => CircuitState::Dialling(attempt),
            None => CircuitState::Failed,
        };
    }
}

/// Opens a circuit to `target` through a relay that is connected.
pub(super) fn dial_circuit(
    swarm: &mut Swarm<Behaviour>,
    via: &Via,
    target: PeerId,
) -> Option<ConnectionId> {
    let at = via.addresses.first()?;
    let options = DialOpts::peer_id(target)
        .condition(PeerCondition::Always)
        .addresses(vec![address::circuit(at, via.relay, target)])
        .build();
    let attempt = options.connection_id();
    match swarm.dial(options) {
        Ok(()) => Some(attempt),
        Err(error) => {
            tracing::debug!(peer = %target, relay = %via.relay, %error, "circuit not dialled");
            None
        }
    }
}

/// Connects to a relay, unless that is done or under way; whether a connection may be expected.
pub(super) fn dial_relay(swarm: &mut Swarm<Behaviour>, via: &Via) -> bool {
    let options = DialOpts::peer_id(via.relay)
        .condition(PeerCondition::DisconnectedAndNotDialing)
        .addresses(via.addresses.clone())
        .extend_addresses_through_behaviour()
        .build();
    matches!(
        swarm.dial(options),
        Ok(()) | Err(swarm::DialError::DialPeerConditionFalse(_))
    )
}

/// Answers everybody who waits; whoever has left does not mind.
fn tell(replies: Vec<Reply>, outcome: Result<(), DialError>) {
    for reply in replies {
        let _ = reply.send(outcome);
    }
}
