// SPDX-License-Identifier: MPL-2.0
//! A substream that is metered if it carries a circuit, and costs a branch otherwise.

use std::io::{self, IoSlice, IoSliceMut};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::{AsyncRead, AsyncWrite};

use super::circuit::Circuit;
use super::muxer::Source;
use super::negotiation::{Accepted, Negotiation};

/// A substream of a [`Muxer`](super::Muxer).
#[derive(Debug)]
pub(crate) struct Substream<S> {
    inner: S,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing to meter.
    Free,
    /// The peer is proposing protocols.
    Negotiating(Negotiation, Arc<Source>),
    /// The peer uses this node as a relay.
    Hop(Box<Circuit>),
}

impl<S> Substream<S> {
    /// One that the peer has opened.
    pub(super) fn inbound(inner: S, source: Arc<Source>) -> Self {
        let state = State::Negotiating(Negotiation::default(), source);
        Self { inner, state }
    }

    /// One that we have opened.
    pub(super) fn outbound(inner: S) -> Self {
        Self {
            inner,
            state: State::Free,
        }
    }

    /// Takes in what we have written while protocols are proposed.
    fn on_answered(&mut self, bytes: &[u8]) {
        let State::Negotiating(negotiation, source) = &mut self.state else {
            return;
        };
        self.state = match negotiation.on_written(bytes) {
            Some(Accepted::Hop) => State::Hop(Box::new(Circuit::new(source))),
            Some(Accepted::Other) => State::Free,
            None => return,
        };
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Substream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let Self { inner, state } = &mut *self;
        let inner = Pin::new(inner);
        match state {
            State::Free | State::Negotiating(..) => inner.poll_read(cx, buffer),
            State::Hop(circuit) => circuit.poll_read(inner, cx, buffer),
        }
    }

    fn poll_read_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        if let State::Free = self.state {
            return Pin::new(&mut self.inner).poll_read_vectored(cx, buffers);
        }
        match buffers.iter_mut().find(|buffer| !buffer.is_empty()) {
            Some(buffer) => self.poll_read(cx, buffer),
            None => Poll::Ready(Ok(0)),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Substream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { inner, state } = &mut *self;
        let inner = Pin::new(inner);
        match state {
            State::Free => inner.poll_write(cx, bytes),
            State::Hop(circuit) => circuit.poll_write(inner, cx, bytes),
            State::Negotiating(..) => {
                let polled = inner.poll_write(cx, bytes);
                if let Poll::Ready(Ok(len)) = polled {
                    self.on_answered(&bytes[..len]);
                }
                polled
            }
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let State::Free = self.state {
            return Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        }
        match slices.iter().find(|slice| !slice.is_empty()) {
            Some(slice) => self.poll_write(cx, slice),
            None => Poll::Ready(Ok(0)),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}
