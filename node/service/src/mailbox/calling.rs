// SPDX-License-Identifier: MPL-2.0
//! Bringing notes to the node of their recipient.

use std::time::Duration;

use a2al_protocol::limits::NOTES_PER_DELIVERY;
use a2al_protocol::mailbox::{MessageId, SealedNote};
use a2al_protocol::network::{DeliveryError, Receipt, Refusal};
use a2al_protocol::{Aid, VerifiedRecord};
use tokio::time::{Instant, timeout};

use super::outbox::{Outbox, Pair};
use super::receiving::{self, Verdict};
use super::sealed;
use crate::model::NoteSource;
use crate::{Error, Service, clock, store};

/// Longest time for one call with up to [`NOTES_PER_DELIVERY`] notes, proofs of work included.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(120);

/// Why a recipient's node did not take notes.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Unresolved(#[from] Error),
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    #[error("the note cannot be read")]
    Store(#[from] store::Error),
    #[error("the recipient's node did not answer in time")]
    Timeout,
    #[error("the recipient's mailbox is full, or the clock of its node is behind")]
    Full,
    #[error("the recipient's node asks for a proof of work that was not found")]
    Work,
    #[error("the recipient's node does not take the note for genuine, or cannot open it")]
    Invalid,
    #[error("the recipient is not on its node any more")]
    Gone,
}

/// The turn to call a recipient. Dropped with a failure, also by a panic, it is given up and the call
/// tried again later.
struct Turn<'o> {
    outbox: &'o Outbox,
    pair: Pair,
    failure: Option<String>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(failure) = &self.failure {
            self.outbox.call_failed(self.pair, failure, Instant::now());
        }
    }
}

impl Service {
    /// Calls the recipient of a pair in the background, unless somebody does, or it could not be
    /// reached a moment ago.
    pub(super) fn call_soon(&self, pair: Pair) {
        if self.core.mail.outbox.begin_call(pair, Instant::now()) {
            let service = self.clone();
            self.spawn(async move { service.call_pair(pair).await });
        }
    }

    /// Brings all notes of a pair, those included that are sent meanwhile. The caller has the turn.
    pub(super) async fn call_pair(&self, pair: Pair) {
        let outbox = &self.core.mail.outbox;
        let mut turn = Turn {
            outbox,
            pair,
            failure: Some("the call broke off".to_owned()),
        };
        let mut place = 0;
        loop {
            if let Err(failure) = self.bring(pair, &mut place).await {
                let error = with_cause(&failure);
                tracing::debug!(sender = %pair.sender, recipient = %pair.recipient, error, "notes not delivered");
                turn.failure = Some(error);
                break;
            }
            if !outbox.end_call(pair, place, Instant::now()) {
                turn.failure = None;
                break;
            }
        }
        drop(turn);
        self.core.mail.retry.notify_one();
    }

    /// Brings the notes of a pair after `place`, and moves that on.
    async fn bring(&self, pair: Pair, place: &mut u64) -> Result<(), Failure> {
        let mut refused = None;
        loop {
            let batch = self
                .core
                .mail
                .outbox
                .batch(pair, *place, NOTES_PER_DELIVERY);
            let Some((last, _)) = batch.last() else {
                break;
            };
            *place = *last;
            let (messages, notes) = self.loaded(&batch).await?;
            if notes.is_empty() {
                continue;
            }
            let receipts = if self.core.registry.get(&pair.recipient).is_some() {
                self.bring_here(pair.recipient, &notes).await
            } else {
                self.bring_there(pair, &notes).await?
            };
            for (message, receipt) in messages.into_iter().zip(receipts) {
                match outcome(receipt) {
                    Ok(()) => {
                        self.core.mail.outbox.delivered(&message);
                        self.settle(message);
                    }
                    Err(failure) => {
                        if matches!(failure, Failure::Invalid) {
                            let outbox = &self.core.mail.outbox;
                            outbox.refused(&message, &failure.to_string());
                        }
                        refused = Some(failure);
                    }
                }
            }
        }
        refused.map_or(Ok(()), Err)
    }

    /// The notes of a batch that can still be read.
    async fn loaded(
        &self,
        batch: &[(u64, MessageId)],
    ) -> Result<(Vec<MessageId>, Vec<SealedNote>), store::Error> {
        let (mut messages, mut notes) = (Vec::new(), Vec::new());
        for (_, message) in batch {
            if let Some(note) = self.sealed_note(message).await? {
                messages.push(*message);
                notes.push(note);
            }
        }
        Ok((messages, notes))
    }

    /// A note under way; `None` if it was settled meanwhile, or its time is over.
    pub(super) async fn sealed_note(
        &self,
        message: &MessageId,
    ) -> Result<Option<SealedNote>, store::Error> {
        let outbox = &self.core.mail.outbox;
        let Some(facts) = outbox.facts(message) else {
            return Ok(None);
        };
        let note = if let Some(note) = outbox.sealed(message) {
            Some(SealedNote::clone(&note))
        } else {
            let bytes = self.core.store.under_way(*message).await?;
            bytes.and_then(|bytes| sealed::decode(&bytes, facts.sent_at))
        };
        let agent = self.core.registry.get(&facts.sender);
        Ok(note
            .zip(agent)
            .and_then(|(note, agent)| sealed::current(note, &agent.credential, clock::now())))
    }

    /// Hands notes to an agent that is on this node by now.
    async fn bring_here(&self, aid: Aid, notes: &[SealedNote]) -> Vec<Receipt> {
        let mut receipts = Vec::with_capacity(notes.len());
        for sealed in notes {
            let agent = self.core.registry.get(&aid);
            let opened = agent.map(|agent| receiving::open(sealed, &agent.credential));
            let note = match opened {
                Some(Ok(note)) => note,
                Some(Err(_)) => {
                    receipts.push(Receipt::Invalid);
                    continue;
                }
                None => {
                    receipts.push(Receipt::UnknownRecipient);
                    continue;
                }
            };
            let received = vec![self.incoming(aid, sealed, note)];
            let verdicts = self.take_in(aid, received, NoteSource::Local).await;
            receipts.push(match verdicts.first() {
                Some(Ok(Verdict::Received | Verdict::Known)) => Receipt::Accepted,
                _ => Receipt::Full,
            });
        }
        receipts
    }

    /// Delivers notes to another node. Where the known endpoint does not lead to the recipient, a
    /// newer one is looked up and tried.
    async fn bring_there(&self, pair: Pair, notes: &[SealedNote]) -> Result<Vec<Receipt>, Failure> {
        let endpoint = self.endpoint(pair.recipient).await?;
        let failure = match self.deliver(pair, &endpoint, notes).await {
            Err(Failure::Delivery(failure)) if leads_elsewhere(&failure) => failure,
            result => return result,
        };
        self.core.found.distrust(&endpoint);
        let newer = self.endpoint(pair.recipient).await?;
        if !newer.is_newer_than(&endpoint) {
            return Err(failure.into());
        }
        self.deliver(pair, &newer, notes).await
    }

    async fn deliver(
        &self,
        pair: Pair,
        endpoint: &VerifiedRecord,
        notes: &[SealedNote],
    ) -> Result<Vec<Receipt>, Failure> {
        let postage = self.postage(pair.sender, pair.recipient).await;
        let client = &self.core.client;
        let delivering = client.deliver(pair.sender, endpoint, self.paths(), notes, &postage);
        let delivered = timeout(DELIVERY_TIMEOUT, delivering).await;
        Ok(delivered.map_err(|_| Failure::Timeout)??)
    }
}

/// Whether the recipient was not met, so that a newer endpoint might do better.
fn leads_elsewhere(failure: &DeliveryError) -> bool {
    matches!(
        failure,
        DeliveryError::Call(_) | DeliveryError::Refused(Refusal::NotHosted)
    )
}

/// A failure and its immediate cause, on one line.
fn with_cause(failure: &Failure) -> String {
    match std::error::Error::source(failure) {
        Some(cause) => format!("{failure}: {cause}"),
        None => failure.to_string(),
    }
}

fn outcome(receipt: Receipt) -> Result<(), Failure> {
    match receipt {
        Receipt::Accepted | Receipt::Duplicate => Ok(()),
        Receipt::Full => Err(Failure::Full),
        Receipt::WorkRequired { .. } => Err(Failure::Work),
        Receipt::Invalid => Err(Failure::Invalid),
        Receipt::UnknownRecipient => Err(Failure::Gone),
    }
}
