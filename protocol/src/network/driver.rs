// SPDX-License-Identifier: MPL-2.0
//! The one task that owns the swarm.
//!
//! It only routes: every event goes to the part that it concerns, every part answers at once. Nothing here awaits, verifies or moves
//! user bytes.

mod bootstrap;
mod connections;
mod dials;
mod listen;
mod neighbours;
mod snapshot;
mod walks;

use std::sync::Arc;

use futures::StreamExt;
use libp2p::swarm::{DialError, SwarmEvent};
use libp2p::{Multiaddr, Swarm, identify, kad, ping};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use self::bootstrap::Joining;
use self::connections::Connections;
use self::dials::Dials;
use self::neighbours::Neighbours;
use self::walks::Walks;
use super::config::Config;
use super::dialer::Command;
use super::error::StartError;
use super::routing::Routing;
use super::state::State;
use crate::behaviour::streams::Links;
use crate::behaviour::{Behaviour, BehaviourEvent};
use crate::limits::{BOOTSTRAP_RETRY, SHUTDOWN_TIMEOUT};

/// Owns the swarm, answers [`Command`]s, and publishes what it knows.
pub(super) struct Driver {
    swarm: Swarm<Behaviour>,
    commands: mpsc::Receiver<Command>,
    state: watch::Sender<Arc<State>>,
    routing: watch::Sender<Routing>,
    connections: Connections,
    dials: Dials,
    walks: Walks,
    neighbours: Neighbours,
    joining: Joining,
    /// Addresses under which others reach this node, as configured.
    advertise: Vec<Multiaddr>,
    /// Whether what was published may be out of date.
    is_stale: bool,
}

impl Driver {
    /// Listens, and returns with the driver what it will publish.
    pub(super) async fn listening(
        mut swarm: Swarm<Behaviour>,
        commands: mpsc::Receiver<Command>,
        config: &Config,
        links: Links,
    ) -> Result<(Self, watch::Receiver<Arc<State>>, watch::Receiver<Routing>), StartError> {
        listen::listen(&mut swarm, &config.listen).await?;
        let (state, states) = watch::channel(Arc::default());
        let (routing, routings) = watch::channel(Routing::default());
        let mut driver = Self {
            swarm,
            commands,
            state,
            routing,
            connections: Connections::new(links),
            dials: Dials::default(),
            walks: Walks::default(),
            neighbours: Neighbours::default(),
            joining: Joining::new(config.bootstrap.clone()),
            advertise: config.advertise.clone(),
            is_stale: true,
        };
        for known in &config.known_peers {
            neighbours::add_known(&mut driver.swarm, known);
        }
        driver.publish();
        Ok((driver, states, routings))
    }

    /// Runs until `stop`, then closes every connection.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut retry = interval(BOOTSTRAP_RETRY);
        retry.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                event = self.swarm.select_next_some() => self.on_event(event),
                Some(command) = self.commands.recv() => self.on_command(command),
                address = self.joining.next_delayed() => self.joining.dial_delayed(&mut self.swarm, address),
                _ = retry.tick() => {
                    self.joining.dial(&mut self.swarm);
                    self.is_stale = true;
                }
            }
            if self.is_stale {
                self.publish();
            }
        }
        self.disconnect().await;
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Connect { route, reply, .. } => {
                self.dials.connect(&mut self.swarm, route, reply);
            }
            Command::Walk { key, reply } => self.walks.start(&mut self.swarm, key, reply),
            Command::KnownPeers { reply } => {
                // Nobody is left to be told if this fails.
                drop(reply.send(neighbours::known(&mut self.swarm)));
            }
            Command::Peers { reply } => drop(reply.send(self.connections.peers())),
        }
    }

    fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour(event),
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                num_established,
                ..
            } => {
                self.is_stale = true;
                self.connections
                    .on_connected(peer_id, connection_id, &endpoint);
                self.neighbours
                    .on_connected(&peer_id, connection_id, &endpoint);
                self.joining.on_connected(
                    &mut self.swarm,
                    connection_id,
                    num_established.get() == 1,
                );
                self.dials.on_connected(&peer_id);
            }
            SwarmEvent::ConnectionClosed { connection_id, .. } => {
                self.is_stale = true;
                self.connections.on_closed(connection_id);
                self.neighbours.on_closed(connection_id);
            }
            SwarmEvent::OutgoingConnectionError {
                peer_id,
                connection_id,
                error,
            } => {
                tracing::debug!(?peer_id, %error, "dial failed");
                self.joining.on_failed(connection_id);
                if let Some(peer) = peer_id {
                    if matches!(
                        error,
                        DialError::Transport(_) | DialError::WrongPeerId { .. }
                    ) {
                        self.neighbours.on_unreachable(&mut self.swarm, peer);
                        self.is_stale = true;
                    }
                    self.dials.on_failed(&mut self.swarm, peer, connection_id);
                }
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                tracing::info!(%address, "listening");
                self.is_stale = true;
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                tracing::info!(%address, "no longer listening");
                self.is_stale = true;
            }
            SwarmEvent::ListenerError { error, .. } => tracing::warn!(%error, "listener"),
            SwarmEvent::ListenerClosed {
                addresses, reason, ..
            } => {
                tracing::warn!(?addresses, ?reason, "listener closed");
                self.is_stale = true;
            }
            _ => {}
        }
    }

    fn on_behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Identify(identify::Event::Received {
                connection_id,
                peer_id,
                info,
            }) => {
                self.connections.on_identified(peer_id, &info.agent_version);
                self.neighbours
                    .on_identified(&mut self.swarm, connection_id, peer_id, &info);
                self.is_stale = true;
            }
            BehaviourEvent::Kad(kad::Event::OutboundQueryProgressed {
                id,
                result: kad::QueryResult::GetClosestPeers(result),
                step,
                ..
            }) => self.walks.on_progress(id, result, step.last),
            BehaviourEvent::Kad(kad::Event::RoutingUpdated { .. }) => self.is_stale = true,
            BehaviourEvent::Ping(ping::Event {
                connection,
                result: Ok(rtt),
                ..
            }) => self.connections.on_pinged(connection, rtt),
            _ => {}
        }
    }

    /// Publishes the state and the routing table, if they changed.
    fn publish(&mut self) {
        self.is_stale = false;
        let routing = neighbours::routing(&mut self.swarm);
        let state = snapshot::state(
            &self.swarm,
            &self.advertise,
            self.neighbours.met_public(),
            routing.len(),
        );
        self.routing.send_replace(routing);
        self.state.send_if_modified(|published| {
            let is_new = **published != state;
            if is_new {
                *published = Arc::new(state);
            }
            is_new
        });
    }

    /// Says goodbye to every peer, so that nobody has to find out by a timeout.
    async fn disconnect(mut self) {
        let peers: Vec<_> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            if self.swarm.disconnect_peer_id(peer).is_err() {
                tracing::debug!(%peer, "left by itself");
            }
        }
        let leaving = async {
            while self.swarm.network_info().num_peers() > 0 {
                self.swarm.select_next_some().await;
            }
        };
        if timeout(SHUTDOWN_TIMEOUT / 2, leaving).await.is_err() {
            tracing::debug!("some connections did not close in time");
        }
    }
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver")
            .field("peer", self.swarm.local_peer_id())
            .finish_non_exhaustive()
    }
}
