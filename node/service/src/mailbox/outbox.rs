// SPDX-License-Identifier: MPL-2.0
//! Which notes are under way, how far they have come, and what is tried when.
//!
//! Notes of one sender to one recipient are a *pair*: they are delivered one after the other by one
//! call at a time, and wait together while the recipient cannot be reached. Each note is stored in
//! the network by itself.

mod entry;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use a2al_protocol::limits::MAX_OUTBOX_NOTES;
use a2al_protocol::mailbox::{MessageId, SealedNote};
use a2al_protocol::{Aid, UnixSeconds};
use tokio::sync::watch;
use tokio::time::Instant;

use super::backoff::Backoff;
use crate::store::mail::{OutgoingFacts, SavedMail};
use entry::{Calls, UnderWay};

/// Waits between two calls of a recipient for whom nobody keeps the notes.
const CALLS_WHILE_QUEUED: Backoff = Backoff {
    first: Duration::from_secs(2),
    last: Duration::from_secs(60),
};

/// The same where others keep them: the recipient collects them when it wakes, and the call only
/// ends our care for them.
const CALLS_WHILE_STORED: Backoff = Backoff {
    first: Duration::from_secs(5),
    last: Duration::from_secs(600),
};

/// How often a stored note is stored again, since holders come and go.
///
/// Ours: as often as records of other kinds are renewed.
const STORE_AGAIN: Duration = Duration::from_secs(1800);

/// How far a note has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Progress {
    /// Nobody else has it.
    Queued,
    /// So many nodes keep it.
    Stored(usize),
    /// The recipient has it.
    Delivered,
}

/// Who writes to whom.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Pair {
    pub(super) sender: Aid,
    pub(super) recipient: Aid,
}

impl Pair {
    fn of(facts: &OutgoingFacts) -> Self {
        Self {
            sender: facts.sender,
            recipient: facts.recipient,
        }
    }
}

/// The notes under way.
#[derive(Debug, Default)]
pub(crate) struct Outbox(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    notes: HashMap<MessageId, UnderWay>,
    pairs: HashMap<Pair, Calls>,
    /// Number of the next note; keeps them in their order.
    next: u64,
}

/// What a note under way looks like from outside.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) facts: OutgoingFacts,
    pub(super) progress: Progress,
    pub(super) attempts: u32,
    pub(super) last_error: Option<String>,
    /// `None` while something is tried, or nothing is any more.
    pub(super) next_attempt: Option<Instant>,
}

/// What is to be done now.
#[derive(Debug, Default)]
pub(super) struct Due {
    pub(super) calls: Vec<Pair>,
    pub(super) stores: Vec<MessageId>,
    pub(super) expired: Vec<MessageId>,
}

impl Outbox {
    /// The notes as they were saved; everything is due at once.
    pub(crate) fn new(saved: &SavedMail, now: Instant) -> Self {
        let outbox = Self::default();
        outbox.add(saved, now);
        outbox
    }

    /// Adds notes as they were saved; everything is due at once.
    pub(crate) fn add(&self, saved: &SavedMail, now: Instant) {
        for facts in &saved.under_way {
            self.state().insert(*facts, None, now);
        }
    }

    /// Adds a note that is to be stored from `store_at` on, and tells how it fares.
    pub(super) fn insert(
        &self,
        facts: OutgoingFacts,
        sealed: Arc<SealedNote>,
        store_at: Instant,
    ) -> watch::Receiver<Progress> {
        self.state().insert(facts, Some(sealed), store_at)
    }

    /// Whether no further note of a sender may be under way.
    pub(super) fn is_full(&self, sender: &Aid) -> bool {
        let state = self.state();
        let notes = state.notes.values();
        notes.filter(|note| note.facts.sender == *sender).count() >= MAX_OUTBOX_NOTES
    }

    /// The note was delivered: it is not under way any more.
    pub(super) fn delivered(&self, message: &MessageId) {
        let removed = self.state().remove(message);
        if let Some(note) = removed {
            note.progress.send_replace(Progress::Delivered);
        }
    }

    /// The note is not under way any more. Tells whether it was.
    pub(crate) fn remove(&self, message: &MessageId) -> bool {
        self.state().remove(message).is_some()
    }

    /// Removes all notes of a sender who is gone.
    pub(crate) fn forget(&self, sender: &Aid) {
        let mut state = self.state();
        state.notes.retain(|_, note| note.facts.sender != *sender);
        state.pairs.retain(|pair, _| pair.sender != *sender);
    }

    /// What is known of a note under way.
    pub(super) fn facts(&self, message: &MessageId) -> Option<OutgoingFacts> {
        self.state().notes.get(message).map(|note| note.facts)
    }

    /// The note itself, while it is kept in memory.
    pub(super) fn sealed(&self, message: &MessageId) -> Option<Arc<SealedNote>> {
        self.state().notes.get(message)?.sealed.clone()
    }

    /// The notes of a sender, oldest first.
    pub(super) fn of_sender(&self, sender: &Aid) -> Vec<Shown> {
        let state = self.state();
        let mut own: Vec<_> = state
            .notes
            .values()
            .filter(|note| note.facts.sender == *sender)
            .collect();
        own.sort_by_key(|note| note.place);
        own.into_iter().map(|note| state.shown(note)).collect()
    }

    /// Takes the turn to call the recipient of a pair, unless somebody is calling, or it could not be
    /// reached a moment ago.
    pub(super) fn begin_call(&self, pair: Pair, now: Instant) -> bool {
        let mut state = self.state();
        let Some(calls) = state.pairs.get_mut(&pair) else {
            return false;
        };
        let may = !calls.is_calling && calls.call_at <= now;
        calls.is_calling |= may;
        may
    }

    /// The oldest notes of a pair after `place`, at most `count`, with their places.
    pub(super) fn batch(&self, pair: Pair, after: u64, count: usize) -> Vec<(u64, MessageId)> {
        let state = self.state();
        let Some(calls) = state.pairs.get(&pair) else {
            return Vec::new();
        };
        let later = calls.notes.range(after + 1..).take(count);
        later.map(|(place, message)| (*place, *message)).collect()
    }

    /// Ends a turn. True if notes were added since `place`, for whom the turn goes on. Others that are
    /// left could not be read, and wait.
    pub(super) fn end_call(&self, pair: Pair, place: u64, now: Instant) -> bool {
        let mut state = self.state();
        let Some(calls) = state.pairs.get_mut(&pair) else {
            return false;
        };
        let goes_on = calls.notes.range(place + 1..).next().is_some();
        calls.is_calling = goes_on;
        if !goes_on {
            calls.call_at = now + CALLS_WHILE_QUEUED.last;
            state.drop_if_empty(pair);
        }
        goes_on
    }

    /// Ends a turn that has failed: its notes wait for the next.
    pub(super) fn call_failed(&self, pair: Pair, error: &str, now: Instant) {
        let mut state = self.state();
        let Some(messages) = state.pairs.get(&pair).map(Calls::messages) else {
            return;
        };
        let mut is_queued = false;
        for message in messages {
            if let Some(note) = state.notes.get_mut(&message) {
                note.tried(error);
                is_queued |= note.is_queued();
            }
        }
        if let Some(calls) = state.pairs.get_mut(&pair) {
            let backoff = if is_queued {
                CALLS_WHILE_QUEUED
            } else {
                CALLS_WHILE_STORED
            };
            calls.is_calling = false;
            calls.call_at = now + backoff.wait(calls.failures);
            calls.failures = calls.failures.saturating_add(1);
        }
        state.drop_if_empty(pair);
    }

    /// Calls every recipient soon whose node may be back.
    pub(super) fn call_again(&self, at: Instant, is_meant: impl Fn(&Pair) -> bool) {
        let mut state = self.state();
        for (_, calls) in state.pairs.iter_mut().filter(|(pair, _)| is_meant(pair)) {
            calls.call_at = calls.call_at.min(at);
        }
    }

    /// Tries everything soon: this node has met others again.
    pub(super) fn all_again(&self, at: Instant) {
        self.call_again(at, |_| true);
        for note in self.state().notes.values_mut() {
            note.store_at = note.store_at.min(at);
        }
    }

    /// Tries the notes of a sender soon, and with new hope: it has another delegation.
    pub(super) fn renewed(&self, sender: &Aid, at: Instant) {
        let mut guard = self.state();
        let State { notes, pairs, .. } = &mut *guard;
        for note in notes.values_mut() {
            if note.facts.sender != *sender {
                continue;
            }
            note.refusals = 0;
            note.store_at = note.store_at.min(at);
            let calls = pairs.entry(Pair::of(&note.facts));
            let calls = calls.or_insert_with(|| Calls::due_at(at));
            calls.notes.insert(note.place, note.facts.message);
            calls.call_at = calls.call_at.min(at);
        }
    }

    /// The recipient's node could not open the note. After some times it is not tried any more; it
    /// is shown until its time is over, with the reason.
    pub(super) fn refused(&self, message: &MessageId, error: &str) {
        let mut state = self.state();
        let Some(note) = state.notes.get_mut(message) else {
            return;
        };
        note.refusals += 1;
        if note.is_given_up() {
            note.tried(error);
            // What others keep of it, nobody opens.
            note.progress.send_replace(Progress::Queued);
            let (pair, place) = (Pair::of(&note.facts), note.place);
            if let Some(calls) = state.pairs.get_mut(&pair) {
                calls.notes.remove(&place);
            }
            state.drop_if_empty(pair);
        }
    }

    /// The recipients of all notes.
    pub(super) fn recipients(&self) -> Vec<Aid> {
        let state = self.state();
        let mut recipients: Vec<_> = state.pairs.keys().map(|pair| pair.recipient).collect();
        recipients.sort_unstable();
        recipients.dedup();
        recipients
    }

    /// Takes the turn to store a note, unless somebody is storing it or it is too early.
    pub(super) fn begin_store(&self, message: &MessageId, now: Instant) -> bool {
        let mut state = self.state();
        let Some(note) = state.notes.get_mut(message) else {
            return false;
        };
        let may = note.may_be_stored() && note.store_at <= now;
        note.is_storing |= may;
        may
    }

    /// Ends a turn: so many nodes keep the note, and whether that is enough.
    pub(super) fn stored(
        &self,
        message: &MessageId,
        replicas: usize,
        is_complete: bool,
        now: Instant,
    ) {
        let mut state = self.state();
        let Some(note) = state.notes.get_mut(message) else {
            return;
        };
        note.is_storing = false;
        if is_complete && replicas > 0 {
            note.store_failures = 0;
            note.store_at = now + super::backoff::jittered(STORE_AGAIN);
        } else {
            note.store_later(now);
        }
        if replicas > 0 && !note.is_given_up() {
            // The recipient may have taken it meanwhile.
            note.progress.send_if_modified(|progress| {
                let is_news = *progress != Progress::Delivered;
                if is_news {
                    *progress = Progress::Stored(replicas);
                }
                is_news
            });
        }
    }

    /// Ends a turn in which nobody stored the note.
    pub(super) fn store_failed(&self, message: &MessageId, error: &str, now: Instant) {
        let mut state = self.state();
        if let Some(note) = state.notes.get_mut(message) {
            note.is_storing = false;
            note.last_error = Some(error.to_owned());
            note.store_later(now);
        }
    }

    /// What is due; turns are not taken yet.
    pub(super) fn due(&self, now: Instant, wall: UnixSeconds) -> Due {
        let state = self.state();
        let mut due = Due::default();
        for (message, note) in &state.notes {
            if note.facts.expires_at < wall {
                due.expired.push(*message);
            } else if note.may_be_stored() && note.store_at <= now {
                due.stores.push(*message);
            }
        }
        for (pair, calls) in &state.pairs {
            if !calls.is_calling && calls.call_at <= now {
                due.calls.push(*pair);
            }
        }
        due
    }

    /// When something is due next; `None` while nothing is under way.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let state = self.state();
        let stores = state.notes.values().filter(|note| note.may_be_stored());
        let calls = state.pairs.values().filter(|calls| !calls.is_calling);
        stores
            .map(|note| note.store_at)
            .chain(calls.map(|calls| calls.call_at))
            .min()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held; a poisoned state is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn insert(
        &mut self,
        facts: OutgoingFacts,
        sealed: Option<Arc<SealedNote>>,
        store_at: Instant,
    ) -> watch::Receiver<Progress> {
        self.next += 1;
        let place = self.next;
        let (progress, told) = watch::channel(Progress::Queued);
        let note = UnderWay {
            facts,
            place,
            sealed,
            progress,
            attempts: 0,
            last_error: None,
            refusals: 0,
            is_storing: false,
            store_failures: 0,
            store_at,
        };
        let calls = self
            .pairs
            .entry(Pair::of(&facts))
            .or_insert_with(|| Calls::due_at(Instant::now()));
        calls.notes.insert(place, facts.message);
        self.notes.insert(facts.message, note);
        told
    }

    fn remove(&mut self, message: &MessageId) -> Option<UnderWay> {
        let note = self.notes.remove(message)?;
        let pair = Pair::of(&note.facts);
        if let Some(calls) = self.pairs.get_mut(&pair) {
            calls.notes.remove(&note.place);
        }
        self.drop_if_empty(pair);
        Some(note)
    }

    fn drop_if_empty(&mut self, pair: Pair) {
        // Whoever is calling still needs the turn.
        let is_over = |calls: &Calls| calls.notes.is_empty() && !calls.is_calling;
        if self.pairs.get(&pair).is_some_and(is_over) {
            self.pairs.remove(&pair);
        }
    }

    fn shown(&self, note: &UnderWay) -> Shown {
        let calls = self.pairs.get(&Pair::of(&note.facts));
        let is_busy = note.is_storing || calls.is_some_and(|calls| calls.is_calling);
        let next = calls.map_or(note.store_at, |calls| calls.call_at.min(note.store_at));
        Shown {
            facts: note.facts,
            progress: *note.progress.borrow(),
            attempts: note.attempts,
            last_error: note.last_error.clone(),
            next_attempt: (!is_busy && !note.is_given_up()).then_some(next),
        }
    }
}

#[cfg(test)]
mod tests;
