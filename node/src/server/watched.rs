// SPDX-License-Identifier: MPL-2.0
//! A client's connection that tells what becomes of answers.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use a2al_service::{HANDING, Outgoing};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// How long the end of a client is held back. One that had left before an answer came has its system
/// say so within a round trip.
const CROSSING: Duration = Duration::from_millis(10);

/// A stream that tells `outgoing` when the server has nothing left to write, and when it breaks.
#[derive(Debug)]
pub(super) struct Watched {
    stream: TcpStream,
    outgoing: Outgoing,
    /// The end that is held back.
    end: Option<Pin<Box<Sleep>>>,
    /// The wait for the client's end after the server's.
    lingering: Option<Pin<Box<Sleep>>>,
}

impl Watched {
    pub(super) fn new(stream: TcpStream, outgoing: Outgoing) -> Self {
        Self {
            stream,
            outgoing,
            end: None,
            lingering: None,
        }
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let end = self.end.get_or_insert_with(|| Box::pin(sleep(CROSSING)));
        ready!(end.as_mut().poll(cx));
        let error = self.stream.take_error()?;
        Poll::Ready(self.told(error.map_or(Ok(()), Err)))
    }

    fn told<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|_| self.outgoing.broken())
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.end.is_some() {
            return self.poll_end(cx);
        }
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        if read.is_ok() && buffer.filled().len() == before {
            return self.poll_end(cx);
        }
        Poll::Ready(self.told(read))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes));
        Poll::Ready(self.told(written))
    }

    /// The server flushes when its own buffer is empty.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(cx));
        self.outgoing.flushed();
        Poll::Ready(self.told(flushed))
    }

    /// Where it matters, waits a little for the end of the client, which may break off with answers
    /// unread. Takes nothing of what the client still says: after an upgrade that is not over.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let Some(lingering) = &mut this.lingering else {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            if !this.outgoing.is_awaited() {
                return Poll::Ready(Ok(()));
            }
            this.lingering = Some(Box::pin(sleep(HANDING)));
            return self.poll_shutdown(cx);
        };
        if lingering.as_mut().poll(cx).is_pending() {
            let mut room = [0];
            match ready!(this.stream.poll_peek(cx, &mut ReadBuf::new(&mut room))) {
                Ok(0) => return Poll::Ready(Ok(())),
                // An error may be behind it.
                Ok(_) => return Poll::Pending,
                Err(_) => this.outgoing.broken(),
            }
        } else if !matches!(this.stream.take_error(), Ok(None)) {
            this.outgoing.broken();
        }
        Poll::Ready(Ok(()))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, buffers));
        Poll::Ready(self.told(written))
    }
}
