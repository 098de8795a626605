// SPDX-License-Identifier: MPL-2.0
//! The one task that owns the swarm.
//!
//! It only routes: every event goes to the part that it concerns, every part answers at once. Nothing here awaits, verifies or moves
//! user bytes.

mod bootstrap;
mod connections;
mod dials;
mod events;
mod listen;
mod names;
mod neighbours;
mod paths;
mod relays;
mod snapshot;
mod udp;
mod walks;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use libp2p::{Swarm, kad, relay};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use self::bootstrap::Joining;
use self::connections::Connections;
use self::dials::Dials;
use self::neighbours::Neighbours;
use self::paths::Paths;
use self::relays::Relays;
use self::udp::UdpTest;
use self::walks::Walks;
use super::address;
use super::config::{Config, RelayServer};
use super::dialer::Command;
use super::error::StartError;
use super::routing::Routing;
use super::state::State;
use crate::behaviour::Behaviour;
use crate::behaviour::reach::{Outlook, Standing};
use crate::behaviour::streams::Links;
use crate::clock;
use crate::limits::{BOOTSTRAP_RETRY, CONNECTION_CARE_INTERVAL, SHUTDOWN_TIMEOUT, SLEEP_GAP};

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
    relays: Relays,
    paths: Paths,
    udp: UdpTest,
    roles: Roles,
    /// When connections were looked after last, by the clock that runs on while the machine sleeps.
    cared_at: Duration,
    /// Whether what was published may be out of date.
    is_stale: bool,
}

/// What this node is to others and to relays, as configured, and as it was last put into effect.
#[derive(Debug)]
struct Roles {
    relay_server: RelayServer,
    use_relays: bool,
    is_relay: bool,
    is_dht_server: bool,
}

impl Driver {
    /// Listens, and returns with the driver what it will publish.
    pub(super) async fn listening(
        mut swarm: Swarm<Behaviour>,
        commands: mpsc::Receiver<Command>,
        config: &Config,
        agents: Links,
        records: Links,
    ) -> Result<(Self, watch::Receiver<Arc<State>>, watch::Receiver<Routing>), StartError> {
        listen::listen(&mut swarm, &config.listen).await?;
        let (state, states) = watch::channel(Arc::default());
        let (routing, routings) = watch::channel(Routing::default());
        let mut driver = Self {
            swarm,
            commands,
            state,
            routing,
            connections: Connections::new(agents, records),
            dials: Dials::default(),
            walks: Walks::default(),
            neighbours: Neighbours::default(),
            joining: Joining::new(config.bootstrap.clone()),
            relays: Relays::default(),
            paths: Paths::default(),
            udp: UdpTest::default(),
            roles: Roles {
                relay_server: config.relay_server,
                use_relays: config.use_relays,
                is_relay: false,
                is_dht_server: false,
            },
            cared_at: clock::since_boot(),
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
        let mut care = interval(CONNECTION_CARE_INTERVAL);
        care.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                event = self.swarm.select_next_some() => self.on_event(event),
                Some(command) = self.commands.recv() => self.on_command(command),
                step = self.joining.next_step() => self.joining.take(&mut self.swarm, step),
                () = self.dials.next_due() => self.dials.on_due(&mut self.swarm),
                _ = care.tick() => self.care(),
                _ = retry.tick() => {
                    self.joining.dial(&mut self.swarm);
                    self.is_stale = true;
                }
            }
            if self.is_stale {
                self.publish();
            }
        }
        Box::pin(self.disconnect()).await;
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Connect {
                route,
                paths,
                reply,
            } => {
                let is_connected = self.connections.is_connected(&route.peer, paths);
                self.dials
                    .connect(&mut self.swarm, route, paths, is_connected, reply);
            }
            Command::Walk { key, reply } => self.walks.start(&mut self.swarm, key, reply),
            Command::KnownPeers { reply } => {
                // Nobody is left to be told if this fails.
                drop(reply.send(neighbours::known(&mut self.swarm)));
            }
            Command::Peers { reply } => drop(reply.send(self.connections.peers())),
        }
    }

    /// What is done about once a second.
    fn care(&mut self) {
        let now = clock::since_boot();
        let gap = now.saturating_sub(self.cared_at);
        self.cared_at = now;
        if gap >= SLEEP_GAP {
            tracing::info!(
                seconds = gap.as_secs(),
                "the machine slept: connecting again"
            );
            self.on_moved(|_| true);
        }
        self.connections.care();
        self.paths
            .care(&mut self.swarm, &self.connections, &self.relays);
        self.hold_relays();
    }

    /// The connections to addresses that are `lost` are gone or about to be: the host is on another network, or has slept.
    fn on_moved(&mut self, lost: impl Fn(IpAddr) -> bool) {
        self.swarm.behaviour_mut().reach.on_moved();
        self.relays.on_moved();
        self.udp.on_moved();
        let lost: Vec<_> = self
            .connections
            .all()
            .filter(|(_, connection)| address::ip(&connection.address).is_some_and(&lost))
            .filter(|(_, connection)| !connection.is_loopback())
            .map(|(id, _)| id)
            .collect();
        for connection in lost {
            self.swarm.close_connection(connection);
        }
        self.is_stale = true;
    }

    /// Reserves places on relays as far as this node needs them.
    fn hold_relays(&mut self) {
        let outlook = self.swarm.behaviour().reach.outlook();
        let is_wanted = self.roles.use_relays
            && !outlook.is_private_network
            && outlook.has_met_public
            && outlook.host != Standing::Confirmed;
        let needs_more = self
            .relays
            .maintain(&mut self.swarm, &self.connections, is_wanted);
        if needs_more {
            self.neighbours
                .meet_another(&mut self.swarm, &self.connections);
        }
    }

    /// Takes on the roles that fit how this node is reached.
    fn put_into_effect(&mut self, outlook: &Outlook) {
        let is_relay = match self.roles.relay_server {
            RelayServer::Never => false,
            RelayServer::WhenPublic => outlook.is_host_public(),
            RelayServer::Always => true,
        };
        let behaviour = self.swarm.behaviour_mut();
        let is_relay = is_relay && !behaviour.relay_server.is_exhausted();
        behaviour
            .reachability_server
            .set_enabled(outlook.is_host_public());
        if self.roles.is_relay != is_relay {
            self.roles.is_relay = is_relay;
            let status = if is_relay {
                relay::Status::Enable
            } else {
                relay::Status::Disable
            };
            behaviour.relay_server.set_status(Some(status));
        }
        let is_dht_server = outlook.is_host_public() || outlook.is_private_network;
        if self.roles.is_dht_server != is_dht_server {
            self.roles.is_dht_server = is_dht_server;
            let mode = if is_dht_server {
                kad::Mode::Server
            } else {
                kad::Mode::Client
            };
            behaviour.kad.set_mode(Some(mode));
        }
    }

    /// Publishes the state and the routing table, if they changed.
    fn publish(&mut self) {
        self.is_stale = false;
        let outlook = self.swarm.behaviour().reach.outlook();
        self.put_into_effect(&outlook);
        let routing = neighbours::routing(&mut self.swarm);
        let state = snapshot::state(
            &self.swarm,
            &outlook,
            self.udp.verdict(&self.connections),
            &self.relays,
            self.roles.is_relay,
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
