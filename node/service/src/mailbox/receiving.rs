// SPDX-License-Identifier: MPL-2.0
//! Notes that come in: opened, committed, and only then confirmed.

use std::time::Duration;

use a2al_protocol::limits::{
    CROWD_OF_STRANGERS, MAX_UNREAD_OF_STRANGERS, MIN_WORK_BITS, NOTE_MEMORY_MARGIN,
};
use a2al_protocol::mailbox::{self, MessageId, Note, OpenError, Opened, SealedNote, demanded_bits};
use a2al_protocol::network::{self, Delivered, IncomingCall};
use a2al_protocol::{Aid, Credential, UnixSeconds, VerifiedRecord};
use futures::future::join_all;

use super::outbox::Pair;
use super::postage::kept;
use crate::model::{NoteSource, NotesReceived};
use crate::store::mail::{Body, MailChange, OutgoingFacts, Received};
use crate::store::{self};
use crate::{Service, clock};

/// What became of a note that has come in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// It waits to be read.
    Received,
    /// It was received before.
    Known,
    /// There is no room for it.
    Full,
}

/// Answers a call that brings notes.
pub(crate) async fn answer(service: &Service, call: IncomingCall) {
    let (caller, agent) = (call.caller(), call.agent());
    let keep = |delivered| service.keep(agent, delivered);
    if let Err(error) = service.core.client.receive_notes(call, keep).await {
        tracing::debug!(%caller, %agent, %error, "a delivery of notes broke off");
    }
    // Its node is up, so what waits for it here can be delivered.
    service
        .core
        .mail
        .outbox
        .call_again(tokio::time::Instant::now(), |pair: &Pair| {
            pair.sender == agent && pair.recipient == caller
        });
    service.core.mail.retry.notify_one();
}

impl Service {
    /// Keeps a note that its sender has brought.
    async fn keep(&self, aid: Aid, delivered: Delivered) -> network::Receipt {
        let Some(agent) = self.core.registry.get(&aid) else {
            return network::Receipt::UnknownRecipient;
        };
        let note = match open(&delivered.note, &agent.credential) {
            Ok(note) => note,
            Err(error) => {
                tracing::debug!(%aid, %error, "a note that was brought does not open");
                return network::Receipt::Invalid;
            }
        };
        if let Some(refusal) = self.refusal(aid, &delivered).await {
            return refusal;
        }
        let mut received = self.incoming(aid, &delivered.note, note);
        received.has_pass = delivered.has_pass;
        received.reply = delivered.reply.as_ref().and_then(kept);
        let service = self.clone();
        // Goes on when the caller leaves: a note that is committed is told of.
        let keeping = self.core.tasks.spawn(async move {
            let notes = vec![received];
            service.take_in(aid, notes, NoteSource::QuicDirect).await
        });
        let kept = keeping.await;
        let verdict = kept.ok().and_then(|kept| kept.into_iter().next());
        match verdict {
            Some(Ok(Verdict::Received)) => network::Receipt::Accepted,
            Some(Ok(Verdict::Known)) => network::Receipt::Duplicate,
            Some(Err(store::Error::Missing)) => network::Receipt::UnknownRecipient,
            // A disk that takes nothing has no room.
            Some(Ok(Verdict::Full) | Err(_)) | None => network::Receipt::Full,
        }
    }

    /// What a stranger is told while many others' notes wait: that there is no room, or that a proof
    /// of work is missing.
    async fn refusal(&self, aid: Aid, delivered: &Delivered) -> Option<network::Receipt> {
        if delivered.has_pass || self.core.mail.inboxes.count(&aid) < CROWD_OF_STRANGERS {
            return None;
        }
        let strangers = self.core.store.strangers(aid, delivered.note.record.aid());
        let (unread, is_stranger) = strangers.await.ok()?;
        if !is_stranger || unread < CROWD_OF_STRANGERS {
            return None;
        }
        // One that was received before costs no room: its sender is told that it has arrived.
        let message = delivered.note.id();
        let seen = self.core.store.seen(aid, vec![message]).await.ok()?;
        if seen.contains(&message) {
            return None;
        }
        if unread >= MAX_UNREAD_OF_STRANGERS {
            return Some(network::Receipt::Full);
        }
        let bits = demanded_bits(unread, MAX_UNREAD_OF_STRANGERS).max(MIN_WORK_BITS);
        let refusal = network::Receipt::WorkRequired { bits };
        (!delivered.shows_work(bits)).then_some(refusal)
    }

    /// Commits notes of one agent, tells of those that are new, and what became of each.
    pub(super) async fn take_in(
        &self,
        aid: Aid,
        notes: Vec<Received>,
        source: NoteSource,
    ) -> Vec<Result<Verdict, store::Error>> {
        let commits = notes.into_iter().map(|note| async {
            match self.core.store.mail(MailChange::Receive(note.into())).await {
                Ok(true) => Ok(Verdict::Received),
                Ok(false) => Ok(Verdict::Known),
                Err(store::Error::Full) => Ok(Verdict::Full),
                Err(error) => Err(error),
            }
        });
        let verdicts = join_all(commits).await;
        let is_new = |verdict: &&Result<Verdict, _>| matches!(verdict, Ok(Verdict::Received));
        let count = verdicts.iter().filter(is_new).count() as u64;
        if count > 0 {
            tracing::debug!(%aid, count, "notes received");
            let data = NotesReceived { count, source };
            self.core.events.notes_received(aid, data);
        }
        verdicts
    }

    /// A note from elsewhere, to be committed.
    pub(super) fn incoming(&self, aid: Aid, sealed: &SealedNote, note: Note) -> Received {
        let record = &sealed.record;
        self.numbered(
            aid,
            sealed.id(),
            note,
            (record.timestamp(), last_second(record)),
        )
    }

    /// A note from an agent of this node, to be committed.
    pub(super) fn received(&self, facts: &OutgoingFacts, body: Body) -> Received {
        let note = Note {
            sender: facts.sender,
            msg_type: facts.msg_type,
            body: body.0,
        };
        let times = (facts.sent_at, facts.expires_at);
        self.numbered(facts.recipient, facts.message, note, times)
    }

    fn numbered(
        &self,
        aid: Aid,
        message: MessageId,
        note: Note,
        (sent_at, expires_at): (UnixSeconds, UnixSeconds),
    ) -> Received {
        Received {
            id: self.core.mail.inboxes.next_id(),
            aid,
            message,
            sender: note.sender,
            msg_type: note.msg_type,
            body: Body(note.body),
            sent_at,
            arrived_at: clock::now(),
            forget_at: expires_at.saturating_add(NOTE_MEMORY_MARGIN),
            has_pass: false,
            reply: None,
        }
    }
}

/// The last second in which anybody can bring a note. The end of the sender's delegation does not
/// count: it is not signed with the note, so that a third party could bring it with a newer one.
pub(super) fn last_second(record: &VerifiedRecord) -> UnixSeconds {
    let life = Duration::from_secs(record.ttl_secs().into());
    record.timestamp().saturating_add(life)
}

/// Opens a note whose parts are all there.
pub(super) fn open(sealed: &SealedNote, credential: &Credential) -> Result<Note, OpenError> {
    match mailbox::open(&sealed.record, credential.aid(), credential.signing_key())? {
        Opened::Note(note) => Ok(note),
        Opened::Head(head) => head.join(&sealed.parts),
    }
}

#[cfg(test)]
mod tests {
    use a2al_protocol::SigningKey;

    use super::super::sealed::tests::{agent, sealed_by};
    use super::*;

    #[test]
    fn a_delegation_that_ends_early_does_not_end_the_memory_of_a_note() {
        let sender = agent(&SigningKey::generate(), clock::now().0, true);
        let week = Duration::from_secs(7 * 24 * 3600);
        let note = sealed_by(&sender, b"x", 7 * 24 * 3600);
        let end = note.record.timestamp().saturating_add(week);
        assert!(note.record.expires_at() < end);
        assert_eq!(last_second(&note.record), end);
    }
}
