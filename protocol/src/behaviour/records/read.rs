// SPDX-License-Identifier: MPL-2.0
//! When a read has heard enough.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::task::TaskTracker;

use super::exchange::Placed;
use super::query::{Known, Query};
use super::survey::{Answer, Found, Survey};
use super::{Exchange, Store, Verifier};
use crate::aid::Aid;
use crate::behaviour::agents::Newest;
use crate::clock;
use crate::dht_key::DhtKey;
use crate::limits::{ENDPOINT_PATIENCE, ENDPOINT_QUORUM, FRESH_ENDPOINT, READ_TIMEOUT, SET_QUORUM};
use crate::network::{Dialer, Error, Route, Routing};
use crate::record::{RecordKind, RecordSet, VerifiedRecord};
use crate::time::UnixSeconds;

/// Reads records from the network.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pub(crate) exchange: Exchange,
    pub(crate) dialer: Dialer,
    pub(crate) verifier: Verifier,
    pub(crate) store: Store,
    pub(crate) routing: watch::Receiver<Routing>,
    pub(crate) newest: Newest,
    pub(crate) tasks: TaskTracker,
}

impl Reader {
    /// Finds the newest valid endpoint record of an agent.
    ///
    /// A record younger than [`FRESH_ENDPOINT`] is taken at once. An older one competes with what arrives until
    /// [`ENDPOINT_QUORUM`] holders answered or [`ENDPOINT_PATIENCE`] has passed; the others are then asked in the background, and
    /// holders that lag behind are given the newest. "Not found" means that everybody around the key was asked.
    pub(crate) async fn endpoint(&self, aid: Aid) -> Result<VerifiedRecord, Error> {
        let query = Query::of_agent(aid, Some(RecordKind::ENDPOINT));
        let mut ballot = Ballot::default();
        let own = self.store.get(&query, clock::now());
        ballot.count_own(own.clone(), &self.newest);
        if ballot.is_fresh(clock::now()) {
            return ballot.endpoint();
        }
        let mut survey = self.survey(query, own);
        let deadline = Instant::now() + READ_TIMEOUT;
        while !ballot.is_decided(clock::now()) {
            let patience = ballot
                .found_at
                .map_or(deadline, |at| at + ENDPOINT_PATIENCE);
            match timeout_at(patience.min(deadline), survey.next()).await {
                Ok(Some(answer)) => ballot.count(answer, &self.newest),
                Ok(None) => return ballot.endpoint(),
                Err(_) if ballot.best.is_some() => break,
                Err(_) => return Err(Error::Timeout),
            }
        }
        if !ballot.is_fresh(clock::now()) {
            self.tasks.spawn(repair(
                self.exchange.clone(),
                survey,
                ballot.clone(),
                query.key,
            ));
        }
        ballot.endpoint()
    }

    /// Collects the records of a query: the newest of each slot among what at least [`SET_QUORUM`] holders keep, or what everybody
    /// around the key keeps.
    pub(crate) async fn set(&self, query: Query) -> Result<Found, Error> {
        self.collect(query, usize::MAX).await
    }

    /// The same, where `enough` answers of those around the key suffice even if most of them are empty.
    pub(crate) async fn collect(&self, query: Query, enough: usize) -> Result<Found, Error> {
        let mut set = RecordSet::new();
        let own = self.store.get(&query, clock::now());
        let overflows_here = self.store.overflows(&query.key, clock::now());
        let (mut answered, mut overflowing) = (0, 0);
        let (mut holders, mut answers) = (usize::from(!own.is_empty()), 0);
        for record in &own {
            set.merge(record.clone());
        }
        let mut survey = self.survey(query, own).by_lot();
        let collecting = async {
            while holders < SET_QUORUM && answers < enough {
                let Some(answer) = survey.next().await else {
                    break;
                };
                let Some(found) = answer.found else { continue };
                answers += usize::from(survey.has_arrived());
                holders += usize::from(!found.records.is_empty());
                answered += 1;
                overflowing += usize::from(found.overflows);
                for record in found.records {
                    set.merge(record);
                }
            }
        };
        let finished = timeout(READ_TIMEOUT, collecting).await;
        if finished.is_err() && set.is_empty() {
            return Err(Error::Timeout);
        }
        let records = self.accepted(&set);
        Ok(Found {
            overflows: overflows_here || is_overflow(!records.is_empty(), overflowing, answered),
            records,
            ..Found::default()
        })
    }

    /// What of a set is in force, and signed under no older delegation than was seen before.
    pub(super) fn accepted(&self, set: &RecordSet) -> Vec<VerifiedRecord> {
        let accepted = |record: &&VerifiedRecord| {
            self.newest.accept(record.aid(), record.issued_at()) && !record.is_expired(clock::now())
        };
        set.iter().filter(accepted).cloned().collect()
    }

    /// Forgets what this node holds and has verified, so that it must ask others.
    #[cfg(test)]
    pub(crate) fn forget(&self) {
        self.store.clear();
        self.verifier.clear();
    }

    pub(super) fn survey(&self, query: Query, own: Vec<VerifiedRecord>) -> Survey {
        let routing = self.routing.borrow().clone();
        let known = Known::new(own);
        let (exchange, dialer) = (self.exchange.clone(), self.dialer.clone());
        let verifier = self.verifier.clone();
        Survey::new(exchange, dialer, verifier, &routing, query, known)
    }
}

/// Whether entries are believed to lie further down. Where none are, one holder could send every reader there: that takes two, unless
/// only one answered.
fn is_overflow(has_entries: bool, overflowing: usize, answered: usize) -> bool {
    let believed = if has_entries { 1 } else { 2 };
    overflowing > 0 && overflowing >= believed.min(answered)
}

/// The newest endpoint record so far, and who answered what.
#[derive(Clone, Debug, Default)]
struct Ballot {
    best: Option<VerifiedRecord>,
    /// Holders that kept a record of the agent.
    holders: usize,
    found_at: Option<Instant>,
    answered: Vec<(Route, Option<VerifiedRecord>)>,
}

impl Ballot {
    fn count_own(&mut self, records: Vec<VerifiedRecord>, newest: &Newest) {
        for record in records {
            self.consider(record, newest);
        }
    }

    fn count(&mut self, answer: Answer, newest: &Newest) {
        let records = answer.found.into_iter().flat_map(|found| found.records);
        let newest_there = records.max_by_key(VerifiedRecord::rank);
        if let Some(record) = newest_there.clone() {
            self.consider(record, newest);
        }
        self.answered.push((answer.holder, newest_there));
    }

    fn consider(&mut self, record: VerifiedRecord, newest: &Newest) {
        // A record under an older delegation than one seen before is a rollback.
        if !newest.accept(record.aid(), record.issued_at()) {
            return;
        }
        self.holders += 1;
        self.found_at.get_or_insert_with(Instant::now);
        if self
            .best
            .as_ref()
            .is_none_or(|best| record.is_newer_than(best))
        {
            self.best = Some(record);
        }
    }

    fn is_fresh(&self, now: UnixSeconds) -> bool {
        self.best.as_ref().is_some_and(|best| {
            let age = now.0.saturating_sub(best.timestamp().0);
            Duration::from_secs(age) < FRESH_ENDPOINT
        })
    }

    fn is_decided(&self, now: UnixSeconds) -> bool {
        self.holders >= ENDPOINT_QUORUM || self.is_fresh(now)
    }

    /// The record, unless there is none or its publisher has withdrawn it.
    fn endpoint(self) -> Result<VerifiedRecord, Error> {
        let record = self.best.ok_or(Error::NotFound)?;
        if record.is_withdrawn() {
            Err(Error::NotFound)
        } else {
            Ok(record)
        }
    }
}

/// Hears the remaining holders, and gives the newest record to those that lag behind.
async fn repair(exchange: Exchange, mut survey: Survey, mut ballot: Ballot, key: DhtKey) {
    let deadline = Instant::now() + READ_TIMEOUT;
    let newest = Newest::default();
    while let Ok(Some(answer)) = timeout_at(deadline, survey.next()).await {
        ballot.count(answer, &newest);
    }
    let Some(best) = ballot.best else { return };
    for (holder, kept) in ballot.answered {
        if kept.is_none_or(|kept| best.is_newer_than(&kept)) {
            let placed = [Placed::forwarded(key, best.clone())];
            if let Err(error) = exchange.put(&holder, &placed).await {
                tracing::debug!(holder = %holder.peer, %error, "holder not repaired");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_overflow;

    #[test]
    fn one_holder_does_not_send_readers_below_a_key_without_entries() {
        assert!(!is_overflow(false, 1, 4));
        assert!(is_overflow(false, 2, 4));
        assert!(is_overflow(false, 1, 1), "nobody else is there");
        assert!(is_overflow(true, 1, 4));
        assert!(!is_overflow(true, 0, 4) && !is_overflow(false, 0, 0));
    }
}
