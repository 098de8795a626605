// SPDX-License-Identifier: MPL-2.0
//! Streams whose bytes the service gets as they are.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep_until};

use super::first_line::{FirstLine, Verdict};
use super::meter::{Metered, Replayed};
use crate::pump::Pump;

/// How long the beginning of what may be a request is held when nothing follows.
const HOLD: Duration = Duration::from_secs(1);

/// How a watched stream goes on.
#[derive(Debug)]
pub(super) enum Passed {
    /// It ended.
    Whole,
    /// It is HTTP from its first byte; these bytes of it have arrived.
    Http(Bytes),
}

/// Moves bytes both ways, each until its end, but gives the stream back when it turns out to be HTTP.
///
/// # Errors
/// When either side breaks off, or what it carries is noticed too late.
pub(super) async fn watched<C, S>(
    caller: &mut Replayed<C>,
    service: &mut Metered<S>,
) -> io::Result<Passed>
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut up, mut down) = (Watched::default(), Pump::default());
    let mut hold = pin!(sleep_until(Instant::now()));
    poll_fn(|cx| {
        // What the service says first decides how the caller's bytes are read.
        let received = down.poll(cx, service, caller);
        let sent = match up.poll(cx, caller, service, hold.as_mut()) {
            Poll::Ready(Ok(Some(head))) => return Poll::Ready(Ok(Passed::Http(head))),
            sent => sent.map_ok(drop),
        };
        let sent = up.pump.judged(sent, down.is_done())?;
        let received = down.judged(received, up.pump.is_done())?;
        ready!(sent);
        ready!(received);
        Poll::Ready(Ok(Passed::Whole))
    })
    .await
}

/// The direction from the caller to the service, with an eye on its first line.
#[derive(Debug)]
struct Watched {
    pump: Pump,
    /// `None` once nothing is to be watched any more.
    line: Option<FirstLine>,
    is_held: bool,
}

impl Default for Watched {
    fn default() -> Self {
        Self {
            pump: Pump::default(),
            line: Some(FirstLine::default()),
            is_held: false,
        }
    }
}

impl Watched {
    /// Moves all there is; ready with the bytes that were held when they are HTTP, and with `None`
    /// at the end.
    fn poll<C, S>(
        &mut self,
        cx: &mut Context<'_>,
        caller: &mut Replayed<C>,
        service: &mut Metered<S>,
        mut hold: Pin<&mut Sleep>,
    ) -> Poll<io::Result<Option<Bytes>>>
    where
        C: AsyncRead + AsyncWrite + Unpin,
        S: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            if !self.is_held {
                if self.line.is_none() || self.pump.is_read() {
                    return self.pump.poll(cx, caller, service).map_ok(|()| None);
                }
                ready!(self.pump.poll_drain(cx, service))?;
            }
            match self.pump.poll_fill(cx, caller)? {
                Poll::Pending if self.is_held => {
                    if !service.session.has_answered() {
                        ready!(hold.as_mut().poll(cx));
                    }
                    self.release();
                }
                Poll::Pending => {
                    ready!(self.pump.poll_flush(cx, service))?;
                    return Poll::Pending;
                }
                Poll::Ready(0) => self.release(),
                Poll::Ready(len) => {
                    if let Some(head) = self.judge(len, service.session.has_answered())? {
                        service.session.is_http.store(true, Ordering::Relaxed);
                        return Poll::Ready(Ok(Some(head)));
                    }
                    hold.as_mut().reset(Instant::now() + HOLD);
                }
            }
        }
    }

    /// Decides on the last `len` bytes; returns all that wait when they are HTTP.
    fn judge(&mut self, len: usize, has_answered: bool) -> io::Result<Option<Bytes>> {
        let Some(line) = &mut self.line else {
            return Ok(None);
        };
        let waiting = self.pump.waiting();
        match line.take(&waiting[waiting.len() - len..], has_answered) {
            Verdict::Hold if self.pump.is_full() => self.release(),
            Verdict::Hold => self.is_held = true,
            Verdict::Pass => self.is_held = false,
            Verdict::Raw => {
                self.is_held = false;
                self.line = None;
            }
            Verdict::Http => return Ok(Some(Bytes::copy_from_slice(waiting))),
            Verdict::Cut => return Err(io::ErrorKind::InvalidData.into()),
        }
        Ok(None)
    }

    fn release(&mut self) {
        self.is_held = false;
        if let Some(line) = &mut self.line {
            line.pass();
        }
    }
}
