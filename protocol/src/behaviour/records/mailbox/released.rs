// SPDX-License-Identifier: MPL-2.0
//! Places of parts that were released, so that late ones are not taken.

use std::num::NonZeroUsize;

use lru::LruCache;

use super::{Shares, Source};
use crate::dht_key::DhtKey;
use crate::limits::{MAX_RELEASED, MAX_RELEASED_PER_SOURCE};
use crate::time::UnixSeconds;

/// Where parts were released, the latest first. What is forgotten costs room for a late part, and nothing else.
#[derive(Debug)]
pub(in super::super) struct Released {
    places: LruCache<DhtKey, Lock>,
    shares: Shares,
}

/// Until when parts that were released may be alive, and who had written them.
#[derive(Clone, Copy, Debug)]
struct Lock {
    until: UnixSeconds,
    source: Source,
}

impl Default for Released {
    fn default() -> Self {
        let capacity = NonZeroUsize::new(MAX_RELEASED).expect("the limit is not zero");
        Self {
            places: LruCache::new(capacity),
            shares: Shares::default(),
        }
    }
}

impl Released {
    /// Remembers a place whose parts a source had written, unless that source has released too many.
    pub(super) fn add(&mut self, key: DhtKey, until: UnixSeconds, source: Source) {
        if let Some(lock) = self.places.get_mut(&key) {
            lock.until = lock.until.max(until);
            return;
        }
        if self.shares.of(source) >= MAX_RELEASED_PER_SOURCE {
            return;
        }
        self.shares.add(source, 1);
        if let Some((_, oldest)) = self.places.push(key, Lock { until, source }) {
            self.shares.remove(oldest.source, 1);
        }
    }

    /// Whether parts that were released at a key may be alive.
    pub(in super::super) fn has(&self, key: &DhtKey, now: UnixSeconds) -> bool {
        self.places.peek(key).is_some_and(|lock| lock.until >= now)
    }

    pub(in super::super) fn remove_expired(&mut self, now: UnixSeconds) {
        let over = self.places.iter().filter(|(_, lock)| lock.until < now);
        let over: Vec<DhtKey> = over.map(|(key, _)| *key).collect();
        for key in over {
            if let Some(lock) = self.places.pop(&key) {
                self.shares.remove(lock.source, 1);
            }
        }
    }
}
