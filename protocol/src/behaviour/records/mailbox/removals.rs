// SPDX-License-Identifier: MPL-2.0
//! Which notes of a mailbox were taken, so that neither a hand-over nor a late write brings them back.

use std::collections::{HashMap, VecDeque};

use crate::limits::MAX_REMOVAL_BYTES;
use crate::mailbox::{MessageId, Removal};
use crate::time::UnixSeconds;

/// What the recipient of a mailbox has acknowledged, as far as notes can still be in force.
///
/// Only the recipient can add to it; above [`MAX_REMOVAL_BYTES`] the oldest statements go.
#[derive(Debug, Default)]
pub(super) struct Removals {
    statements: VecDeque<Held>,
    by_id: HashMap<MessageId, Removal>,
    bytes: usize,
}

#[derive(Debug)]
struct Held {
    removal: Removal,
    bytes: usize,
}

impl Removals {
    pub(super) fn of(&self, id: &MessageId) -> Option<&Removal> {
        self.by_id.get(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Removal> {
        self.statements.iter().map(|held| &held.removal)
    }

    pub(super) fn add(&mut self, removal: Removal) -> bool {
        if removal.ids().iter().all(|id| self.by_id.contains_key(id)) {
            return false;
        }
        let bytes = removal.encode().len();
        for id in removal.ids() {
            self.by_id.entry(*id).or_insert_with(|| removal.clone());
        }
        self.bytes += bytes;
        self.statements.push_back(Held { removal, bytes });
        while self.bytes > MAX_REMOVAL_BYTES {
            self.drop_first(|_| true);
        }
        true
    }

    pub(super) fn remove_expired(&mut self, now: UnixSeconds) {
        while self.drop_first(|removal| removal.expires_at() < now) {}
    }

    pub(super) fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn drop_first(&mut self, rule: impl Fn(&Removal) -> bool) -> bool {
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
        for id in held.removal.ids() {
            if self.by_id.get(id) == Some(&held.removal) {
                self.by_id.remove(id);
            }
        }
        true
    }
}
