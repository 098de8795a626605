// SPDX-License-Identifier: MPL-2.0
//! Under which addresses this node is reached: what its interfaces, its peers, its router and AutoNAT say together.
//!
//! A public address on an interface of our own is presumed to work until another node fails to dial it; any other address
//! counts once somebody has proved it. The first nodes of a network would wait for each other for ever otherwise. Whatever might
//! work is proposed to AutoNAT for a test and to DCUtR for punching; what holds is told to peers.

mod observed;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::task::{Context, Poll, Waker};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};

use self::observed::{Mapping, Observed};
use crate::behaviour::streams::is_relayed;
use crate::network::address;
use crate::record::NatType;

/// Gathers what is said about our addresses.
#[derive(Debug, Default)]
pub(crate) struct Behaviour {
    /// What the operator says.
    configured: Vec<Multiaddr>,
    /// Whether the operator vouches for the addresses of our interfaces.
    vouches: bool,
    /// Whether the nodes to join through are outside any private network.
    expects_public: bool,
    /// Addresses of our interfaces on which we listen.
    own: BTreeSet<Multiaddr>,
    /// Addresses that the router forwards to us.
    mapped: BTreeSet<Multiaddr>,
    observed: Observed,
    /// What is known of our NAT: the last that two hosts made out together.
    mapping: Mapping,
    /// Whether another node could dial an address.
    probed: HashMap<Multiaddr, bool>,
    met: Met,
    /// What peers are told, apart from what other behaviours found out themselves.
    told: BTreeSet<Multiaddr>,
    actions: VecDeque<ToSwarm<std::convert::Infallible, std::convert::Infallible>>,
    waker: Option<Waker>,
}

/// Where peers were met since the last change of networks.
#[derive(Clone, Copy, Debug, Default)]
struct Met {
    public: bool,
    private: bool,
}

/// What is known about how this node is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outlook {
    /// Public addresses at which others can dial us, best known first.
    pub(crate) external: Vec<Multiaddr>,
    /// How certain it is that this host itself has a public address.
    pub(crate) host: Standing,
    /// Whether this node and all peers it has met are on private addresses.
    pub(crate) is_private_network: bool,
    /// Whether a peer on a public address was met.
    pub(crate) has_met_public: bool,
    pub(crate) nat: NatType,
}

/// How certain it is that this host itself has a public address, apart from what routers do for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It has none that others reach.
    #[default]
    Hidden,
    /// It has one, and nobody failed to dial it so far.
    Presumed,
    /// Another node has dialled it, or the operator vouches for it.
    Confirmed,
}

impl Outlook {
    /// Whether this host may serve others: it has a public address of its own, as far as anybody knows.
    pub(crate) fn is_host_public(&self) -> bool {
        self.host != Standing::Hidden
    }
}

impl Behaviour {
    /// `configured` are addresses that the operator vouches for. With `expects_public`, the network is not taken for a private one
    /// before somebody was met.
    pub(crate) fn new(configured: Vec<Multiaddr>, expects_public: bool) -> Self {
        let mut behaviour = Self {
            configured,
            expects_public,
            ..Self::default()
        };
        behaviour.tell();
        behaviour
    }

    /// The operator says that this host is there for others: its public addresses are not given up for one failed test.
    pub(crate) fn vouching(mut self, vouches: bool) -> Self {
        self.vouches = vouches;
        self
    }

    /// A peer is connected directly, at this address.
    pub(crate) fn on_met(&mut self, ip: IpAddr) {
        if address::is_private(ip) {
            self.met.private = true;
        } else {
            self.met.public = true;
        }
    }

    /// A peer that we dialled directly says where it sees us.
    pub(crate) fn on_observed(
        &mut self,
        connection: ConnectionId,
        observer: IpAddr,
        address: &Multiaddr,
    ) {
        let address = address::without_peer(address.clone());
        let is_public = address::ip(&address).is_some_and(|ip| !address::is_private(ip));
        if is_relayed(&address) || !is_public || address::is_private(observer) {
            return;
        }
        if self.observed.insert(connection, observer, address.clone()) {
            self.propose(address);
            // DCUtR keeps few, and the last ones: what holds is not to be pushed out by what one peer claims.
            for agreed in self.observed.agreed() {
                self.propose(agreed);
            }
            self.tell();
        }
    }

    /// Another node tried to dial an address of ours.
    ///
    /// Nobody's failure refutes what the operator vouches for.
    pub(crate) fn on_probed(&mut self, address: &Multiaddr, is_reachable: bool) {
        if self.vouches && !is_reachable {
            return;
        }
        self.probed
            .insert(address::without_peer(address.clone()), is_reachable);
        self.tell();
    }

    /// The router forwards this address to us.
    pub(crate) fn on_mapped(&mut self, address: Multiaddr) {
        self.propose(address.clone());
        self.mapped.insert(address);
        self.tell();
    }

    /// The router does so no longer.
    pub(crate) fn on_unmapped(&mut self, address: &Multiaddr) {
        self.mapped.remove(address);
        self.tell();
    }

    /// The host is on another network now: what was observed and met before says nothing any more.
    pub(crate) fn on_moved(&mut self) {
        self.observed = Observed::default();
        self.mapping = Mapping::Unknown;
        self.met = Met::default();
        self.forget_successes();
        self.tell();
    }

    /// Addresses of our interfaces on which we listen.
    pub(crate) fn own(&self) -> impl Iterator<Item = &Multiaddr> {
        self.own.iter()
    }

    /// What is known now.
    pub(crate) fn outlook(&self) -> Outlook {
        let public_own: Vec<&Multiaddr> = self.own.iter().filter(|own| is_public(own)).collect();
        let unrefuted = |address: &&Multiaddr| self.probed.get(*address) != Some(&false);
        let confirmed = |address: &&Multiaddr| self.probed.get(*address) == Some(&true);
        let standing = public_own.iter().copied().filter(unrefuted);
        let mapped = self.mapped.iter().filter(unrefuted);
        // One host that both sees and tests us could make us publish any address.
        let agreed = self.observed.agreed();
        let seen = self
            .probed
            .keys()
            .filter(confirmed)
            .filter(|address| agreed.contains(address));
        let vouched_for = self.configured.iter().any(|address| !is_private(address));
        let host = if vouched_for || public_own.iter().any(confirmed) {
            Standing::Confirmed
        } else if standing.clone().next().is_some() {
            Standing::Presumed
        } else {
            Standing::Hidden
        };
        let mut external: Vec<Multiaddr> = self.configured.clone();
        for address in standing.chain(mapped).chain(seen) {
            if !external.contains(address) {
                external.push(address.clone());
            }
        }
        external.sort_by_key(|address| !address::is_quic(address));
        Outlook {
            host,
            is_private_network: public_own.is_empty()
                && !vouched_for
                && !self.met.public
                && (!self.expects_public || self.met.private),
            has_met_public: self.met.public,
            nat: self.nat(
                external.iter().any(|address| !is_private(address)),
                public_own.is_empty(),
            ),
            external,
        }
    }

    /// What others could dial elsewhere says nothing here. What they could not is not asked again by libp2p, so it stays.
    fn forget_successes(&mut self) {
        self.probed.retain(|_, is_reachable| !*is_reachable);
    }

    fn nat(&self, is_reached: bool, has_nat: bool) -> NatType {
        match (is_reached, self.mapping, has_nat) {
            (true, _, _) => NatType::Public,
            (false, Mapping::PerDestination, _) => NatType::Symmetric,
            (false, Mapping::Same, _) | (false, Mapping::Unknown, false) => NatType::PortRestricted,
            (false, Mapping::Unknown, true) => NatType::Unknown,
        }
    }

    /// Has AutoNAT test an address, and DCUtR use it.
    fn propose(&mut self, address: Multiaddr) {
        self.act(ToSwarm::NewExternalAddrCandidate(address));
    }

    /// Tells peers which addresses may be dialled: those that hold, and those that will while we send as well.
    fn tell(&mut self) {
        // Where only one host is left that sees us, what two have seen before still holds.
        let mapping = self.observed.mapping();
        if mapping != Mapping::Unknown {
            self.mapping = mapping;
        }
        let mut now: BTreeSet<Multiaddr> = self.outlook().external.into_iter().collect();
        now.extend(self.observed.agreed());
        for gone in self.told.difference(&now).cloned().collect::<Vec<_>>() {
            self.act(ToSwarm::ExternalAddrExpired(gone));
        }
        for new in now.difference(&self.told).cloned().collect::<Vec<_>>() {
            self.act(ToSwarm::ExternalAddrConfirmed(new));
        }
        self.told = now;
    }

    fn act(&mut self, action: ToSwarm<std::convert::Infallible, std::convert::Infallible>) {
        self.actions.push_back(action);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// Whether an address of ours is one of the public network.
fn is_public(address: &Multiaddr) -> bool {
    address::ip(address).is_some_and(|ip| !address::is_private(ip))
}

/// Whether an address is one of a private network; a name is not.
fn is_private(address: &Multiaddr) -> bool {
    address::ip(address).is_some_and(address::is_private)
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = std::convert::Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::NewListenAddr(new) if !is_relayed(new.addr) => {
                if is_public(new.addr) {
                    self.propose(new.addr.clone());
                }
                self.own.insert(new.addr.clone());
                self.tell();
            }
            FromSwarm::ExpiredListenAddr(expired) if self.own.remove(expired.addr) => {
                if self.probed.get(expired.addr) == Some(&true) {
                    self.probed.remove(expired.addr);
                }
                self.tell();
            }
            FromSwarm::ConnectionClosed(closed) => {
                self.observed.remove(closed.connection_id);
                self.tell();
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some(action) = self.actions.pop_front() {
            return Poll::Ready(action);
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests;
