// SPDX-License-Identifier: MPL-2.0
//! One request to one holder, and its answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use a2al_proto::v1::{self, record_request, record_response};
use libp2p::PeerId;
use tokio::time::{Instant, timeout};

use super::mailbox::Beside;
use super::query::Known;
use super::store::Held;
use super::{Query, Verifier};
use crate::behaviour::streams::{
    FrameError, Links, OpenError, Paths, Stream, read_frame, write_frame,
};
use crate::clock;
use crate::dht_key::DhtKey;
use crate::limits::{
    HOLDER_TIMEOUT, IDLE_STREAMS_PER_PEER, MAX_PAGES, MAX_RECORDS_MESSAGE_LEN,
    RECORDS_STREAM_REUSE, REPLY_PASS_LEN, SILENT_HOLDER_MEMORY,
};
use crate::mailbox::{MessageId, SignedRemoval, recipient_of};
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

/// What one holder says that it holds; nothing of it is verified.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) encoded: Vec<Vec<u8>>,
    /// Whether it has exactly what the asker knows.
    pub(crate) as_known: bool,
    /// Whether entries that found no room there may be alive.
    pub(crate) overflows: bool,
    /// Passes that came beside notes, by the position of the note in [`Self::encoded`].
    pub(crate) replies: HashMap<usize, [u8; REPLY_PASS_LEN]>,
}

impl Told {
    /// Takes the passes of a page whose records come next.
    fn take_replies(&mut self, page: &v1::GetResult) {
        for reply in page.reply_passes.iter().take(page.records.len()) {
            let index = usize::try_from(reply.index).ok();
            let index = index.filter(|index| *index < page.records.len());
            if let (Some(index), Ok(pass)) = (index, reply.pass.as_slice().try_into()) {
                self.replies.insert(self.encoded.len() + index, pass);
            }
        }
    }
}

/// A record on its way to a holder.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) key: DhtKey,
    pub(crate) record: VerifiedRecord,
    /// What goes along, if it is a note.
    pub(crate) beside: Beside,
    /// Whether this node merely passes it on.
    pub(crate) is_forwarded: bool,
}

impl From<(DhtKey, VerifiedRecord)> for Placed {
    fn from((key, record): (DhtKey, VerifiedRecord)) -> Self {
        Self {
            key,
            record,
            beside: Beside::default(),
            is_forwarded: false,
        }
    }
}

impl From<Held> for Placed {
    fn from(held: Held) -> Self {
        Self {
            key: held.key,
            record: held.record,
            beside: held.beside,
            is_forwarded: !held.is_own,
        }
    }
}

impl Placed {
    /// A record that an agent of another node published.
    pub(crate) fn forwarded(key: DhtKey, record: VerifiedRecord) -> Self {
        Self {
            is_forwarded: true,
            ..Self::from((key, record))
        }
    }

    fn message(&self) -> v1::PlacedRecord {
        let mut message = v1::PlacedRecord {
            key: self.key.as_bytes().to_vec(),
            record: self.record.encoded().to_vec(),
            forwarded: self.is_forwarded,
            ..v1::PlacedRecord::default()
        };
        self.beside.enclose(&mut message);
        message
    }
}

/// What one holder did with one record.
#[derive(Debug)]
pub(crate) enum Stored {
    /// It is kept there.
    Yes,
    /// A newer one is kept there; it comes along if it verifies.
    Superseded(Option<VerifiedRecord>),
    /// Its recipient has taken it, as the holder proves.
    Taken,
    /// It is kept there only with so many bits of work.
    WorkRequired(u8),
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
        records: &[Placed],
    ) -> Result<Vec<Stored>, ExchangeError> {
        let put = v1::Put {
            records: records.iter().map(Placed::message).collect(),
        };
        let request = v1::RecordRequest {
            body: Some(record_request::Body::Put(put)),
        };
        match self.request(holder, &request).await? {
            record_response::Body::Put(result) if result.outcomes.len() == records.len() => {
                let outcomes = result.outcomes.into_iter().zip(records);
                Ok(outcomes
                    .map(|(outcome, placed)| self.stored(&outcome, &placed.record))
                    .collect())
            }
            record_response::Body::Error(error) => Err(ExchangeError::NotServed(error.code())),
            _ => Err(ExchangeError::OtherAnswer),
        }
    }

    /// Asks one holder to drop notes that were taken, or parts of one; what it says to that.
    pub(crate) async fn remove(
        &self,
        holder: &Route,
        body: v1::remove::Body,
    ) -> Result<v1::Verdict, ExchangeError> {
        let remove = v1::Remove { body: Some(body) };
        let request = v1::RecordRequest {
            body: Some(record_request::Body::Remove(remove)),
        };
        match self.request(holder, &request).await? {
            record_response::Body::Remove(result) => Ok(result.verdict()),
            record_response::Body::Error(error) => Err(ExchangeError::NotServed(error.code())),
            _ => Err(ExchangeError::OtherAnswer),
        }
    }

    /// Asks one holder for the records of a query, page by page. What is `known` is not sent again if the holder has exactly that.
    pub(crate) async fn get(
        &self,
        holder: &Route,
        query: &Query,
        known: &Known,
    ) -> Result<Told, ExchangeError> {
        let (mut told, mut cursor) = (Told::default(), Vec::new());
        for _ in 0..MAX_PAGES {
            let page = self
                .page(holder, query.message(cursor.clone(), known))
                .await?;
            told.overflows |= page.overflows;
            told.as_known |= page.as_known;
            let room = query.most_records() - told.encoded.len();
            let is_last = page.records.is_empty() || page.records.len() >= room;
            told.take_replies(&page);
            told.encoded.extend(page.records.into_iter().take(room));
            // Cursors only grow: one that does not would have us ask for the same page again and again.
            if is_last || page.next_cursor <= cursor {
                break;
            }
            cursor = page.next_cursor;
        }
        Ok(told)
    }

    async fn page(&self, holder: &Route, get: v1::Get) -> Result<v1::GetResult, ExchangeError> {
        let body = Some(record_request::Body::Get(get));
        match self.request(holder, &v1::RecordRequest { body }).await? {
            record_response::Body::Get(page) => Ok(page),
            record_response::Body::Error(error) => Err(ExchangeError::NotServed(error.code())),
            _ => Err(ExchangeError::OtherAnswer),
        }
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

    /// What the holder says, believed only as far as it proves it.
    fn stored(&self, outcome: &v1::PutOutcome, ours: &VerifiedRecord) -> Stored {
        match outcome.verdict() {
            v1::Verdict::Stored | v1::Verdict::AlreadyHeld => Stored::Yes,
            v1::Verdict::Stale => {
                let newer = self.verifier.verify(&outcome.newer).ok();
                Stored::Superseded(newer.filter(|newer| newer.replaces(ours)))
            }
            v1::Verdict::Removed if proves_removal(&outcome.removal, ours) => Stored::Taken,
            v1::Verdict::WorkRequired => {
                Stored::WorkRequired(u8::try_from(outcome.work_bits).unwrap_or(u8::MAX))
            }
            refused => Stored::No(refused),
        }
    }
}

/// Whether the recipient of a note has acknowledged it, as a holder says.
fn proves_removal(removal: &[u8], note: &VerifiedRecord) -> bool {
    let removal = SignedRemoval::decode(removal).ok();
    let removal = removal.filter(|removal| recipient_of(note) == Ok(removal.recipient()));
    let removal = removal.and_then(|removal| removal.verify(clock::now()).ok());
    let id = MessageId::of_payload(note.payload());
    removal.is_some_and(|removal| removal.ids().contains(&id))
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
