// SPDX-License-Identifier: MPL-2.0
//! A request that is passed on as it comes, and its answer likewise.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use a2al_protocol::Aid;
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{self, HeaderValue};
use hyper::{Request, Response, StatusCode, Version};

use super::call::{Call, Kept};
use super::hops::hand_on;
use super::outgoing::Outgoing;
use super::turn::Turn;
use crate::{Error, Service};

/// Longest wait for the beginning of an answer, from when something of the request was last sent.
///
/// Longer than any answer that is thought about (a language model's, a long poll's), so that only
/// what is stuck is given up.
const PATIENCE: Duration = Duration::from_secs(600);

impl Service {
    /// Passes an HTTP request on to the service of `aid`, called as the node itself, and returns
    /// its answer as soon as that begins. Both bodies move on as they come, and are of any length.
    ///
    /// The URI is sent as it is: it is to be a path. Headers about the connection end here;
    /// trailers go on. A change of protocol that the request asks for (`Connection: Upgrade`) goes
    /// on as well: where the answer is 101, `hyper::upgrade::on` gives the stream.
    ///
    /// A request that failed is sent again where `fetch` does so, as long as all that was taken of
    /// its body is still there (64 KiB). Dropping the future or the body ends the request.
    ///
    /// # Errors
    /// They say how far the call came.
    pub async fn forward<B>(
        &self,
        aid: Aid,
        mut request: Request<B>,
    ) -> Result<Response<ForwardedBody>, Error>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let turn = Turn::default();
        let call = Call {
            service: self,
            caller: self.node_aid(),
            agent: aid,
            local: self.own_service(&aid)?,
            paths: self.paths(),
            patience: PATIENCE,
            turn: &turn,
        };
        prepare(&mut request);
        let answered = call.run(Outgoing::new(request)).await?;
        let mut response = answered.response;
        let is_switching = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        hand_on(response.headers_mut(), is_switching);
        let kept = if is_switching {
            answered.kept.give_away();
            None
        } else {
            Some(answered.kept)
        };
        Ok(response.map(|body| ForwardedBody {
            body,
            is_at_end: false,
            kept,
        }))
    }
}

fn prepare<B: Body>(request: &mut Request<B>) {
    let is_measured =
        request.body().is_end_stream() || request.body().size_hint().exact().is_some();
    hand_on(request.headers_mut(), true);
    // Both follow from the body; a body of unknown length is announced even where a method usually
    // has none.
    request.headers_mut().remove(header::CONTENT_LENGTH);
    if !is_measured {
        let chunked = HeaderValue::from_static("chunked");
        request
            .headers_mut()
            .insert(header::TRANSFER_ENCODING, chunked);
    }
    *request.version_mut() = Version::HTTP_11;
}

/// The body of a forwarded answer. Its connection waits for another request once all of it was read.
pub struct ForwardedBody {
    body: Incoming,
    is_at_end: bool,
    kept: Option<Kept>,
}

impl fmt::Debug for ForwardedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForwardedBody")
            .field("is_at_end", &self.is_at_end)
            .finish_non_exhaustive()
    }
}

impl Body for ForwardedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            // Nothing follows trailers.
            None => self.is_at_end = true,
            Some(Ok(frame)) => self.is_at_end = frame.is_trailers(),
            Some(Err(_)) => self.kept = None,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    /// What the headers say is passed on as it is. An answer without a body is not given a length
    /// of zero besides: the answer to `HEAD` and a 304 speak about a body that is not there.
    fn size_hint(&self) -> SizeHint {
        let hint = self.body.size_hint();
        match hint.exact() {
            Some(0) => SizeHint::default(),
            _ => hint,
        }
    }
}

impl Drop for ForwardedBody {
    /// Whoever read the body may have stopped as soon as its announced length was there.
    fn drop(&mut self) {
        let is_read = self.is_at_end || self.body.is_end_stream();
        if let Some(kept) = self.kept.take().filter(|_| is_read) {
            kept.put_back();
        }
    }
}
