// SPDX-License-Identifier: MPL-2.0
//! Moving bytes in one direction. A buffer is held only while bytes wait in it, so that an idle
//! direction costs nothing.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes moved at a time. Smaller writes cost QUIC streams throughput.
pub(crate) const BLOCK_LEN: usize = 64 * 1024;

/// Bytes moved at a time where more than [`MAX_BLOCKS`] are stuck.
const SMALL_BLOCK_LEN: usize = 4 * 1024;

/// Blocks of full size in use at one time: 256 MiB, where no reader keeps up.
const MAX_BLOCKS: usize = 4096;

/// Unused blocks that each thread keeps.
const SPARE_BLOCKS: usize = 4;

static BLOCKS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static SPARE: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer on loan.
#[derive(Debug)]
struct Block(Box<[u8]>);

impl Block {
    fn borrow() -> Self {
        if BLOCKS.fetch_add(1, Ordering::Relaxed) >= MAX_BLOCKS {
            return Self(vec![0; SMALL_BLOCK_LEN].into());
        }
        let spare = SPARE.with_borrow_mut(Vec::pop);
        Self(spare.unwrap_or_else(|| vec![0; BLOCK_LEN].into()))
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        BLOCKS.fetch_sub(1, Ordering::Relaxed);
        if self.0.len() < BLOCK_LEN {
            return;
        }
        let bytes = std::mem::take(&mut self.0);
        // A thread that is ending has no spare blocks any more.
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < SPARE_BLOCKS {
                spare.push(bytes);
            }
        });
    }
}

/// One direction: what was read and not written yet, and how far it has come to its end.
#[derive(Debug, Default)]
pub(crate) struct Pump {
    block: Option<Block>,
    waiting: Range<usize>,
    needs_flush: bool,
    stage: Stage,
    /// The writer takes nothing more.
    is_refused: bool,
}

/// How far a direction has come to its end.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Stage {
    #[default]
    Open,
    /// The reader has.
    Read,
    /// The writer was told.
    Done,
}

impl Pump {
    /// How this direction stands, given whether the other one has come to its end: a side that has said all, and takes nothing more,
    /// has not broken off.
    pub(crate) fn judged(
        &self,
        polled: Poll<io::Result<()>>,
        has_other_ended: bool,
    ) -> Poll<io::Result<()>> {
        match polled {
            Poll::Ready(Err(_)) if self.is_refused && has_other_ended => Poll::Ready(Ok(())),
            polled => polled,
        }
    }

    /// Whether everything was passed on, and the end of it.
    pub(crate) fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// The bytes that wait.
    pub(crate) fn waiting(&self) -> &[u8] {
        match &self.block {
            Some(block) => &block.0[self.waiting.clone()],
            None => &[],
        }
    }

    /// Whether the reader has come to its end.
    pub(crate) fn is_read(&self) -> bool {
        self.stage != Stage::Open
    }

    /// Whether there is no room behind the bytes that wait.
    pub(crate) fn is_full(&self) -> bool {
        self.block
            .as_ref()
            .is_some_and(|block| self.waiting.end == block.0.len())
    }

    /// Reads behind what waits; the number of bytes, 0 at the reader's end.
    pub(crate) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut (impl AsyncRead + Unpin),
    ) -> Poll<io::Result<usize>> {
        let block = self.block.get_or_insert_with(Block::borrow);
        let mut buffer = ReadBuf::new(&mut block.0[self.waiting.end..]);
        let polled = Pin::new(reader).poll_read(cx, &mut buffer);
        let len = buffer.filled().len();
        self.waiting.end += len;
        if self.waiting.is_empty() {
            self.recycle();
        }
        ready!(polled)?;
        if len == 0 {
            self.stage = Stage::Read;
        }
        Poll::Ready(Ok(len))
    }

    /// Writes all that waits.
    pub(crate) fn poll_drain(
        &mut self,
        cx: &mut Context<'_>,
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<()>> {
        while !self.waiting.is_empty() {
            let polled = Pin::new(&mut *writer).poll_write(cx, self.waiting());
            let len = ready!(self.written(polled))?;
            if len == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.waiting.start += len;
            self.needs_flush = true;
        }
        // A reader that has more fills the same block again.
        self.waiting = 0..0;
        Poll::Ready(Ok(()))
    }

    /// Sees to it that what was written gets out.
    pub(crate) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<()>> {
        if self.needs_flush {
            let polled = Pin::new(writer).poll_flush(cx);
            ready!(self.written(polled))?;
            self.needs_flush = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Tells the writer that nothing more comes.
    pub(crate) fn poll_finish(
        &mut self,
        cx: &mut Context<'_>,
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<()>> {
        if !self.is_done() {
            let polled = Pin::new(writer).poll_shutdown(cx);
            ready!(self.written(polled))?;
            self.stage = Stage::Done;
            self.recycle();
        }
        Poll::Ready(Ok(()))
    }

    /// Notes whether the writer has failed.
    fn written<T>(&mut self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.is_refused |= matches!(polled, Poll::Ready(Err(_)));
        polled
    }

    /// Moves all there is, up to the reader's end and the writer's.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut (impl AsyncRead + Unpin),
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_drain(cx, writer))?;
            if self.is_read() {
                return self.poll_finish(cx, writer);
            }
            if self.poll_fill(cx, reader)?.is_pending() {
                ready!(self.poll_flush(cx, writer))?;
                return Poll::Pending;
            }
        }
    }

    fn recycle(&mut self) {
        self.block = None;
        self.waiting = 0..0;
    }
}

/// Moves bytes both ways, each until its end. A side that has said all may refuse the rest of what comes.
///
/// # Errors
/// When either side breaks off; dropping both then tells the other one.
pub(crate) async fn both_ways(
    one: &mut (impl AsyncRead + AsyncWrite + Unpin),
    other: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> io::Result<()> {
    let (mut there, mut back) = (Pump::default(), Pump::default());
    poll_fn(|cx| {
        let (sent, received) = (there.poll(cx, one, other), back.poll(cx, other, one));
        let sent = there.judged(sent, back.is_done())?;
        let received = back.judged(received, there.is_done())?;
        ready!(sent);
        ready!(received);
        Poll::Ready(Ok(()))
    })
    .await
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn bytes_pass_and_an_idle_direction_holds_no_buffer() {
        let (mut caller, mut near) = duplex(256 * 1024);
        let (mut far, mut service) = duplex(256 * 1024);
        let mut pump = Pump::default();
        let sent = (0..=u8::MAX).cycle().take(200_000).collect::<Vec<_>>();
        caller.write_all(&sent).await.unwrap();
        let step = poll_fn(|cx| Poll::Ready(pump.poll(cx, &mut near, &mut far))).await;
        assert!(step.is_pending() && pump.block.is_none());
        drop(caller);
        poll_fn(|cx| pump.poll(cx, &mut near, &mut far))
            .await
            .unwrap();
        let mut got = Vec::new();
        drop(far);
        service.read_to_end(&mut got).await.unwrap();
        assert!(got == sent, "the bytes came changed");
    }

    #[tokio::test]
    async fn a_reader_that_does_not_keep_up_is_waited_for() {
        let (mut caller, mut near) = duplex(BLOCK_LEN * 4);
        let (mut far, mut service) = duplex(1000);
        caller.write_all(&vec![7; BLOCK_LEN * 2]).await.unwrap();
        drop(caller);
        let mut pump = Pump::default();
        let stuck = poll_fn(|cx| Poll::Ready(pump.poll(cx, &mut near, &mut far))).await;
        assert!(stuck.is_pending());
        assert_eq!(pump.waiting().len(), BLOCK_LEN - 1000);
        let mut got = Vec::new();
        let pumping = async {
            poll_fn(|cx| pump.poll(cx, &mut near, &mut far))
                .await
                .unwrap();
            drop(far);
        };
        let ((), read) = tokio::join!(pumping, service.read_to_end(&mut got));
        assert_eq!((read.unwrap(), got.len()), (2 * BLOCK_LEN, 2 * BLOCK_LEN));
    }
}
