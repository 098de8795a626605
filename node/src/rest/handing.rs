// SPDX-License-Identifier: MPL-2.0
//! An answer that tells when it was handed over.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};

/// A body that calls `handed_over` when all of `text` but the last byte was handed to the connection.
///
/// The notes are taken a moment later, when the server has written it: whoever reads the answer has the notes, and one
/// that was cut off before is known by its length.
pub(super) fn body(text: Vec<u8>, handed_over: impl FnOnce() + Send + 'static) -> Body {
    let mut all = Bytes::from(text);
    let last = all.split_off(all.len().saturating_sub(1));
    Body::new(Handing {
        parts: Parts::All { all, last },
        handed_over: Some(Box::new(handed_over)),
    })
}

/// The body of such an answer.
struct Handing {
    parts: Parts,
    /// Dropped, it says that the answer was not handed over.
    handed_over: Option<Box<dyn FnOnce() + Send>>,
}

/// What is still to be sent.
#[derive(Debug)]
enum Parts {
    All {
        all: Bytes,
        last: Bytes,
    },
    /// The server is writing; it asks again once it has.
    Pause {
        last: Bytes,
    },
    Last {
        last: Bytes,
    },
    None,
}

impl HttpBody for Handing {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match std::mem::replace(&mut self.parts, Parts::None) {
            Parts::All { all, last } => {
                self.parts = Parts::Pause { last };
                Poll::Ready(Some(Ok(Frame::data(all))))
            }
            Parts::Pause { last } => {
                self.parts = Parts::Last { last };
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Parts::Last { last } => {
                if let Some(handed_over) = self.handed_over.take() {
                    handed_over();
                }
                Poll::Ready(Some(Ok(Frame::data(last))))
            }
            Parts::None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.parts, Parts::None)
    }

    fn size_hint(&self) -> SizeHint {
        let len = match &self.parts {
            Parts::All { all, last } => all.len() + last.len(),
            Parts::Pause { last } | Parts::Last { last } => last.len(),
            Parts::None => 0,
        };
        SizeHint::with_exact(len as u64)
    }
}
