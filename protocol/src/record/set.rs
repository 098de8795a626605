// SPDX-License-Identifier: MPL-2.0
//! What one place of the DHT holds: at most one record per slot.
//!
//! [`RecordSet::merge`] knows slots and ordering only. It is commutative, associative and
//! idempotent, so replicas that see the same records end up with the same set, whatever came first.
//! [`RecordSet::admit`] is the step before it, local to a node: it refuses what goes beyond the
//! caps, and two nodes may well decide differently.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::Duration,
};

use sha2::{Digest, Sha256};

use super::{Category, RecordKind, VerifiedRecord};
use crate::{
    Aid, PublicKey, UnixSeconds,
    limits::{
        MAX_MAILBOX_NOTES, MAX_MAILBOX_TTL, MAX_NOTES_PER_SENDER, MAX_RECORD_TTL,
        MAX_SOVEREIGN_RECORDS, MAX_TOPIC_RECORDS,
    },
    mailbox::part_slot,
};

/// The records at one place of the DHT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordSet {
    records: BTreeMap<Slot, VerifiedRecord>,
}

/// Records with the same slot replace each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Slot {
    /// One record of each kind per publisher.
    Sovereign(Aid, RecordKind),
    /// One record per signing key and service, whatever its kind.
    Topic(PublicKey, Option<String>),
    /// One record per signing key, kind and payload, which stands here by its SHA-256.
    Mailbox(PublicKey, RecordKind, [u8; 32]),
    /// One record for each part of a note.
    NotePart(Aid, Option<([u8; 32], usize)>),
}

impl Slot {
    fn of(record: &VerifiedRecord) -> Self {
        match record.kind().category() {
            Category::Sovereign => Self::Sovereign(record.aid(), record.kind()),
            Category::Topic => Self::Topic(record.public_key(), record.topic().map(str::to_owned)),
            Category::Mailbox => {
                let payload = Sha256::digest(record.payload()).into();
                Self::Mailbox(record.public_key(), record.kind(), payload)
            }
            Category::NotePart => Self::NotePart(record.aid(), part_slot(record.payload())),
        }
    }
}

/// What became of a record handed to [`RecordSet::merge`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merged {
    /// It has taken a free slot.
    Added,
    /// It has replaced an older record.
    Replaced,
    /// The set already held it, or a newer one.
    Stale,
}

/// Why a valid record is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It asks to live longer than records of its category may.
    #[error("the lifetime of the record is too long")]
    TtlTooLong,
    /// The mailbox is full; what it holds is kept.
    #[error("the mailbox is full")]
    MailboxFull,
    /// The mailbox holds as many notes of this sender as it may.
    #[error("the mailbox holds too many notes of this sender")]
    SenderQuota,
    /// The place holds as many entries for services as it may; which of them stay is for the holder
    /// to decide.
    #[error("the place is full of entries")]
    TopicFull,
    /// The place is full of records that count more.
    #[error("the place is full of records that count more")]
    Outranked,
}

impl RecordSet {
    /// A set without records.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts `record` into its slot if it is free or holds an older record.
    pub fn merge(&mut self, record: VerifiedRecord) -> Merged {
        match self.records.entry(Slot::of(&record)) {
            Entry::Vacant(slot) => {
                slot.insert(record);
                Merged::Added
            }
            Entry::Occupied(mut slot) if record.is_newer_than(slot.get()) => {
                slot.insert(record);
                Merged::Replaced
            }
            Entry::Occupied(_) => Merged::Stale,
        }
    }

    /// The record in the slot that `record` would take, if there is one.
    pub fn in_slot_of(&self, record: &VerifiedRecord) -> Option<&VerifiedRecord> {
        self.records.get(&Slot::of(record))
    }

    /// Says whether [`Self::insert`] would take `record`.
    ///
    /// # Errors
    /// [`Refusal`], by the first rule that is broken.
    pub fn admit(&self, record: &VerifiedRecord) -> Result<(), Refusal> {
        self.make_room(record).map(drop)
    }

    /// Admits `record` and merges it, dropping another record if its category is full.
    ///
    /// Full sets of sovereign records lose the one with the smallest timestamp, endpoint records last
    /// of all. Notes are never dropped for others: a stranger could empty a mailbox that way. Nor are
    /// entries for services, where the timestamp would favour whoever publishes most often.
    ///
    /// # Errors
    /// [`Refusal`], by the first rule that is broken; the set is then as it was.
    pub fn insert(&mut self, record: VerifiedRecord) -> Result<Merged, Refusal> {
        if let Some(dropped) = self.make_room(&record)? {
            self.records.remove(&dropped);
        }
        Ok(self.merge(record))
    }

    /// Takes out the record in the slot that `record` would take.
    pub fn remove(&mut self, record: &VerifiedRecord) -> Option<VerifiedRecord> {
        self.records.remove(&Slot::of(record))
    }

    /// Drops what `keep` says no to.
    pub fn retain(&mut self, mut keep: impl FnMut(&VerifiedRecord) -> bool) {
        self.records.retain(|_, record| keep(record));
    }

    /// Drops what is no longer in force at `now`.
    pub fn remove_expired(&mut self, now: UnixSeconds) {
        self.records.retain(|_, record| !record.is_expired(now));
    }

    /// The records, in an order that depends on nothing but the records.
    pub fn iter(&self) -> impl Iterator<Item = &VerifiedRecord> {
        self.records.values()
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The slot that must be emptied before `record` can be taken, if any.
    fn make_room(&self, record: &VerifiedRecord) -> Result<Option<Slot>, Refusal> {
        let category = record.kind().category();
        if Duration::from_secs(record.ttl_secs().into()) > max_ttl(category) {
            return Err(Refusal::TtlTooLong);
        }
        if self.records.contains_key(&Slot::of(record)) {
            return Ok(None);
        }
        match category {
            Category::Sovereign => self.outranked_by(record, MAX_SOVEREIGN_RECORDS),
            Category::Topic if self.of_category(category).count() >= MAX_TOPIC_RECORDS => {
                Err(Refusal::TopicFull)
            }
            Category::Mailbox => self.check_mailbox(record.aid()).map(|()| None),
            // The indices of parts are bounded, and so is what can live at one place.
            Category::Topic | Category::NotePart => Ok(None),
        }
    }

    /// The record that `record` displaces if there are already `max` of its category.
    fn outranked_by(&self, record: &VerifiedRecord, max: usize) -> Result<Option<Slot>, Refusal> {
        let category = record.kind().category();
        if self.of_category(category).count() < max {
            return Ok(None);
        }
        match self.of_category(category).min_by_key(|held| weight(held)) {
            Some(weakest) if weight(weakest) < weight(record) => Ok(Some(Slot::of(weakest))),
            _ => Err(Refusal::Outranked),
        }
    }

    fn check_mailbox(&self, sender: Aid) -> Result<(), Refusal> {
        let notes = || self.of_category(Category::Mailbox);
        if notes().count() >= MAX_MAILBOX_NOTES {
            return Err(Refusal::MailboxFull);
        }
        if notes().filter(|note| note.aid() == sender).count() >= MAX_NOTES_PER_SENDER {
            return Err(Refusal::SenderQuota);
        }
        Ok(())
    }

    /// The records of one category, in an order that depends on nothing but the records.
    pub fn of_category(&self, category: Category) -> impl Iterator<Item = &VerifiedRecord> {
        self.iter()
            .filter(move |record| record.kind().category() == category)
    }
}

impl VerifiedRecord {
    /// Whether this record takes the slot of `other`, because they share it and this one is newer.
    pub fn replaces(&self, other: &Self) -> bool {
        Slot::of(self) == Slot::of(other) && self.is_newer_than(other)
    }
}

const fn max_ttl(category: Category) -> Duration {
    match category {
        Category::Sovereign | Category::Topic => MAX_RECORD_TTL,
        Category::Mailbox | Category::NotePart => MAX_MAILBOX_TTL,
    }
}

/// What decides which record leaves a full set: the smallest does.
fn weight(record: &VerifiedRecord) -> (bool, UnixSeconds, &[u8]) {
    (
        record.kind() == RecordKind::ENDPOINT,
        record.timestamp(),
        record.encoded(),
    )
}
