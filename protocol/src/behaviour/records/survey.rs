// SPDX-License-Identifier: MPL-2.0
//! Asking the nodes around a key, closest first, until the asker has heard enough.

use std::collections::{HashSet, VecDeque};
use std::future::Future;
use std::pin::Pin;

use a2al_proto::v1;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::sleep;

use super::Exchange;
use crate::aid::Aid;
use crate::dht_key::DhtKey;
use crate::limits::{ENDPOINT_QUORUM, READ_HEDGE, READ_PARALLELISM, REPLICATION};
use crate::network::{Dialer, Route, Routing};
use crate::record::{RecordKind, VerifiedRecord};

/// Which records of a key are asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query {
    pub(crate) key: DhtKey,
    pub(crate) kind: Option<RecordKind>,
    pub(crate) publisher: Option<Aid>,
}

impl Query {
    /// The records that an agent publishes under its own key.
    pub(crate) fn of_agent(aid: Aid, kind: Option<RecordKind>) -> Self {
        Self {
            key: DhtKey::of_aid(&aid),
            kind,
            publisher: Some(aid),
        }
    }

    /// Whether a record is an answer to this query.
    pub(crate) fn asks_for(&self, record: &VerifiedRecord) -> bool {
        record.may_live_at(&self.key)
            && self.kind.is_none_or(|kind| record.kind() == kind)
            && self
                .publisher
                .is_none_or(|publisher| record.aid() == publisher)
    }

    pub(super) fn message(&self, cursor: Vec<u8>) -> v1::Get {
        v1::Get {
            key: self.key.as_bytes().to_vec(),
            kind: self.kind.map(|kind| u32::from(kind.0)).unwrap_or_default(),
            publisher: self
                .publisher
                .map(|aid| aid.as_bytes().to_vec())
                .unwrap_or_default(),
            cursor,
        }
    }
}

/// What one holder answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) holder: Route,
    /// No records if it did not answer.
    pub(crate) records: Vec<VerifiedRecord>,
    pub(crate) has_answered: bool,
}

type Asking = Pin<Box<dyn Future<Output = Answer> + Send>>;
type Walking = Pin<Box<dyn Future<Output = Vec<Route>> + Send>>;

/// The state of one question to the nodes around a key.
pub(crate) struct Survey {
    exchange: Exchange,
    dialer: Dialer,
    query: Query,
    asked: HashSet<libp2p::PeerId>,
    waiting: VecDeque<Route>,
    asking: FuturesUnordered<Asking>,
    /// How many may be asked at once; grows when they stay silent.
    width: usize,
    empty_answers: usize,
    walk: Walk,
}

enum Walk {
    NotStarted,
    Running(Walking),
    Done,
}

impl Survey {
    /// Starts with the closest nodes that `routing` knows; the DHT is walked when they do not suffice.
    pub(crate) fn new(exchange: Exchange, dialer: Dialer, routing: &Routing, query: Query) -> Self {
        Self {
            waiting: answering_first(&exchange, routing.closest(&query.key, REPLICATION)),
            exchange,
            dialer,
            query,
            asked: HashSet::new(),
            asking: FuturesUnordered::new(),
            width: READ_PARALLELISM,
            empty_answers: 0,
            walk: Walk::NotStarted,
        }
    }

    /// The next holder's answer; `None` when every known node and every node of the walk was asked.
    ///
    /// Safe to drop and call again.
    pub(crate) async fn next(&mut self) -> Option<Answer> {
        loop {
            self.ask_further();
            let exhausted = self.waiting.is_empty() && self.asking.is_empty();
            if matches!(self.walk, Walk::Done) && exhausted {
                return None;
            }
            tokio::select! {
                Some(answer) = self.asking.next(), if !self.asking.is_empty() => {
                    self.empty_answers += usize::from(answer.records.is_empty());
                    return Some(answer);
                }
                routes = self.walk.finished() => {
                    self.walk = Walk::Done;
                    self.waiting.extend(routes);
                }
                () = sleep(READ_HEDGE), if !self.waiting.is_empty() => self.width += READ_PARALLELISM,
            }
        }
    }

    fn ask_further(&mut self) {
        while self.asking.len() < self.width {
            let Some(holder) = self.waiting.pop_front() else {
                break;
            };
            if self.asked.insert(holder.peer) {
                self.asking
                    .push(Box::pin(ask(self.exchange.clone(), holder, self.query)));
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

impl Walk {
    /// The nodes that the walk found; never ends unless a walk is running.
    async fn finished(&mut self) -> Vec<Route> {
        match self {
            Self::Running(walk) => walk.await,
            Self::NotStarted | Self::Done => std::future::pending().await,
        }
    }
}

/// Whoever was silent of late is asked last.
fn answering_first(exchange: &Exchange, mut holders: Vec<Route>) -> VecDeque<Route> {
    holders.sort_by_key(|holder| exchange.is_silent(&holder.peer));
    holders.into()
}

async fn ask(exchange: Exchange, holder: Route, query: Query) -> Answer {
    let records = exchange.get(&holder, &query).await;
    if let Err(error) = &records {
        tracing::debug!(holder = %holder.peer, key = %query.key, %error, "no answer");
    }
    Answer {
        holder,
        has_answered: records.is_ok(),
        records: records.unwrap_or_default(),
    }
}
