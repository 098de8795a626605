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
use crate::limits::{MAX_WORK_BITS, MIN_WORK_BITS, RECORDS_PER_PUT};
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
    /// Holders that ask for work, and for how much.
    asking: Vec<(Route, u8)>,
    /// The most bits that a second holder has confirmed, by asking for as many or more.
    agreed: u8,
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
            agreed: 0,
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
                self.refused = Some(Verdict::WorkRequired);
                self.asking.push((holder, bits));
            }
            Ok(Stored::No(verdict)) => {
                tracing::debug!(peer = %holder.peer, verdict = verdict.as_str_name(), "note refused");
                self.refused = Some(verdict);
            }
            Err(error) => tracing::debug!(peer = %holder.peer, %error, "note not stored"),
        }
    }

    /// Takes out the holders whose wish for work is to be met, and says how many bits that takes; `None` if there are none.
    ///
    /// One holder alone may lie: where others have answered, it gets one bit more than the next of them asks for, or than the least.
    pub(super) fn take_asking(&mut self) -> Option<(Vec<Route>, u8)> {
        self.asking.retain(|(_, bits)| *bits <= MAX_WORK_BITS);
        let mut bits: Vec<u8> = self.asking.iter().map(|(_, bits)| *bits).collect();
        bits.sort_unstable_by(|one, other| other.cmp(one));
        let most = *bits.first()?;
        self.agreed = self.agreed.max(bits.get(1).copied().unwrap_or_default());
        let is_alone = self.stored == 0 && bits.len() == 1 && self.agreed == 0;
        let limit = if is_alone {
            most
        } else {
            self.agreed.max(MIN_WORK_BITS).saturating_add(1)
        };
        let asking = std::mem::take(&mut self.asking);
        let met = asking.into_iter().filter(|(_, bits)| *bits <= limit);
        let (holders, bits): (Vec<_>, Vec<_>) = met.unzip();
        Some((holders, bits.into_iter().max()?))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(stored: usize, bits: &[u8]) -> Option<(usize, u8)> {
        let mut round = Round::new(Vec::new());
        round.stored = stored;
        for bits in bits {
            let holder = Route::direct(PeerId::random(), Vec::new());
            round.count(holder, Ok(Stored::WorkRequired(*bits)));
        }
        round
            .take_asking()
            .map(|(holders, bits)| (holders.len(), bits))
    }

    #[test]
    fn one_holder_alone_does_not_set_the_price() {
        assert_eq!(asked(0, &[]), None);
        assert_eq!(asked(0, &[13]), Some((1, 13)));
        assert_eq!(asked(0, &[9, 13]), Some((1, 9)));
        assert_eq!(asked(0, &[14, 13]), Some((1, 13)));
        assert_eq!(asked(0, &[12, 13, 9]), Some((3, 13)));
        assert_eq!(asked(4, &[13]), None);
        assert_eq!(asked(4, &[10]), Some((1, 10)));
        assert_eq!(asked(2, &[13, 13]), Some((2, 13)));
    }
}
