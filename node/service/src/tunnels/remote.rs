// SPDX-License-Identifier: MPL-2.0
//! The far side of a tunnel's connection: a stream to the agent, or its service when it is ours.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use a2al_protocol::Aid;
use a2al_protocol::network::{AgentStream, CallError, Content, Paths, Refusal};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::time::timeout;
use tokio_util::either::Either;

use super::ahead::{Nobody, Waiting};
use super::traffic::Traffic;
use crate::connect::refused;
use crate::whole::poll_is_whole;
use crate::{Error, Service};

/// Longest time to reach an agent's service, lookup and both handshakes included.
///
/// Enough for one lost connection to be noticed (10.5 s) and another one to be made.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);

/// Who calls whom.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Target {
    pub(super) caller: Aid,
    pub(super) agent: Aid,
    /// Whether relayed paths are refused whatever the configuration says.
    pub(super) is_direct_only: bool,
}

/// An open way to an agent's service.
#[derive(Debug)]
pub(super) struct Remote {
    stream: Stream,
}

/// To an agent elsewhere, or of this node.
type Stream = Either<Box<AgentStream>, DuplexStream>;

impl Target {
    /// Opens a stream to the agent's service, which has taken it when this returns. Takes at most
    /// 30 s.
    ///
    /// # Errors
    /// How far the call came.
    pub(super) async fn open(self, service: &Service) -> Result<Remote, Error> {
        self.open_for(service, &mut Nobody).await
    }

    /// The same for a client that may send meanwhile.
    pub(super) async fn open_for(
        self,
        service: &Service,
        client: &mut impl Waiting,
    ) -> Result<Remote, Error> {
        let opened = timeout(OPEN_TIMEOUT, self.reach(service, client)).await;
        let opened = opened.unwrap_or(Err(Error::Connect(CallError::Timeout)));
        opened.map_err(|error| match error {
            Error::Connect(failure) => Error::TunnelConnect(failure),
            error => error,
        })
    }

    async fn reach(self, service: &Service, client: &mut impl Waiting) -> Result<Remote, Error> {
        if self.agent == service.node_aid() {
            return Err(Error::NoInbound);
        }
        if let Some(remote) = self.own(service).await? {
            return Ok(remote);
        }
        match self.call(service, client).await? {
            Ok(remote) => return Ok(remote),
            Err(failure) if is_worth_another(&failure, client) => {
                tracing::debug!(agent = %self.agent, error = %failure, "stream not accepted");
            }
            Err(failure) => return Err(refused(failure)),
        }
        client.rewind();
        service.distrust_endpoint(&self.agent);
        self.call(service, client).await?.map_err(refused)
    }

    /// A stream to an agent of this node; `None` if it is elsewhere.
    async fn own(self, service: &Service) -> Result<Option<Remote>, Error> {
        if service.core.registry.get(&self.agent).is_none() {
            return Ok(None);
        }
        let calling = service.call_own(self.caller, self.agent, Content::Bytes);
        let stream = calling.await.map_err(|refusal| refused(refusal.into()))?;
        let stream = Either::Right(stream);
        Ok(Some(Remote { stream }))
    }

    /// One stream, and what the agent's node answered to it.
    async fn call(
        self,
        service: &Service,
        client: &mut impl Waiting,
    ) -> Result<Result<Remote, CallError>, Error> {
        let paths = if self.is_direct_only {
            Paths::Direct
        } else {
            service.paths()
        };
        let called = service.call(self.caller, self.agent, paths, Content::Bytes);
        let (_, mut stream) = called.await?;
        let accepted = poll_fn(|cx| client.poll_accepted(&mut stream, cx)).await;
        if let Err(error) = accepted {
            return Ok(Err(failure(error)));
        }
        Ok(Ok(Remote {
            stream: Either::Left(Box::new(stream)),
        }))
    }
}

/// What an unaccepted stream's error says.
fn failure(error: io::Error) -> CallError {
    let cause = error.get_ref();
    match cause.and_then(|cause| cause.downcast_ref::<Refusal>()) {
        Some(refusal) => CallError::Refused(*refusal),
        None => CallError::Stream(error),
    }
}

/// Whether another stream may be accepted, and nothing of the user's can reach the service twice.
fn is_worth_another(failure: &CallError, client: &impl Waiting) -> bool {
    match failure {
        CallError::Refused(Refusal::NotHosted | Refusal::ProofRequired) => true,
        CallError::Stream(_) => !client.has_sent(),
        _ => false,
    }
}

impl Remote {
    /// Whether the bytes pass through a relay.
    pub(super) fn is_relayed(&self) -> bool {
        match &self.stream {
            Either::Left(stream) => stream.path().is_relayed(),
            Either::Right(_) => false,
        }
    }

    /// Counts what passes from now on.
    pub(super) fn metered(self, traffic: Arc<Traffic>) -> Metered {
        Metered {
            stream: self.stream,
            traffic,
            is_shut: false,
        }
    }
}

/// A stream whose bytes are counted, and which tells a broken stream from one that ended.
#[derive(Debug)]
pub(super) struct Metered {
    stream: Stream,
    traffic: Arc<Traffic>,
    /// Whether our direction was ended.
    is_shut: bool,
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        match buffer.filled().len() - before {
            0 if self.is_shut => {}
            0 => poll_is_whole(&mut self.stream, cx)?,
            len => self.traffic.received(len),
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let len = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.traffic.sent(len);
        Poll::Ready(Ok(len))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.is_shut = true;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
