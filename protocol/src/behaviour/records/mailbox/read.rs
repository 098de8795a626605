// SPDX-License-Identifier: MPL-2.0
//! Reading mailboxes, and the parts of long notes.

use std::cmp::Reverse;
use std::collections::HashMap;

use tokio::time::{Instant, timeout_at};

use super::super::{Query, Reader};
use crate::aid::Aid;
use crate::behaviour::agents::Newest;
use crate::clock;
use crate::key::Signature;
use crate::limits::{
    DIALLED_HOLDER_PATIENCE, MAILBOX_PATIENCE, MAILBOX_QUORUM, MAX_MAILBOX_TTL, READ_TIMEOUT,
    REPLY_PASS_LEN, SET_QUORUM,
};
use crate::mailbox::{Head, Note, Pass, SignedPass};
use crate::network::Error;
use crate::record::{Category, RecordKind, RecordSet, VerifiedRecord};

/// A note that holders keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundNote {
    /// The note, or the head of a long one.
    pub record: VerifiedRecord,
    /// The sender's permission to write back, if one came along.
    pub reply: Option<Pass>,
}

/// What holders say came beside a note; each may say something else.
#[derive(Default)]
struct Replies(HashMap<Signature, Vec<[u8; REPLY_PASS_LEN]>>);

impl Replies {
    fn add(&mut self, note: Signature, pass: [u8; REPLY_PASS_LEN]) {
        let passes = self.0.entry(note).or_default();
        if !passes.contains(&pass) {
            passes.push(pass);
        }
    }

    /// The pass beside a note that is genuine, in force, and of no older delegation than others.
    fn genuine(&self, note: &VerifiedRecord, newest: &Newest) -> Option<Pass> {
        let passes = self.0.get(&note.signature())?;
        passes.iter().find_map(|pass| {
            let pass = SignedPass::decode_beside(pass, note)?;
            let pass = pass.verify(clock::now()).ok()?;
            let is_current = newest.accept(pass.issuer(), pass.issued_at());
            is_current.then_some(pass)
        })
    }
}

impl Reader {
    /// The union of the notes that the holders around an agent's key keep; those first that most of them have, so that what one
    /// holder alone has does not take the room of the others.
    ///
    /// Ends when [`MAILBOX_QUORUM`] of them have answered, [`MAILBOX_PATIENCE`] after [`SET_QUORUM`] have, or when all were asked; once
    /// somebody had a note, holders that must be dialled are waited for only [`DIALLED_HOLDER_PATIENCE`] longer than the others.
    pub(crate) async fn notes(&self, recipient: Aid) -> Result<Vec<FoundNote>, Error> {
        let query = Query {
            key: recipient.key(),
            kind: None,
            publisher: None,
        };
        let (mut set, mut replies) = (RecordSet::new(), Replies::default());
        let mut holders: HashMap<Signature, usize> = HashMap::new();
        let own = self.store.get(&query, clock::now());
        for record in &own {
            *holders.entry(record.signature()).or_default() += 1;
            if let Some(pass) = self.store.beside(&query.key, record).reply {
                replies.add(record.signature(), pass);
            }
            set.merge(record.clone());
        }
        let (mut survey, mut answered) = (self.survey(query, own), 0);
        let (mut has_heard, mut has_notes) = (false, false);
        let mut deadline = Instant::now() + READ_TIMEOUT;
        while answered < MAILBOX_QUORUM {
            let Ok(Some(answer)) = timeout_at(deadline, survey.next()).await else {
                break;
            };
            let Some(found) = answer.found else { continue };
            has_heard = true;
            // That somebody has nothing means little before those around the key are known.
            let counts = survey.has_arrived() || !found.records.is_empty();
            answered += usize::from(counts);
            if counts && answered == SET_QUORUM {
                deadline = Instant::now() + MAILBOX_PATIENCE;
            }
            has_notes |= !found.records.is_empty();
            if has_notes && survey.waits_for_dials_only() {
                deadline = deadline.min(Instant::now() + DIALLED_HOLDER_PATIENCE);
            }
            for record in found.records {
                *holders.entry(record.signature()).or_default() += 1;
                set.merge(record);
            }
            for (note, pass) in found.replies {
                replies.add(note, pass);
            }
        }
        let mut records = self.accepted(&set);
        records.retain(|record| {
            let is_note = record.kind().category() == Category::Mailbox;
            is_note && u64::from(record.ttl_secs()) <= MAX_MAILBOX_TTL.as_secs()
        });
        records.sort_by_key(|record| Reverse(holders.get(&record.signature()).copied()));
        if records.is_empty() && !has_heard && !self.routing.borrow().is_empty() {
            return Err(Error::Timeout);
        }
        let notes = records.into_iter().map(|record| FoundNote {
            reply: replies.genuine(&record, &self.newest),
            record,
        });
        Ok(notes.collect())
    }

    /// The note of a head, as soon as all its parts were found.
    ///
    /// # Errors
    /// [`Error::NotFound`] if everybody who was asked has answered and parts are missing; otherwise [`Error::Timeout`], which says
    /// nothing about the parts.
    pub(crate) async fn whole_note(&self, head: &Head) -> Result<Note, Error> {
        let query = Query {
            key: head.place(),
            kind: Some(RecordKind::NOTE_PART),
            publisher: Some(head.sender()),
        };
        let mut set = RecordSet::new();
        let own = self.store.get(&query, clock::now());
        for record in own.iter().cloned() {
            set.merge(record);
        }
        let deadline = Instant::now() + READ_TIMEOUT;
        let mut survey = self.survey(query, own);
        let (mut has_heard, mut is_silent) = (false, false);
        loop {
            if let Ok(note) = head.join(&self.accepted(&set)) {
                return Ok(note);
            }
            let answer = timeout_at(deadline, survey.next()).await;
            let Some(answer) = answer.map_err(|_| Error::Timeout)? else {
                break;
            };
            has_heard |= answer.found.is_some();
            is_silent |= answer.found.is_none();
            for record in answer.found.into_iter().flat_map(|found| found.records) {
                set.merge(record);
            }
        }
        if has_heard && !is_silent {
            Err(Error::NotFound)
        } else {
            Err(Error::Timeout)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{agent, sealed};
    use super::*;
    use crate::time::UnixSeconds;

    #[test]
    fn holders_that_lie_about_a_reply_pass_do_not_hide_the_genuine_one() {
        let (alice, bob) = (agent(), agent());
        let note = sealed(&alice, &bob, b"hello", 3600);
        let until = UnixSeconds(clock::now().0 + 3600);
        let pass = Pass::issue(&alice, bob.aid(), until);
        let genuine = pass.beside(&note.record).unwrap();
        let mut forged = genuine;
        forged[71] ^= 1;
        let mut replies = Replies::default();
        for beside in [[0; REPLY_PASS_LEN], forged, genuine, forged] {
            replies.add(note.record.signature(), beside);
        }
        let found = replies.genuine(&note.record, &Newest::default());
        assert_eq!(found, Some(pass));
    }
}
