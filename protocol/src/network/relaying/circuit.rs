// SPDX-License-Identifier: MPL-2.0
//! The relay's end of a substream on which a peer asks for a reservation or a circuit, and which then is that circuit.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use futures::{AsyncRead, AsyncWrite};
use prost::Message as _;
use tokio::time::{Instant, Sleep, sleep_until};

use super::budget::Promise;
use super::muxer::Source;
use super::negotiation::Length;
use super::{Account, RelayMeter};

/// Longest message of the relay protocol. Source: libp2p-relay's `MAX_MESSAGE_SIZE`.
const MAX_MESSAGE_LEN: usize = 4096;

/// `Status.OK` of the relay protocol.
const OK: i32 = 100;

/// One message each way, which are not metered, and after an answer that opens a circuit its bytes, which are.
#[derive(Debug)]
pub(super) struct Circuit {
    meter: RelayMeter,
    account: Arc<Account>,
    stage: Stage,
    request: Message,
    answer: Message,
    reading: Gate,
    writing: Gate,
    /// Bytes that this circuit may still carry.
    left: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Not answered yet. It counts for the source, as it may become a circuit.
    Asked,
    /// The circuit is open.
    Open,
    /// It was something else, or refused.
    Over,
}

impl Circuit {
    pub(super) fn new(source: &Source) -> Self {
        let account = source.meter.account(source.peer);
        account.circuits.fetch_add(1, Ordering::Relaxed);
        let left = match source.meter.limits().circuit_bytes {
            0 => u64::MAX,
            limit => limit,
        };
        Self {
            meter: source.meter.clone(),
            account,
            stage: Stage::Asked,
            request: Message::default(),
            answer: Message::default(),
            reading: Gate::default(),
            writing: Gate::default(),
            left,
        }
    }

    pub(super) fn poll_read(
        &mut self,
        inner: Pin<&mut impl AsyncRead>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(wanted) = self.request.wanted() {
            let len = wanted.min(buffer.len());
            let read = ready!(inner.poll_read(cx, &mut buffer[..len]))?;
            self.request.push(&buffer[..read])?;
            return Poll::Ready(Ok(read));
        }
        if self.stage != Stage::Open || buffer.is_empty() {
            return inner.poll_read(cx, buffer);
        }
        ready!(self.reading.poll_open(cx));
        let Some(promised) = ready!(self.poll_promise(cx, buffer.len())) else {
            return poll_end(inner, cx);
        };
        let polled = inner.poll_read(cx, &mut buffer[..promised]);
        if let Some(opens) = self.settle(promised, &polled) {
            self.reading.opens = opens;
        }
        polled
    }

    pub(super) fn poll_write(
        &mut self,
        inner: Pin<&mut impl AsyncWrite>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(wanted) = self.answer.wanted() {
            let len = wanted.min(bytes.len());
            let written = ready!(inner.poll_write(cx, &bytes[..len]))?;
            self.answer.push(&bytes[..written])?;
            if self.answer.wanted().is_none() {
                self.on_answered();
            }
            return Poll::Ready(Ok(written));
        }
        if self.stage != Stage::Open || bytes.is_empty() {
            return inner.poll_write(cx, bytes);
        }
        ready!(self.writing.poll_open(cx));
        let Some(promised) = ready!(self.poll_promise(cx, bytes.len())) else {
            return Poll::Ready(Err(used_up()));
        };
        let polled = inner.poll_write(cx, &bytes[..promised]);
        if let Some(opens) = self.settle(promised, &polled) {
            self.writing.opens = opens;
        }
        polled
    }

    fn on_answered(&mut self) {
        if self.answer.opens_circuit() {
            self.stage = Stage::Open;
            self.meter.0.circuits.fetch_add(1, Ordering::Relaxed);
            let opens = self.meter.settle(&self.account, 0, 0);
            (self.reading.opens, self.writing.opens) = (opens, opens);
        } else {
            self.end();
        }
    }

    /// How many of `wanted` bytes may pass; `None` if the circuit or the day has no bytes left.
    fn poll_promise(&self, cx: &Context<'_>, wanted: usize) -> Poll<Option<usize>> {
        let wanted = self.left.min(wanted as u64);
        if wanted == 0 {
            return Poll::Ready(None);
        }
        match self.meter.promise(wanted) {
            Promise::Bytes(promised) => Poll::Ready(usize::try_from(promised).ok()),
            Promise::Exhausted => Poll::Ready(None),
            Promise::Held => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    /// Counts what has passed of the promised bytes. Returns when the next ones may; nobody waits for what has not passed.
    fn settle(&mut self, promised: usize, polled: &Poll<io::Result<usize>>) -> Option<Instant> {
        let moved = match polled {
            Poll::Ready(Ok(moved)) => *moved as u64,
            Poll::Ready(Err(_)) | Poll::Pending => 0,
        };
        self.left -= moved;
        let opens = self.meter.settle(&self.account, promised as u64, moved);
        (moved > 0).then_some(opens)
    }

    fn end(&mut self) {
        let counts: &[&AtomicUsize] = match self.stage {
            Stage::Asked => &[&self.account.circuits],
            Stage::Open => &[&self.account.circuits, &self.meter.0.circuits],
            Stage::Over => &[],
        };
        for count in counts {
            count.fetch_sub(1, Ordering::Relaxed);
        }
        self.stage = Stage::Over;
    }
}

impl Drop for Circuit {
    fn drop(&mut self) {
        self.end();
    }
}

/// Where no more bytes may pass, the end still may.
fn poll_end(inner: Pin<&mut impl AsyncRead>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
    match ready!(inner.poll_read(cx, &mut [0]))? {
        0 => Poll::Ready(Ok(0)),
        _ => Poll::Ready(Err(used_up())),
    }
}

fn used_up() -> io::Error {
    io::Error::new(
        io::ErrorKind::QuotaExceeded,
        "the relay carries no more bytes",
    )
}

/// Holds one direction back until its bytes may pass.
#[derive(Debug)]
struct Gate {
    opens: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            opens: Instant::now(),
            timer: None,
        }
    }
}

impl Gate {
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.opens <= Instant::now() {
            return Poll::Ready(());
        }
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(self.opens)));
        if timer.deadline() != self.opens {
            timer.as_mut().reset(self.opens);
        }
        timer.as_mut().poll(cx)
    }
}

/// A message with its length in front, as far as it has passed.
#[derive(Debug, Default)]
struct Message {
    length: Length,
    /// Bytes to come, once that is known.
    missing: Option<usize>,
    content: Vec<u8>,
}

impl Message {
    /// How many bytes may pass without going beyond the message; `None` if it is complete.
    fn wanted(&self) -> Option<usize> {
        match self.missing {
            None => Some(1),
            Some(0) => None,
            Some(missing) => Some(missing),
        }
    }

    /// Takes in bytes, no more than are wanted.
    fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.missing {
            Some(missing) => {
                self.content.extend_from_slice(bytes);
                *missing -= bytes.len();
            }
            None => self.missing = bytes.iter().find_map(|byte| self.length.push(*byte)),
        }
        match self.missing {
            Some(len) if len > MAX_MESSAGE_LEN => Err(io::ErrorKind::InvalidData.into()),
            _ => Ok(()),
        }
    }

    /// Whether it is the answer that opens a circuit. That of a reservation, which is also good, has one in it.
    fn opens_circuit(&self) -> bool {
        Answer::decode(self.content.as_slice())
            .is_ok_and(|answer| answer.status == Some(OK) && answer.reservation.is_none())
    }
}

/// What matters of a `HopMessage` of the relay protocol.
#[derive(prost::Message)]
struct Answer {
    #[prost(bytes = "vec", optional, tag = "3")]
    reservation: Option<Vec<u8>>,
    #[prost(int32, optional, tag = "5")]
    status: Option<i32>,
}
