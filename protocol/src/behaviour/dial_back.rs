// SPDX-License-Identifier: MPL-2.0
//! Tells others whether they can be dialled, by dialling them (AutoNAT v2), within limits.
//!
//! libp2p's server dials whatever it is asked to, as often as it is asked to, and leaves the connections open. Here only public
//! addresses are dialled, none below port 1024 but 443, each network a few times a minute, for each peer two at once; and a connection
//! made for this is closed when it has served.
//!
//! What a client concludes depends on the answer. A target that is never dialled is answered like one that cannot be reached, which is
//! final for the client. A limit says nothing about the target: that is answered with an internal error, and the client asks
//! again, or somebody else.

mod recent;
pub(crate) mod target;

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use libp2p::autonat::v2::server;
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::derive_prelude::Either;
use libp2p::swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, DialError, DialFailure, FromSwarm,
    NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use tokio::time::{Instant, Sleep, sleep_until};

pub(crate) use self::recent::Recent;
use crate::behaviour::streams::is_relayed;
use crate::limits::{
    DIAL_BACK_DURATION, DIAL_BACK_TIMEOUT, MAX_DIAL_BACKS, MAX_DIAL_BACKS_PER_PEER,
};
use crate::network::address;

/// Dials those who ask for it, while it is enabled.
pub(crate) struct Behaviour {
    inner: server::Behaviour,
    is_enabled: bool,
    /// Which addresses are never dialled.
    is_private: fn(IpAddr) -> bool,
    running: HashMap<ConnectionId, DialBack>,
    /// The last ones that failed: that is known here before it is anywhere else.
    failed: VecDeque<ConnectionId>,
    recent: Recent,
    actions: VecDeque<Action>,
    timer: Option<Pin<Box<Sleep>>>,
}

type Action = ToSwarm<server::Event, THandlerInEvent<server::Behaviour>>;

/// A check that is under way, until its connection is closed.
#[derive(Debug)]
struct DialBack {
    peer: PeerId,
    stage: Stage,
    /// When the stage must be over.
    deadline: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Dialling,
    Connected,
    /// The client has its answer.
    Over,
}

/// Why a dial was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("such addresses are not dialled")]
    Target,
    #[error("that network was dialled too often")]
    Rate,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self::new(address::is_private)
    }
}

impl Behaviour {
    /// It is not enabled. Addresses that are private are never dialled.
    pub(crate) fn new(is_private: fn(IpAddr) -> bool) -> Self {
        Self {
            inner: server::Behaviour::default(),
            is_enabled: false,
            is_private,
            running: HashMap::new(),
            failed: VecDeque::new(),
            recent: Recent::default(),
            actions: VecDeque::new(),
            timer: None,
        }
    }

    /// Offers the service on connections made from now on, or to nobody.
    pub(crate) fn set_enabled(&mut self, is_enabled: bool) {
        self.is_enabled = is_enabled;
    }

    /// Whether a connection, or the attempt at one, is such a check, or was until it failed: it says nothing about other ways to the
    /// peer, and does not last.
    pub(crate) fn is_dial_back(&self, connection: ConnectionId) -> bool {
        self.running.contains_key(&connection) || self.failed.contains(&connection)
    }

    /// Begins a check, unless it is one too many.
    fn on_dial(&mut self, connection: ConnectionId, peer: PeerId) -> bool {
        let own = self.running.values().filter(|dial| dial.peer == peer);
        let is_admitted = self.is_enabled
            && self.running.len() < MAX_DIAL_BACKS
            && own.count() < MAX_DIAL_BACKS_PER_PEER;
        if is_admitted {
            let dial = DialBack {
                peer,
                stage: Stage::Dialling,
                deadline: Some(Instant::now() + DIAL_BACK_TIMEOUT),
            };
            self.running.insert(connection, dial);
        } else {
            self.answer_undecided(connection, peer);
        }
        is_admitted
    }

    /// Whether those addresses may be dialled now.
    fn judge(&mut self, addresses: &[Multiaddr]) -> Result<(), Refusal> {
        let [address] = addresses else {
            return Err(Refusal::Target);
        };
        let ip = target::ip(address).filter(|ip| !(self.is_private)(*ip));
        let ip = ip.ok_or(Refusal::Target)?;
        let is_admitted = self.recent.admit(ip, Instant::now());
        is_admitted.then_some(()).ok_or(Refusal::Rate)
    }

    /// Has the client told that its address cannot be reached.
    fn answer_unreachable(&mut self, connection: ConnectionId, peer: PeerId) {
        self.inner
            .on_swarm_event(FromSwarm::DialFailure(DialFailure {
                peer_id: Some(peer),
                error: &DialError::Transport(Vec::new()),
                connection_id: connection,
            }));
    }

    /// Has the client told that nothing was found out: the request is dropped with the handler that would have served it.
    fn answer_undecided(&mut self, connection: ConnectionId, peer: PeerId) {
        let handler = self.inner.handle_established_outbound_connection(
            connection,
            peer,
            &Multiaddr::empty(),
            Endpoint::Dialer,
            PortUse::New,
        );
        drop(handler);
    }

    fn on_dial_failed(&mut self, connection: ConnectionId, peer: PeerId, error: &DialError) {
        let is_verdict = match error {
            DialError::Denied { cause } => cause.downcast_ref() == Some(&Refusal::Target),
            DialError::Aborted | DialError::DialPeerConditionFalse(_) => false,
            _ => true,
        };
        tracing::debug!(%peer, %error, is_verdict, "dial-back failed");
        if is_verdict {
            self.answer_unreachable(connection, peer);
        } else {
            self.answer_undecided(connection, peer);
        }
    }

    /// Ends what has taken too long.
    fn expire(&mut self, now: Instant) {
        let late = |dial: &DialBack| dial.deadline.is_some_and(|deadline| deadline <= now);
        let late: Vec<_> = self
            .running
            .iter_mut()
            .filter(|(_, dial)| late(dial))
            .map(|(connection, dial)| {
                dial.deadline = None;
                let stage = std::mem::replace(&mut dial.stage, Stage::Over);
                (*connection, dial.peer, stage)
            })
            .collect();
        for (connection, peer, stage) in late {
            match stage {
                Stage::Dialling => self.answer_unreachable(connection, peer),
                Stage::Connected | Stage::Over => self.close(connection, peer),
            }
        }
    }

    fn close(&mut self, connection: ConnectionId, peer: PeerId) {
        self.actions.push_back(ToSwarm::CloseConnection {
            peer_id: peer,
            connection: CloseConnection::One(connection),
        });
    }

    /// Waits for the next deadline.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let deadlines = self.running.values().filter_map(|dial| dial.deadline);
        let Some(next) = deadlines.min() else {
            return Poll::Pending;
        };
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(next)));
        if timer.deadline() != next {
            timer.as_mut().reset(next);
        }
        timer.as_mut().poll(cx)
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = <server::Behaviour as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = server::Event;

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        _: Option<PeerId>,
        addresses: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        if self.running.contains_key(&connection) {
            self.judge(addresses).map_err(ConnectionDenied::new)?;
        }
        Ok(Vec::new())
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if !self.is_enabled || is_relayed(local) {
            // On a connection that it has not dialled itself, it does nothing as a dialler.
            return self.inner.handle_established_outbound_connection(
                connection,
                peer,
                remote,
                Endpoint::Dialer,
                PortUse::New,
            );
        }
        self.inner
            .handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if let Some(dial) = self.running.get_mut(&connection) {
            let now = Instant::now();
            dial.deadline = Some(match dial.stage {
                Stage::Over => now,
                Stage::Dialling | Stage::Connected => now + DIAL_BACK_DURATION,
            });
            dial.stage = Stage::Connected;
        }
        self.inner
            .handle_established_outbound_connection(connection, peer, address, role, port_use)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match &event {
            FromSwarm::DialFailure(failure) => {
                if let Some(dial) = self.running.remove(&failure.connection_id) {
                    self.failed.truncate(MAX_DIAL_BACKS - 1);
                    self.failed.push_front(failure.connection_id);
                    self.on_dial_failed(failure.connection_id, dial.peer, failure.error);
                }
            }
            FromSwarm::ConnectionClosed(closed) => {
                self.running.remove(&closed.connection_id);
                self.inner.on_swarm_event(event);
            }
            _ => self.inner.on_swarm_event(event),
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        if let Either::Left(_) = event {
            self.close(connection, peer);
        }
        self.inner
            .on_connection_handler_event(peer, connection, event);
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        loop {
            if let Some(action) = self.actions.pop_front() {
                return Poll::Ready(action);
            }
            match self.inner.poll(cx) {
                Poll::Ready(ToSwarm::Dial { opts }) => {
                    let peer = opts.get_peer_id();
                    let connection = opts.connection_id();
                    if peer.is_some_and(|peer| self.on_dial(connection, peer)) {
                        return Poll::Ready(ToSwarm::Dial { opts });
                    }
                }
                Poll::Ready(action) => return Poll::Ready(action),
                Poll::Pending => match self.poll_timer(cx) {
                    Poll::Ready(()) => self.expire(Instant::now()),
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
    }
}
