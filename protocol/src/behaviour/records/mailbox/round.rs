// SPDX-License-Identifier: MPL-2.0
//! The state of one write to many holders.

use std::collections::HashSet;
use std::sync::Arc;

use a2al_proto::v1::Verdict;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use libp2p::PeerId;

use super::super::exchange::{ExchangeError, Placed, Stored};
use super::super::{Exchange, Publication};
use super::Deposit;
use crate::limits::RECORDS_PER_PUT;
use crate::network::{Error, Route};

type Writing = BoxFuture<'static, (Route, Result<Stored, ExchangeError>)>;

/// What is written to whom, and what they said.
pub(super) struct Round {
    pub(super) load: Arc<[Placed]>,
    pub(super) writes: FuturesUnordered<Writing>,
    /// Everybody who was written to.
    pub(super) written: HashSet<PeerId>,
    /// Those of them who have not answered.
    pub(super) pending: HashSet<PeerId>,
    pub(super) stored: usize,
    pub(super) is_taken: bool,
    /// Holders that ask for work, and the most that they ask for.
    pub(super) asking: Vec<Route>,
    pub(super) bits: u8,
    refused: Option<Verdict>,
}

impl Round {
    pub(super) fn new(load: Vec<Placed>) -> Self {
        Self {
            load: load.into(),
            writes: FuturesUnordered::new(),
            written: HashSet::new(),
            pending: HashSet::new(),
            stored: 0,
            is_taken: false,
            asking: Vec::new(),
            bits: 0,
            refused: None,
        }
    }

    /// Starts a write to each holder that has not been written to.
    pub(super) fn write(&mut self, exchange: &Exchange, holders: Vec<Route>) {
        for holder in holders {
            if self.written.insert(holder.peer) {
                self.write_one(exchange, holder);
            }
        }
    }

    pub(super) fn write_one(&mut self, exchange: &Exchange, holder: Route) {
        self.pending.insert(holder.peer);
        let (exchange, load) = (exchange.clone(), Arc::clone(&self.load));
        self.writes.push(Box::pin(async move {
            let outcome = put_all(&exchange, &holder, &load).await;
            (holder, outcome)
        }));
    }

    pub(super) fn count(&mut self, holder: Route, outcome: Result<Stored, ExchangeError>) {
        self.pending.remove(&holder.peer);
        match outcome {
            // A newer version of the same note serves as well.
            Ok(Stored::Yes | Stored::Superseded(_)) => self.stored += 1,
            Ok(Stored::Taken) => self.is_taken = true,
            Ok(Stored::WorkRequired(bits)) => {
                self.bits = self.bits.max(bits);
                self.refused = Some(Verdict::WorkRequired);
                self.asking.push(holder);
            }
            Ok(Stored::No(verdict)) => {
                tracing::debug!(peer = %holder.peer, verdict = verdict.as_str_name(), "note refused");
                self.refused = Some(verdict);
            }
            Err(error) => tracing::debug!(peer = %holder.peer, %error, "note not stored"),
        }
    }

    pub(super) fn is_settled(&self, wanted: usize) -> bool {
        self.is_taken || self.stored >= wanted
    }

    /// # Errors
    /// [`Error::Refused`] if nobody wants the note.
    pub(super) fn outcome(&self, wanted: usize) -> Result<Deposit, Error> {
        match self.refused {
            _ if self.is_taken => Ok(Deposit::Taken),
            Some(verdict) if self.stored == 0 => Err(Error::Refused(verdict.as_str_name())),
            _ => Ok(Deposit::Kept(Publication {
                replicas: self.stored,
                is_complete: self.stored >= wanted,
            })),
        }
    }
}

/// Writes records to one holder; the first that is not stored ends it.
async fn put_all(
    exchange: &Exchange,
    holder: &Route,
    load: &[Placed],
) -> Result<Stored, ExchangeError> {
    for batch in load.chunks(RECORDS_PER_PUT) {
        let outcomes = exchange.put(holder, batch).await?;
        let is_stored = |outcome: &Stored| matches!(outcome, Stored::Yes | Stored::Superseded(_));
        if let Some(other) = outcomes.into_iter().find(|outcome| !is_stored(outcome)) {
            return Ok(other);
        }
    }
    Ok(Stored::Yes)
}
