// SPDX-License-Identifier: MPL-2.0
//! The records that this node holds: its own, and those of others around its place in the key space.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use a2al_proto::v1::Verdict;
use lru::LruCache;
use tokio::sync::mpsc;

use super::mailbox::{Beside, Released, Shares, Stamp};
use super::place::{Loser, Place};
use super::{Query, Source};
use crate::dht_key::DhtKey;
use crate::limits::{
    DISPLACED_PER_SOURCE, DISPLACED_QUEUE, MAX_HELD_BYTES, MAX_HELD_KEYS, MAX_PART_BYTES,
    MAX_PART_BYTES_PER_SOURCE, MAX_RATED_SOURCES, MAX_RECORDS_PER_SOURCE,
};
use crate::mailbox::Removal;
use crate::record::{Category, VerifiedRecord};
use crate::time::UnixSeconds;

/// What became of a record.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Stored,
    AlreadyHeld,
    /// A newer record of the same slot is held.
    Stale(VerifiedRecord),
    /// Its recipient has taken it, as this says if it was a note in a mailbox.
    Removed(Option<Removal>),
    /// It is kept only with so many bits of work.
    WorkRequired(u8),
    /// It was not admitted, for the reason given.
    Refused(Verdict),
}

/// A record that is held, and where.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) key: DhtKey,
    pub(crate) record: VerifiedRecord,
    pub(crate) beside: Beside,
    /// Whether an agent on this node published it.
    pub(crate) is_own: bool,
}

/// An entry that lost its place at a key to another one.
#[derive(Clone, Debug)]
pub(crate) struct Displaced {
    pub(crate) key: DhtKey,
    pub(crate) record: VerifiedRecord,
    /// Counts for the source that displaced it by a further entry of its own, as long as it waits.
    pub(super) share: Option<Arc<()>>,
}

/// Sets of verified records by key, shared by everybody on this node.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    inner: Arc<Mutex<Inner>>,
    displaced: mpsc::Sender<Displaced>,
    /// How much of the queue waits for each source that displaces its own entries: as often as its value is shared.
    shares: Arc<Mutex<LruCache<Source, Arc<()>>>>,
}

#[derive(Debug, Default)]
pub(super) struct Inner {
    pub(super) places: HashMap<DhtKey, Place>,
    pub(super) totals: Totals,
    pub(super) released: Released,
    /// Rises whenever a note or a part of one is kept or dropped.
    pub(super) notes_version: u64,
}

/// What the quotas count.
#[derive(Debug, Default)]
pub(super) struct Totals {
    /// How many live records each source has here.
    live: HashMap<Source, usize>,
    /// Length of all encodings together.
    bytes: usize,
    /// Bytes that the removals which each source told of count for.
    pub(super) removals: Shares,
    /// Bytes of the parts of notes that each source wrote.
    pub(super) parts: Shares,
}

impl Totals {
    pub(super) fn add(&mut self, source: Source, category: Category, length: usize) {
        self.bytes += length;
        if category == Category::NotePart {
            self.parts.add(source, length);
        }
        *self.live.entry(source).or_default() += 1;
    }

    /// Something other than records has changed its length.
    pub(super) fn recount(&mut self, before: usize, after: usize) {
        self.bytes = self.bytes - before + after;
    }

    /// Why a source may not write so many bytes of parts: they need no work, so they have only a share of the store.
    fn refuses_part(&self, source: Source, length: usize) -> Option<Verdict> {
        let all = self.parts.total() + length;
        if all > MAX_PART_BYTES {
            return Some(Verdict::Full);
        }
        let is_crowded = all > MAX_PART_BYTES / 4;
        let of_source = self.parts.of(source) + length;
        (is_crowded && of_source > MAX_PART_BYTES_PER_SOURCE).then_some(Verdict::Quota)
    }

    pub(super) fn remove(&mut self, source: Source, category: Category, length: usize) {
        self.bytes -= length;
        if category == Category::NotePart {
            self.parts.remove(source, length);
        }
        if let Entry::Occupied(mut live) = self.live.entry(source) {
            *live.get_mut() -= 1;
            if *live.get() == 0 {
                live.remove();
            }
        }
    }
}

impl Store {
    /// An empty store, and the queue of entries that lose their places in it. What does not fit into the queue is left to its
    /// publisher, who will be refused at the next renewal.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Displaced>) {
        let (displaced, queue) = mpsc::channel(DISPLACED_QUEUE);
        let sources = NonZeroUsize::new(MAX_RATED_SOURCES).expect("the limit is not zero");
        let store = Self {
            inner: Arc::default(),
            displaced,
            shares: Arc::new(Mutex::new(LruCache::new(sources))),
        };
        (store, queue)
    }

    /// Stores a record: quotas first, then the order within its slot, then the caps of the set.
    pub(crate) fn put(
        &self,
        key: DhtKey,
        record: VerifiedRecord,
        source: Source,
        now: UnixSeconds,
    ) -> Outcome {
        if !record.may_live_at(&key) {
            return Outcome::Refused(Verdict::WrongKey);
        }
        let (outcome, displaced) = self.with(|inner| inner.put(key, record, source, None, now));
        if let Some((record, by_itself)) = displaced
            && !self.queue(key, record, by_itself)
        {
            tracing::debug!(%key, "an entry lost its place and is not handed down");
        }
        outcome
    }

    /// Has an entry handed down, unless too many wait; of what sources displace themselves, each has a bounded share of the queue.
    fn queue(&self, key: DhtKey, record: VerifiedRecord, by_itself: Option<Source>) -> bool {
        let share = by_itself.map(|source| {
            let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(shares.get_or_insert(source, Arc::default))
        });
        if share
            .as_ref()
            .is_some_and(|share| Arc::strong_count(share) > DISPLACED_PER_SOURCE + 1)
        {
            return false;
        }
        let displaced = Displaced { key, record, share };
        self.displaced.try_send(displaced).is_ok()
    }

    /// Whether exactly this record is held, so that it need not be verified again; `source` then counts as one of its writers.
    pub(crate) fn is_rewritten(&self, key: &DhtKey, encoded: &[u8], source: Source) -> bool {
        self.with(|inner| {
            let Some(place) = inner.places.get_mut(key) else {
                return false;
            };
            let held = place
                .records()
                .find(|held| held.encoded() == encoded)
                .cloned();
            if let Some(held) = &held {
                place.add_writer(held, source);
            }
            held.is_some()
        })
    }

    /// Whether the slot of `record` at `key` is taken, by whatever version.
    pub(crate) fn has_slot(&self, key: &DhtKey, record: &VerifiedRecord) -> bool {
        self.with(|inner| {
            inner
                .places
                .get(key)
                .is_some_and(|place| place.has_slot_of(record))
        })
    }

    /// The live records that a query asks for.
    pub(crate) fn get(&self, query: &Query, now: UnixSeconds) -> Vec<VerifiedRecord> {
        self.with(|inner| {
            let place = inner.places.get(&query.key);
            let records = place.into_iter().flat_map(Place::records);
            let asked = |record: &&VerifiedRecord| query.wants(record) && !record.is_expired(now);
            records.filter(asked).cloned().collect()
        })
    }

    /// Whether entries that found no room at a key may be alive.
    pub(crate) fn overflows(&self, key: &DhtKey, now: UnixSeconds) -> bool {
        self.with(|inner| {
            inner
                .places
                .get(key)
                .is_some_and(|place| place.overflows(now))
        })
    }

    /// Everything that is held and has not expired.
    pub(crate) fn all(&self, now: UnixSeconds) -> Vec<Held> {
        self.with(|inner| {
            inner
                .places
                .values()
                .flat_map(|place| place.live(now))
                .collect()
        })
    }

    /// Drops what has expired.
    pub(crate) fn remove_expired(&self, now: UnixSeconds) {
        self.with(|inner| {
            let Inner {
                places,
                totals,
                released,
                ..
            } = inner;
            released.remove_expired(now);
            places.retain(|_, place| {
                place.remove_expired(now, totals);
                !place.is_idle(now)
            });
        });
    }

    /// Forgets everything, so that its owner must ask others.
    #[cfg(test)]
    pub(crate) fn clear(&self) {
        self.with(|inner| *inner = Inner::default());
    }

    /// Length of all encodings together.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.with(|inner| inner.totals.bytes)
    }

    pub(super) fn with<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        change(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Inner {
    pub(super) fn put(
        &mut self,
        key: DhtKey,
        record: VerifiedRecord,
        source: Source,
        stamp: Option<Stamp>,
        now: UnixSeconds,
    ) -> (Outcome, Option<Loser>) {
        let refused = |verdict| (Outcome::Refused(verdict), None);
        if record.is_expired(now) {
            return refused(Verdict::Expired);
        }
        if source != Source::Own
            && let Some(verdict) = self.exhausted(&key, &record, source)
        {
            return refused(verdict);
        }
        if record.kind().category() == Category::NotePart && self.released.has(&key, now) {
            return (Outcome::Removed(None), None);
        }
        let category = record.kind().category();
        let place = self.places.entry(key).or_insert_with(|| Place::new(key));
        let result = place.put(record, source, stamp, &mut self.totals);
        let is_of_a_note = matches!(category, Category::Mailbox | Category::NotePart);
        if is_of_a_note && matches!(result.0, Outcome::Stored) {
            self.notes_version += 1;
        }
        if place.is_idle(now) {
            self.places.remove(&key);
        }
        result
    }

    /// Whether there is no room for so many further bytes at a key.
    pub(super) fn is_full(&self, key: &DhtKey, length: usize) -> bool {
        let is_new_key = !self.places.contains_key(key);
        (is_new_key && self.places.len() >= MAX_HELD_KEYS)
            || self.totals.bytes + length > MAX_HELD_BYTES
    }

    /// Which quota of the whole store a record would exceed.
    fn exhausted(&self, key: &DhtKey, record: &VerifiedRecord, source: Source) -> Option<Verdict> {
        if self.is_full(key, record.encoded().len()) {
            // No other key would have room here, so that nobody is sent further down.
            return Some(Verdict::Quota);
        }
        let is_half_full =
            self.places.len() > MAX_HELD_KEYS / 2 || self.totals.bytes > MAX_HELD_BYTES / 2;
        let live = self.totals.live.get(&source).copied().unwrap_or_default();
        let is_limited = !source.is_this_node();
        if is_limited && is_half_full && live >= MAX_RECORDS_PER_SOURCE {
            return Some(Verdict::Quota);
        }
        let is_part = record.kind().category() == Category::NotePart;
        let refused = self.totals.refuses_part(source, record.encoded().len());
        refused.filter(|_| is_limited && is_part)
    }
}
