// SPDX-License-Identifier: MPL-2.0
//! Leaving notes for agents that are asleep.

use std::collections::HashSet;
use std::sync::Arc;

use a2al_proto::v1::Verdict;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use libp2p::PeerId;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

use super::exchange::{ExchangeError, Stored};
use super::{Exchange, Publication, Source, Store};
use crate::clock;
use crate::dht_key::DhtKey;
use crate::limits::{
    DIALLED_HOLDER_PATIENCE, RECORDS_PER_PUT, REPLICATION, WRITE_QUORUM, WRITE_TIMEOUT,
};
use crate::mailbox::{SealedNote, place_of_parts};
use crate::network::{Dialer, Error, Route, Routing};
use crate::record::VerifiedRecord;

/// Leaves notes with the nodes closest to their recipients.
#[derive(Clone, Debug)]
pub(crate) struct Depositor {
    pub(crate) local: PeerId,
    pub(crate) exchange: Exchange,
    pub(crate) dialer: Dialer,
    pub(crate) store: Store,
    pub(crate) routing: watch::Receiver<Routing>,
    pub(crate) tasks: TaskTracker,
}

type Load = Arc<[(DhtKey, VerifiedRecord)]>;
type Writing = BoxFuture<'static, (PeerId, Result<Stored, ExchangeError>)>;

impl Depositor {
    /// Stores a note at the nodes closest to its recipient's key; the parts of a long one first, so that whoever finds the head finds
    /// them, too.
    ///
    /// # Errors
    /// [`Error::NotANote`], or [`Error::Refused`] if nobody wants it.
    pub(crate) async fn deposit(&self, note: &SealedNote) -> Result<Publication, Error> {
        let key = note.place().ok_or(Error::NotANote)?;
        if let Some(place) = note.parts.first().and_then(place_of_parts) {
            let parts = note.parts.iter().map(|part| (place, part.clone()));
            self.leave(place, parts.collect()).await?;
        }
        self.leave(key, Arc::new([(key, note.record.clone())]))
            .await
    }

    /// Stores records at the nodes closest to their key; a node counts when it stored all of them.
    ///
    /// Answers when [`WRITE_QUORUM`] of them, or all that are known and not silent of late, have, and after [`WRITE_TIMEOUT`] in any
    /// case; the rest is written in the background.
    async fn leave(&self, key: DhtKey, load: Load) -> Result<Publication, Error> {
        let known = self.routing.borrow().closest(&key, REPLICATION);
        self.keep(&key, &load, !known.is_empty());
        let answering = known.iter().map(|holder| &holder.peer);
        let answering = answering.filter(|peer| !self.exchange.is_silent(peer));
        let wanted = answering.count().min(WRITE_QUORUM);
        let mut round = Round::new(load);
        round.write(&self.exchange, known);
        self.wait(&mut round, wanted).await;
        let publication = Publication {
            replicas: round.stored,
            is_complete: round.stored >= wanted,
        };
        let refused = round.refused.filter(|_| round.stored == 0);
        self.tasks.spawn(self.clone().finish(round, key));
        match refused {
            Some(verdict) => Err(Error::Refused(verdict.as_str_name())),
            None => Ok(publication),
        }
    }

    /// Keeps a copy here, if this node is one of those that others would leave it with.
    fn keep(&self, key: &DhtKey, load: &Load, has_company: bool) {
        let closer = self.routing.borrow().closer_to(key, &self.local);
        if !has_company || closer >= REPLICATION {
            return;
        }
        let source = Source::of(self.local, None);
        for (key, record) in load.iter() {
            // What this node refuses others may take.
            self.store.put(*key, record.clone(), source, clock::now());
        }
    }

    /// Connected holders are waited for up to [`WRITE_TIMEOUT`]; those that must be dialled only a little longer than these, so that
    /// a dead one costs no dial timeout.
    async fn wait(&self, round: &mut Round, wanted: usize) {
        let mut deadline = Instant::now() + WRITE_TIMEOUT;
        let mut connected = round.written.clone();
        connected.retain(|holder| self.exchange.is_connected(holder));
        while round.stored < wanted {
            let Ok(Some((peer, outcome))) = timeout_at(deadline, round.writes.next()).await else {
                break;
            };
            round.count(peer, outcome);
            if connected.remove(&peer) && connected.is_empty() {
                deadline = deadline.min(Instant::now() + DIALLED_HOLDER_PATIENCE);
            }
        }
    }

    /// Waits for the remaining holders; in a network too large to be known whole, also finds the closest ones that were missed.
    async fn finish(self, mut round: Round, key: DhtKey) {
        if round.written.len() >= REPLICATION {
            let closest: Vec<Route> = self.dialer.walk(key).await;
            round.write(&self.exchange, closest);
        }
        while let Some((peer, outcome)) = round.writes.next().await {
            round.count(peer, outcome);
        }
        tracing::debug!(%key, replicas = round.stored, "deposited");
    }
}

/// The state of one write to many holders.
struct Round {
    load: Load,
    writes: FuturesUnordered<Writing>,
    written: HashSet<PeerId>,
    stored: usize,
    refused: Option<Verdict>,
}

impl Round {
    fn new(load: Load) -> Self {
        Self {
            load,
            writes: FuturesUnordered::new(),
            written: HashSet::new(),
            stored: 0,
            refused: None,
        }
    }

    /// Starts a write to each holder that has not been written to.
    fn write(&mut self, exchange: &Exchange, holders: Vec<Route>) {
        for holder in holders {
            if self.written.insert(holder.peer) {
                let (exchange, load) = (exchange.clone(), Arc::clone(&self.load));
                self.writes.push(Box::pin(async move {
                    let outcome = put_all(&exchange, &holder, &load).await;
                    (holder.peer, outcome)
                }));
            }
        }
    }

    fn count(&mut self, peer: PeerId, outcome: Result<Stored, ExchangeError>) {
        match outcome {
            // A newer version of the same note serves as well.
            Ok(Stored::Yes | Stored::Superseded(_)) => self.stored += 1,
            Ok(Stored::No(verdict)) => {
                tracing::debug!(%peer, verdict = verdict.as_str_name(), "note refused");
                self.refused = Some(verdict);
            }
            Err(error) => tracing::debug!(%peer, %error, "note not stored"),
        }
    }
}

/// Writes records to one holder; the first that is not stored ends it.
async fn put_all(
    exchange: &Exchange,
    holder: &Route,
    load: &[(DhtKey, VerifiedRecord)],
) -> Result<Stored, ExchangeError> {
    for batch in load.chunks(RECORDS_PER_PUT) {
        let mut outcomes = exchange.put(holder, batch).await?.into_iter();
        if let Some(outcome) = outcomes.find(|outcome| matches!(outcome, Stored::No(_))) {
            return Ok(outcome);
        }
    }
    Ok(Stored::Yes)
}
