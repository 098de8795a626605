// SPDX-License-Identifier: MPL-2.0
//! Having other nodes keep a note for its recipient.

use std::time::Duration;

use a2al_protocol::mailbox::MessageId;
use a2al_protocol::network::{self, Deposit};
use tokio::time::{Instant, timeout};

use crate::Service;

/// Longest time for storing one note: a proof of work may be asked for.
const STORE_TIMEOUT: Duration = Duration::from_secs(120);

impl Service {
    /// Stores a note in the background, unless somebody does or it is too early.
    pub(super) fn store_soon(&self, message: MessageId) {
        if self.core.mail.outbox.begin_store(&message, Instant::now()) {
            let service = self.clone();
            self.spawn(async move { service.store_note(message).await });
        }
    }

    /// Stores a note with those who are close to its recipient's key. The caller has the turn.
    pub(super) async fn store_note(&self, message: MessageId) {
        let outbox = &self.core.mail.outbox;
        let Some(facts) = outbox.facts(&message) else {
            return;
        };
        if self.core.registry.get(&facts.recipient).is_some() {
            // It needs nobody else, only room.
            outbox.stored(&message, 0, true, Instant::now());
            return;
        }
        let note = match self.sealed_note(&message).await {
            Ok(Some(note)) => note,
            Ok(None) => {
                // Settled meanwhile, or the sender may not sign any more.
                let error = "the note is not in force";
                outbox.store_failed(&message, error, Instant::now());
                return;
            }
            Err(error) => {
                outbox.store_failed(&message, &error.to_string(), Instant::now());
                return;
            }
        };
        let postage = self.postage(facts.sender, facts.recipient).await;
        let deposit = timeout(STORE_TIMEOUT, self.core.client.deposit(&note, &postage)).await;
        match deposit.unwrap_or(Err(network::Error::Timeout)) {
            Ok(Deposit::Kept(kept)) => {
                outbox.stored(&message, kept.replicas, kept.is_complete, Instant::now());
            }
            Ok(Deposit::Taken) => {
                outbox.delivered(&message);
                self.settle(message);
            }
            Err(error) => {
                let (recipient, error) = (facts.recipient, error.to_string());
                tracing::debug!(%recipient, error, "note not stored");
                outbox.store_failed(&message, &error, Instant::now());
            }
        }
        self.core.mail.retry.notify_one();
    }
}
