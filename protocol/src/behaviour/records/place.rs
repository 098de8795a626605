// SPDX-License-Identifier: MPL-2.0
//! What is held at one key.

use std::collections::{HashMap, HashSet};

use a2al_proto::v1::Verdict;

use super::Source;
use super::fair::{Crowds, Writers, surplus};
use super::mailbox::{Mailbox, Stamp};
use super::store::{Held, Outcome, Totals};
use crate::dht_key::DhtKey;
use crate::key::Signature;
use crate::limits::MAX_TOPIC_RECORDS;
use crate::record::set::{RecordSet, Refusal};
use crate::record::{Category, VerifiedRecord};
use crate::time::UnixSeconds;

/// The set of records at one key, and where they come from.
#[derive(Debug)]
pub(super) struct Place {
    key: DhtKey,
    pub(super) set: RecordSet,
    origins: HashMap<Signature, Origin>,
    /// Until when an entry that found no room here, or lost it, may be alive.
    overflowed_until: UnixSeconds,
    /// What is known of the notes in the set.
    pub(super) mailbox: Mailbox,
    /// Bytes of that, as the totals count them.
    mailbox_bytes: usize,
}

/// An entry that lost its place, and the source whose own further entry took it, if it was that.
pub(super) type Loser = (VerifiedRecord, Option<Source>);

/// Who wrote a record of the set, and the length of its encoding.
#[derive(Debug)]
struct Origin {
    writers: Writers,
    category: Category,
    length: usize,
}

impl Place {
    pub(super) fn new(key: DhtKey) -> Self {
        Self {
            key,
            set: RecordSet::new(),
            origins: HashMap::new(),
            overflowed_until: UnixSeconds(0),
            mailbox: Mailbox::default(),
            mailbox_bytes: 0,
        }
    }

    pub(super) fn records(&self) -> impl Iterator<Item = &VerifiedRecord> {
        self.set.iter()
    }

    pub(super) fn has_slot_of(&self, record: &VerifiedRecord) -> bool {
        self.set.in_slot_of(record).is_some()
    }

    /// Whether entries that are not held here may be alive. A full set says so as well: it may have been handed over by somebody who
    /// refused others.
    pub(super) fn overflows(&self, now: UnixSeconds) -> bool {
        let entries = || self.set.of_category(Category::Topic).count();
        self.overflowed_until >= now || entries() >= MAX_TOPIC_RECORDS
    }

    /// Whether nothing would be forgotten with this place.
    pub(super) fn is_idle(&self, now: UnixSeconds) -> bool {
        self.set.is_empty() && self.mailbox.is_empty() && self.overflowed_until < now
    }

    /// Stores a record; also returns the one that lost its place to it.
    pub(super) fn put(
        &mut self,
        record: VerifiedRecord,
        source: Source,
        stamp: Option<Stamp>,
        totals: &mut Totals,
    ) -> (Outcome, Option<Loser>) {
        if let Some(taken) = self.taken(&record) {
            return (taken, None);
        }
        let mut writers = Writers::new(source);
        if let Some(held) = self.set.in_slot_of(&record) {
            if !record.is_newer_than(held) {
                let held = held.clone();
                if held.encoded() == record.encoded() {
                    self.add_writer(&held, source);
                    return (Outcome::AlreadyHeld, None);
                }
                return (Outcome::Stale(held), None);
            }
            if let Some(origin) = self.origins.get(&held.signature()) {
                writers.inherit(&origin.writers);
            }
        }
        if record.kind().category() == Category::Mailbox
            && let Err(verdict) = self.stamp(&record, source, stamp)
        {
            return (Outcome::Refused(verdict), None);
        }
        match self.set.admit(&record) {
            Ok(()) => (self.insert(record, writers, totals), None),
            Err(Refusal::TopicFull) => self.compete(record, writers, totals),
            Err(refusal) => {
                self.settle(totals);
                (Outcome::Refused(verdict(refusal)), None)
            }
        }
    }

    /// Notes who else wrote a record that is held.
    pub(super) fn add_writer(&mut self, held: &VerifiedRecord, source: Source) {
        let Some(origin) = self.origins.get(&held.signature()) else {
            return;
        };
        let mut writers = origin.writers.clone();
        writers.add(source, || self.crowds());
        if let Some(origin) = self.origins.get_mut(&held.signature()) {
            origin.writers = writers;
        }
    }

    /// Whom quotas count a record for that is held.
    pub(super) fn source_of(&self, held: &VerifiedRecord) -> Source {
        let origin = self.origins.get(&held.signature());
        origin.map_or(Source::Kept, |origin| origin.writers.first())
    }

    /// Drops what has expired.
    pub(super) fn remove_expired(&mut self, now: UnixSeconds, totals: &mut Totals) {
        self.set.remove_expired(now);
        self.mailbox.remove_expired(now, &mut totals.removals);
        self.settle(totals);
    }

    pub(super) fn live(&self, now: UnixSeconds) -> impl Iterator<Item = Held> {
        let records = self
            .set
            .iter()
            .filter(move |record| !record.is_expired(now));
        records.map(|record| Held {
            key: self.key,
            record: record.clone(),
            beside: self.mailbox.beside(&record.signature()),
            is_own: self
                .origins
                .get(&record.signature())
                .is_some_and(|origin| origin.writers.contains(Source::Own)),
        })
    }

    /// Gives an entry its place at a full key if another one has to go rather than it.
    fn compete(
        &mut self,
        record: VerifiedRecord,
        writers: Writers,
        totals: &mut Totals,
    ) -> (Outcome, Option<Loser>) {
        let held = self.set.of_category(Category::Topic);
        let origin = |held: &VerifiedRecord| self.origins.get(&held.signature());
        let mut entries: Vec<_> = held
            .filter_map(|held| Some((held, &origin(held)?.writers)))
            .collect();
        entries.push((&record, &writers));
        let surplus = surplus(&self.key, &entries);
        let (loser, home) =
            surplus.map_or((&record, None), |(at, home)| (entries[at].0, Some(home)));
        self.overflowed_until = self.overflowed_until.max(loser.expires_at());
        if *loser == record {
            return (Outcome::Refused(Verdict::Full), None);
        }
        let loser = loser.clone();
        let by_itself = home.filter(|home| writers.first() == *home);
        self.set.remove(&loser);
        let stored = self.insert(record, writers, totals);
        (stored, Some((loser, by_itself)))
    }

    fn insert(&mut self, record: VerifiedRecord, writers: Writers, totals: &mut Totals) -> Outcome {
        let (signature, length) = (record.signature(), record.encoded().len());
        let category = record.kind().category();
        let first = writers.first();
        if let Err(refusal) = self.set.insert(record) {
            return Outcome::Refused(verdict(refusal));
        }
        self.settle(totals);
        // The signature does not cover the delegation: a renewed one comes under the same signature.
        let origin = Origin {
            writers,
            category,
            length,
        };
        if let Some(before) = self.origins.insert(signature, origin) {
            totals.remove(before.writers.first(), category, before.length);
        }
        totals.add(first, category, length);
        Outcome::Stored
    }

    fn crowds(&self) -> Crowds {
        Crowds::count(self.origins.values().map(|origin| &origin.writers))
    }

    /// Forgets the origin of what the set no longer holds.
    pub(super) fn settle(&mut self, totals: &mut Totals) {
        let held: HashSet<Signature> = self.set.iter().map(VerifiedRecord::signature).collect();
        self.origins.retain(|signature, origin| {
            let is_held = held.contains(signature);
            if !is_held {
                totals.remove(origin.writers.first(), origin.category, origin.length);
            }
            is_held
        });
        self.mailbox.retain(|signature| held.contains(signature));
        let bytes = self.mailbox.bytes();
        totals.recount(self.mailbox_bytes, bytes);
        self.mailbox_bytes = bytes;
    }
}

/// The verdict that tells a sender why the set did not admit its record.
fn verdict(refusal: Refusal) -> Verdict {
    match refusal {
        Refusal::TtlTooLong => Verdict::Expired,
        Refusal::MailboxFull | Refusal::SenderQuota | Refusal::TopicFull | Refusal::Outranked => {
            Verdict::Full
        }
    }
}
