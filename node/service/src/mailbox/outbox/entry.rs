// SPDX-License-Identifier: MPL-2.0
//! One note under way, and the calls of one recipient.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use a2al_protocol::mailbox::{MessageId, SealedNote};
use tokio::sync::watch;
use tokio::time::Instant;

use super::super::backoff::Backoff;
use super::Progress;
use crate::store::mail::OutgoingFacts;

/// Waits between two attempts to store a note of which too few copies are held.
const STORING: Backoff = Backoff {
    first: Duration::from_secs(2),
    last: Duration::from_secs(300),
};

/// How often a recipient's node may find that a note does not open before it is given up: the
/// recipient has another key by now.
pub(super) const MAX_REFUSALS: u32 = 3;

/// One note under way.
#[derive(Debug)]
pub(super) struct UnderWay {
    pub(super) facts: OutgoingFacts,
    pub(super) place: u64,
    /// The note itself, in the run in which it was sent and until it was tried; afterwards it is read
    /// from the disk when it is needed.
    pub(super) sealed: Option<Arc<SealedNote>>,
    pub(super) progress: watch::Sender<Progress>,
    pub(super) attempts: u32,
    pub(super) last_error: Option<String>,
    /// How often the recipient's node could not open it.
    pub(super) refusals: u32,
    pub(super) is_storing: bool,
    pub(super) store_failures: u32,
    pub(super) store_at: Instant,
}

/// What is known of calling one recipient.
#[derive(Debug)]
pub(super) struct Calls {
    /// The notes in their order.
    pub(super) notes: BTreeMap<u64, MessageId>,
    pub(super) is_calling: bool,
    pub(super) failures: u32,
    pub(super) call_at: Instant,
}

impl Calls {
    pub(super) fn due_at(call_at: Instant) -> Self {
        Self {
            notes: BTreeMap::new(),
            is_calling: false,
            failures: 0,
            call_at,
        }
    }

    pub(super) fn messages(&self) -> Vec<MessageId> {
        self.notes.values().copied().collect()
    }
}

impl UnderWay {
    pub(super) fn is_given_up(&self) -> bool {
        self.refusals >= MAX_REFUSALS
    }

    pub(super) fn may_be_stored(&self) -> bool {
        !self.is_storing && !self.is_given_up()
    }

    pub(super) fn is_queued(&self) -> bool {
        *self.progress.borrow() == Progress::Queued
    }

    pub(super) fn tried(&mut self, error: &str) {
        self.attempts = self.attempts.saturating_add(1);
        self.last_error = Some(error.to_owned());
        self.sealed = None;
    }

    pub(super) fn store_later(&mut self, now: Instant) {
        self.store_at = now + STORING.wait(self.store_failures);
        self.store_failures = self.store_failures.saturating_add(1);
    }
}
