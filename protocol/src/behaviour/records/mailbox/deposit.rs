// SPDX-License-Identifier: MPL-2.0
//! Leaving notes for agents that are asleep.

use std::sync::Arc;

use a2al_proto::v1::Verdict;
use futures::StreamExt;
use libp2p::PeerId;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

use super::super::exchange::Placed;
use super::super::{Exchange, Publication, Source, Store};
use super::round::Round;
use super::{Beside, Stamp};
use crate::clock;
use crate::dht_key::DhtKey;
use crate::limits::{
    DIALLED_HOLDER_PATIENCE, REPLICATION, WORK_ROUNDS, WRITE_QUORUM, WRITE_TIMEOUT,
};
use crate::mailbox::{Challenge, SealedNote, place_of_parts};
use crate::network::{Dialer, Error, Postage, Route, Routing, Solver};
use crate::record::Category;

/// What became of a note that was left for its recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deposit {
    /// Holders keep it.
    Kept(Publication),
    /// The recipient has taken it before: it has acknowledged the note, and that was checked.
    Taken,
}

/// Leaves notes with the nodes closest to their recipients, and tells these what was taken.
#[derive(Clone, Debug)]
pub(crate) struct Depositor {
    pub(crate) local: PeerId,
    pub(crate) exchange: Exchange,
    pub(crate) dialer: Dialer,
    pub(crate) store: Store,
    pub(crate) routing: watch::Receiver<Routing>,
    pub(crate) solver: Solver,
    pub(crate) tasks: TaskTracker,
}

impl Depositor {
    /// Stores a note at the nodes closest to its recipient's key; the parts of a long one first, so that whoever finds the head finds
    /// them, too.
    ///
    /// # Errors
    /// [`Error::NotANote`], or [`Error::Refused`] if nobody wants it.
    pub(crate) async fn deposit(
        &self,
        note: &SealedNote,
        postage: &Postage,
    ) -> Result<Deposit, Error> {
        let key = note.place().ok_or(Error::NotANote)?;
        if let Some(place) = note.parts.first().and_then(place_of_parts) {
            let parts = note.parts.iter();
            let parts = parts.map(|part| (place, part.clone()).into()).collect();
            match self.leave(place, Round::new(parts)).await {
                // Whoever released them has acknowledged the head, too; only that proves anything.
                Err(Error::Refused(reason)) if reason == Verdict::Removed.as_str_name() => {}
                left => drop(left?),
            }
        }
        let head = Placed {
            key,
            record: note.record.clone(),
            beside: Beside::of_postage(postage, &note.record),
            is_forwarded: false,
        };
        self.leave(key, Round::new(vec![head])).await
    }

    /// Stores records at the nodes closest to their key; a node counts when it stored all of them.
    ///
    /// Answers when [`WRITE_QUORUM`] of them, or all that are known and not silent of late, have, and after [`WRITE_TIMEOUT`] in any
    /// case, with another one each time that proofs of work have to be found; the rest is written in the background.
    async fn leave(&self, key: DhtKey, mut round: Round) -> Result<Deposit, Error> {
        let known = self.routing.borrow().closest(&key, REPLICATION);
        let answering = known.iter().map(|holder| &holder.peer);
        let answering = answering.filter(|peer| !self.exchange.is_silent(peer));
        let wanted = answering.count().min(WRITE_QUORUM);
        round.write(&self.exchange, known);
        self.wait(&mut round, wanted).await;
        for _ in 0..WORK_ROUNDS {
            if round.is_settled(wanted) || !self.work(&mut round).await {
                break;
            }
            self.wait(&mut round, wanted).await;
        }
        let outcome = round.outcome(wanted);
        // While nobody else has it, it is its sender's alone, who may give it up.
        if matches!(outcome, Ok(Deposit::Kept(kept)) if kept.replicas > 0) {
            self.keep(&key, &round.load);
        }
        self.tasks.spawn(self.clone().finish(round, key));
        outcome
    }

    /// Keeps a copy here, if this node is one of those that others would leave it with.
    fn keep(&self, key: &DhtKey, load: &[Placed]) {
        if self.routing.borrow().closer_to(key, &self.local) >= REPLICATION {
            return;
        }
        let source = Source::of(self.local, None);
        for placed in load {
            let (key, record) = (placed.key, placed.record.clone());
            // What this node refuses others have taken.
            if record.kind().category() == Category::Mailbox {
                let stamp = Stamp::trusted(&record, source, placed.beside.clone());
                self.store.put_note(key, record, stamp, clock::now());
            } else {
                self.store.put(key, record, source, clock::now());
            }
        }
    }

    /// Finds the proof of work that holders ask for, and writes to them again; false if there is none to be found.
    async fn work(&self, round: &mut Round) -> bool {
        let [placed] = &*round.load else {
            return false;
        };
        let mut placed = placed.clone();
        let Some((asking, bits)) = round.take_asking() else {
            return false;
        };
        let challenge = Challenge::new(&placed.key, &placed.record);
        let Some(work) = self.solver.solve(challenge, bits).await else {
            return false;
        };
        placed.beside.work = Some(work);
        round.load = Arc::new([placed]);
        for holder in asking {
            round.write_one(&self.exchange, holder);
        }
        true
    }

    /// Connected holders are waited for up to [`WRITE_TIMEOUT`]; those that must be dialled only a little longer than these, so that
    /// a dead one costs no dial timeout.
    async fn wait(&self, round: &mut Round, wanted: usize) {
        let mut deadline = Instant::now() + WRITE_TIMEOUT;
        let mut connected = round.pending.clone();
        connected.retain(|holder| self.exchange.is_connected(holder));
        while !round.is_settled(wanted) {
            let Ok(Some((holder, outcome))) = timeout_at(deadline, round.writes.next()).await
            else {
                break;
            };
            let peer = holder.peer;
            round.count(holder, outcome);
            if connected.remove(&peer) && connected.is_empty() {
                deadline = deadline.min(Instant::now() + DIALLED_HOLDER_PATIENCE);
            }
        }
    }

    /// Waits for the remaining holders; in a network too large to be known whole, also finds the closest ones that were missed.
    async fn finish(self, mut round: Round, key: DhtKey) {
        if round.written.len() >= REPLICATION && !round.is_taken {
            let closest: Vec<Route> = self.dialer.walk(key).await;
            round.write(&self.exchange, closest);
        }
        while let Some((holder, outcome)) = round.writes.next().await {
            round.count(holder, outcome);
        }
        tracing::debug!(%key, replicas = round.stored, "deposited");
    }
}
