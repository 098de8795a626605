// SPDX-License-Identifier: MPL-2.0
//! Getting a request to the service, up to the beginning of its answer.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use a2al_protocol::network::{AgentStream, CallError, Content, Paths, Refusal, RefusalHandle};
use a2al_protocol::{Aid, VerifiedRecord};
use hyper::Response;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};

use super::ended::EndedAsOne;
use super::outgoing::Outgoing;
use super::pool::{Route, Sender, Wanted, Way};
use super::turn::Turn;
use crate::connect::refused;
use crate::service_tcp::ServiceTcp;
use crate::{Error, Service, resolve};

/// Longest head of an answer, in bytes.
const MAX_HEAD_LEN: usize = 64 * 1024;

/// Who calls whom.
pub(super) struct Call<'a> {
    pub(super) service: &'a Service,
    pub(super) caller: Aid,
    pub(super) agent: Aid,
    /// The service, when the agent is one of this node.
    pub(super) local: Option<ServiceTcp>,
    /// The paths that may be taken to an agent elsewhere.
    pub(super) paths: Paths,
    /// Longest wait for the beginning of the answer, from when something of the request was last
    /// sent.
    pub(super) patience: Duration,
    /// Tells how far the request has come, and when it may be sent.
    pub(super) turn: &'a Turn,
}

/// An answer that has begun, and the connection that the rest of it comes over.
pub(super) struct Answered {
    pub(super) response: Response<Incoming>,
    /// When its request was begun.
    pub(super) since: Instant,
    /// For the next request, once this one is over.
    pub(super) kept: Kept,
}

/// A connection that is busy with an answer.
pub(super) struct Kept {
    service: Service,
    route: Route,
    sender: Sender,
    request: Outgoing,
}

impl Kept {
    /// Whether the bytes pass through a relay.
    pub(super) fn is_relayed(&self) -> bool {
        self.sender.way.is_relayed
    }

    /// Leaves the connection to another protocol, which may end one direction before the other.
    pub(super) fn give_away(self) {
        self.sender.halves.part();
    }

    /// Lets the connection wait for its next request. Nothing of the answer may be left on it.
    pub(super) fn put_back(self) {
        // The service may have answered before it had heard everything.
        if self.request.is_sent() {
            self.service.core.pool.put(self.route, self.sender);
        }
    }
}

/// How a request failed on a connection.
enum Failure {
    /// Nothing of it was sent.
    NotSent(hyper::Error),
    /// No answer began.
    NoAnswer(hyper::Error),
    /// The answer did not begin in time.
    Timeout,
    /// The agent's node refused the stream, so the service never saw the request.
    Refused(Refusal),
}

/// A connection to the service, ready for a request.
struct Connection {
    route: Route,
    sender: Sender,
    /// Where a late refusal shows.
    refusal: RefusalHandle,
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotSent(error) | Failure::NoAnswer(error) => Self::NoAnswer(error),
            Failure::Timeout => Self::FetchTimeout,
            Failure::Refused(refusal) => refused(refusal.into()),
        }
    }
}

impl Call<'_> {
    /// Sends the request over a connection that waits, or over a new one.
    ///
    /// A service closes waiting connections when it likes. A request that meets such an end is sent
    /// again on a new one if it was not sent at all or may be repeated. Where the agent's node
    /// wants a new handshake, does not host the agent any more, or is gone, one more stream is
    /// opened. Whatever became of it, a request whose beginning is not there any more is not sent
    /// again.
    pub(super) async fn run(&self, request: Outgoing) -> Result<Answered, Error> {
        // Where another provider may be asked instead, whoever has sent keeps the turn for good.
        let is_repeatable = request.is_idempotent() && !self.turn.is_exclusive();
        if let Some(connection) = self.pooled(is_repeatable && request.is_short()).await? {
            let route = connection.route.clone();
            let failure = match self.exchange(connection, &request).await {
                Ok(begun) => return Ok(begun.with(self.service, request)),
                Err(failure) => failure,
            };
            self.service.core.pool.forget(&route);
            match failure {
                _ if !request.is_whole() => return Err(failure.into()),
                Failure::NotSent(_) | Failure::Refused(_) => {}
                Failure::NoAnswer(_) if is_repeatable => {}
                failure => return Err(failure.into()),
            }
        }
        let connection = self.connect().await?;
        match self.exchange(connection, &request).await {
            Err(failure)
                if request.is_whole() && self.is_worth_another(&failure, is_repeatable) => {}
            result => return Ok(result?.with(self.service, request)),
        }
        self.service.distrust_endpoint(&self.agent);
        let connection = self.connect().await?;
        let begun = self.exchange(connection, &request).await?;
        Ok(begun.with(self.service, request))
    }

    /// Whether a request that failed on a new connection may succeed on one more.
    fn is_worth_another(&self, failure: &Failure, is_repeatable: bool) -> bool {
        match failure {
            Failure::Refused(Refusal::NotHosted | Refusal::ProofRequired) => true,
            Failure::NotSent(_) => self.local.is_none(),
            // A service that breaks off ends its stream; an error means that the path broke.
            Failure::NoAnswer(error) => {
                self.local.is_none() && is_repeatable && !error.is_incomplete_message()
            }
            Failure::Timeout | Failure::Refused(_) => false,
        }
    }

    /// A connection that waits. A request that must not go on two ways takes none: there, a node that
    /// has just died would not be told from one that is slow.
    async fn pooled(&self, is_repeatable: bool) -> Result<Option<Connection>, Error> {
        if self.turn.is_exclusive() {
            return Ok(None);
        }
        let route = match &self.local {
            Some(service) => self.local_route(service),
            None => self.remote_route(&self.service.endpoint_to_call(self.agent).await?),
        };
        let wanted = Wanted {
            is_repeatable,
            paths: self.paths,
        };
        let sender = self.service.core.pool.take(&route, wanted);
        let refusal = RefusalHandle::default();
        Ok(sender.map(|sender| Connection {
            route,
            sender,
            refusal,
        }))
    }

    async fn connect(&self) -> Result<Connection, Error> {
        if let Some(service) = &self.local {
            let calling = self
                .service
                .call_own(self.caller, self.agent, Content::Http);
            let stream = calling.await.map_err(|refusal| refused(refusal.into()))?;
            let sender = self.handshake(stream, Way::local()).await?;
            let refusal = RefusalHandle::default();
            return Ok(Connection {
                route: self.local_route(service),
                sender,
                refusal,
            });
        }
        let (record, mut stream) = self
            .service
            .call(self.caller, self.agent, self.paths, Content::Http)
            .await?;
        if self.turn.is_exclusive() {
            accepted(&mut stream).await?;
        }
        let (refusal, way) = (stream.refusal(), Way::from(stream.path()));
        let sender = self.handshake(stream, way).await?;
        Ok(Connection {
            route: self.remote_route(&record),
            sender,
            refusal,
        })
    }

    fn local_route(&self, service: &ServiceTcp) -> Route {
        Route::Local {
            caller: self.caller,
            agent: self.agent,
            service: service.clone(),
        }
    }

    fn remote_route(&self, record: &VerifiedRecord) -> Route {
        Route::Remote {
            caller: self.caller,
            agent: self.agent,
            peer: resolve::peer(record),
        }
    }

    /// Starts HTTP on a fresh connection.
    async fn handshake(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        way: Way,
    ) -> Result<Sender, Error> {
        let (stream, halves) = EndedAsOne::new(stream);
        let (http, connection) = http1::Builder::new()
            // Some services look names up by their usual capitals, against the standard.
            .title_case_headers(true)
            .max_buf_size(MAX_HEAD_LEN)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(Error::NoAnswer)?;
        self.service.spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "connection to a service ended");
            }
        });
        Ok(Sender { http, way, halves })
    }

    /// One request, up to the beginning of its answer.
    async fn exchange(&self, connection: Connection, request: &Outgoing) -> Result<Begun, Failure> {
        let Connection {
            route,
            mut sender,
            refusal,
        } = connection;
        self.turn.begin().await;
        let since = Instant::now();
        let answering = self.in_time(request, round_trip(&mut sender, request));
        let answering = answering.await;
        let answered = answering.map_err(|failure| refusal.get().map_or(failure, Failure::Refused));
        match &answered {
            Ok(_) => self.turn.answered(),
            Err(Failure::NotSent(_) | Failure::Refused(_)) => self.turn.not_seen(),
            Err(Failure::NoAnswer(_) | Failure::Timeout) => {}
        }
        let response = answered?;
        Ok(Begun {
            response,
            since,
            route,
            sender,
        })
    }

    /// What `answering` brings, as long as the request moves on or was sent only lately.
    async fn in_time<T>(
        &self,
        request: &Outgoing,
        answering: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let mut answering = pin!(answering);
        let mut deadline = Instant::now() + self.patience;
        loop {
            if let Ok(answered) = timeout_at(deadline, answering.as_mut()).await {
                return answered;
            }
            let later = request.since() + self.patience;
            if later <= deadline {
                return Err(Failure::Timeout);
            }
            deadline = later;
        }
    }
}

/// An answer that has begun, on a connection that belongs to it alone.
struct Begun {
    response: Response<Incoming>,
    since: Instant,
    route: Route,
    sender: Sender,
}

impl Begun {
    fn with(self, service: &Service, request: Outgoing) -> Answered {
        let Self {
            response,
            since,
            route,
            sender,
        } = self;
        Answered {
            response,
            since,
            kept: Kept {
                service: service.clone(),
                route,
                sender,
                request,
            },
        }
    }
}

/// Waits until the agent's node has let the stream through to the service.
async fn accepted(stream: &mut AgentStream) -> Result<(), Error> {
    let refusal = stream.refusal();
    let accepting = poll_fn(|cx| stream.poll_accepted(cx)).await;
    accepting.map_err(|error| match refusal.get() {
        Some(refusal) => refused(refusal.into()),
        None => Error::Connect(CallError::Stream(error)),
    })
}

async fn round_trip(
    sender: &mut Sender,
    request: &Outgoing,
) -> Result<Response<Incoming>, Failure> {
    sender.http.ready().await.map_err(Failure::NotSent)?;
    sender
        .http
        .try_send_request(request.request())
        .await
        .map_err(|mut error| {
            let not_sent = error.take_message().is_some();
            let error = error.into_error();
            if not_sent {
                Failure::NotSent(error)
            } else {
                Failure::NoAnswer(error)
            }
        })
}
