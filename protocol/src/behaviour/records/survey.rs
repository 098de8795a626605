// SPDX-License-Identifier: MPL-2.0
//! Asking the nodes around a key, closest first, until the asker has heard enough.

use std::collections::{HashMap, HashSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use rand::seq::SliceRandom;
use tokio::time::sleep;

use super::exchange::Told;
use super::query::Known;
use super::{Exchange, Query, Verifier};
use crate::key::Signature;
use crate::limits::{
    CLOSEST_ASKED, ENDPOINT_QUORUM, READ_HEDGE, READ_PARALLELISM, REPLICATION, REPLY_PASS_LEN,
};
use crate::network::{Dialer, Route, Routing};
use crate::record::VerifiedRecord;

/// What one holder holds, or all that were asked.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Verified, and what was asked for.
    pub(crate) records: Vec<VerifiedRecord>,
    /// Whether entries that found no room there may be alive, as it says.
    pub(crate) overflows: bool,
    /// Passes that came beside notes, by the signature of the note; nothing is proven yet.
    pub(crate) replies: HashMap<Signature, [u8; REPLY_PASS_LEN]>,
}

/// One holder's answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) holder: Route,
    /// What it holds; none if it did not answer.
    pub(crate) found: Option<Found>,
}

impl Answer {
    pub(crate) fn is_empty(&self) -> bool {
        self.found
            .as_ref()
            .is_none_or(|found| found.records.is_empty())
    }
}

type Asking = Pin<Box<dyn Future<Output = (Route, Option<Told>)> + Send>>;
type Verifying = Pin<Box<dyn Future<Output = Answer> + Send>>;
type Walking = Pin<Box<dyn Future<Output = Vec<Route>> + Send>>;

/// The state of one question to the nodes around a key.
pub(crate) struct Survey {
    exchange: Exchange,
    dialer: Dialer,
    verifier: Verifier,
    query: Query,
    known: Arc<Known>,
    asked: HashSet<libp2p::PeerId>,
    /// Those of them who have not answered.
    owing: HashSet<libp2p::PeerId>,
    waiting: VecDeque<Route>,
    asking: FuturesUnordered<Asking>,
    /// Answers that wait to be verified, one after the other: most have much in common, which is then verified once.
    told: VecDeque<(Route, Option<Told>)>,
    verifying: Option<Verifying>,
    /// How many may be asked before one of them has answered; grows when they stay silent.
    width: usize,
    answers: usize,
    empty_answers: usize,
    /// Whether so few nodes are known that they are all there are.
    knows_all: bool,
    walk: Walk,
    /// Whether holders beyond the [`CLOSEST_ASKED`] are asked in no order.
    is_by_lot: bool,
}

enum Walk {
    NotStarted,
    Running(Walking),
    Done,
}

impl Survey {
    /// Starts with the closest nodes that `routing` knows; the DHT is walked when they do not suffice.
    pub(crate) fn new(
        exchange: Exchange,
        dialer: Dialer,
        verifier: Verifier,
        routing: &Routing,
        query: Query,
        known: Known,
    ) -> Self {
        Self {
            waiting: answering_first(&exchange, routing.closest(&query.key, REPLICATION)),
            exchange,
            dialer,
            verifier,
            query,
            known: Arc::new(known),
            asked: HashSet::new(),
            owing: HashSet::new(),
            asking: FuturesUnordered::new(),
            told: VecDeque::new(),
            verifying: None,
            width: READ_PARALLELISM,
            answers: 0,
            empty_answers: 0,
            knows_all: routing.len() < REPLICATION,
            walk: Walk::NotStarted,
            is_by_lot: false,
        }
    }

    /// Asks the closest [`CLOSEST_ASKED`] first and then the others by lot, so that nobody who owns the closest few is all that is
    /// heard.
    pub(crate) fn by_lot(mut self) -> Self {
        let holders = drawn(self.waiting.into());
        self.waiting = answering_first(&self.exchange, holders);
        self.is_by_lot = true;
        self
    }

    /// The next holder's answer; `None` when every known node and every node of the walk was asked.
    ///
    /// Safe to drop and call again.
    pub(crate) async fn next(&mut self) -> Option<Answer> {
        loop {
            self.ask_further();
            self.verify_further();
            let is_idle = self.asking.is_empty() && self.verifying.is_none();
            if matches!(self.walk, Walk::Done) && self.waiting.is_empty() && is_idle {
                return None;
            }
            let is_silent = self.verifying.is_none() && !self.waiting.is_empty();
            tokio::select! {
                Some(told) = self.asking.next(), if !self.asking.is_empty() => {
                    self.owing.remove(&told.0.peer);
                    self.told.push_back(told);
                }
                answer = finished(&mut self.verifying) => {
                    self.verifying = None;
                    self.answers += usize::from(!answer.is_empty());
                    self.empty_answers += usize::from(answer.is_empty());
                    return Some(answer);
                }
                routes = self.walk.finished() => {
                    self.walk = Walk::Done;
                    let routes = if self.is_by_lot { drawn(routes) } else { routes };
                    // These are closer than what was known before.
                    routes.into_iter().rev().for_each(|route| self.waiting.push_front(route));
                }
                () = sleep(READ_HEDGE), if is_silent => self.width += READ_PARALLELISM,
            }
        }
    }

    /// Whether the nodes around the key are known, so that what none of the next ones holds is not there.
    pub(crate) fn has_arrived(&self) -> bool {
        self.knows_all || matches!(self.walk, Walk::Done)
    }

    /// Whether every connected node that is known has answered; the others may be dead.
    pub(crate) fn waits_for_dials_only(&self) -> bool {
        let waiting = self.waiting.iter().map(|holder| &holder.peer);
        let mut awaited = self.owing.iter().chain(waiting);
        let is_verified = self.told.is_empty() && self.verifying.is_none();
        is_verified && !awaited.any(|holder| self.exchange.is_connected(holder))
    }

    fn verify_further(&mut self) {
        if self.verifying.is_none()
            && let Some((holder, told)) = self.told.pop_front()
        {
            let (verifier, known) = (self.verifier.clone(), Arc::clone(&self.known));
            let verifying = verified(verifier, self.query, holder, told, known);
            self.verifying = Some(Box::pin(verifying));
        }
    }

    /// Asks so many that with those who had something the width is reached; whoever wants more asks for it.
    fn ask_further(&mut self) {
        let unverified = self.told.len() + usize::from(self.verifying.is_some());
        loop {
            let busy = self.asking.len() + unverified;
            if busy > 0 && busy + self.answers >= self.width {
                break;
            }
            let Some(holder) = self.waiting.pop_front() else {
                break;
            };
            if self.asked.insert(holder.peer) {
                self.owing.insert(holder.peer);
                let (exchange, known) = (self.exchange.clone(), Arc::clone(&self.known));
                let asking = ask(exchange, holder, self.query, known);
                self.asking.push(Box::pin(asking));
            }
        }
        let insufficient = self.waiting.is_empty() || self.empty_answers >= ENDPOINT_QUORUM;
        if insufficient && matches!(self.walk, Walk::NotStarted) {
            let dialer = self.dialer.clone();
            let key = self.query.key;
            self.walk = Walk::Running(Box::pin(async move { dialer.walk(key).await }));
        }
    }
}

/// The answer that is being verified; never ends if there is none.
async fn finished(verifying: &mut Option<Verifying>) -> Answer {
    match verifying {
        Some(verifying) => verifying.await,
        None => std::future::pending().await,
    }
}

impl Walk {
    /// The nodes that the walk found; never ends unless a walk is running.
    async fn finished(&mut self) -> Vec<Route> {
        match self {
            Self::Running(walk) => walk.await,
            Self::NotStarted | Self::Done => std::future::pending().await,
        }
    }
}

/// The closest first, and the others by lot.
fn drawn(mut holders: Vec<Route>) -> Vec<Route> {
    let others = CLOSEST_ASKED.min(holders.len());
    holders[others..].shuffle(&mut rand::rng());
    holders
}

/// Whoever was silent of late is asked last.
fn answering_first(exchange: &Exchange, mut holders: Vec<Route>) -> VecDeque<Route> {
    holders.sort_by_key(|holder| exchange.is_silent(&holder.peer));
    holders.into()
}

async fn ask(
    exchange: Exchange,
    holder: Route,
    query: Query,
    known: Arc<Known>,
) -> (Route, Option<Told>) {
    let told = exchange.get(&holder, &query, &known).await;
    let told = told.inspect_err(
        |error| tracing::debug!(holder = %holder.peer, key = %query.key, %error, "no answer"),
    );
    (holder, told.ok())
}

async fn verified(
    verifier: Verifier,
    query: Query,
    holder: Route,
    told: Option<Told>,
    known: Arc<Known>,
) -> Answer {
    let Some(told) = told else {
        return Answer {
            holder,
            found: None,
        };
    };
    let beside = told.replies.iter();
    let beside = beside.filter_map(|(at, pass)| Some((told.encoded.get(*at)?.clone(), *pass)));
    let beside: HashMap<Vec<u8>, _> = beside.collect();
    let mut records = verifier.answers(query, told.encoded).await;
    let replies = records.iter();
    let replies =
        replies.filter_map(|record| Some((record.signature(), *beside.get(record.encoded())?)));
    let replies = replies.collect();
    if told.as_known {
        records.extend_from_slice(&known.records);
    }
    let found = Some(Found {
        records,
        overflows: told.overflows,
        replies,
    });
    Answer { holder, found }
}

#[cfg(test)]
mod tests {
    use libp2p::PeerId;

    use super::*;

    #[test]
    fn beyond_the_closest_two_every_holder_may_be_the_next() {
        let route = |_| Route::direct(PeerId::random(), Vec::new());
        let holders: Vec<_> = (0..REPLICATION).map(route).collect();
        let thirds: HashSet<_> = (0..200)
            .map(|_| {
                let drawn = drawn(holders.clone());
                let peer = |at: usize| drawn[at].peer;
                assert_eq!([peer(0), peer(1)], [holders[0].peer, holders[1].peer]);
                assert_eq!(drawn.len(), holders.len());
                peer(2)
            })
            .collect();
        assert!(thirds.len() > REPLICATION / 2);
    }
}
