// SPDX-License-Identifier: MPL-2.0
//! Reading notes: looking at them, and taking them.
//!
//! A note that is taken is marked on disk before it is answered, marked as handed over as soon as the
//! last byte of the answer has left, and removed when the reader has not broken off for a moment. If
//! the node is killed before the second mark, or the reader leaves, the note is given out again,
//! marked as such: nothing is lost, and a reader that keeps the names of marked notes sees each once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use a2al_protocol::{Aid, mailbox::MessageId};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::inbox::{Chosen, Claim};
use crate::model::{Message, MessageList};
use crate::outgoing::{Given, Outgoing};
use crate::store::mail::{MailChange, Received};
use crate::{Error, Service, clock};

/// How long after the last byte has left a reader may break off, and has not read the answer: the
/// notes come again, marked.
pub const HANDING: Duration = Duration::from_millis(100);

/// How long a reader may take for an answer; others get its notes then.
const READING: Duration = Duration::from_secs(60);

/// Notes that are to be handed to a reader.
#[derive(Debug)]
pub struct Polled {
    /// The notes.
    pub list: MessageList,
    /// To be told when the reader has them.
    pub receipt: Receipt,
}

/// Waits for word that a reader has its notes. Dropped without, or after a minute, they are given
/// out again.
#[derive(Debug)]
pub struct Receipt {
    service: Service,
    claim: Arc<Mutex<Option<Claim>>>,
    /// The notes of the claim.
    notes: Arc<[(Aid, MessageId)]>,
    /// Ends the wait for the reader.
    _ends: DropGuard,
}

impl Receipt {
    fn new(service: &Service, claim: Claim, notes: &[Received]) -> Self {
        let notes = notes.iter().map(|note| (note.aid, note.message)).collect();
        let is_empty = claim.notes.is_empty();
        let claim = Arc::new(Mutex::new(Some(claim)));
        let ended = CancellationToken::new();
        if !is_empty {
            let (claim, ended) = (Arc::clone(&claim), ended.clone());
            service.spawn(async move {
                if ended.run_until_cancelled(sleep(READING)).await.is_some() {
                    drop(taken(&claim));
                }
            });
        }
        Self {
            service: service.clone(),
            claim,
            notes,
            _ends: ended.drop_guard(),
        }
    }

    /// The last byte of the answer was given to its reader: the notes are removed. Within
    /// [`Outgoing::scope`](crate::Outgoing::scope), when it has left, and the reader has not broken
    /// off at once.
    pub fn handed_over(self) {
        let given = Outgoing::here();
        let service = self.service.clone();
        let tasks = service.core.tasks.clone();
        tasks.spawn(async move {
            // As a whole: what ends the wait for the reader must not go before the rest.
            let receipt = self;
            let has_arrived = service.has_arrived(given, &receipt.notes).await;
            if has_arrived && let Some(claim) = taken(&receipt.claim) {
                let aid = claim.aid;
                service.take_away(aid, claim.keep()).await;
            }
            service.forget_handed(&receipt.notes).await;
        });
    }
}

impl Receipt {
    /// The reader has read the notes, as the front end knows for sure: they are removed.
    pub fn read(self) {
        let service = self.service.clone();
        if let Some(claim) = taken(&self.claim) {
            let (aid, ids) = (claim.aid, claim.keep());
            let tasks = service.core.tasks.clone();
            tasks.spawn(async move { service.take_away(aid, ids).await });
        }
    }
}

fn taken(claim: &Mutex<Option<Claim>>) -> Option<Claim> {
    // Nothing panics while the lock is held; what it holds is still whole.
    claim.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl Service {
    /// Whether an answer may be taken for read.
    async fn has_arrived(&self, given: Option<Given>, notes: &Arc<[(Aid, MessageId)]>) -> bool {
        let Some(mut given) = given else {
            // Whoever closes its pipe at once ends this node, and need not have read what is in it.
            return self.rest(HANDING).await;
        };
        if self.until_stopped(given.flushed()).await != Some(true) {
            return false;
        }
        let (cache, handed) = (self.core.cache_db.clone(), Arc::clone(notes));
        let keeping = spawn_blocking(move || cache.keep_handed(&handed));
        tokio::select! {
            biased;
            () = given.broken() => {
                // What is forgotten afterwards has to be there.
                let _ = keeping.await;
                false
            }
            () = sleep(HANDING) => true,
        }
    }

    async fn forget_handed(&self, notes: &Arc<[(Aid, MessageId)]>) {
        let (cache, handed) = (self.core.cache_db.clone(), Arc::clone(notes));
        // Only a runtime that ends leaves it undone; what is removed need not be forgotten.
        let _ = spawn_blocking(move || cache.forget_handed(&handed)).await;
    }

    /// Removes notes that were read; a full disk is waited for, since they take room until then.
    async fn take_away(&self, aid: Aid, ids: Vec<u64>) {
        if ids.is_empty() {
            return;
        }
        if !self.mail_at_last(&MailChange::Take { aid, ids }).await {
            return;
        }
        // There is room again for what agents of this node have sent.
        let now = Instant::now();
        let outbox = &self.core.mail.outbox;
        outbox.call_again(now, |pair| pair.recipient == aid);
        self.core.mail.retry.notify_one();
    }

    /// Takes the notes of an agent: the oldest, as many as have at most `room` bytes together, but
    /// one at least. When none waits, those that other nodes keep are looked for first, for up to
    /// 2 s.
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::StorageFull`] or [`Error::Storage`] if it cannot be marked
    /// that they are given out.
    pub async fn poll_mailbox(&self, aid: Aid, room: usize) -> Result<Polled, Error> {
        self.agent_here(&aid)?.live.beat();
        self.look_for_notes(aid).await;
        let claim = self.core.mail.inboxes.claim(aid, room);
        let (ids, chosen) = (claim.ids(), claim.notes.clone());
        if ids.is_empty() {
            let list = MessageList::default();
            let receipt = Receipt::new(self, claim, &[]);
            return Ok(Polled { list, receipt });
        }
        let offer = MailChange::Offer { ids: ids.clone() };
        let (offered, notes) =
            tokio::join!(self.core.store.mail(offer), self.core.store.unread(ids));
        offered?;
        let notes = notes?;
        let receipt = Receipt::new(self, claim, &notes);
        let list = self.listed(aid, &chosen, notes);
        Ok(Polled { list, receipt })
    }

    /// The notes of an agent, which stay; as many as [`Self::poll_mailbox`] gives.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn list_mailbox(&self, aid: Aid, room: usize) -> Result<MessageList, Error> {
        self.agent_here(&aid)?;
        let chosen = self.core.mail.inboxes.oldest(&aid, room);
        let ids = chosen.iter().map(|note| note.id).collect();
        let notes = self.core.store.unread(ids).await?;
        let mut list = self.listed(aid, &chosen, notes);
        list.remaining = list.remaining.saturating_sub(list.messages.len() as u64);
        Ok(list)
    }

    fn listed(&self, aid: Aid, chosen: &[Chosen], notes: Vec<Received>) -> MessageList {
        let is_repeated = |id| chosen.iter().any(|note| note.id == id && note.is_repeated);
        let messages = notes.into_iter().map(|note| {
            let again = is_repeated(note.id);
            outward(&note, again)
        });
        MessageList {
            messages: messages.collect(),
            remaining: self.core.mail.inboxes.count(&aid) as u64,
        }
    }
}

fn outward(note: &Received, again: bool) -> Message {
    Message {
        sender: note.sender,
        msg_type: note.msg_type,
        body_base64: BASE64_STANDARD.encode(&note.body.0),
        message_id: note.message.to_string(),
        sent_at: clock::rfc3339(note.sent_at),
        received_at: clock::rfc3339(note.arrived_at),
        again,
    }
}
