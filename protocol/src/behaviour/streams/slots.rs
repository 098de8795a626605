// SPDX-License-Identifier: MPL-2.0
//! How many streams are served at once, in all and for one peer.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use libp2p::PeerId;

/// A bounded number of places, and of these a bounded share for each peer, so that one cannot take them all.
#[derive(Clone, Debug)]
pub(crate) struct Slots {
    taken: Arc<Mutex<HashMap<PeerId, usize>>>,
    total: usize,
    per_peer: usize,
}

/// A place that is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Slots,
    peer: PeerId,
}

impl Slots {
    pub(crate) fn new(total: usize, per_peer: usize) -> Self {
        Self {
            taken: Arc::default(),
            total,
            per_peer,
        }
    }

    /// A place for a stream of `peer`; `None` if all places, or all of its share, are taken.
    pub(crate) fn take(&self, peer: PeerId) -> Option<Slot> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.values().sum::<usize>() >= self.total {
            return None;
        }
        let share = taken.entry(peer).or_default();
        if *share >= self.per_peer {
            return None;
        }
        *share += 1;
        Some(Slot {
            slots: self.clone(),
            peer,
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self
            .slots
            .taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut share) = taken.entry(self.peer) {
            *share.get_mut() -= 1;
            if *share.get() == 0 {
                share.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_peer_gets_its_share_and_leaves_the_rest_to_others() {
        let (slots, greedy, other) = (Slots::new(3, 2), PeerId::random(), PeerId::random());
        let taken = [slots.take(greedy).unwrap(), slots.take(greedy).unwrap()];
        assert!(slots.take(greedy).is_none());
        let last = slots.take(other).unwrap();
        assert!(slots.take(PeerId::random()).is_none(), "all are taken");
        drop(taken);
        assert!(slots.take(greedy).is_some());
        drop(last);
        assert!(slots.taken.lock().unwrap().is_empty());
    }
}
