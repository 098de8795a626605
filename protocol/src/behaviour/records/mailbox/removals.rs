// SPDX-License-Identifier: MPL-2.0
//! Which notes of a mailbox were taken, so that neither a hand-over nor a late write brings them back.

use std::collections::{HashMap, VecDeque};

use super::{Shares, Source};
use crate::limits::{
    MAX_REMOVAL_BYTES, MAX_REMOVAL_SHARE, MAX_REMOVAL_SHARE_PER_SOURCE, REMOVAL_OVERHEAD,
};
use crate::mailbox::{MessageId, Removal};
use crate::time::UnixSeconds;

/// What the recipient of a mailbox has acknowledged, as far as notes can still be in force.
///
/// Only the recipient can add to it; above [`MAX_REMOVAL_BYTES`] the oldest statements go. Each counts for the source that told of it: a
/// statement costs nothing, and neither does a recipient.
#[derive(Debug, Default)]
pub(super) struct Removals {
    statements: VecDeque<Held>,
    by_id: HashMap<MessageId, Removal>,
    bytes: usize,
}

#[derive(Debug)]
struct Held {
    removal: Removal,
    source: Source,
    bytes: usize,
}

/// Whether a source may have one more removal remembered.
pub(super) fn has_room(shares: &Shares, source: Source, removal: &Removal) -> bool {
    let wanted = removal.encode().len() + REMOVAL_OVERHEAD;
    source.is_this_node()
        || (shares.of(source) + wanted <= MAX_REMOVAL_SHARE_PER_SOURCE
            && shares.total() + wanted <= MAX_REMOVAL_SHARE)
}

impl Removals {
    pub(super) fn of(&self, id: &MessageId) -> Option<&Removal> {
        self.by_id.get(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Removal> {
        self.statements.iter().map(|held| &held.removal)
    }

    pub(super) fn knows(&self, removal: &Removal) -> bool {
        removal.ids().iter().all(|id| self.by_id.contains_key(id))
    }

    pub(super) fn add(&mut self, removal: Removal, source: Source, shares: &mut Shares) {
        let bytes = removal.encode().len();
        for id in removal.ids() {
            self.by_id.entry(*id).or_insert_with(|| removal.clone());
        }
        self.bytes += bytes;
        shares.add(source, bytes + REMOVAL_OVERHEAD);
        self.statements.push_back(Held {
            removal,
            source,
            bytes,
        });
        while self.bytes > MAX_REMOVAL_BYTES {
            self.drop_first(shares, |_| true);
        }
    }

    pub(super) fn remove_expired(&mut self, now: UnixSeconds, shares: &mut Shares) {
        while self.drop_first(shares, |removal| removal.expires_at() < now) {}
    }

    pub(super) fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn drop_first(&mut self, shares: &mut Shares, rule: impl Fn(&Removal) -> bool) -> bool {
        if !self
            .statements
            .front()
            .is_some_and(|held| rule(&held.removal))
        {
            return false;
        }
        let Some(held) = self.statements.pop_front() else {
            return false;
        };
        self.bytes -= held.bytes;
        shares.remove(held.source, held.bytes + REMOVAL_OVERHEAD);
        for id in held.removal.ids() {
            if self.by_id.get(id) == Some(&held.removal) {
                self.by_id.remove(id);
            }
        }
        true
    }
}
