// SPDX-License-Identifier: MPL-2.0
//! Whom a record came from, for quotas and for fair sets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libp2p::PeerId;
use sha2::{Digest, Sha256};

use crate::dht_key::DhtKey;
use crate::network::address::is_private;

/// Who gave this node a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// An agent on this node published it: no quota applies, and it is handed on until it expires.
    Own,
    /// This node held it before: before a restart, or at the key above, where it lost its place.
    Kept,
    /// Other nodes wrote it: those of one network, or a single one.
    Writers([u8; 16]),
}

impl Source {
    /// The source that `peer` counts for, seen at `ip`; without an address if it is reached through a relay.
    ///
    /// All nodes of one /24 (IPv6: /48) are one source, because whoever has one address there can have others. Private addresses say
    /// nothing about that, and neither do relays: such a node is a source of its own.
    pub(crate) fn of(peer: PeerId, ip: Option<IpAddr>) -> Self {
        let hash = match ip.filter(|ip| !is_private(*ip)) {
            Some(ip) => Sha256::digest(network(ip).to_string()),
            None => Sha256::digest(peer.to_bytes()),
        };
        Self::Writers(std::array::from_fn(|at| hash[at]))
    }

    /// The source that records count for which this one merely passes on: a node that hands over the flood of somebody else does not
    /// drive out what it publishes itself.
    pub(super) fn forwarding(self) -> Self {
        match self {
            Self::Own | Self::Kept => Self::Kept,
            Self::Writers(id) => {
                let hash = Sha256::new_with_prefix(b"a2al-forwarded\0").chain_update(id);
                let hash = hash.finalize();
                Self::Writers(std::array::from_fn(|at| hash[at]))
            }
        }
    }

    /// Whether no other node wrote it.
    pub(super) fn is_this_node(self) -> bool {
        !matches!(self, Self::Writers(_))
    }

    /// Decides between sources with equally many entries at a key: alike on every node, and otherwise at each key.
    pub(super) fn rank(&self, key: &DhtKey) -> [u8; 32] {
        let hash = Sha256::new().chain_update(key.as_bytes());
        let hash = match self {
            Self::Own => hash.chain_update([0]),
            Self::Kept => hash.chain_update([1]),
            Self::Writers(id) => hash.chain_update(id),
        };
        hash.finalize().into()
    }
}

fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() & !0xff).into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 80 << 80).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_of_one_public_network_are_one_source() {
        let of = |ip: &str| Source::of(PeerId::random(), Some(ip.parse().unwrap()));
        assert_eq!(of("203.0.113.7"), of("203.0.113.200"));
        assert_eq!(of("2001:db8:1:2::3"), of("2001:db8:1:ffff::4"));
        assert_ne!(of("203.0.113.7"), of("203.0.114.7"));
        assert_ne!(of("2001:db8:1::3"), of("2001:db8:2::3"));
    }

    #[test]
    fn at_private_addresses_and_behind_relays_each_node_is_a_source() {
        let (one, two) = (PeerId::random(), PeerId::random());
        let ip = Some("10.0.0.1".parse().unwrap());
        assert_ne!(Source::of(one, ip), Source::of(two, ip));
        assert_ne!(Source::of(one, None), Source::of(two, None));
        assert_eq!(Source::of(one, ip), Source::of(one, None));
    }

    #[test]
    fn what_a_node_passes_on_is_of_another_source_than_what_it_publishes() {
        let [one, two] = [(); 2].map(|()| Source::of(PeerId::random(), None));
        assert_eq!(one.forwarding(), one.forwarding());
        assert_ne!(one.forwarding(), one);
        assert_ne!(one.forwarding(), two.forwarding());
    }
}
