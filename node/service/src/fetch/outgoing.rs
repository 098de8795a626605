// SPDX-License-Identifier: MPL-2.0
//! A request on its way out, which may have to be sent more than once.
//!
//! The body of a forwarded request arrives while it is sent, so it exists once. What was taken from
//! it is kept as long as it is short: then the request can begin anew on another connection.

use std::collections::VecDeque;
use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::Request;
use hyper::body::{Body, Frame, SizeHint};
use hyper::http::request::Parts;
use tokio::time::Instant;

/// Any error, as HTTP bodies have them.
pub(super) type BodyError = Box<dyn StdError + Send + Sync>;

/// Most bytes of a body that are kept for sending them again.
const MAX_KEPT_LEN: usize = 64 * 1024;

/// A request, head and body.
pub(super) struct Outgoing {
    head: Parts,
    body: Arc<Mutex<Shared>>,
}

/// What the requests made of one [`Outgoing`] share.
struct Shared {
    source: UnsyncBoxBody<Bytes, BodyError>,
    /// What was taken from the source.
    taken: Taken,
    /// Which request the source belongs to; earlier ones get nothing more.
    turn: u64,
    /// Nothing is left in the source.
    is_at_end: bool,
    /// When something was last taken.
    since: Instant,
}

enum Taken {
    /// All of it is kept.
    Kept { data: Vec<Bytes>, len: usize },
    /// More than is kept, or what cannot be said twice.
    Lost,
}

impl Outgoing {
    /// A request that was not sent yet.
    pub(super) fn new<B>(request: Request<B>) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        let (head, body) = request.into_parts();
        let shared = Shared {
            is_at_end: body.is_end_stream(),
            source: body.map_err(Into::into).boxed_unsync(),
            taken: Taken::Kept {
                data: Vec::new(),
                len: 0,
            },
            turn: 0,
            since: Instant::now(),
        };
        Self {
            head,
            body: Arc::new(Mutex::new(shared)),
        }
    }

    /// Whether the service may be sent this twice, as far as it is concerned.
    pub(super) fn is_idempotent(&self) -> bool {
        self.head.method.is_idempotent()
    }

    /// Whether all of it will still be there after it was sent once, whatever happens.
    pub(super) fn is_short(&self) -> bool {
        let most = self.shared().source.size_hint().upper();
        most.is_some_and(|most| most <= MAX_KEPT_LEN as u64)
    }

    /// Whether it can still be sent from its beginning.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.shared().taken, Taken::Kept { .. })
    }

    /// Whether all of it was taken.
    pub(super) fn is_sent(&self) -> bool {
        self.shared().is_at_end
    }

    /// When something of the body was last taken, or when this was made.
    pub(super) fn since(&self) -> Instant {
        self.shared().since
    }

    /// The request from its beginning. The one made before gets nothing more of the body.
    pub(super) fn request(&self) -> Request<Loan> {
        let mut shared = self.shared();
        shared.turn += 1;
        shared.since = Instant::now();
        let (again, is_broken) = match &shared.taken {
            Taken::Kept { data, .. } => (data.clone().into(), false),
            Taken::Lost => (VecDeque::new(), true),
        };
        let mut head = Request::new(()).into_parts().0;
        head.method.clone_from(&self.head.method);
        head.uri.clone_from(&self.head.uri);
        head.headers.clone_from(&self.head.headers);
        let loan = Loan {
            shared: Arc::clone(&self.body),
            turn: shared.turn,
            again,
            is_broken,
        };
        Request::from_parts(head, loan)
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        lock(&self.body)
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // A body that panicked is not asked again: the connection that asked it is gone.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        // Bodies need not bear being asked after their end.
        if self.is_at_end {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut self.source).poll_frame(cx));
        self.since = Instant::now();
        // Nothing follows trailers, and a body of known length need not be asked once more.
        self.is_at_end = match &frame {
            Some(Ok(frame)) => frame.is_trailers() || self.source.is_end_stream(),
            Some(Err(_)) => false,
            None => true,
        };
        match (&frame, &mut self.taken) {
            (Some(Ok(frame)), Taken::Kept { data, len }) => match frame.data_ref() {
                Some(bytes) if *len + bytes.len() <= MAX_KEPT_LEN => {
                    *len += bytes.len();
                    data.push(bytes.clone());
                }
                _ => self.taken = Taken::Lost,
            },
            (Some(Err(_)), _) => self.taken = Taken::Lost,
            (None, _) | (_, Taken::Lost) => {}
        }
        Poll::Ready(frame)
    }
}

/// The body of a request made by [`Outgoing::request`].
pub(super) struct Loan {
    shared: Arc<Mutex<Shared>>,
    turn: u64,
    /// What an earlier request took already.
    again: VecDeque<Bytes>,
    /// The beginning is missing.
    is_broken: bool,
}

impl fmt::Debug for Loan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loan")
            .field("turn", &self.turn)
            .field("again", &self.again.len())
            .finish_non_exhaustive()
    }
}

impl Body for Loan {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.is_broken {
            return Poll::Ready(Some(Err("the body cannot be sent twice".into())));
        }
        if let Some(data) = self.again.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        let mut shared = lock(&self.shared);
        if shared.turn != self.turn {
            return Poll::Ready(Some(Err("the request was begun anew".into())));
        }
        shared.poll(cx)
    }

    fn is_end_stream(&self) -> bool {
        !self.is_broken && self.again.is_empty() && lock(&self.shared).is_at_end
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = lock(&self.shared).source.size_hint();
        let again = self.again.iter().map(|data| data.len() as u64).sum::<u64>();
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(again));
        }
        hint.set_lower(hint.lower().saturating_add(again));
        hint
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;
    use http_body_util::channel::Channel;

    use super::*;

    /// A body whose length is not announced, and what feeds it.
    fn stream() -> (http_body_util::channel::Sender<Bytes, BodyError>, Outgoing) {
        let (sender, body) = Channel::new(8);
        (sender, Outgoing::new(Request::new(body)))
    }

    async fn next(request: &mut Request<Loan>) -> Option<Bytes> {
        let frame = request.body_mut().frame().await?;
        frame.unwrap().into_data().ok()
    }

    #[tokio::test]
    async fn a_short_body_is_sent_again_from_its_beginning() {
        let (mut sender, outgoing) = stream();
        sender.send_data("one ".into()).await.unwrap();
        let mut first = outgoing.request();
        assert_eq!(next(&mut first).await.unwrap(), "one ");
        let second = outgoing.request();
        sender.send_data("two".into()).await.unwrap();
        drop(sender);
        assert!(first.body_mut().frame().await.unwrap().is_err());
        let all = second.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(all, "one two");
        assert!(outgoing.is_whole());
        let third = outgoing.request().into_body();
        assert_eq!(third.collect().await.unwrap().to_bytes(), "one two");
    }

    #[tokio::test]
    async fn a_long_body_is_sent_once() {
        let (mut sender, outgoing) = stream();
        let mut request = outgoing.request();
        for _ in 0..=2 {
            assert!(outgoing.is_whole());
            sender
                .send_data(vec![1; MAX_KEPT_LEN / 2].into())
                .await
                .unwrap();
            next(&mut request).await.unwrap();
        }
        assert!(!outgoing.is_whole());
        let again = outgoing.request().into_body().collect().await;
        assert!(
            again.is_err(),
            "the service would take a part for the whole"
        );
    }

    #[tokio::test]
    async fn lengths_are_told_as_they_are() {
        let outgoing = Outgoing::new(Request::new(Full::new(Bytes::from("12345"))));
        assert!(outgoing.is_short() && !outgoing.is_sent());
        let mut request = outgoing.request();
        assert_eq!(request.body().size_hint().exact(), Some(5));
        next(&mut request).await.unwrap();
        assert!(request.body().is_end_stream() && outgoing.is_sent());
        let again = outgoing.request();
        assert_eq!(again.body().size_hint().exact(), Some(5));
        assert!(!again.body().is_end_stream());
        let (_sender, unknown) = stream();
        assert!(!unknown.is_short());
        assert!(!unknown.request().body().is_end_stream());
        let empty = Outgoing::new(Request::new(Full::new(Bytes::new())));
        assert!(empty.is_short() && empty.request().body().is_end_stream());
    }
}
