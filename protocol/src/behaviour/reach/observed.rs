// SPDX-License-Identifier: MPL-2.0
//! What other nodes see as our address, and what that says about the NAT between us and them.

use std::collections::HashMap;
use std::net::IpAddr;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::ConnectionId;

use crate::limits::MAX_OBSERVATIONS_PER_CONNECTION;
use crate::network::address;

/// Addresses that peers observed on connections which we dialled and which are still alive.
#[derive(Debug, Default)]
pub(super) struct Observed {
    by_connection: HashMap<ConnectionId, Observation>,
}

#[derive(Debug)]
struct Observation {
    observer: IpAddr,
    address: Multiaddr,
    /// How often the peer has changed its mind.
    changes: u32,
}

/// What several observers say together about QUIC over IPv4, the case in which NATs differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mapping {
    /// Fewer than two hosts have seen us.
    #[default]
    Unknown,
    /// All see the same address: it is ours towards everybody.
    Same,
    /// They see different ones: every destination gets its own.
    PerDestination,
}

impl Observed {
    /// Takes in what one peer sees; returns whether it is news.
    pub(super) fn insert(
        &mut self,
        connection: ConnectionId,
        observer: IpAddr,
        address: Multiaddr,
    ) -> bool {
        let known = self.by_connection.get(&connection);
        let changes = match known {
            Some(known) if known.address == address => return false,
            Some(known) if known.changes >= MAX_OBSERVATIONS_PER_CONNECTION => return false,
            Some(known) => known.changes + 1,
            None => 1,
        };
        let observation = Observation {
            observer,
            address,
            changes,
        };
        self.by_connection.insert(connection, observation);
        true
    }

    pub(super) fn remove(&mut self, connection: ConnectionId) {
        self.by_connection.remove(&connection);
    }

    /// The addresses on which at least two hosts agree, while none of their kind is disputed.
    pub(super) fn agreed(&self) -> Vec<Multiaddr> {
        let mut agreed: Vec<Multiaddr> = self
            .by_connection
            .values()
            .filter(|seen| self.observers(seen) >= 2 && !self.is_disputed(seen))
            .map(|seen| seen.address.clone())
            .collect();
        agreed.sort_unstable();
        agreed.dedup();
        agreed
    }

    /// How our NAT treats UDP.
    pub(super) fn mapping(&self) -> Mapping {
        let mut quic = self
            .by_connection
            .values()
            .filter(|seen| Kind::of(&seen.address) == Kind::QUIC_V4);
        if quic.clone().any(|seen| self.is_disputed(seen)) {
            Mapping::PerDestination
        } else if quic.any(|seen| self.observers(seen) >= 2) {
            Mapping::Same
        } else {
            Mapping::Unknown
        }
    }

    /// Hosts that see the same address.
    fn observers(&self, seen: &Observation) -> usize {
        let same = self
            .by_connection
            .values()
            .filter(|other| other.address == seen.address);
        let mut hosts: Vec<IpAddr> = same.map(|other| other.observer).collect();
        hosts.sort_unstable();
        hosts.dedup();
        hosts.len()
    }

    /// Whether another host sees another address of the same kind.
    fn is_disputed(&self, seen: &Observation) -> bool {
        let kind = Kind::of(&seen.address);
        self.by_connection.values().any(|other| {
            other.observer != seen.observer
                && other.address != seen.address
                && Kind::of(&other.address) == kind
        })
    }
}

/// Addresses can only contradict each other within one transport and IP version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kind {
    is_quic: bool,
    is_v6: bool,
}

impl Kind {
    const QUIC_V4: Self = Self {
        is_quic: true,
        is_v6: false,
    };

    fn of(address: &Multiaddr) -> Self {
        Self {
            is_quic: address::is_quic(address),
            is_v6: matches!(address.iter().next(), Some(Protocol::Ip6(_))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn see(observed: &mut Observed, connection: usize, observer: &str, address: &str) -> bool {
        observed.insert(
            ConnectionId::new_unchecked(connection),
            observer.parse().unwrap(),
            address.parse().unwrap(),
        )
    }

    const HERE: &str = "/ip4/203.0.113.7/udp/5000/quic-v1";
    const THERE: &str = "/ip4/203.0.113.7/udp/5001/quic-v1";

    #[test]
    fn two_hosts_that_agree_make_a_mapping() {
        let mut observed = Observed::default();
        assert!(see(&mut observed, 1, "192.0.2.1", HERE));
        assert_eq!(observed.mapping(), Mapping::Unknown);
        assert!(
            see(&mut observed, 2, "192.0.2.1", HERE),
            "the same host, another connection"
        );
        assert_eq!(
            observed.mapping(),
            Mapping::Unknown,
            "one host proves nothing"
        );
        assert!(observed.agreed().is_empty());
        see(&mut observed, 3, "192.0.2.2", HERE);
        assert_eq!(observed.mapping(), Mapping::Same);
        assert_eq!(observed.agreed(), [HERE.parse().unwrap()]);
        assert!(!see(&mut observed, 3, "192.0.2.2", HERE), "no news");
    }

    #[test]
    fn two_hosts_that_differ_make_a_symmetric_nat_until_one_is_gone() {
        let mut observed = Observed::default();
        see(&mut observed, 1, "192.0.2.1", HERE);
        see(&mut observed, 2, "192.0.2.2", THERE);
        assert_eq!(observed.mapping(), Mapping::PerDestination);
        assert!(observed.agreed().is_empty());
        observed.remove(ConnectionId::new_unchecked(2));
        see(&mut observed, 3, "192.0.2.3", HERE);
        assert_eq!(observed.mapping(), Mapping::Same);
    }

    #[test]
    fn a_peer_that_keeps_changing_its_mind_is_not_listened_to() {
        let mut observed = Observed::default();
        let said = |n: u32| format!("/ip4/203.0.113.7/udp/{}/quic-v1", 5000 + n);
        let heard = (0..100).filter(|n| see(&mut observed, 1, "192.0.2.1", &said(*n)));
        assert_eq!(heard.count(), MAX_OBSERVATIONS_PER_CONNECTION as usize);
    }

    #[test]
    fn transports_do_not_contradict_each_other() {
        let mut observed = Observed::default();
        see(&mut observed, 1, "192.0.2.1", HERE);
        see(&mut observed, 2, "192.0.2.2", "/ip4/203.0.113.7/tcp/7000");
        see(&mut observed, 3, "192.0.2.2", HERE);
        assert_eq!(observed.mapping(), Mapping::Same);
    }
}
