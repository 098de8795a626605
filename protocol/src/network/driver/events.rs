// SPDX-License-Identifier: MPL-2.0
//! Which part of the driver an event concerns.

use std::net::IpAddr;

use libp2p::core::ConnectedPoint;
use libp2p::core::transport::ListenerId;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, identify, kad, mdns, ping, relay, upnp};

use super::{Driver, neighbours};
use crate::behaviour::BehaviourEvent;
use crate::behaviour::streams::is_relayed;
use crate::network::address;

impl Driver {
    pub(super) fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour(event),
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                num_established,
                ..
            } => {
                self.on_connected(peer_id, connection_id, &endpoint);
                self.joining.on_connected(
                    &mut self.swarm,
                    connection_id,
                    num_established.get() == 1,
                );
            }
            SwarmEvent::ConnectionClosed { connection_id, .. } => self.on_closed(connection_id),
            SwarmEvent::OutgoingConnectionError {
                peer_id,
                connection_id,
                error,
            } => self.on_dial_failed(peer_id, connection_id, &error),
            SwarmEvent::NewListenAddr {
                listener_id,
                address,
            } => self.on_listening(listener_id, &address),
            SwarmEvent::ExpiredListenAddr { address, .. } => self.on_not_listening(&address),
            SwarmEvent::ListenerError { error, .. } => tracing::warn!(%error, "listener"),
            SwarmEvent::ListenerClosed {
                listener_id,
                addresses,
                reason,
            } => {
                self.is_stale = true;
                if self.relays.on_closed(&self.connections, listener_id) {
                    tracing::debug!(?reason, "reservation ended");
                    self.hold_relays();
                } else {
                    tracing::warn!(?addresses, ?reason, "listener closed");
                }
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
            }) => self.on_identified(connection_id, peer_id, &info),
            BehaviourEvent::Kad(kad::Event::OutboundQueryProgressed {
                id,
                result: kad::QueryResult::GetClosestPeers(result),
                step,
                ..
            }) => self.walks.on_progress(id, result, step.last),
            BehaviourEvent::Kad(kad::Event::RoutingUpdated { .. }) => self.is_stale = true,
            BehaviourEvent::Ping(event) => self.on_ping(event),
            BehaviourEvent::ReachabilityClient(event) => {
                tracing::debug!(address = %event.tested_addr, server = %event.server, result = ?event.result, "probed");
                let reach = &mut self.swarm.behaviour_mut().reach;
                reach.on_probed(&event.tested_addr, event.result.is_ok());
                self.is_stale = true;
            }
            BehaviourEvent::RelayClient(relay::client::Event::OutboundCircuitEstablished {
                relay_peer_id,
                limit,
            }) => {
                let duration = limit.and_then(|limit| limit.duration());
                let bytes = limit.and_then(|limit| limit.data_in_bytes());
                self.paths.on_circuit(relay_peer_id, duration, bytes);
            }
            BehaviourEvent::RelayServer(event) => self.on_relaying(&event),
            BehaviourEvent::Dcutr(event) => {
                tracing::debug!(peer = %event.remote_peer_id, result = ?event.result, "hole punching");
            }
            BehaviourEvent::Upnp(event) => self.on_router(event),
            BehaviourEvent::Mdns(mdns::Event::Discovered(found)) => self.on_discovered(found),
            _ => {}
        }
    }

    fn on_connected(&mut self, peer: PeerId, id: ConnectionId, endpoint: &ConnectedPoint) {
        self.is_stale = true;
        // Made to check an address of the peer, and closed when that is done.
        if self.is_dial_back(id) {
            return self.connections.retire(&peer, id);
        }
        self.connections.on_connected(peer, id, endpoint);
        let is_relayed = endpoint.is_relayed();
        if let Some(ip) = address::ip(endpoint.get_remote_address())
            && !is_relayed
        {
            self.swarm.behaviour_mut().reach.on_met(ip);
        }
        self.neighbours.on_connected(&peer);
        self.paths.on_connected(&self.connections, peer, id);
        self.udp.on_connected(id);
        self.dials.on_connected(&mut self.swarm, peer, is_relayed);
    }

    fn is_dial_back(&self, connection: ConnectionId) -> bool {
        let behaviour = self.swarm.behaviour();
        behaviour.reachability_server.is_dial_back(connection)
    }

    fn on_closed(&mut self, connection: ConnectionId) {
        self.is_stale = true;
        self.connections.on_closed(connection);
        self.paths.on_closed(connection);
        // Who has lost everybody does not wait for the next round.
        self.joining.dial_early(&mut self.swarm);
    }

    fn on_dial_failed(
        &mut self,
        peer: Option<PeerId>,
        connection: ConnectionId,
        error: &DialError,
    ) {
        tracing::debug!(?peer, %error, "dial failed");
        self.joining.on_failed(connection);
        self.paths.on_failed(connection);
        self.is_stale |= self.udp.on_failed(connection);
        let Some(peer) = peer else {
            return;
        };
        let is_telling = matches!(
            error,
            DialError::Transport(_) | DialError::WrongPeerId { .. }
        );
        if is_telling && !self.is_dial_back(connection) {
            self.neighbours.on_unreachable(&mut self.swarm, peer);
            if !self.swarm.is_connected(&peer) {
                self.relays.on_unreachable(peer);
            }
            self.is_stale = true;
        }
        self.dials.on_failed(&mut self.swarm, peer, connection);
    }

    fn on_identified(&mut self, id: ConnectionId, peer: PeerId, info: &identify::Info) {
        self.is_stale = true;
        let Some(connection) = self.connections.get(id).cloned() else {
            return;
        };
        self.connections.on_identified(peer, &info.agent_version);
        if connection.relayed {
            let connections = &self.connections;
            self.paths
                .on_identified(&mut self.swarm, connections, id, &info.listen_addrs);
            return;
        }
        if connection.is_dialer
            && let Some(observer) = address::ip(&connection.address)
        {
            let reach = &mut self.swarm.behaviour_mut().reach;
            reach.on_observed(id, observer, &info.observed_addr);
        }
        self.udp.on_identified(
            &mut self.swarm,
            &self.connections,
            &connection,
            &info.listen_addrs,
        );
        self.relays
            .on_identified(&mut self.swarm, peer, &connection, info);
        neighbours::on_identified(&mut self.swarm, peer, &connection, info);
        self.hold_relays();
    }

    /// A peer that does not answer is gone; over TCP nothing else would tell.
    fn on_ping(&mut self, event: ping::Event) {
        if matches!(event.result, Err(ping::Failure::Unsupported)) {
            return;
        }
        let rtt = event.result.ok();
        if self.connections.on_pinged(event.connection, rtt) {
            tracing::debug!(peer = %event.peer, "no answer, connection closed");
            self.swarm.close_connection(event.connection);
        }
    }

    fn on_listening(&mut self, listener: ListenerId, address: &Multiaddr) {
        self.is_stale = true;
        if !self
            .relays
            .on_listening(&self.connections, listener, address)
        {
            tracing::info!(%address, "listening");
            self.joining.dial(&mut self.swarm);
        }
    }

    fn on_not_listening(&mut self, address: &Multiaddr) {
        self.is_stale = true;
        if is_relayed(address) {
            return;
        }
        tracing::info!(%address, "no longer listening");
        let Some(gone) = address::ip(address) else {
            return;
        };
        let is_of_network = |ip: IpAddr| {
            !ip.is_loopback() && ip.is_ipv4() == gone.is_ipv4() && !address::is_link_local(ip)
        };
        let reach = &self.swarm.behaviour().reach;
        let has_another = reach.own().filter_map(address::ip).any(is_of_network);
        if is_of_network(gone) && !has_another {
            self.on_moved(|ip| ip.is_ipv4() == gone.is_ipv4());
        }
    }

    fn on_relaying(&mut self, event: &relay::Event) {
        match event {
            relay::Event::ReservationReqAccepted { src_peer_id, .. } => {
                self.relays.on_guest(*src_peer_id);
            }
            relay::Event::ReservationClosed { src_peer_id }
            | relay::Event::ReservationTimedOut { src_peer_id } => {
                self.relays.on_guest_left(src_peer_id);
            }
            _ => {}
        }
    }

    fn on_router(&mut self, event: upnp::Event) {
        let reach = &mut self.swarm.behaviour_mut().reach;
        match event {
            upnp::Event::NewExternalAddr { external_addr, .. } => {
                tracing::info!(address = %external_addr, "the router forwards to this node");
                reach.on_mapped(external_addr);
            }
            upnp::Event::ExpiredExternalAddr { external_addr, .. } => {
                tracing::info!(address = %external_addr, "the router forwards no longer");
                reach.on_unmapped(&external_addr);
            }
            upnp::Event::GatewayNotFound | upnp::Event::NonRoutableGateway => {
                tracing::debug!("no router that forwards ports");
            }
        }
        self.is_stale = true;
    }

    /// Nodes on the local network: each is worth a connection.
    fn on_discovered(&mut self, found: Vec<(PeerId, Multiaddr)>) {
        for (peer, at) in found {
            let options = DialOpts::peer_id(peer)
                .condition(PeerCondition::DisconnectedAndNotDialing)
                .addresses(vec![at])
                .build();
            if let Err(error) = self.swarm.dial(options) {
                tracing::debug!(%peer, %error, "node of the local network not dialled");
            }
        }
    }
}
