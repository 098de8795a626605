// SPDX-License-Identifier: MPL-2.0
//! How many streams to services there may be: in all, to one agent, and from one node.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use a2al_protocol::Aid;
use a2al_protocol::network::PeerId;

use crate::InboundLimits;

/// A bounded number of places, and of these bounded shares for each agent and each calling node.
#[derive(Debug)]
pub(super) struct Places {
    limits: InboundLimits,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    agents: HashMap<Aid, usize>,
    peers: HashMap<PeerId, usize>,
}

/// A place that is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    agent: Aid,
    peer: PeerId,
}

impl Places {
    pub(super) fn new(limits: InboundLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            taken: Mutex::default(),
        })
    }

    /// A place for a stream to `agent` from an agent on `peer`; `None` if one of the shares is
    /// taken.
    pub(super) fn take(self: &Arc<Self>, agent: Aid, peer: PeerId) -> Option<Place> {
        let mut taken = self.taken();
        let is_free = taken.total < self.limits.total
            && share(&taken.agents, &agent) < self.limits.per_agent
            && share(&taken.peers, &peer) < self.limits.per_peer;
        if !is_free {
            return None;
        }
        taken.total += 1;
        *taken.agents.entry(agent).or_default() += 1;
        *taken.peers.entry(peer).or_default() += 1;
        Some(Place {
            places: Arc::clone(self),
            agent,
            peer,
        })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        // Nothing panics while the lock is held; poisoned counts are still right.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Whether more than half of a share that this place belongs to is taken.
    pub(super) fn is_crowded(&self) -> bool {
        let (taken, limits) = (self.places.taken(), &self.places.limits);
        2 * taken.total > limits.total
            || 2 * share(&taken.agents, &self.agent) > limits.per_agent
            || 2 * share(&taken.peers, &self.peer) > limits.per_peer
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.total = taken.total.saturating_sub(1);
        release(&mut taken.agents, &self.agent);
        release(&mut taken.peers, &self.peer);
    }
}

fn share<K: Eq + Hash>(counts: &HashMap<K, usize>, key: &K) -> usize {
    counts.get(key).copied().unwrap_or_default()
}

fn release<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use a2al_protocol::SigningKey;

    use super::*;

    fn aid() -> Aid {
        SigningKey::generate().public().aid()
    }

    #[test]
    fn each_share_is_bounded_and_recovers() {
        let limits = InboundLimits {
            total: 4,
            per_agent: 3,
            per_peer: 2,
        };
        let places = Places::new(limits);
        let (agent, greedy, other) = (aid(), PeerId::random(), PeerId::random());
        let first = places.take(agent, greedy).unwrap();
        assert!(!first.is_crowded());
        let second = places.take(agent, greedy).unwrap();
        assert!(first.is_crowded());
        assert!(places.take(agent, greedy).is_none(), "of the node");
        assert!(places.take(aid(), greedy).is_none(), "of the node");
        let third = places.take(agent, other).unwrap();
        assert!(places.take(agent, other).is_none(), "of the agent");
        let fourth = places.take(aid(), other).unwrap();
        assert!(places.take(aid(), PeerId::random()).is_none(), "of all");
        drop(second);
        drop(places.take(agent, greedy).unwrap());
        drop((first, third, fourth));
        let taken = places.taken();
        assert!(taken.total == 0 && taken.agents.is_empty() && taken.peers.is_empty());
    }
}
