// SPDX-License-Identifier: MPL-2.0
//! Storing entries for services where there is room for them.

use futures::future::{BoxFuture, join, join_all};
use futures::{FutureExt, StreamExt, stream};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::store::Displaced;
use super::write::Progress;
use super::{Publication, Source, Writer};
use crate::dht_key::DhtKey;
use crate::limits::{HAND_DOWN_PACE, HAND_DOWN_PARALLELISM, HAND_OVER_RANK};
use crate::network::Error;
use crate::record::{Branch, VerifiedRecord};

impl Writer {
    /// Publishes an entry for a service, or its withdrawal, at the service's own key and at its category's.
    ///
    /// What is told is what became of it at the service's own key: a category that is full, or out of reach, is no reason to write
    /// everything anew.
    ///
    /// # Errors
    /// [`Error::NoEntry`], or as [`Self::publish`].
    pub(crate) async fn publish_entry(&self, record: VerifiedRecord) -> Result<Publication, Error> {
        let roots = record.roots().into_iter().map(Branch::root);
        let published = roots.map(|root| self.clone().place(root, record.clone(), Source::Own));
        let mut published = join_all(published).await.into_iter();
        published.next().ok_or(Error::NoEntry)?
    }

    /// Stores an entry at a branch, and at the next one where there is no room for it.
    fn place(
        self,
        mut branch: Branch,
        record: VerifiedRecord,
        source: Source,
    ) -> BoxFuture<'static, Result<Publication, Error>> {
        Box::pin(async move {
            loop {
                let key = branch.key();
                let progress = self.write(key, &record, source).await?;
                let publication = progress.publication();
                match branch.towards(&record.aid()) {
                    // What has found too few holders here is stored further down before anybody is told.
                    Some(next) if progress.is_full() && progress.is_short() => {
                        self.conclude(progress, key, record.clone(), source).await;
                        branch = next;
                    }
                    Some(next) => {
                        let settling = self.clone().settle(progress, key, next, record, source);
                        if source == Source::Own {
                            self.tasks.spawn(settling);
                        } else {
                            // Nobody waits for what is handed down, and its slot bounds all that it costs.
                            settling.await;
                        }
                        return publication;
                    }
                    None => {
                        // There is no other key where it could be.
                        let is_done = progress.is_full();
                        self.conclude(progress, key, record, source).await;
                        return publication.map(|told| Publication {
                            is_complete: told.is_complete || is_done,
                            ..told
                        });
                    }
                }
            }
        })
    }

    /// Waits for the remaining holders: in the background if somebody waits for what became of the entry.
    async fn conclude(
        &self,
        progress: Progress,
        key: DhtKey,
        record: VerifiedRecord,
        source: Source,
    ) {
        if source == Source::Own {
            self.finish_later(progress, key, record);
        } else {
            self.finish(progress, key, &record).await;
        }
    }

    /// Waits for the remaining holders, and stores the entry at the next branch if too many of them have no room, or if an older
    /// version is there.
    async fn settle(
        self,
        progress: Progress,
        key: DhtKey,
        next: Branch,
        record: VerifiedRecord,
        source: Source,
    ) {
        let progress = self.finish(progress, key, &record).await;
        if !progress.is_full() && !self.store.has_slot(&next.key(), &record) {
            return;
        }
        if let Err(error) = self.place(next, record, source).await {
            tracing::debug!(%key, %error, "entry not stored at the next key");
        }
    }

    /// Passes an entry on that lost its place here, if this node is among the [`HAND_OVER_RANK`] closest to the key.
    async fn hand_down(self, entry: Displaced) {
        let Displaced { key, record, share } = entry;
        if self.routing.borrow().closer_to(&key, &self.local) >= HAND_OVER_RANK {
            return;
        }
        let branch = record.branch_at(&key);
        let Some(next) = branch.and_then(|branch| branch.towards(&record.aid())) else {
            return;
        };
        if let Err(error) = self.place(next, record, Source::Kept).await {
            tracing::debug!(%key, %error, "entry not handed down");
        }
        drop(share);
    }
}

/// Hands down what loses its place at a full key, until `stop`, at a bounded pace.
pub(crate) async fn hand_down(
    writer: Writer,
    mut displaced: mpsc::Receiver<Displaced>,
    stop: CancellationToken,
) {
    let displaced = stream::poll_fn(|cx| displaced.poll_recv(cx));
    let handing = displaced.for_each_concurrent(HAND_DOWN_PARALLELISM, |entry| {
        // Each costs many writes, and whoever displaces its own entries all the time must not have us make them.
        let handing = writer.clone().hand_down(entry);
        join(handing, sleep(HAND_DOWN_PACE)).map(drop)
    });
    stop.run_until_cancelled(handing).await;
}
