// SPDX-License-Identifier: MPL-2.0
//! Asking the nodes around a key, closest first, until the asker has heard enough.

use std::collections::{HashSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use a2al_proto::v1;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use sha2::{Digest, Sha256};
use tokio::time::sleep;

use super::Exchange;
use super::exchange::Found;
use crate::aid::Aid;
use crate::dht_key::DhtKey;
use crate::limits::{
    ENDPOINT_QUORUM, MAX_RECORDS_READ, MAX_TOPIC_RECORDS, READ_HEDGE, READ_PARALLELISM, REPLICATION,
};
use crate::network::{Dialer, Route, Routing};
use crate::record::{Category, RecordKind, VerifiedRecord};

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

    /// The entries for services at a key, and what withdraws such.
    pub(crate) fn of_entries(key: DhtKey) -> Self {
        Self {
            key,
            kind: Some(RecordKind::TOPIC),
            publisher: None,
        }
    }

    /// Whether a record is an answer to this query.
    pub(crate) fn asks_for(&self, record: &VerifiedRecord) -> bool {
        self.wants(record) && record.may_live_at(&self.key)
    }

    /// Whether a record that is held at the key is an answer to this query.
    pub(crate) fn wants(&self, record: &VerifiedRecord) -> bool {
        self.kind.is_none_or(|kind| record.kind().answers(kind))
            && self
                .publisher
                .is_none_or(|publisher| record.aid() == publisher)
    }

    /// Records that one holder may bring: no more than an honest one holds.
    pub(super) fn most_records(&self) -> usize {
        match self.kind.map(RecordKind::category) {
            Some(Category::Topic) => MAX_TOPIC_RECORDS,
            _ => MAX_RECORDS_READ,
        }
    }

    pub(super) fn message(&self, cursor: Vec<u8>, known: &Known) -> v1::Get {
        v1::Get {
            key: self.key.as_bytes().to_vec(),
            kind: self.kind.map(|kind| u32::from(kind.0)).unwrap_or_default(),
            publisher: self
                .publisher
                .map(|aid| aid.as_bytes().to_vec())
                .unwrap_or_default(),
            cursor,
            known: known.digest.clone(),
        }
    }
}

/// What an asker holds itself: a holder that has exactly the same need not send it.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(super) records: Vec<VerifiedRecord>,
    /// Empty if there are none.
    pub(super) digest: Vec<u8>,
}

impl Known {
    pub(crate) fn new(mut records: Vec<VerifiedRecord>) -> Self {
        records.sort_by_key(|record| *record.signature().as_bytes());
        let hash = |hash: Sha256, record: &VerifiedRecord| hash.chain_update(record.encoded());
        let digest = records.iter().fold(Sha256::new(), hash).finalize();
        let is_empty = records.is_empty();
        Self {
            records,
            digest: if is_empty {
                Vec::new()
            } else {
                digest.to_vec()
            },
        }
    }
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

type Asking = Pin<Box<dyn Future<Output = Answer> + Send>>;
type Walking = Pin<Box<dyn Future<Output = Vec<Route>> + Send>>;

/// The state of one question to the nodes around a key.
pub(crate) struct Survey {
    exchange: Exchange,
    dialer: Dialer,
    query: Query,
    known: Arc<Known>,
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
    pub(crate) fn new(
        exchange: Exchange,
        dialer: Dialer,
        routing: &Routing,
        query: Query,
        known: Known,
    ) -> Self {
        Self {
            waiting: answering_first(&exchange, routing.closest(&query.key, REPLICATION)),
            exchange,
            dialer,
            query,
            known: Arc::new(known),
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
                    self.empty_answers += usize::from(answer.is_empty());
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

async fn ask(exchange: Exchange, holder: Route, query: Query, known: Arc<Known>) -> Answer {
    let found = exchange.get(&holder, &query, &known).await;
    let found = found.inspect_err(
        |error| tracing::debug!(holder = %holder.peer, key = %query.key, %error, "no answer"),
    );
    Answer {
        holder,
        found: found.ok(),
    }
}
