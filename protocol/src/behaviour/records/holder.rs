// SPDX-License-Identifier: MPL-2.0
//! Answering other nodes' requests for records, and their wishes to store some.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use a2al_proto::v1::{self, Verdict, record_request, record_response};
use libp2p::PeerId;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::mailbox::{Beside, WorkCheck};
use super::query::Known;
use super::quota::Quota;
use super::store::Outcome;
use super::{Query, Source, Store, Verifier};
use crate::aid::Aid;
use crate::behaviour::agents::Newest;
use crate::behaviour::streams::{FrameError, Incoming, Slots, Stream, read_frame, write_frame};
use crate::clock;
use crate::dht_key::DhtKey;
use crate::limits::{
    HOLDER_TIMEOUT, MAX_CLOSER_PEERS, MAX_RECORD_LEN, MAX_RECORDS_MESSAGE_LEN, MAX_RECORDS_STREAMS,
    MAX_RECORDS_STREAMS_PER_PEER, RECORDS_PAGE_LEN, RECORDS_PER_PUT, RECORDS_STREAM_IDLE,
};
use crate::mailbox::Removal;
use crate::network::Routing;
use crate::record::{Category, RecordKind, VerifiedRecord};

/// Holds records for the network.
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    pub(super) local: PeerId,
    pub(super) store: Store,
    verifier: Verifier,
    pub(super) newest: Newest,
    pub(super) routing: watch::Receiver<Routing>,
    pub(super) work: WorkCheck,
    quota: Arc<Mutex<Quota>>,
}

/// Serves inbound records streams until `stop`, a bounded number of them side by side.
pub(crate) async fn serve(
    holder: Holder,
    mut incoming: mpsc::Receiver<Incoming>,
    stop: CancellationToken,
) {
    let streams = Slots::new(MAX_RECORDS_STREAMS, MAX_RECORDS_STREAMS_PER_PEER);
    let tasks = TaskTracker::new();
    let serving = async {
        while let Some(inbound) = incoming.recv().await {
            let holder = holder.clone();
            let slot = streams.take(inbound.peer);
            let stop = stop.clone();
            tasks.spawn(async move {
                let mut stream = inbound.stream;
                let source = Source::of(inbound.peer, inbound.ip);
                let serving = holder.serve_stream(source, &mut stream, slot.is_none());
                if let Some(Err(error)) = stop.run_until_cancelled(serving).await {
                    tracing::debug!(peer = %inbound.peer, %error, "records stream ended");
                }
            });
        }
    };
    stop.run_until_cancelled(serving).await;
    tasks.close();
    tasks.wait().await;
}

impl Holder {
    pub(crate) fn new(
        local: PeerId,
        store: Store,
        verifier: Verifier,
        newest: Newest,
        routing: watch::Receiver<Routing>,
    ) -> Self {
        Self {
            local,
            store,
            verifier,
            newest,
            routing,
            work: WorkCheck::default(),
            quota: Arc::default(),
        }
    }

    /// Answers requests until the peer closes the stream or is idle for too long; a busy node answers one, with that reason.
    async fn serve_stream(
        &self,
        source: Source,
        stream: &mut Stream,
        is_busy: bool,
    ) -> Result<(), FrameError> {
        loop {
            let request = read_frame(stream, MAX_RECORDS_MESSAGE_LEN);
            let request: v1::RecordRequest = match timeout(RECORDS_STREAM_IDLE, request).await {
                Err(_) | Ok(Err(FrameError::Ended)) => return Ok(()),
                Ok(request) => request?,
            };
            let answer = if is_busy {
                error(v1::RequestErrorCode::Busy)
            } else {
                self.answer(source, request).await
            };
            // Whoever asks and does not read gives its place to others.
            let Ok(written) = timeout(HOLDER_TIMEOUT, write_frame(stream, &answer)).await else {
                return Ok(());
            };
            written?;
            if is_busy {
                return Ok(());
            }
        }
    }

    pub(crate) async fn answer(
        &self,
        source: Source,
        request: v1::RecordRequest,
    ) -> v1::RecordResponse {
        let body = match request.body {
            Some(record_request::Body::Put(put)) if put.records.len() <= RECORDS_PER_PUT => {
                record_response::Body::Put(self.put(source, put).await)
            }
            Some(record_request::Body::Get(get)) => match query(&get) {
                Some(query) => {
                    record_response::Body::Get(self.page(&query, &get, RECORDS_PAGE_LEN))
                }
                None => return error(v1::RequestErrorCode::Malformed),
            },
            Some(record_request::Body::Remove(remove)) => {
                record_response::Body::Remove(self.remove(source, remove))
            }
            Some(record_request::Body::Put(_)) | None => {
                return error(v1::RequestErrorCode::Malformed);
            }
        };
        v1::RecordResponse { body: Some(body) }
    }

    async fn put(&self, source: Source, put: v1::Put) -> v1::PutResult {
        let mut outcomes = Vec::with_capacity(put.records.len());
        for placed in &put.records {
            outcomes.push(match self.store_one(source, placed).await {
                Ok(outcome) => told(&outcome),
                Err(verdict) => outcome(verdict),
            });
            // A full message takes milliseconds to verify: others get their turn in between.
            tokio::task::yield_now().await;
        }
        v1::PutResult { outcomes }
    }

    /// Checks what is cheap first: size, rate, place, then the signatures, then the quotas of the store.
    async fn store_one(
        &self,
        source: Source,
        placed: &v1::PlacedRecord,
    ) -> Result<Outcome, Verdict> {
        let key = DhtKey::from_bytes(
            placed
                .key
                .as_slice()
                .try_into()
                .map_err(|_| Verdict::Invalid)?,
        );
        if placed.record.len() > MAX_RECORD_LEN {
            return Err(Verdict::TooLarge);
        }
        // What is passed on costs the same allowance.
        if !self.quota().take(source, Instant::now()) {
            return Err(Verdict::Quota);
        }
        let writer = if placed.forwarded {
            source.forwarding()
        } else {
            source
        };
        if self.store.is_rewritten(&key, &placed.record, writer) {
            return Ok(Outcome::AlreadyHeld);
        }
        if self.routing.borrow().closer_to(&key, &self.local) >= MAX_CLOSER_PEERS {
            return Err(Verdict::TooFar);
        }
        let record = self.verifier.check(&placed.record);
        let record = record.map_err(|_| Verdict::Invalid)?;
        if !self.newest.accept(record.aid(), record.issued_at()) {
            return Err(Verdict::Invalid);
        }
        if record.kind().category() == Category::Mailbox {
            let beside = Beside::of_message(placed);
            return self.keep_note(key, record, source, beside).await;
        }
        let outcome = self.store.put(key, record.clone(), writer, clock::now());
        if matches!(outcome, Outcome::Stored) {
            self.verifier.remember(&placed.record, &record);
        }
        Ok(outcome)
    }

    pub(super) fn quota(&self) -> MutexGuard<'_, Quota> {
        self.quota.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One page of the records that a query asks for, in the order of their signatures, from the one after the cursor on.
    pub(super) fn page(&self, query: &Query, get: &v1::Get, page_len: usize) -> v1::GetResult {
        let mut records = self.store.get(query, clock::now());
        let overflows = self.store.overflows(&query.key, clock::now());
        if !get.known.is_empty() && get.known == Known::new(records.clone()).digest {
            return v1::GetResult {
                overflows,
                as_known: true,
                ..v1::GetResult::default()
            };
        }
        records.retain(|record| record.signature().as_bytes().as_slice() > get.cursor.as_slice());
        records.sort_by_key(|record| *record.signature().as_bytes());
        let count = page_end(&records, page_len);
        let next_cursor = match records.get(count) {
            Some(_) => records[count - 1].signature().as_bytes().to_vec(),
            None => Vec::new(),
        };
        let page = &records[..count];
        v1::GetResult {
            records: page.iter().map(|r| r.encoded().to_vec()).collect(),
            next_cursor,
            overflows,
            as_known: false,
            reply_passes: self.reply_passes(&query.key, page),
        }
    }
}

/// How many records fill one page; at least one, if there is one.
fn page_end(records: &[VerifiedRecord], page_len: usize) -> usize {
    let mut length = 0;
    let fits = |record: &&VerifiedRecord| {
        length += record.encoded().len();
        length <= page_len
    };
    records
        .iter()
        .take_while(fits)
        .count()
        .max(usize::from(!records.is_empty()))
}

/// Reads a query; `None` if a field is outside its bounds.
fn query(get: &v1::Get) -> Option<Query> {
    let kind = u8::try_from(get.kind).ok()?;
    let publisher = match get.publisher.as_slice() {
        [] => None,
        bytes => Some(Aid::from_bytes(bytes).ok()?),
    };
    Some(Query {
        key: DhtKey::from_bytes(get.key.as_slice().try_into().ok()?),
        kind: (kind != 0).then_some(RecordKind(kind)),
        publisher,
    })
}

fn error(code: v1::RequestErrorCode) -> v1::RecordResponse {
    let error = v1::RequestError { code: code.into() };
    v1::RecordResponse {
        body: Some(record_response::Body::Error(error)),
    }
}

fn outcome(verdict: Verdict) -> v1::PutOutcome {
    v1::PutOutcome {
        verdict: verdict.into(),
        ..v1::PutOutcome::default()
    }
}

fn told(stored: &Outcome) -> v1::PutOutcome {
    match stored {
        Outcome::Stored => outcome(Verdict::Stored),
        Outcome::AlreadyHeld => outcome(Verdict::AlreadyHeld),
        Outcome::Refused(verdict) => outcome(*verdict),
        Outcome::Stale(newer) => v1::PutOutcome {
            newer: newer.encoded().to_vec(),
            ..outcome(Verdict::Stale)
        },
        Outcome::Removed(removal) => v1::PutOutcome {
            removal: removal.as_ref().map(Removal::encode).unwrap_or_default(),
            ..outcome(Verdict::Removed)
        },
        Outcome::WorkRequired(bits) => v1::PutOutcome {
            work_bits: (*bits).into(),
            ..outcome(Verdict::WorkRequired)
        },
    }
}
