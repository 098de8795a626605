// SPDX-License-Identifier: MPL-2.0
//! The routing table as a value, for reads and writes to start from.

use std::sync::Arc;

use libp2p::kad::KBucketKey;
use libp2p::{Multiaddr, PeerId};

use crate::dht_key::DhtKey;
use crate::limits::{MAX_DIALLED_ADDRESSES, MAX_DIALLED_RELAYS};

/// A node and where it may be reached, besides the addresses that the routing table knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) peer: PeerId,
    /// Where it may be dialled directly.
    pub(crate) addresses: Vec<Multiaddr>,
    /// Through whom it is reached otherwise.
    pub(crate) relays: Vec<Via>,
}

/// A relay, and where it may be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Via {
    pub(crate) relay: PeerId,
    pub(crate) addresses: Vec<Multiaddr>,
}

impl Route {
    /// Whether another route to the same peer adds nothing.
    pub(crate) fn includes(&self, other: &Self) -> bool {
        let (mut addresses, mut relays) = (other.addresses.iter(), other.relays.iter());
        addresses.all(|address| self.addresses.contains(address))
            && relays.all(|via| self.relays.contains(via))
    }

    /// Adds what another route to the same peer knows. What this one knows comes first, and the bounds of a route hold.
    pub(crate) fn merge(&mut self, other: Self) {
        for address in other.addresses {
            if !self.addresses.contains(&address) {
                self.addresses.push(address);
            }
        }
        self.addresses.truncate(MAX_DIALLED_ADDRESSES);
        for via in other.relays {
            if !self.relays.iter().any(|known| known.relay == via.relay) {
                self.relays.push(via);
            }
        }
        self.relays.truncate(MAX_DIALLED_RELAYS);
    }

    /// A peer that is reached at these addresses.
    pub(crate) fn direct(peer: PeerId, addresses: Vec<Multiaddr>) -> Self {
        Self {
            peer,
            addresses,
            relays: Vec::new(),
        }
    }
}

/// The nodes that this node knows for the DHT. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Routing {
    neighbours: Arc<Vec<Neighbour>>,
}

#[derive(Clone, Debug)]
struct Neighbour {
    position: KBucketKey<PeerId>,
    is_connected: bool,
}

impl Routing {
    /// A table of peers, each with whether it is connected.
    pub(super) fn new(peers: impl IntoIterator<Item = (PeerId, bool)>) -> Self {
        let neighbour = |(peer, is_connected)| Neighbour {
            position: KBucketKey::from(peer),
            is_connected,
        };
        Self {
            neighbours: Arc::new(peers.into_iter().map(neighbour).collect()),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.neighbours.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.neighbours.is_empty()
    }

    /// The nodes closest to a key, at most `count`; of these the connected ones come first, each group closest first.
    pub(crate) fn closest(&self, key: &DhtKey, count: usize) -> Vec<Route> {
        let key = position(key);
        let mut nearest: Vec<_> = self.neighbours.iter().collect();
        nearest.sort_by_cached_key(|neighbour| neighbour.position.distance(&key));
        nearest.truncate(count);
        nearest.sort_by_key(|neighbour| !neighbour.is_connected);
        let route = |n: &Neighbour| Route::direct(*n.position.preimage(), Vec::new());
        nearest.into_iter().map(route).collect()
    }

    /// How many known nodes are closer to a key than `peer`.
    pub(crate) fn closer_to(&self, key: &DhtKey, peer: &PeerId) -> usize {
        let key = position(key);
        let limit = KBucketKey::from(*peer).distance(&key);
        let neighbours = self.neighbours.iter();
        neighbours
            .filter(|n| n.position.distance(&key) < limit)
            .count()
    }

    /// Whether `one` is closer to a key than `other`.
    pub(crate) fn is_closer(key: &DhtKey, one: &PeerId, other: &PeerId) -> bool {
        let key = position(key);
        let distance = |peer: &PeerId| KBucketKey::from(*peer).distance(&key);
        distance(one) < distance(other)
    }

    /// Whether both tables name the same peers, connected or not.
    pub(crate) fn has_same_peers(&self, other: &Self) -> bool {
        let peers = |table: &Self| {
            let mut peers: Vec<_> = table
                .neighbours
                .iter()
                .map(|n| *n.position.preimage())
                .collect();
            peers.sort_unstable();
            peers
        };
        self.len() == other.len() && peers(self) == peers(other)
    }
}

/// Where kad places a key among the nodes.
fn position(key: &DhtKey) -> KBucketKey<Vec<u8>> {
    KBucketKey::new(key.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_are_chosen_by_distance_and_ordered_by_connection() {
        let peers: Vec<PeerId> = (0..50).map(|_| PeerId::random()).collect();
        let connected = |peer: &PeerId| peers.iter().position(|p| p == peer).unwrap() % 2 == 0;
        let routing = Routing::new(peers.iter().map(|peer| (*peer, connected(peer))));
        let key = DhtKey::of_topic("some.topic");

        let closest = routing.closest(&key, 20);
        assert_eq!(closest.len(), 20);
        let furthest_in = closest
            .iter()
            .map(|r| routing.closer_to(&key, &r.peer))
            .max();
        assert_eq!(
            furthest_in,
            Some(19),
            "no node outside is closer than one inside"
        );
        let first_idle = closest
            .iter()
            .position(|r| !connected(&r.peer))
            .unwrap_or(20);
        assert!(closest[first_idle..].iter().all(|r| !connected(&r.peer)));
    }

    #[test]
    fn only_the_peers_decide_whether_tables_are_the_same() {
        let (one, two) = (PeerId::random(), PeerId::random());
        let table = Routing::new([(one, true), (two, false)]);
        assert!(table.has_same_peers(&Routing::new([(two, true), (one, true)])));
        assert!(!table.has_same_peers(&Routing::new([(one, true)])));
    }
}
