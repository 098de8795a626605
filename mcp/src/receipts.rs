// SPDX-License-Identifier: MPL-2.0
//! Notes that an answer holds: taken when the answer is with the client, given out again, marked,
//! when it did not get there.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use a2al_service::{Given, HANDING, Outgoing, Receipt};
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::http::request::Parts;
use rmcp::ErrorData;
use rmcp::handler::server::common::FromContextPart;
use rmcp::handler::server::tool::ToolCallContext;
use rmcp::model::RequestId;
use tokio::time::{Sleep, sleep};

use crate::limits::MAX_RECEIPTS;
use crate::server::Server;

/// The receipts of the answers to one HTTP request, or of a client on pipes. Clones are the same.
///
/// Dropped, the last of them says that no answer got there.
#[derive(Clone, Debug, Default)]
pub struct Receipts(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    receipts: Vec<(RequestId, Receipt)>,
    /// The client has gone.
    is_closed: bool,
}

impl Receipts {
    /// The client has all answers.
    pub fn handed_over(&self) {
        let receipts = std::mem::take(&mut self.kept().receipts);
        for (_, receipt) in receipts {
            receipt.handed_over();
        }
    }

    /// The answer with all notes is on its way.
    fn leave(&self, given: &Given) {
        for (_, receipt) in &mut self.kept().receipts {
            receipt.leaves(given.clone());
        }
    }

    /// The client has read all answers.
    fn read(&self) {
        let receipts = std::mem::take(&mut self.kept().receipts);
        for (_, receipt) in receipts {
            receipt.read();
        }
    }

    fn is_empty(&self) -> bool {
        self.kept().receipts.is_empty()
    }

    /// The client has the answer to request `id`.
    pub(crate) fn one_handed_over(&self, id: &RequestId) {
        let taken: Vec<_> = {
            let receipts = &mut self.kept().receipts;
            receipts.extract_if(.., |(of, _)| of == id).collect()
        };
        for (_, receipt) in taken {
            receipt.handed_over();
        }
    }

    /// The client has gone; what it has not got by now it never gets.
    fn close(&self) {
        let receipts = {
            let mut kept = self.kept();
            kept.is_closed = true;
            std::mem::take(&mut kept.receipts)
        };
        drop(receipts);
    }

    fn add(&self, id: RequestId, receipt: Receipt) {
        let mut kept = self.kept();
        if kept.is_closed {
            return;
        }
        if kept.receipts.len() >= MAX_RECEIPTS {
            // Its answer was called off when it was all but sent.
            kept.receipts.remove(0);
        }
        kept.receipts.push((id, receipt));
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing panics while the lock is held; what it guards is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a tool leaves the receipt of its answer.
#[derive(Debug)]
pub(crate) struct Answering {
    receipts: Receipts,
    id: RequestId,
}

impl Answering {
    /// Keeps `receipt` until the answer is with the client.
    pub(crate) fn hold(self, receipt: Receipt) {
        self.receipts.add(self.id, receipt);
    }
}

impl FromContextPart<ToolCallContext<'_, Server>> for Answering {
    fn from_context_part(context: &mut ToolCallContext<'_, Server>) -> Result<Self, ErrorData> {
        let request = &context.request_context;
        // Over HTTP each request has its own; it came with the head of the request.
        let of_request = request.extensions.get::<Parts>();
        let of_request = of_request.and_then(|head| head.extensions.get::<Receipts>());
        Ok(Self {
            receipts: of_request.unwrap_or(context.service.receipts()).clone(),
            id: request.id.clone(),
        })
    }
}

/// Closes its receipts when it goes: the client has hung up, or has what it asked for.
#[derive(Debug)]
pub(crate) struct Closing(pub(crate) Receipts);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// What only an answer holds, of all messages on the stream of a request. In a text it would be
/// escaped.
const RESULT: &[u8] = b"\"result\":";

/// A body that tells when its answer was read.
///
/// Clients leave once they have the answer, and do not wait for the end of the stream. So where notes
/// are in it the end is held back a little: a client that leaves then has read all there was, or
/// breaks off, which the connection tells; one that stays has had the time. The stream of a call that
/// was called off ends without an answer.
pub(crate) struct Handing<B> {
    inner: B,
    closing: Closing,
    /// The answer, once it was given to the connection.
    answer: Option<Given>,
    /// The end that is held back.
    end: Option<Pin<Box<Sleep>>>,
}

impl<B> Handing<B> {
    pub(crate) fn new(inner: B, closing: Closing) -> Self {
        Self {
            inner,
            closing,
            answer: None,
            end: None,
        }
    }

    fn hear(&mut self, frame: &Frame<Bytes>) {
        let is_answer = |data: &Bytes| data.windows(RESULT.len()).any(|part| part == RESULT);
        if self.answer.is_none() && frame.data_ref().is_some_and(is_answer) {
            self.answer = Outgoing::here();
        }
    }
}

impl<B: Body<Data = Bytes, Error = Infallible> + Unpin> Body for Handing<B> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.end.is_none() {
            let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
            if let Some(Ok(frame)) = frame {
                self.hear(&frame);
                return Poll::Ready(Some(Ok(frame)));
            }
            let Some(answer) = &self.answer else {
                return Poll::Ready(None);
            };
            if self.closing.0.is_empty() {
                return Poll::Ready(None);
            }
            self.closing.0.leave(answer);
        }
        let end = self.end.get_or_insert_with(|| Box::pin(sleep(HANDING)));
        ready!(end.as_mut().poll(cx));
        Poll::Ready(None)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B> Drop for Handing<B> {
    fn drop(&mut self) {
        if self.answer.as_ref().is_some_and(Given::has_left) {
            self.closing.0.read();
        }
    }
}
