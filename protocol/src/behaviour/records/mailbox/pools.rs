// SPDX-License-Identifier: MPL-2.0
//! Who has how much room in a mailbox.
//!
//! Nothing that is held is ever dropped for a newcomer: a stranger could empty a mailbox that way. So room must not run out
//! cheaply. Agents that the recipient has written to hold passes, and have room that strangers cannot take. The first half of the rest is
//! free, a part of it for each source; then every note costs work, ever more of it.

use std::collections::HashMap;

use a2al_proto::v1::Verdict;

use super::{Beside, Source};
use crate::aid::Aid;
use crate::key::Signature;
use crate::limits::{
    MAX_FREE_NOTES_PER_SOURCE, MAX_MAILBOX_NOTES, MAX_NOTES_PER_SENDER, MAX_PASS_NOTES,
    MIN_WORK_BITS, RESERVED_PASS_NOTES,
};
use crate::mailbox::demanded_bits;
use crate::record::VerifiedRecord;

/// By what right a note is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Class {
    /// The recipient has let the sender write.
    Pass,
    /// It shows work.
    Paid,
    /// There was room for strangers.
    Free,
}

/// What a note must show, and by what right it is then held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Demand {
    pub(in super::super) class: Class,
    /// Bits of work; 0 for none.
    pub(in super::super) bits: u8,
}

impl Demand {
    pub(in super::super) fn nothing(class: Class) -> Self {
        Self { class, bits: 0 }
    }
}

/// How one note came in.
#[derive(Clone, Debug)]
pub(in super::super) struct Stamp {
    pub(in super::super) sender: Aid,
    pub(in super::super) source: Source,
    pub(in super::super) class: Class,
    pub(in super::super) beside: Beside,
}

impl Stamp {
    /// That of a note of this node's own, which need not be checked.
    pub(super) fn trusted(note: &VerifiedRecord, source: Source, beside: Beside) -> Self {
        let class = match (&beside.pass, beside.work) {
            (Some(_), _) => Class::Pass,
            (None, Some(_)) => Class::Paid,
            (None, None) => Class::Free,
        };
        Self {
            sender: note.aid(),
            source,
            class,
            beside,
        }
    }

    /// That of a note that shows nothing.
    pub(in super::super) fn unpaid(note: &VerifiedRecord, source: Source) -> Self {
        Self {
            sender: note.aid(),
            source,
            class: Class::Free,
            beside: Beside::default(),
        }
    }
}

/// How the notes of one mailbox came in.
#[derive(Debug, Default)]
pub(super) struct Pools {
    stamps: HashMap<Signature, Stamp>,
}

impl Pools {
    pub(super) fn demand(
        &self,
        sender: Aid,
        source: Source,
        has_pass: bool,
    ) -> Result<Demand, Verdict> {
        let is_full = self.stamps.len() >= MAX_MAILBOX_NOTES;
        if is_full || self.count(|stamp| stamp.sender == sender) >= MAX_NOTES_PER_SENDER {
            return Err(Verdict::Full);
        }
        let with_pass = self.count(|stamp| stamp.class == Class::Pass);
        if has_pass && with_pass < MAX_PASS_NOTES {
            return Ok(Demand::nothing(Class::Pass));
        }
        let free = Demand::nothing(Class::Free);
        if source.is_this_node() {
            return Ok(free);
        }
        let strangers = self.stamps.len() - with_pass;
        if strangers >= MAX_MAILBOX_NOTES - RESERVED_PASS_NOTES {
            return Err(Verdict::Full);
        }
        let of_source = |stamp: &Stamp| stamp.class == Class::Free && stamp.source == source;
        let (class, bits) = match demanded_bits(strangers, MAX_MAILBOX_NOTES) {
            0 if self.count(of_source) < MAX_FREE_NOTES_PER_SOURCE => return Ok(free),
            0 => (Class::Paid, MIN_WORK_BITS),
            bits => (Class::Paid, bits),
        };
        Ok(Demand { class, bits })
    }

    pub(super) fn insert(&mut self, signature: Signature, stamp: Stamp) {
        self.stamps.insert(signature, stamp);
    }

    pub(super) fn beside(&self, note: &Signature) -> Beside {
        let stamp = self.stamps.get(note);
        stamp.map(|stamp| stamp.beside.clone()).unwrap_or_default()
    }

    pub(super) fn retain(&mut self, is_held: impl Fn(&Signature) -> bool) {
        self.stamps.retain(|signature, _| is_held(signature));
    }

    pub(super) fn bytes(&self) -> usize {
        let stamps = self.stamps.values();
        stamps.map(|stamp| stamp.beside.bytes()).sum()
    }

    fn count(&self, rule: impl Fn(&Stamp) -> bool) -> usize {
        self.stamps.values().filter(|stamp| rule(stamp)).count()
    }
}
