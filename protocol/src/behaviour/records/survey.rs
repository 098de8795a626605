// SPDX-License-Identifier: MPL-2.0
//! Asking the nodes around a key, closest first, until the asker has heard enough.

use std::collections::{HashMap, HashSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use a2al_proto::v1;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use sha2::{Digest, Sha256};
use tokio::time::sleep;

use super::exchange::Told;
use super::{Exchange, Verifier};
use crate::aid::Aid;
use crate::dht_key::DhtKey;
use crate::key::Signature;
use crate::limits::{
    ENDPOINT_QUORUM, MAX_RECORDS_READ, MAX_TOPIC_RECORDS, READ_HEDGE, READ_PARALLELISM,
    REPLICATION, REPLY_PASS_LEN,
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
    waiting: VecDeque<Route>,
    asking: FuturesUnordered<Asking>,
    /// Answers that wait to be verified, one after the other: most have much in common, which is then verified once.
    told: VecDeque<(Route, Option<Told>)>,
    verifying: Option<Verifying>,
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
            asking: FuturesUnordered::new(),
            told: VecDeque::new(),
            verifying: None,
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
            self.verify_further();
            let is_idle = self.asking.is_empty() && self.verifying.is_none();
            if matches!(self.walk, Walk::Done) && self.waiting.is_empty() && is_idle {
                return None;
            }
            let is_silent = self.verifying.is_none() && !self.waiting.is_empty();
            tokio::select! {
                Some(told) = self.asking.next(), if !self.asking.is_empty() => self.told.push_back(told),
                answer = finished(&mut self.verifying) => {
                    self.verifying = None;
                    self.empty_answers += usize::from(answer.is_empty());
                    return Some(answer);
                }
                routes = self.walk.finished() => {
                    self.walk = Walk::Done;
                    self.waiting.extend(routes);
                }
                () = sleep(READ_HEDGE), if is_silent => self.width += READ_PARALLELISM,
            }
        }
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
