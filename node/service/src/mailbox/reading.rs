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
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::REMOVING;
use super::inbox::{Chosen, Claim};
use crate::model::{Message, MessageList};
use crate::outgoing::{Given, Outgoing};
use crate::store::cache::CacheDb;
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
    claim: SharedClaim,
    /// The notes, as `cache.db` names them.
    names: Arc<[(Aid, MessageId)]>,
    /// To be told whether the notes are removed, once the answer has left.
    removed: Option<oneshot::Sender<bool>>,
    /// Ends the wait for the reader.
    _ends: DropGuard,
}

type SharedClaim = Arc<Mutex<Option<Claim>>>;

impl Receipt {
    fn new(service: &Service, claim: Claim, notes: &[Received]) -> Self {
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
            names: notes.iter().map(|note| (note.aid, note.message)).collect(),
            removed: None,
            _ends: ended.drop_guard(),
        }
    }

    /// The last byte of the answer was given to its reader: the notes are removed. Within
    /// [`Outgoing::scope`](crate::Outgoing::scope), when it has left, and the reader has not broken
    /// off at once.
    pub fn handed_over(mut self) {
        let given = Outgoing::here();
        if let Some(given) = given.clone() {
            self.leaves(given);
        }
        let tasks = self.service.core.tasks.clone();
        tasks.spawn(async move {
            if self.service.has_arrived(given).await {
                self.remove().await;
            }
        });
    }

    /// The last byte was given to a connection. Once it has left, the notes do not come again if this
    /// node is killed, unless the receipt was dropped before.
    pub fn leaves(&mut self, mut given: Given) {
        if self.names.is_empty() {
            return;
        }
        let (removed, is_removed) = oneshot::channel();
        self.removed = Some(removed);
        let (service, names) = (self.service.clone(), Arc::clone(&self.names));
        // Nobody else gets the notes before what is known of this reader is put right.
        let claim = Arc::clone(&self.claim);
        self.service.core.tasks.spawn(async move {
            if service.until_stopped(given.flushed()).await == Some(true) {
                service.note_handed(&names, is_removed).await;
            }
            drop(claim);
        });
    }

    /// The reader has read the notes, as the front end knows for sure: they are removed.
    pub fn read(self) {
        let tasks = self.service.core.tasks.clone();
        tasks.spawn(self.remove());
    }

    async fn remove(mut self) {
        let Some(claim) = taken(&self.claim) else {
            return;
        };
        let aid = claim.aid;
        let is_removed = self.service.take_away(aid, claim.keep()).await;
        if let Some(removed) = self.removed.take() {
            // Nobody asks if the answer has not left.
            let _ = removed.send(is_removed);
        }
    }
}

fn taken(claim: &SharedClaim) -> Option<Claim> {
    // Nothing panics while the lock is held; what it holds is still whole.
    claim.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl Service {
    /// Whether an answer may be taken for read.
    async fn has_arrived(&self, given: Option<Given>) -> bool {
        let Some(mut given) = given else {
            // Whoever closes its pipe at once ends this node, and need not have read what is in it.
            return self.rest(HANDING).await;
        };
        self.until_stopped(given.flushed()).await == Some(true)
            && tokio::select! {
                biased;
                () = given.broken() => false,
                () = sleep(HANDING) => true,
            }
    }

    /// Has `cache.db` know that an answer has left, until its notes are removed or it is known that
    /// they were not read.
    async fn note_handed(
        &self,
        names: &Arc<[(Aid, MessageId)]>,
        is_removed: oneshot::Receiver<bool>,
    ) {
        self.in_cache(names, CacheDb::keep_handed).await;
        match is_removed.await {
            Ok(true) => self.in_cache(names, CacheDb::forget_handed).await,
            // The next start removes them.
            Ok(false) => {}
            Err(_) => {
                let mut failures = 0;
                while !self.in_cache(names, CacheDb::take_back_handed).await
                    && self.rest(REMOVING.wait(failures)).await
                {
                    failures = failures.saturating_add(1);
                }
            }
        }
    }

    async fn in_cache<T: Default + Send + 'static>(
        &self,
        names: &Arc<[(Aid, MessageId)]>,
        work: impl FnOnce(&CacheDb, &[(Aid, MessageId)]) -> T + Send + 'static,
    ) -> T {
        let (cache, names) = (self.core.cache_db.clone(), Arc::clone(names));
        // Fails only while the runtime ends.
        let done = spawn_blocking(move || work(&cache, &names)).await;
        done.unwrap_or_default()
    }

    /// Removes notes that were read; a full disk is waited for, since they take room until then. False
    /// if they stay, because the node stops.
    async fn take_away(&self, aid: Aid, ids: Vec<u64>) -> bool {
        if ids.is_empty() {
            return true;
        }
        if !self.mail_at_last(&MailChange::Take { aid, ids }).await {
            return false;
        }
        // There is room again for what agents of this node have sent.
        let now = Instant::now();
        let outbox = &self.core.mail.outbox;
        outbox.call_again(now, |pair| pair.recipient == aid);
        self.core.mail.retry.notify_one();
        true
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
