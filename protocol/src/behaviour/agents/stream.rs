// SPDX-License-Identifier: MPL-2.0
//! The stream that two agents share after the handshake.

use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use a2al_proto::v1;
use libp2p::swarm::ConnectionId;
use prost::Message as _;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::MAX_MESSAGE_LEN;
use super::bindings::{Binding, Bindings, Pair, Side};
use super::handshake::Refusal;
use crate::behaviour::streams::{Stream, StreamPath};

/// User bytes between two agents that know who the other one is.
///
/// A caller may write at once. What the callee said first, accepted or refused, is taken in by the first read: a refusal is
/// an [`io::Error`] of kind `ConnectionRefused` whose source is a [`Refusal`]. Shutting down closes our direction only.
#[derive(Debug)]
pub struct AgentStream {
    stream: Stream,
    answer: Answer,
}

/// What is known of the callee's first message.
#[derive(Debug)]
enum Answer {
    /// Nothing more to read: this side is the callee, or the answer was taken in.
    Known,
    /// The bytes that have arrived of it, the length first, and whom it will concern.
    Pending {
        bytes: Vec<u8>,
        claim: Claim,
        outcome: RefusalHandle,
    },
}

/// What the callee's answer decides: whether the pair is bound on the connection.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) bindings: Bindings,
    pub(super) connection: ConnectionId,
    pub(super) pair: Pair,
    /// What the callee proved.
    pub(super) binding: Binding,
}

impl Claim {
    fn settle(self, verdict: Result<(), Refusal>) {
        let Self {
            bindings,
            connection,
            pair,
            binding,
        } = self;
        if verdict.is_err_and(Refusal::is_about_identity) {
            bindings.remove(connection, Side::Caller, pair);
        } else {
            bindings.insert(connection, Side::Caller, pair, binding);
        }
    }
}

/// Tells, once the callee has answered, whether and why it refused the stream.
///
/// Useful where the stream was given away, to an HTTP client for one, and only its error is seen.
#[derive(Clone, Debug, Default)]
pub struct RefusalHandle(Arc<OnceLock<Refusal>>);

impl RefusalHandle {
    /// The callee's refusal; `None` if it accepted, or has not answered.
    pub fn get(&self) -> Option<Refusal> {
        self.0.get().copied()
    }
}

impl AgentStream {
    /// A stream whose handshake is done.
    pub(super) fn open(stream: Stream) -> Self {
        Self {
            stream,
            answer: Answer::Known,
        }
    }

    /// A stream on which the callee's answer is still to come.
    pub(super) fn unanswered(stream: Stream, claim: Claim) -> Self {
        let outcome = RefusalHandle::default();
        Self {
            stream,
            answer: Answer::Pending {
                bytes: Vec::new(),
                claim,
                outcome,
            },
        }
    }

    /// The connection that the stream is on.
    pub fn path(&self) -> StreamPath {
        self.stream.path()
    }

    /// Where a refusal will show.
    pub fn refusal(&self) -> RefusalHandle {
        match &self.answer {
            Answer::Known => RefusalHandle::default(),
            Answer::Pending { outcome, .. } => outcome.clone(),
        }
    }

    /// Waits until the callee has accepted the stream; reads nothing of what it then sends.
    ///
    /// Has no deadline of its own. What is written meanwhile reaches nobody if the callee refuses.
    ///
    /// # Errors
    /// Those of the first read, see [`AgentStream`].
    pub fn poll_accepted(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What opens the stream may still wait to be sent, and an answer would never come.
        let _unless_full = Pin::new(&mut self.stream).poll_flush(cx)?;
        self.poll_answer(cx)
    }

    /// Takes in the callee's answer, without reading beyond it.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Answer::Pending { bytes, .. } = &mut self.answer else {
            return Poll::Ready(Ok(()));
        };
        let message = ready!(poll_message(&mut self.stream, bytes, cx))?;
        let verdict = verdict(&message);
        if let Answer::Pending { claim, outcome, .. } =
            mem::replace(&mut self.answer, Answer::Known)
        {
            claim.settle(verdict);
            if let Err(refusal) = verdict {
                outcome.0.get_or_init(|| refusal);
            }
        }
        Poll::Ready(
            verdict.map_err(|refusal| io::Error::new(io::ErrorKind::ConnectionRefused, refusal)),
        )
    }
}

impl AgentStream {
    /// What became of a write. A callee that refuses takes no more bytes, and its reason may come after that is noticed.
    fn told<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        let error = match ready!(written) {
            Ok(value) => return Poll::Ready(Ok(value)),
            Err(error) => error,
        };
        match ready!(self.poll_answer(cx)) {
            Err(refusal) if refusal.kind() == io::ErrorKind::ConnectionRefused => {
                Poll::Ready(Err(refusal))
            }
            _ => Poll::Ready(Err(error)),
        }
    }
}

/// Reads until `bytes` holds one whole message, and returns it without its length.
fn poll_message(
    stream: &mut Stream,
    bytes: &mut Vec<u8>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<Vec<u8>>> {
    loop {
        let wanted = match bytes.first_chunk::<4>() {
            None => 4,
            Some(prefix) => 4 + u32::from_be_bytes(*prefix) as usize,
        };
        if wanted > 4 + MAX_MESSAGE_LEN {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        if bytes.len() == wanted {
            return Poll::Ready(Ok(bytes.split_off(4)));
        }
        let mut space = [0; 512];
        let missing = (wanted - bytes.len()).min(space.len());
        let mut buffer = ReadBuf::new(&mut space[..missing]);
        ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer))?;
        if buffer.filled().is_empty() {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        bytes.extend_from_slice(buffer.filled());
    }
}

/// Accepted or refused, as an encoded [`v1::Answer`] says.
fn verdict(message: &[u8]) -> Result<(), Refusal> {
    let answer = v1::Answer::decode(message).map_err(|_| Refusal::Malformed)?;
    match answer.body {
        Some(v1::answer::Body::Accepted(v1::Accepted {})) => Ok(()),
        Some(v1::answer::Body::Refused(refused)) => Err(refused.code().into()),
        Some(v1::answer::Body::Challenge(_)) | None => Err(Refusal::Malformed),
    }
}

impl AsyncRead for AgentStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_answer(cx))?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for AgentStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.told(written, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.told(flushed, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
