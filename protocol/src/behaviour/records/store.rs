// SPDX-License-Identifier: MPL-2.0
//! The records that this node holds: its own, and those of others around its place in the key space.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use a2al_proto::v1::Verdict;
use libp2p::PeerId;

use super::Query;
use crate::dht_key::DhtKey;
use crate::key::Signature;
use crate::limits::{MAX_HELD_BYTES, MAX_HELD_KEYS, MAX_RECORDS_PER_SOURCE};
use crate::record::VerifiedRecord;
use crate::record::set::{RecordSet, Refusal};
use crate::time::UnixSeconds;

/// Who gave this node a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// An agent on this node published it: no quota applies, and it is handed on until it expires.
    Own,
    /// Another node wrote it.
    Peer(PeerId),
    /// An agent on this node left it for another one: kept as others' records are.
    Deposit,
    /// It was held before a restart.
    Cache,
}

/// What became of a record.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Stored,
    AlreadyHeld,
    /// A newer record of the same slot is held.
    Stale(VerifiedRecord),
    /// It was not admitted, for the reason given.
    Refused(Verdict),
}

/// A record that is held, where, and from whom.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) key: DhtKey,
    pub(crate) record: VerifiedRecord,
    pub(crate) source: Source,
}

/// Sets of verified records by key, shared by everybody on this node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    places: HashMap<DhtKey, Place>,
    totals: Totals,
}

/// What the quotas count.
#[derive(Debug, Default)]
struct Totals {
    /// How many live records each peer has here.
    live: HashMap<PeerId, usize>,
    /// Length of all encodings together.
    bytes: usize,
}

impl Totals {
    fn add(&mut self, source: Source, length: usize) {
        self.bytes += length;
        if let Source::Peer(peer) = source {
            *self.live.entry(peer).or_default() += 1;
        }
    }

    fn remove(&mut self, source: Source, length: usize) {
        self.bytes -= length;
        let Source::Peer(peer) = source else { return };
        if let Entry::Occupied(mut live) = self.live.entry(peer) {
            *live.get_mut() -= 1;
            if *live.get() == 0 {
                live.remove();
            }
        }
    }
}

/// What is held at one key.
#[derive(Debug, Default)]
struct Place {
    set: RecordSet,
    /// Who gave each record of the set, and the length of its encoding.
    origins: HashMap<Signature, (Source, usize)>,
}

impl Store {
    /// Stores a record: quotas first, then the caps of the set, then the order within its slot.
    pub(crate) fn put(
        &self,
        key: DhtKey,
        record: VerifiedRecord,
        source: Source,
        now: UnixSeconds,
    ) -> Outcome {
        self.with(|inner| inner.put(key, record, source, now))
    }

    /// Whether exactly this record is held, so that it need not be verified again.
    pub(crate) fn holds(&self, key: &DhtKey, encoded: &[u8]) -> bool {
        self.with(|inner| {
            let place = inner.places.get(key);
            place.is_some_and(|place| place.set.iter().any(|held| held.encoded() == encoded))
        })
    }

    /// The live records that a query asks for.
    pub(crate) fn get(&self, query: &Query, now: UnixSeconds) -> Vec<VerifiedRecord> {
        self.with(|inner| {
            let records = inner
                .places
                .get(&query.key)
                .into_iter()
                .flat_map(|p| p.set.iter());
            let asked =
                |record: &&VerifiedRecord| query.asks_for(record) && !record.is_expired(now);
            records.filter(asked).cloned().collect()
        })
    }

    /// Everything that is held and has not expired.
    pub(crate) fn all(&self, now: UnixSeconds) -> Vec<Held> {
        self.with(|inner| {
            let places = inner.places.iter();
            places
                .flat_map(|(key, place)| place.live(*key, now))
                .collect()
        })
    }

    /// Drops what has expired.
    pub(crate) fn remove_expired(&self, now: UnixSeconds) {
        self.with(|inner| {
            let Inner { places, totals } = inner;
            places.retain(|_, place| {
                place.set.remove_expired(now);
                place.settle(totals);
                !place.set.is_empty()
            });
        });
    }

    /// Length of all encodings together.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.with(|inner| inner.totals.bytes)
    }

    fn with<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        change(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Inner {
    fn put(
        &mut self,
        key: DhtKey,
        record: VerifiedRecord,
        source: Source,
        now: UnixSeconds,
    ) -> Outcome {
        if !record.may_live_at(&key) {
            return Outcome::Refused(Verdict::WrongKey);
        }
        if record.is_expired(now) {
            return Outcome::Refused(Verdict::Expired);
        }
        if source != Source::Own
            && let Some(verdict) = self.exhausted(&key, &record, source)
        {
            return Outcome::Refused(verdict);
        }
        let place = self.places.entry(key).or_default();
        let outcome = place.put(record, source, &mut self.totals);
        if place.set.is_empty() {
            self.places.remove(&key);
        }
        outcome
    }

    /// Which quota of the whole store a record would exceed.
    fn exhausted(&self, key: &DhtKey, record: &VerifiedRecord, source: Source) -> Option<Verdict> {
        let is_new_key = !self.places.contains_key(key);
        let is_full = (is_new_key && self.places.len() >= MAX_HELD_KEYS)
            || self.totals.bytes + record.encoded().len() > MAX_HELD_BYTES;
        if is_full {
            return Some(Verdict::Full);
        }
        let is_half_full =
            self.places.len() > MAX_HELD_KEYS / 2 || self.totals.bytes > MAX_HELD_BYTES / 2;
        let Source::Peer(peer) = source else {
            return None;
        };
        let live = self.totals.live.get(&peer).copied().unwrap_or_default();
        (is_half_full && live >= MAX_RECORDS_PER_SOURCE).then_some(Verdict::Quota)
    }
}

impl Place {
    fn put(&mut self, record: VerifiedRecord, source: Source, totals: &mut Totals) -> Outcome {
        if let Some(held) = self.set.in_slot_of(&record)
            && !record.is_newer_than(held)
        {
            if held.encoded() == record.encoded() {
                return Outcome::AlreadyHeld;
            }
            return Outcome::Stale(held.clone());
        }
        let (signature, length) = (record.signature(), record.encoded().len());
        match self.set.insert(record) {
            Ok(_) => {
                self.settle(totals);
                // The signature does not cover the delegation: a renewed one comes under the same signature.
                if let Some((source, length)) = self.origins.insert(signature, (source, length)) {
                    totals.remove(source, length);
                }
                totals.add(source, length);
                Outcome::Stored
            }
            Err(refusal) => Outcome::Refused(verdict(refusal)),
        }
    }

    /// Forgets the origin of what the set no longer holds.
    fn settle(&mut self, totals: &mut Totals) {
        let held: HashSet<Signature> = self.set.iter().map(VerifiedRecord::signature).collect();
        self.origins.retain(|signature, (source, length)| {
            let is_held = held.contains(signature);
            if !is_held {
                totals.remove(*source, *length);
            }
            is_held
        });
    }

    fn live(&self, key: DhtKey, now: UnixSeconds) -> impl Iterator<Item = Held> {
        let records = self
            .set
            .iter()
            .filter(move |record| !record.is_expired(now));
        records.map(move |record| Held {
            key,
            record: record.clone(),
            source: self
                .origins
                .get(&record.signature())
                .map_or(Source::Cache, |origin| origin.0),
        })
    }
}

/// The verdict that tells a sender why the set did not admit its record.
fn verdict(refusal: Refusal) -> Verdict {
    match refusal {
        Refusal::TtlTooLong => Verdict::Expired,
        Refusal::MailboxFull | Refusal::SenderQuota | Refusal::Outranked => Verdict::Full,
    }
}
