// SPDX-License-Identifier: MPL-2.0
//! Notes between agents: sent at any time, read when the recipient wakes.
//!
//! - *Out*: a note is committed to the outbox while it is already on its way ([`sending`]). The
//!   recipient's node takes it directly ([`calling`]), or other nodes keep it ([`storing`]); what
//!   has not arrived is tried again until it has, or its time is over ([`retries`]).
//! - *In*: notes that others bring, and those that were kept ([`collecting`]), are committed to the
//!   inbox before anybody is told that they arrived ([`receiving`]). A note is known by its name, so
//!   one that comes twice is shown once.
//! - *Reading* ([`reading`]) takes notes out of the inbox.

mod backoff;
mod calling;
mod collecting;
mod inbox;
mod outbox;
mod postage;
mod reading;
mod receiving;
mod retries;
mod sealed;
mod sending;
mod storing;

use std::sync::Arc;
use std::time::Duration;

use a2al_protocol::Aid;
use a2al_protocol::mailbox::MessageId;
use tokio::sync::Notify;
use tokio::time::Instant;

pub use reading::{HANDING, Polled, Receipt};

use crate::error::Input;
use crate::model::{self, NoteStatus, Pending, PendingByAgent};
use crate::store::mail::{MailChange, SavedMail};
use crate::{Error, Service, clock, store};
use backoff::Backoff;
use collecting::Collections;
use inbox::Inboxes;
use outbox::{Outbox, Progress, Shown};

pub(crate) use receiving::answer;
pub(crate) use retries::run;

/// Waits between two attempts to remove from the disk what was read or has arrived.
const REMOVING: Backoff = Backoff {
    first: Duration::from_secs(1),
    last: Duration::from_secs(60),
};

/// The notes of this node's agents, in memory.
#[derive(Debug)]
pub(crate) struct Mail {
    inboxes: Arc<Inboxes>,
    outbox: Outbox,
    collections: Collections,
    /// Wakes those who try again, and those who collect.
    retry: Notify,
    collect: Notify,
}

impl Mail {
    /// The notes as they were saved.
    pub(crate) fn new(saved: &SavedMail) -> Self {
        Self {
            inboxes: Arc::new(Inboxes::new(saved)),
            outbox: Outbox::new(saved, Instant::now()),
            collections: Collections::default(),
            retry: Notify::new(),
            collect: Notify::new(),
        }
    }

    /// Follows a change that was committed.
    pub(crate) fn apply(&self, change: &MailChange) {
        match change {
            MailChange::Receive(note) => self.inboxes.received(note),
            MailChange::Take { aid, ids } => self.inboxes.taken(aid, ids),
            MailChange::Settle { message } => {
                self.outbox.remove(message);
            }
            MailChange::Send(_)
            | MailChange::Befriend { .. }
            | MailChange::Offer { .. }
            | MailChange::Forget { .. } => {}
        }
    }

    /// Looks for notes of an agent that is new here, or has another key.
    pub(crate) fn hosted(&self, aid: Aid) {
        self.collections.make_due(aid);
        self.collect.notify_one();
    }

    /// Takes up the notes of an agent that is back.
    pub(crate) fn restore(&self, saved: &SavedMail) {
        self.inboxes.add(saved);
        self.outbox.add(saved, Instant::now());
        self.retry.notify_one();
    }

    /// Tries the notes again of an agent that has another delegation: they are signed anew.
    pub(crate) fn renewed(&self, aid: &Aid) {
        self.outbox.renewed(aid, Instant::now());
        self.retry.notify_one();
    }

    /// Forgets an agent that is gone.
    pub(crate) fn forget(&self, aid: &Aid) {
        self.inboxes.forget(aid);
        self.outbox.forget(aid);
        self.collections.forget(aid);
    }
}

impl Service {
    /// What waits for the agents of this node.
    pub fn pending(&self) -> PendingByAgent {
        let mut pending = PendingByAgent::new();
        for (aid, count) in self.core.mail.inboxes.counts() {
            let waiting: &mut Pending = pending.entry(aid.to_string()).or_default();
            waiting.mailbox = count as u64;
        }
        for aid in self.core.keystore.waiting() {
            let waiting: &mut Pending = pending.entry(aid.to_string()).or_default();
            waiting.master_backup = true;
        }
        pending
    }

    /// What waits for one agent.
    pub fn pending_of(&self, aid: &Aid) -> PendingByAgent {
        let mailbox = self.core.mail.inboxes.count(aid) as u64;
        let pending = (mailbox > 0).then(|| (aid.to_string(), Pending::notes(mailbox)));
        pending.into_iter().collect()
    }

    /// The notes of an agent that are on their way.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn note_outbox(&self, aid: Aid) -> Result<model::NoteOutbox, Error> {
        self.agent_here(&aid)?;
        let notes = self.core.mail.outbox.of_sender(&aid);
        Ok(model::NoteOutbox {
            notes: notes.into_iter().map(outward).collect(),
        })
    }

    /// Gives up a note that is on its way. What others keep of it may still be read.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NoteNotFound`], [`Error::Input`] if the name is none.
    pub async fn cancel_note(&self, aid: Aid, message_id: &str) -> Result<model::Done, Error> {
        self.agent_here(&aid)?.live.beat();
        let bytes = crate::hexadecimal::array(message_id).ok_or(Input::MessageId)?;
        let message = MessageId::from_bytes(bytes);
        let facts = self.core.mail.outbox.facts(&message);
        if facts.is_none_or(|facts| facts.sender != aid) {
            return Err(Error::NoteNotFound);
        }
        self.core.store.mail(MailChange::Settle { message }).await?;
        Ok(model::Done { ok: true })
    }

    /// Commits a change that only removes something, again and again on a disk that takes nothing;
    /// false if it is left undone, because the node stops.
    async fn mail_at_last(&self, change: &MailChange) -> bool {
        let mut failures = 0;
        loop {
            match self.core.store.mail(change.clone()).await {
                Ok(_) => return true,
                Err(store::Error::Database(error)) => {
                    tracing::warn!(%error, "what was read or has arrived is not removed yet");
                    if !self.rest(REMOVING.wait(failures)).await {
                        return false;
                    }
                    failures = failures.saturating_add(1);
                }
                Err(error) => {
                    tracing::warn!(%error, "what was read or has arrived is not removed");
                    return false;
                }
            }
        }
    }

    /// A note is not under way any more. Is on disk some time later; a note that comes back after a
    /// crash is known to its recipient.
    fn settle(&self, message: MessageId) {
        let service = self.clone();
        self.core.tasks.spawn(async move {
            service.mail_at_last(&MailChange::Settle { message }).await;
        });
    }
}

fn outward(note: Shown) -> model::NoteUnderWay {
    let (status, replicas) = match note.progress {
        Progress::Queued => (NoteStatus::Queued, 0),
        Progress::Stored(replicas) => (NoteStatus::Stored, replicas),
        Progress::Delivered => (NoteStatus::Delivered, 0),
    };
    let next = note.next_attempt.map(|at| {
        let wait = at.saturating_duration_since(Instant::now());
        clock::rfc3339(clock::now().saturating_add(wait))
    });
    model::NoteUnderWay {
        message_id: note.facts.message.to_string(),
        recipient: note.facts.recipient,
        msg_type: note.facts.msg_type,
        body_len: note.facts.body_len.into(),
        status,
        replicas: replicas as u64,
        attempts: note.attempts,
        last_error: note.last_error,
        sent_at: clock::rfc3339(note.facts.sent_at),
        next_attempt_at: next,
        expires_at: clock::rfc3339(note.facts.expires_at),
    }
}
