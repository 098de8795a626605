// SPDX-License-Identifier: MPL-2.0
//! Which notes wait to be read, and which are being read.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use a2al_protocol::Aid;
use a2al_protocol::limits::MAX_READ_NOTES;

use crate::store::mail::{Received, SavedMail, UnreadFacts};

/// The unread notes of all agents, without what they say. Only the writer of the store adds and
/// removes notes, right after each commit.
#[derive(Debug)]
pub(crate) struct Inboxes(Mutex<State>);

#[derive(Debug)]
struct State {
    next_id: u64,
    agents: HashMap<Aid, BTreeMap<u64, Unread>>,
}

#[derive(Debug)]
struct Unread {
    body_len: usize,
    /// Whether a reader has it, who may not have read it yet.
    is_claimed: bool,
    /// Whether an earlier reader may have read it.
    is_repeated: bool,
}

/// A note of an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Chosen {
    pub(super) id: u64,
    /// Whether an earlier answer may have held it.
    pub(super) is_repeated: bool,
}

impl Inboxes {
    /// The notes as they were saved.
    pub(crate) fn new(saved: &SavedMail) -> Self {
        let next_id = saved.unread.last().map_or(1, |newest| newest.id + 1);
        let inboxes = Self(Mutex::new(State {
            next_id,
            agents: HashMap::new(),
        }));
        inboxes.add(saved);
        inboxes
    }

    /// Adds notes as they were saved.
    pub(crate) fn add(&self, saved: &SavedMail) {
        let mut state = self.state();
        for UnreadFacts {
            id,
            aid,
            body_len,
            is_offered,
        } in &saved.unread
        {
            let unread = Unread {
                body_len: *body_len as usize,
                is_claimed: false,
                is_repeated: *is_offered,
            };
            state.agents.entry(*aid).or_default().insert(*id, unread);
        }
    }

    /// A number for a note that has come in.
    pub(super) fn next_id(&self) -> u64 {
        let mut state = self.state();
        state.next_id += 1;
        state.next_id - 1
    }

    /// Adds a note that is on disk.
    pub(crate) fn received(&self, note: &Received) {
        let unread = Unread {
            body_len: note.body.0.len(),
            is_claimed: false,
            is_repeated: false,
        };
        let mut state = self.state();
        let notes = state.agents.entry(note.aid).or_default();
        notes.insert(note.id, unread);
    }

    /// Removes notes that were read.
    pub(crate) fn taken(&self, aid: &Aid, ids: &[u64]) {
        if let Some(notes) = self.state().agents.get_mut(aid) {
            for id in ids {
                notes.remove(id);
            }
        }
    }

    /// Removes all notes of an agent that is gone.
    pub(crate) fn forget(&self, aid: &Aid) {
        self.state().agents.remove(aid);
    }

    /// How many notes wait for an agent.
    pub(crate) fn count(&self, aid: &Aid) -> usize {
        self.state().agents.get(aid).map_or(0, waiting)
    }

    /// How many notes wait, by agent; those without any are left out.
    pub(crate) fn counts(&self) -> Vec<(Aid, usize)> {
        let state = self.state();
        let counts = state
            .agents
            .iter()
            .map(|(aid, notes)| (*aid, waiting(notes)));
        counts.filter(|(_, count)| *count > 0).collect()
    }

    /// The oldest notes that wait for an agent, as many as fit into `room` bytes, but one at least.
    pub(super) fn oldest(&self, aid: &Aid, room: usize) -> Vec<Chosen> {
        let state = self.state();
        let notes = state.agents.get(aid);
        notes.map_or_else(Vec::new, |notes| chosen(notes, room))
    }

    /// The same, kept from other readers until the claim ends.
    pub(super) fn claim(self: &Arc<Self>, aid: Aid, room: usize) -> Claim {
        let mut state = self.state();
        let notes = state.agents.get_mut(&aid);
        let notes = notes.map_or_else(Vec::new, |notes| {
            let chosen = chosen(notes, room);
            for Chosen { id, .. } in &chosen {
                if let Some(unread) = notes.get_mut(id) {
                    unread.is_claimed = true;
                }
            }
            chosen
        });
        Claim {
            inboxes: Arc::clone(self),
            aid,
            notes,
        }
    }

    fn release(&self, aid: &Aid, released: &[Chosen]) {
        if let Some(notes) = self.state().agents.get_mut(aid) {
            for Chosen { id, .. } in released {
                if let Some(unread) = notes.get_mut(id) {
                    unread.is_claimed = false;
                    unread.is_repeated = true;
                }
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held; a poisoned state is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn waiting(notes: &BTreeMap<u64, Unread>) -> usize {
    notes.values().filter(|unread| !unread.is_claimed).count()
}

fn chosen(notes: &BTreeMap<u64, Unread>, mut room: usize) -> Vec<Chosen> {
    let free = notes.iter().filter(|(_, unread)| !unread.is_claimed);
    let mut is_first = true;
    let fitting = free.take_while(|(_, unread)| {
        let fits = room >= unread.body_len || is_first;
        room = room.saturating_sub(unread.body_len);
        is_first = false;
        fits
    });
    let chosen = fitting.map(|(id, unread)| Chosen {
        id: *id,
        is_repeated: unread.is_repeated,
    });
    chosen.take(MAX_READ_NOTES).collect()
}

/// Notes that one reader has. Dropped, they wait again.
#[derive(Debug)]
pub(super) struct Claim {
    inboxes: Arc<Inboxes>,
    pub(super) aid: Aid,
    pub(super) notes: Vec<Chosen>,
}

impl Claim {
    /// The numbers of the notes.
    pub(super) fn ids(&self) -> Vec<u64> {
        self.notes.iter().map(|chosen| chosen.id).collect()
    }

    /// The notes were read: nobody else gets them in this run.
    pub(super) fn keep(mut self) -> Vec<u64> {
        let ids = self.ids();
        self.notes.clear();
        ids
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.inboxes.release(&self.aid, &self.notes);
    }
}

#[cfg(test)]
mod tests {
    use a2al_protocol::{SigningKey, mailbox::MessageId, time::UnixSeconds};

    use super::*;
    use crate::store::mail::Body;

    const ROOM: usize = 8;

    fn note(id: u64, aid: Aid, body_len: usize) -> Received {
        Received {
            id,
            aid,
            message: MessageId::of_payload(&id.to_be_bytes()),
            sender: aid,
            msg_type: 3,
            body: Body(vec![0; body_len]),
            sent_at: UnixSeconds(1),
            arrived_at: UnixSeconds(1),
            forget_at: UnixSeconds(1),
            has_pass: false,
            reply: None,
        }
    }

    fn inboxes(lens: &[usize]) -> (Arc<Inboxes>, Aid) {
        let aid = SigningKey::generate().public().aid();
        let inboxes = Arc::new(Inboxes::new(&SavedMail::default()));
        for len in lens {
            inboxes.received(&note(inboxes.next_id(), aid, *len));
        }
        (inboxes, aid)
    }

    #[test]
    fn a_note_has_one_reader_at_a_time() {
        let (inboxes, aid) = inboxes(&[1, 1]);
        let first = inboxes.claim(aid, ROOM);
        assert_eq!(first.ids(), [1, 2]);
        inboxes.received(&note(inboxes.next_id(), aid, 1));
        let second = inboxes.claim(aid, ROOM);
        assert_eq!(second.ids(), [3]);
        assert_eq!(inboxes.count(&aid), 0);
        drop(first);
        let again = inboxes.claim(aid, ROOM);
        assert!(again.notes.iter().all(|note| note.is_repeated));
        assert_eq!(again.keep(), [1, 2]);
        assert!(
            inboxes.claim(aid, ROOM).ids().is_empty(),
            "kept, though not on disk yet"
        );
        inboxes.taken(&aid, &[1, 2]);
        drop(second);
        assert_eq!(inboxes.counts(), [(aid, 1)]);
    }

    #[test]
    fn an_answer_has_so_much_room() {
        let (inboxes, aid) = inboxes(&[ROOM / 2, ROOM / 2, 1]);
        let claim = inboxes.claim(aid, ROOM);
        assert_eq!(claim.ids(), [1, 2]);
        assert_eq!(inboxes.oldest(&aid, ROOM).len(), 1);
        claim.keep();
        assert_eq!(inboxes.claim(aid, ROOM).ids(), [3]);
        inboxes.received(&note(inboxes.next_id(), aid, ROOM));
        assert_eq!(inboxes.claim(aid, 0).ids(), [3], "one at least");
    }

    #[test]
    fn what_an_earlier_run_may_have_handed_out_is_marked() {
        let aid = SigningKey::generate().public().aid();
        let unread = |id, is_offered| UnreadFacts {
            id,
            aid,
            body_len: 1,
            is_offered,
        };
        let saved = SavedMail {
            unread: vec![unread(7, true), unread(9, false)],
            ..SavedMail::default()
        };
        let inboxes = Inboxes::new(&saved);
        let repeated: Vec<_> = inboxes
            .oldest(&aid, ROOM)
            .iter()
            .map(|note| note.is_repeated)
            .collect();
        assert_eq!(repeated, [true, false]);
        assert_eq!(inboxes.next_id(), 10);
    }
}
