// SPDX-License-Identifier: MPL-2.0
//! Mailboxes: notes that wait for their recipients, and what holders do against those who would fill them.
//!
//! - [`Depositor`] leaves notes with the holders, and tells them what was taken; `read` collects notes.
//! - [`Mailbox`] is what a holder knows of one mailbox besides its notes: whose they are, and which were taken.
//! - `serve` decides about notes that others write: signature, pass, room, work, in that order.

mod beside;
mod deposit;
mod held;
mod pools;
mod read;
mod released;
mod removals;
mod remove;
mod round;
mod serve;
mod shares;
mod work;

pub use deposit::Deposit;
pub use read::FoundNote;

pub(crate) use beside::{Beside, read_work, write_work};
pub(crate) use deposit::Depositor;
pub(super) use pools::{Class, Demand, Stamp};
pub(super) use released::Released;
pub(super) use shares::Shares;
pub(crate) use work::WorkCheck;

use a2al_proto::v1::Verdict;

use super::Source;
use crate::aid::Aid;
use crate::key::Signature;
use crate::mailbox::{MessageId, Removal};
use crate::time::UnixSeconds;
use pools::Pools;
use removals::Removals;

/// What is known of one mailbox besides its notes.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    pools: Pools,
    removals: Removals,
}

impl Mailbox {
    /// What a further note must show, or why it is not taken at all.
    pub(super) fn demand(
        &self,
        sender: Aid,
        source: Source,
        has_pass: bool,
    ) -> Result<Demand, Verdict> {
        self.pools.demand(sender, source, has_pass)
    }

    /// Remembers how a note came in.
    pub(super) fn stamp(&mut self, signature: Signature, stamp: Stamp) {
        self.pools.insert(signature, stamp);
    }

    /// What travels beside a note.
    pub(super) fn beside(&self, note: &Signature) -> Beside {
        self.pools.beside(note)
    }

    /// Forgets how notes came in that are not held any more.
    pub(super) fn retain(&mut self, is_held: impl Fn(&Signature) -> bool) {
        self.pools.retain(is_held);
    }

    /// What says that a note was taken.
    pub(super) fn removal_of(&self, id: &MessageId) -> Option<&Removal> {
        self.removals.of(id)
    }

    /// The removals, oldest first.
    pub(super) fn removals(&self) -> impl Iterator<Item = &Removal> {
        self.removals.iter()
    }

    /// Whether a removal says nothing new.
    pub(super) fn knows(&self, removal: &Removal) -> bool {
        self.removals.knows(removal)
    }

    /// Remembers a removal that somebody told of.
    pub(super) fn remove(&mut self, removal: Removal, source: Source, shares: &mut Shares) {
        self.removals.add(removal, source, shares);
    }

    /// Forgets removals of notes that have expired by now.
    pub(super) fn remove_expired(&mut self, now: UnixSeconds, shares: &mut Shares) {
        self.removals.remove_expired(now, shares);
    }

    /// Whether nothing would be forgotten with it.
    pub(super) fn is_empty(&self) -> bool {
        self.removals.is_empty()
    }

    /// Bytes that it takes besides the notes.
    pub(super) fn bytes(&self) -> usize {
        self.pools.bytes() + self.removals.bytes()
    }
}

#[cfg(test)]
mod tests;
