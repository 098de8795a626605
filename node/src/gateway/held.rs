// SPDX-License-Identifier: MPL-2.0
//! An answer that keeps its slot until all of it is gone.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

/// A body with a slot.
pub(super) struct Held<B> {
    body: B,
    _slot: OwnedSemaphorePermit,
}

impl<B> Held<B> {
    pub(super) fn new(body: B, slot: OwnedSemaphorePermit) -> Self {
        Self { body, _slot: slot }
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for Held<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
