// SPDX-License-Identifier: MPL-2.0
//! One request to one holder, and its answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use a2al_proto::v1::{self, record_request, record_response};
use libp2p::PeerId;
use tokio::time::{Instant, timeout};

use super::survey::Known;
use super::{Query, Verifier};
use crate::behaviour::streams::{
    FrameError, Links, OpenError, Paths, Stream, read_frame, write_frame,
};
use crate::dht_key::DhtKey;
use crate::limits::{
    HOLDER_TIMEOUT, IDLE_STREAMS_PER_PEER, MAX_PAGES, MAX_RECORDS_MESSAGE_LEN,
    RECORDS_STREAM_REUSE, SILENT_HOLDER_MEMORY,
};
use crate::network::{DialError, Dialer, Route};
use crate::record::VerifiedRecord;

/// Sends requests to holders, over streams that are kept for the next request.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    links: Links,
    dialer: Dialer,
    verifier: Verifier,
    idle: Arc<Mutex<HashMap<PeerId, Vec<Idle>>>>,
    /// Holders that did not answer, and when.
    silent: Arc<Mutex<HashMap<PeerId, Instant>>>,
}

#[derive(Debug)]
struct Idle {
    stream: Stream,
    since: Instant,
}

/// What one holder holds.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Verified, and what was asked for.
    pub(crate) records: Vec<VerifiedRecord>,
    /// Whether entries that found no room there may be alive, as it says.
    pub(crate) overflows: bool,
}

/// What one holder did with one record.
#[derive(Debug)]
pub(crate) enum Stored {
    /// It is kept there.
    Yes,
    /// A newer one is kept there; it comes along if it verifies.
    Superseded(Option<VerifiedRecord>),
    /// It is not kept there.
    No(v1::Verdict),
}

impl Exchange {
    pub(crate) fn new(links: Links, dialer: Dialer, verifier: Verifier) -> Self {
        Self {
            links,
            dialer,
            verifier,
            idle: Arc::default(),
            silent: Arc::default(),
        }
    }

    /// Asks one holder to store records, at most [`RECORDS_PER_PUT`](crate::limits::RECORDS_PER_PUT) of them.
    ///
    /// The answer has one entry for each record, in their order.
    pub(crate) async fn put(
        &self,
        holder: &Route,
        records: &[(DhtKey, VerifiedRecord)],
    ) -> Result<Vec<Stored>, ExchangeError> {
        let placed = |(key, record): &(DhtKey, VerifiedRecord)| v1::PlacedRecord {
            key: key.as_bytes().to_vec(),
            record: record.encoded().to_vec(),
        };
        let put = v1::Put {
            records: records.iter().map(placed).collect(),
        };
        let request = v1::RecordRequest {
            body: Some(record_request::Body::Put(put)),
        };
        match self.request(holder, &request).await? {
            record_response::Body::Put(result) if result.outcomes.len() == records.len() => {
                let outcomes = result.outcomes.into_iter().zip(records);
                Ok(outcomes
                    .map(|(outcome, (_, record))| self.stored(&outcome, record))
                    .collect())
            }
            record_response::Body::Error(error) => Err(ExchangeError::NotServed(error.code())),
            _ => Err(ExchangeError::OtherAnswer),
        }
    }

    /// Asks one holder for the records of a query, page by page. Only those come back that verify and belong there; what is `known`
    /// is not sent again if the holder has exactly that.
    pub(crate) async fn get(
        &self,
        holder: &Route,
        query: &Query,
        known: &Known,
    ) -> Result<Found, ExchangeError> {
        let mut found = Found::default();
        let mut cursor = Vec::new();
        for _ in 0..MAX_PAGES {
            let body = Some(record_request::Body::Get(query.message(cursor, known)));
            match self.request(holder, &v1::RecordRequest { body }).await? {
                record_response::Body::Get(page) => {
                    let was_told = found.records.len();
                    found.overflows |= page.overflows;
                    if page.as_known {
                        found.records.clone_from(&known.records);
                        break;
                    }
                    self.take_page(query, &page.records, &mut found.records)
                        .await;
                    // A page that brings nothing further would be asked for again and again.
                    let is_told = found.records.len();
                    if is_told == was_told || is_told >= query.most_records() {
                        break;
                    }
                    cursor = page.next_cursor;
                }
                record_response::Body::Error(error) => {
                    return Err(ExchangeError::NotServed(error.code()));
                }
                record_response::Body::Put(_) => return Err(ExchangeError::OtherAnswer),
            }
            if cursor.is_empty() {
                break;
            }
        }
        Ok(found)
    }

    /// Whether a holder can be asked without dialling it.
    pub(crate) fn is_connected(&self, holder: &PeerId) -> bool {
        self.links.is_connected(holder, Paths::Any)
    }

    /// Whether a holder failed to answer a short while ago, and has not answered since.
    pub(crate) fn is_silent(&self, holder: &PeerId) -> bool {
        let silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        silent
            .get(holder)
            .is_some_and(|since| since.elapsed() < SILENT_HOLDER_MEMORY)
    }

    /// Closes streams that nobody has used for a while, and forgets who was silent long ago.
    pub(crate) fn close_idle(&self) {
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        silent.retain(|_, since| since.elapsed() < SILENT_HOLDER_MEMORY);
        drop(silent);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|_, streams| {
            streams.retain(|stream| stream.since.elapsed() < RECORDS_STREAM_REUSE);
            !streams.is_empty()
        });
    }

    async fn request(
        &self,
        holder: &Route,
        request: &v1::RecordRequest,
    ) -> Result<record_response::Body, ExchangeError> {
        let answer = timeout(HOLDER_TIMEOUT, self.ask(holder, request)).await;
        let answer = answer.unwrap_or(Err(ExchangeError::Timeout));
        self.note(holder.peer, answer.is_ok());
        let (response, stream) = answer?;
        self.keep(holder.peer, stream);
        response.body.ok_or(ExchangeError::OtherAnswer)
    }

    fn note(&self, holder: PeerId, has_answered: bool) {
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        if has_answered {
            silent.remove(&holder);
        } else {
            silent.insert(holder, Instant::now());
        }
    }

    async fn ask(
        &self,
        holder: &Route,
        request: &v1::RecordRequest,
    ) -> Result<(v1::RecordResponse, Stream), ExchangeError> {
        if let Some(mut stream) = self.take(&holder.peer) {
            // The holder may have closed a kept stream at any time; that says nothing about the holder.
            if let Ok(response) = converse(&mut stream, request).await {
                return Ok((response, stream));
            }
        }
        let mut stream = self.open(holder).await?;
        let response = converse(&mut stream, request).await?;
        Ok((response, stream))
    }

    async fn open(&self, holder: &Route) -> Result<Stream, ExchangeError> {
        if !self.links.is_connected(&holder.peer, Paths::Any) {
            self.dialer.connect(holder, Paths::Any).await?;
        }
        let (_, stream) = self.links.open(&holder.peer, Paths::Any).await?;
        Ok(stream)
    }

    fn take(&self, peer: &PeerId) -> Option<Stream> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        Some(idle.get_mut(peer)?.pop()?.stream)
    }

    fn keep(&self, peer: PeerId, stream: Stream) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let streams = idle.entry(peer).or_default();
        if streams.len() < IDLE_STREAMS_PER_PEER {
            streams.push(Idle {
                stream,
                since: Instant::now(),
            });
        }
    }

    /// Verifies one page. The records of an answer are ordered by signature: one out of order ends it, so that no holder can have
    /// us verify the same record twice.
    async fn take_page(&self, query: &Query, page: &[Vec<u8>], found: &mut Vec<VerifiedRecord>) {
        for bytes in page.iter().take(query.most_records() - found.len()) {
            let Some(record) = self.verifier.answer(query, bytes) else {
                continue;
            };
            let last = found.last().map(|last| *last.signature().as_bytes());
            if last.is_some_and(|last| *record.signature().as_bytes() <= last) {
                return;
            }
            found.push(record);
            tokio::task::yield_now().await;
        }
    }

    /// What the holder says, believed only as far as it proves it.
    fn stored(&self, outcome: &v1::PutOutcome, ours: &VerifiedRecord) -> Stored {
        match outcome.verdict() {
            v1::Verdict::Stored | v1::Verdict::AlreadyHeld => Stored::Yes,
            v1::Verdict::Stale => {
                let newer = self.verifier.verify(&outcome.newer).ok();
                Stored::Superseded(newer.filter(|newer| newer.replaces(ours)))
            }
            refused => Stored::No(refused),
        }
    }
}

async fn converse(
    stream: &mut Stream,
    request: &v1::RecordRequest,
) -> Result<v1::RecordResponse, ExchangeError> {
    write_frame(stream, request).await.map_err(FrameError::Io)?;
    Ok(read_frame(stream, MAX_RECORDS_MESSAGE_LEN).await?)
}

/// Why a holder gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    #[error("no answer in time")]
    Timeout,
    #[error("the holder cannot be reached")]
    Dial(#[from] DialError),
    #[error("no stream to the holder")]
    Open(#[from] OpenError),
    #[error("the exchange broke off")]
    Frame(#[from] FrameError),
    #[error("the holder did not serve the request: {}", .0.as_str_name())]
    NotServed(v1::RequestErrorCode),
    #[error("the holder answered something else")]
    OtherAnswer,
}
