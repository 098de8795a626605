// SPDX-License-Identifier: MPL-2.0
//! Notes in the store: what they must show, and what has become of those that were taken.

use a2al_proto::v1::Verdict;

use super::super::Source;
use super::super::place::Place;
use super::super::store::{Inner, Outcome, Store, Totals};
use super::removals::has_room;
use super::{Beside, Class, Demand, Mailbox, Stamp};
use crate::dht_key::DhtKey;
use crate::limits::MAX_REMOVAL_LEN;
use crate::mailbox::{MessageId, Removal};
use crate::record::{Category, VerifiedRecord};
use crate::time::UnixSeconds;

impl Store {
    /// What a note must show to be kept at a key. A newer version of one that is held must show as much as any other: otherwise a
    /// flood could be renewed for ever.
    pub(super) fn demand(
        &self,
        key: &DhtKey,
        note: &VerifiedRecord,
        source: Source,
        has_pass: bool,
    ) -> Result<Demand, Verdict> {
        self.with(|inner| match inner.places.get(key) {
            Some(place) => place.mailbox.demand(note.aid(), source, has_pass),
            None => Mailbox::default().demand(note.aid(), source, has_pass),
        })
    }

    /// Stores a note that has shown what was demanded.
    pub(super) fn put_note(
        &self,
        key: DhtKey,
        note: VerifiedRecord,
        stamp: Stamp,
        now: UnixSeconds,
    ) -> Outcome {
        let stored = self.with(|inner| inner.put(key, note, stamp.source, Some(stamp), now));
        stored.0
    }

    /// A number that rises whenever notes are kept or dropped.
    pub(crate) fn notes_version(&self) -> u64 {
        self.with(|inner| inner.notes_version)
    }

    /// What says that a note was taken.
    pub(super) fn removal_of(&self, key: &DhtKey, id: &MessageId) -> Option<Removal> {
        self.with(|inner| inner.places.get(key)?.mailbox.removal_of(id).cloned())
    }

    /// Drops what a recipient has taken, and remembers it if there is room for that.
    pub(crate) fn remove_notes(&self, removal: Removal, source: Source) -> Outcome {
        let key = removal.place();
        self.with(|inner| {
            let dropped = inner.places.get(&key);
            let dropped = dropped.is_some_and(|place| place.has_any_of(&removal));
            inner.notes_version += u64::from(dropped);
            let has_room = !inner.is_full(&key, MAX_REMOVAL_LEN)
                && has_room(&inner.totals.removals, source, &removal);
            let Inner { places, totals, .. } = inner;
            if !has_room {
                let held = places.get_mut(&key);
                let dropped = held.is_some_and(|place| place.drop_notes(&removal, totals));
                return if dropped {
                    Outcome::Stored
                } else {
                    Outcome::Refused(Verdict::Full)
                };
            }
            let place = places.entry(key).or_insert_with(|| Place::new(key));
            place.remove_notes(removal, source, totals)
        })
    }

    /// Drops the parts of a note that `is_opened` says yes to, and takes no further ones as long as they can be alive.
    pub(crate) fn release(
        &self,
        key: &DhtKey,
        is_opened: impl Fn(&VerifiedRecord) -> bool,
        now: UnixSeconds,
    ) -> Outcome {
        self.with(|inner| {
            let Inner {
                places,
                totals,
                released,
                ..
            } = inner;
            let opened = places
                .get_mut(key)
                .and_then(|place| place.release(is_opened, totals));
            let Some((until, source)) = opened else {
                return Outcome::AlreadyHeld;
            };
            released.add(*key, until, source);
            if places.get(key).is_some_and(|place| place.is_idle(now)) {
                places.remove(key);
            }
            Outcome::Stored
        })
    }

    /// What is known beside a record that is held.
    pub(crate) fn beside(&self, key: &DhtKey, record: &VerifiedRecord) -> Beside {
        self.with(|inner| {
            let place = inner.places.get(key);
            let beside = place.map(|place| place.mailbox.beside(&record.signature()));
            beside.unwrap_or_default()
        })
    }

    /// Every removal that is remembered.
    pub(crate) fn removals(&self) -> Vec<Removal> {
        self.with(|inner| {
            let mailboxes = inner.places.values().map(|place| &place.mailbox);
            mailboxes.flat_map(Mailbox::removals).cloned().collect()
        })
    }
}

impl Place {
    /// What becomes of a record that its recipient has taken.
    pub(in super::super) fn taken(&self, record: &VerifiedRecord) -> Option<Outcome> {
        if record.kind().category() != Category::Mailbox {
            return None;
        }
        let removal = self.mailbox.removal_of(&id_of(record))?;
        Some(Outcome::Removed(Some(removal.clone())))
    }

    /// Notes how a note comes in that is to be stored now; without a stamp it shows nothing, and this node wants it all the same.
    pub(in super::super) fn stamp(
        &mut self,
        note: &VerifiedRecord,
        source: Source,
        stamp: Option<Stamp>,
    ) -> Result<(), Verdict> {
        let mut stamp = stamp.unwrap_or_else(|| Stamp::unpaid(note, source));
        let has_pass = stamp.class == Class::Pass;
        let demand = self.mailbox.demand(note.aid(), source, has_pass)?;
        // The room may have changed since the note was asked what it shows.
        if demand.bits == 0 {
            stamp.class = demand.class;
        }
        self.mailbox.stamp(note.signature(), stamp);
        Ok(())
    }

    fn remove_notes(&mut self, removal: Removal, source: Source, totals: &mut Totals) -> Outcome {
        let has_dropped = self.drop_notes(&removal, totals);
        if self.mailbox.knows(&removal) {
            return if has_dropped {
                Outcome::Stored
            } else {
                Outcome::AlreadyHeld
            };
        }
        self.mailbox.remove(removal, source, &mut totals.removals);
        self.settle(totals);
        Outcome::Stored
    }

    /// Drops notes that their recipient has taken; whether any was held.
    fn drop_notes(&mut self, removal: &Removal, totals: &mut Totals) -> bool {
        let has_any = self.has_any_of(removal);
        if has_any {
            self.set.retain(|record| !is_taken(record, removal));
            self.settle(totals);
        }
        has_any
    }

    fn has_any_of(&self, removal: &Removal) -> bool {
        self.set.iter().any(|record| is_taken(record, removal))
    }

    /// Drops the parts that `is_opened` says yes to; returns until when they may be alive, and who wrote the last of them.
    fn release(
        &mut self,
        is_opened: impl Fn(&VerifiedRecord) -> bool,
        totals: &mut Totals,
    ) -> Option<(UnixSeconds, Source)> {
        let opened = self.set.iter().filter(|record| is_opened(record));
        let last = opened.max_by_key(|record| record.expires_at())?;
        let (until, source) = (last.expires_at(), self.source_of(last));
        self.set.retain(|record| !is_opened(record));
        self.settle(totals);
        Some((until, source))
    }
}

fn is_taken(record: &VerifiedRecord, removal: &Removal) -> bool {
    record.kind().category() == Category::Mailbox && removal.ids().contains(&id_of(record))
}

fn id_of(note: &VerifiedRecord) -> MessageId {
    MessageId::of_payload(note.payload())
}
