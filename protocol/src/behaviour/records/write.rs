// SPDX-License-Identifier: MPL-2.0
//! When a write has been stored often enough.

use std::collections::HashSet;

use a2al_proto::v1::Verdict;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use libp2p::PeerId;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

use super::exchange::{ExchangeError, Placed, Stored};
use super::store::Outcome;
use super::{Exchange, Source, Store};
use crate::clock;
use crate::dht_key::DhtKey;
use crate::limits::{
    DIALLED_HOLDER_PATIENCE, FULL_QUORUM, REPLICATION, WRITE_QUORUM, WRITE_TIMEOUT,
};
use crate::network::{Dialer, Error, Route, Routing};
use crate::record::VerifiedRecord;

/// What became of a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Other nodes that store the record.
    pub replicas: usize,
    /// Whether as many nodes stored it as were asked for: five, or all that are known.
    pub is_complete: bool,
}

/// Stores records at the nodes closest to their key.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    pub(crate) local: PeerId,
    pub(crate) exchange: Exchange,
    pub(crate) dialer: Dialer,
    pub(crate) store: Store,
    pub(crate) routing: watch::Receiver<Routing>,
    pub(crate) tasks: TaskTracker,
}

type Writing = BoxFuture<'static, (PeerId, Result<Stored, ExchangeError>)>;

/// The state of one publication at one key.
#[derive(Default)]
pub(super) struct Progress {
    writes: FuturesUnordered<Writing>,
    written: HashSet<PeerId>,
    /// Holders that are waited for.
    wanted: usize,
    stored: usize,
    /// Holders without room, this node among them.
    full: usize,
    refused: Option<Verdict>,
    /// Whether others have published the record.
    is_forwarded: bool,
}

impl Writer {
    /// Publishes a record of this node's own: keeps it here and stores it at the closest nodes.
    ///
    /// Answers when [`WRITE_QUORUM`] of them, or all that are known and not silent of late, have stored it, and after [`WRITE_TIMEOUT`] in any case; the rest
    /// is written in the background. With nobody known the record waits here and is handed on as nodes appear.
    ///
    /// # Errors
    /// [`Error::Superseded`] if somebody keeps a newer record of the publisher, [`Error::Refused`] if nobody wants it.
    pub(crate) async fn publish(
        &self,
        key: DhtKey,
        record: VerifiedRecord,
    ) -> Result<Publication, Error> {
        let progress = self.write(key, &record, Source::Own).await?;
        let publication = progress.publication();
        self.finish_later(progress, key, record);
        publication
    }

    /// Stores a record here, if it is our own or this is the place for it, and at the closest nodes, until enough of them have it.
    pub(super) async fn write(
        &self,
        key: DhtKey,
        record: &VerifiedRecord,
        source: Source,
    ) -> Result<Progress, Error> {
        let mut progress = Progress::default();
        let closer = self.routing.borrow().closer_to(&key, &self.local);
        if source == Source::Own || closer < REPLICATION {
            let kept = self.store.put(key, record.clone(), source, clock::now());
            progress.count_own(kept)?;
        }
        let known = self.routing.borrow().closest(&key, REPLICATION);
        let answering = known
            .iter()
            .filter(|holder| !self.exchange.is_silent(&holder.peer));
        progress.wanted = answering.count().min(WRITE_QUORUM);
        progress.is_forwarded = source != Source::Own;
        progress.write(&self.exchange, known, key, record);
        self.wait(&mut progress).await?;
        Ok(progress)
    }

    /// Waits until as many holders as wanted have stored the record.
    ///
    /// Connected holders are waited for up to [`WRITE_TIMEOUT`]; those that must be dialled only a little longer than these, so that
    /// a dead one costs no dial timeout.
    async fn wait(&self, progress: &mut Progress) -> Result<(), Error> {
        let mut deadline = Instant::now() + WRITE_TIMEOUT;
        let mut connected = progress.written.clone();
        connected.retain(|holder| self.exchange.is_connected(holder));
        while progress.stored < progress.wanted {
            match timeout_at(deadline, progress.writes.next()).await {
                Ok(Some((peer, outcome))) => {
                    progress.count(peer, outcome)?;
                    if connected.remove(&peer) && connected.is_empty() {
                        deadline = deadline.min(Instant::now() + DIALLED_HOLDER_PATIENCE);
                    }
                }
                Ok(None) | Err(_) => break,
            }
        }
        Ok(())
    }

    pub(super) fn finish_later(&self, progress: Progress, key: DhtKey, record: VerifiedRecord) {
        let writer = self.clone();
        let finishing = async move { writer.finish(progress, key, &record).await };
        self.tasks.spawn(finishing);
    }

    /// Waits for the remaining holders; in a network too large to be known whole, also finds the closest ones that were missed.
    pub(super) async fn finish(
        &self,
        mut progress: Progress,
        key: DhtKey,
        record: &VerifiedRecord,
    ) -> Progress {
        if progress.written.len() >= REPLICATION {
            let closest: Vec<Route> = self.dialer.walk(key).await;
            progress.write(&self.exchange, closest, key, record);
        }
        while let Some((peer, outcome)) = progress.writes.next().await {
            if progress.count(peer, outcome).is_err() {
                tracing::debug!(%peer, aid = %record.aid(), "a newer record is kept there");
            }
        }
        tracing::debug!(aid = %record.aid(), replicas = progress.stored, "published");
        progress
    }
}

impl Progress {
    /// # Errors
    /// [`Error::Refused`] if nobody wants the record.
    pub(super) fn publication(&self) -> Result<Publication, Error> {
        match self.refused {
            Some(verdict) if self.stored == 0 => Err(Error::Refused(verdict.as_str_name())),
            _ => Ok(Publication {
                replicas: self.stored,
                is_complete: self.stored >= self.wanted,
            }),
        }
    }

    /// Whether too few holders have stored the record to tell its publisher so.
    pub(super) fn is_short(&self) -> bool {
        self.stored == 0 || self.stored < self.wanted
    }

    /// Whether so many holders have no room that a reader may miss the record here.
    pub(super) fn is_full(&self) -> bool {
        self.full >= FULL_QUORUM || (self.full > 0 && self.stored == 0)
    }

    /// Starts a write to each holder that has not been written to.
    fn write(
        &mut self,
        exchange: &Exchange,
        holders: Vec<Route>,
        key: DhtKey,
        record: &VerifiedRecord,
    ) {
        for holder in holders {
            if self.written.insert(holder.peer) {
                let placed = [Placed {
                    is_forwarded: self.is_forwarded,
                    ..Placed::from((key, record.clone()))
                }];
                let exchange = exchange.clone();
                self.writes.push(Box::pin(async move {
                    let outcomes = exchange.put(&holder, &placed).await;
                    let outcome = outcomes
                        .and_then(|mut outcomes| outcomes.pop().ok_or(ExchangeError::OtherAnswer));
                    (holder.peer, outcome)
                }));
            }
        }
    }

    fn count_own(&mut self, kept: Outcome) -> Result<(), Error> {
        match kept {
            Outcome::Stored | Outcome::AlreadyHeld => Ok(()),
            Outcome::Stale(newer) => Err(Error::Superseded(newer)),
            Outcome::Refused(Verdict::Full) => {
                self.full += 1;
                self.refused = Some(Verdict::Full);
                Ok(())
            }
            // Others may have room for what this node would merely hold.
            Outcome::Refused(Verdict::Quota) => {
                self.refused = Some(Verdict::Quota);
                Ok(())
            }
            Outcome::Refused(verdict) => Err(Error::Refused(verdict.as_str_name())),
            // Only what lies in a mailbox is removed, or costs work, and that is not published.
            Outcome::Removed(_) | Outcome::WorkRequired(_) => {
                Err(Error::Refused(Verdict::Invalid.as_str_name()))
            }
        }
    }

    fn count(&mut self, peer: PeerId, outcome: Result<Stored, ExchangeError>) -> Result<(), Error> {
        match outcome {
            Ok(Stored::Yes) => self.stored += 1,
            Ok(Stored::Superseded(Some(newer))) => return Err(Error::Superseded(newer)),
            Ok(Stored::Superseded(None)) => self.refused = Some(Verdict::Stale),
            Ok(Stored::Taken | Stored::WorkRequired(_)) => self.refused = Some(Verdict::Invalid),
            Ok(Stored::No(verdict)) => {
                tracing::debug!(%peer, verdict = verdict.as_str_name(), "record refused");
                self.full += usize::from(verdict == Verdict::Full);
                self.refused = Some(verdict);
            }
            Err(error) => tracing::debug!(%peer, %error, "record not stored"),
        }
        Ok(())
    }
}
