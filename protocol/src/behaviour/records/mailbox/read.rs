// SPDX-License-Identifier: MPL-2.0
//! Reading mailboxes, and the parts of long notes.

use std::collections::HashMap;

use tokio::time::{Instant, timeout_at};

use super::super::{Query, Reader};
use crate::aid::Aid;
use crate::clock;
use crate::key::Signature;
use crate::limits::{MAILBOX_PATIENCE, MAILBOX_QUORUM, READ_TIMEOUT, REPLY_PASS_LEN, SET_QUORUM};
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

type Replies = HashMap<Signature, [u8; REPLY_PASS_LEN]>;

impl Reader {
    /// The union of the notes that the holders around an agent's key keep.
    ///
    /// Ends when [`MAILBOX_QUORUM`] of them have answered, [`MAILBOX_PATIENCE`] after [`SET_QUORUM`] have, or when all were asked.
    pub(crate) async fn notes(&self, recipient: Aid) -> Result<Vec<FoundNote>, Error> {
        let query = Query {
            key: recipient.key(),
            kind: None,
            publisher: None,
        };
        let (mut set, mut replies) = (RecordSet::new(), Replies::new());
        let own = self.store.get(&query, clock::now());
        for record in &own {
            if let Some(pass) = self.store.beside(&query.key, record).reply {
                replies.insert(record.signature(), pass);
            }
            set.merge(record.clone());
        }
        let (mut survey, mut answered) = (self.survey(query, own), 0);
        let mut has_heard = false;
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
            for record in found.records {
                set.merge(record);
            }
            for (note, pass) in found.replies {
                replies.entry(note).or_insert(pass);
            }
        }
        let mut records = self.accepted(&set);
        records.retain(|record| record.kind().category() == Category::Mailbox);
        if records.is_empty() && !has_heard && !self.routing.borrow().is_empty() {
            return Err(Error::Timeout);
        }
        let notes = records.into_iter().map(|record| FoundNote {
            reply: self.reply(&record, &replies),
            record,
        });
        Ok(notes.collect())
    }

    /// The pass beside a note, if it is genuine and in force.
    fn reply(&self, note: &VerifiedRecord, replies: &Replies) -> Option<Pass> {
        let pass = SignedPass::decode_beside(replies.get(&note.signature())?, note)?;
        let pass = pass.verify(clock::now()).ok()?;
        let is_current = self.newest.accept(pass.issuer(), pass.issued_at());
        is_current.then_some(pass)
    }

    /// The note of a head, as soon as all its parts were found.
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
        loop {
            if let Ok(note) = head.join(&self.accepted(&set)) {
                return Ok(note);
            }
            let answer = timeout_at(deadline, survey.next()).await;
            let answer = answer.map_err(|_| Error::Timeout)?.ok_or(Error::NotFound)?;
            for record in answer.found.into_iter().flat_map(|found| found.records) {
                set.merge(record);
            }
        }
    }
}
