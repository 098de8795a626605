// SPDX-License-Identifier: MPL-2.0
//! Telling holders what was taken.

use a2al_proto::v1::{self, Verdict, remove};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::{Instant, timeout_at};

use super::{Depositor, Source};
use crate::clock;
use crate::credential::Credential;
use crate::dht_key::DhtKey;
use crate::limits::{REMOVED_PER_STATEMENT, REPLICATION, WRITE_TIMEOUT};
use crate::mailbox::{Head, MessageId, Removal, is_opened_by};
use crate::record::VerifiedRecord;

impl Depositor {
    /// Has holders drop notes that the agent of `credential` has taken, and refuse them from now on.
    ///
    /// Returns to how many other nodes each of them was told; the least of the counts if it takes several messages.
    pub(crate) async fn remove_notes(&self, credential: &Credential, ids: &[MessageId]) -> usize {
        let mut told = usize::MAX;
        for ids in ids.chunks(REMOVED_PER_STATEMENT) {
            let removal = Removal::sign(credential, ids, clock::now());
            let body = remove::Body::Removal(removal.encode());
            let key = removal.place();
            if self.routing.borrow().closer_to(&key, &self.local) < REPLICATION {
                self.store.remove_notes(removal, Source::Own);
            }
            told = told.min(self.tell(key, body).await);
        }
        if ids.is_empty() { 0 } else { told }
    }

    /// Has holders drop the parts of a long note. Returns how many other nodes have.
    pub(crate) async fn release(&self, head: &Head) -> usize {
        let (key, token) = (head.place(), head.token());
        let is_opened = |part: &VerifiedRecord| is_opened_by(part, &token);
        self.store.release(&key, is_opened, clock::now());
        let release = v1::Release {
            key: key.as_bytes().to_vec(),
            token: token.to_vec(),
        };
        self.tell(key, remove::Body::Release(release)).await
    }

    /// Tells the nodes closest to a key, and waits for those that are connected.
    async fn tell(&self, key: DhtKey, body: remove::Body) -> usize {
        let holders = self.routing.borrow().closest(&key, REPLICATION);
        let mut telling: FuturesUnordered<_> = holders
            .into_iter()
            .map(|holder| {
                let (exchange, body) = (self.exchange.clone(), body.clone());
                async move { exchange.remove(&holder, body).await }
            })
            .collect();
        let mut told = 0;
        let deadline = Instant::now() + WRITE_TIMEOUT;
        while let Ok(Some(answer)) = timeout_at(deadline, telling.next()).await {
            match answer {
                Ok(Verdict::Stored | Verdict::AlreadyHeld) => told += 1,
                Ok(verdict) => {
                    tracing::debug!(%key, verdict = verdict.as_str_name(), "not removed");
                }
                Err(error) => tracing::debug!(%key, %error, "not removed"),
            }
        }
        told
    }
}
