// SPDX-License-Identifier: MPL-2.0
//! Deciding about notes that others write, and dropping those that were taken.

use std::time::Instant;

use a2al_proto::v1::{self, Verdict, remove};

use super::super::Source;
use super::super::holder::Holder;
use super::super::store::Outcome;
use super::{Beside, Stamp};
use crate::clock;
use crate::dht_key::DhtKey;
use crate::limits::{MAX_CLOSER_PEERS, WRONG_WORK_WRITES};
use crate::mailbox::{Challenge, MessageId, SignedPass, SignedRemoval, is_opened_by, recipient_of};
use crate::record::{Category, VerifiedRecord};

impl Holder {
    /// Stores a note whose record is verified. What is cheap comes first: its place, whether it was taken, its pass, room, and its work
    /// last.
    pub(in super::super) async fn keep_note(
        &self,
        key: DhtKey,
        note: VerifiedRecord,
        source: Source,
        beside: Beside,
    ) -> Result<Outcome, Verdict> {
        let recipient = recipient_of(&note).map_err(|_| Verdict::Invalid)?;
        if recipient.key() != key {
            return Err(Verdict::WrongKey);
        }
        let id = MessageId::of_payload(note.payload());
        if let Some(removal) = self.store.removal_of(&key, &id) {
            return Ok(Outcome::Removed(Some(removal)));
        }
        let has_pass = self.has_pass(&note, &beside);
        let demand = self.store.demand(&key, &note, source, has_pass)?;
        if demand.bits > 0
            && !self
                .shows_work(&key, &note, source, &beside, demand.bits)
                .await?
        {
            return Ok(Outcome::WorkRequired(demand.bits));
        }
        let stamp = Stamp {
            sender: note.aid(),
            source,
            class: demand.class,
            beside,
        };
        Ok(self.store.put_note(key, note, stamp, clock::now()))
    }

    /// Whether the recipient of a note has let its sender write.
    fn has_pass(&self, note: &VerifiedRecord, beside: &Beside) -> bool {
        let Some(pass) = &beside.pass else {
            return false;
        };
        let now = clock::now();
        let claimed = SignedPass::decode(pass).ok();
        let claimed = claimed.filter(|pass| pass.is_for(note));
        let pass = claimed.and_then(|pass| pass.verify(now).ok());
        pass.is_some_and(|pass| self.newest.accept(pass.issuer(), pass.issued_at()))
    }

    /// Whether a note shows so much work. A wrong proof costs its source a part of its allowance, because it has cost us a millisecond.
    async fn shows_work(
        &self,
        key: &DhtKey,
        note: &VerifiedRecord,
        source: Source,
        beside: &Beside,
        bits: u8,
    ) -> Result<bool, Verdict> {
        let Some(work) = beside.work.filter(|work| work.bits >= bits) else {
            return Ok(false);
        };
        let challenge = Challenge::new(key, note);
        let is_right = self.work.is_right(challenge, work).await;
        let is_right = is_right.ok_or(Verdict::Quota)?;
        if !is_right {
            self.quota().charge(source, WRONG_WORK_WRITES);
        }
        Ok(is_right)
    }

    /// The passes that came beside the notes of a page.
    pub(in super::super) fn reply_passes(
        &self,
        key: &DhtKey,
        page: &[VerifiedRecord],
    ) -> Vec<v1::ReplyPass> {
        let notes = (0..).zip(page);
        let notes = notes.filter(|(_, record)| record.kind().category() == Category::Mailbox);
        let passes = notes.filter_map(|(index, note)| {
            let pass = self.store.beside(key, note).reply?.to_vec();
            Some(v1::ReplyPass { index, pass })
        });
        passes.collect()
    }

    /// Drops notes or parts that their recipient has taken.
    pub(in super::super) fn remove(&self, source: Source, remove: v1::Remove) -> v1::RemoveResult {
        let outcome = match remove.body {
            Some(remove::Body::Removal(removal)) => self.remove_notes(source, &removal),
            Some(remove::Body::Release(release)) => self.release(source, &release),
            None => Err(Verdict::Invalid),
        };
        let verdict = match outcome {
            Ok(Outcome::Stored) => Verdict::Stored,
            Ok(Outcome::Refused(verdict)) | Err(verdict) => verdict,
            Ok(_) => Verdict::AlreadyHeld,
        };
        v1::RemoveResult {
            verdict: verdict.into(),
        }
    }

    fn remove_notes(&self, source: Source, removal: &[u8]) -> Result<Outcome, Verdict> {
        if !self.quota().take(source, Instant::now()) {
            return Err(Verdict::Quota);
        }
        let removal = SignedRemoval::decode(removal).map_err(|_| Verdict::Invalid)?;
        let key = removal.recipient().key();
        if self.routing.borrow().closer_to(&key, &self.local) >= MAX_CLOSER_PEERS {
            return Err(Verdict::TooFar);
        }
        let removal = removal.verify(clock::now()).map_err(|_| Verdict::Invalid)?;
        if !self.newest.accept(removal.recipient(), removal.issued_at()) {
            return Err(Verdict::Invalid);
        }
        Ok(self.store.remove_notes(removal, source))
    }

    fn release(&self, source: Source, release: &v1::Release) -> Result<Outcome, Verdict> {
        if !self.quota().take(source, Instant::now()) {
            return Err(Verdict::Quota);
        }
        let key = release.key.as_slice().try_into();
        let key = DhtKey::from_bytes(key.map_err(|_| Verdict::Invalid)?);
        let token = release.token.as_slice().try_into();
        let token = token.map_err(|_| Verdict::Invalid)?;
        let is_opened = |part: &VerifiedRecord| is_opened_by(part, &token);
        Ok(self.store.release(&key, is_opened, clock::now()))
    }
}
