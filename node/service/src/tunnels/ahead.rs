// SPDX-License-Identifier: MPL-2.0
//! What a client sends before the agent's node has accepted its stream.
//!
//! It goes out at once, which saves a round trip, and is kept: a node that refuses a stream has
//! passed none of it on, so another stream may carry it again.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use a2al_protocol::network::AgentStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::carry::Local;

/// Most bytes that are sent ahead. The first request of most protocols fits.
const MAX_AHEAD: usize = 16 * 1024;

/// Whoever waits for a stream to be accepted.
pub(super) trait Waiting {
    /// Waits for the callee's answer, and uses the stream meanwhile.
    fn poll_accepted(
        &mut self,
        stream: &mut AgentStream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>>;

    /// Whether the stream may have carried something of the user's.
    fn has_sent(&self) -> bool;

    /// Begins anew on another stream.
    fn rewind(&mut self);
}

/// Nobody: the stream is only to be had.
pub(super) struct Nobody;

impl Waiting for Nobody {
    fn poll_accepted(
        &mut self,
        stream: &mut AgentStream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        stream.poll_accepted(cx)
    }

    fn has_sent(&self) -> bool {
        false
    }

    fn rewind(&mut self) {}
}

/// A client that begins to send.
#[derive(Debug)]
pub(super) struct Ahead<L> {
    local: L,
    bytes: Vec<u8>,
    /// How many of them the stream has taken.
    sent: usize,
    /// How the client's direction ended, if it has.
    ended: Option<io::Result<()>>,
}

impl<L: Local> Ahead<L> {
    pub(super) fn new(local: L) -> Self {
        Self {
            local,
            bytes: Vec::new(),
            sent: 0,
            ended: None,
        }
    }

    /// Bytes that the accepted stream has taken.
    pub(super) fn sent(&self) -> usize {
        self.sent
    }

    /// Sends what the client sends, until either side has to be waited for.
    fn send(&mut self, stream: &mut AgentStream, cx: &mut Context<'_>) {
        loop {
            while self.sent < self.bytes.len() {
                let unsent = &self.bytes[self.sent..];
                match Pin::new(&mut *stream).poll_write(cx, unsent) {
                    Poll::Ready(Ok(len)) => self.sent += len,
                    // The answer, or its absence, will tell why.
                    Poll::Ready(Err(_)) | Poll::Pending => return,
                }
            }
            if self.bytes.len() == MAX_AHEAD || self.ended.is_some() {
                return;
            }
            if self.poll_more(cx).is_pending() {
                return;
            }
        }
    }

    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let len = self.bytes.len();
        self.bytes.resize(MAX_AHEAD, 0);
        let mut space = ReadBuf::new(&mut self.bytes[len..]);
        let polled = Pin::new(&mut self.local).poll_read(cx, &mut space);
        let read = space.filled().len();
        self.bytes.truncate(len + read);
        match ready!(polled) {
            Ok(()) if read > 0 => {}
            ended => self.ended = Some(ended),
        }
        Poll::Ready(())
    }
}

impl<L: Local> Waiting for Ahead<L> {
    fn poll_accepted(
        &mut self,
        stream: &mut AgentStream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.send(stream, cx);
        stream.poll_accepted(cx)
    }

    fn has_sent(&self) -> bool {
        self.sent > 0
    }

    fn rewind(&mut self) {
        self.sent = 0;
    }
}

impl<L: Local> Local for Ahead<L> {
    fn tcp(&self) -> &TcpStream {
        self.local.tcp()
    }
}

impl<L: Local> AsyncRead for Ahead<L> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let unsent = &self.bytes[self.sent..];
        if !unsent.is_empty() {
            let len = unsent.len().min(buffer.remaining());
            buffer.put_slice(&unsent[..len]);
            self.sent += len;
            return Poll::Ready(Ok(()));
        }
        if self.bytes.capacity() > 0 {
            (self.bytes, self.sent) = (Vec::new(), 0);
        }
        match &mut self.ended {
            // Told once; what follows an error is not asked for.
            Some(ended) => Poll::Ready(std::mem::replace(ended, Ok(()))),
            None => Pin::new(&mut self.local).poll_read(cx, buffer),
        }
    }
}

impl<L: Local> AsyncWrite for Ahead<L> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.local).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.local).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.local).poll_shutdown(cx)
    }
}
