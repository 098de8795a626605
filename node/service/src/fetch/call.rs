// SPDX-License-Identifier: MPL-2.0
//! Getting a request to the service and its answer back.

use std::time::Duration;

use a2al_protocol::network::{Content, Paths, Refusal, RefusalHandle};
use a2al_protocol::{Aid, VerifiedRecord};
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::answer::{self, Answer};
use super::pool::{Route, Sender, Wanted, Way};
use crate::connect::refused;
use crate::service_tcp::ServiceTcp;
use crate::{Error, Service, model, resolve};

/// Longest time from sending the request to the end of the answer. Source: the reference.
const ROUND_TRIP_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest head of an answer, in bytes.
const MAX_HEAD_LEN: usize = 64 * 1024;

type HttpRequest = Request<Full<Bytes>>;

/// Who calls whom.
pub(super) struct Call<'a> {
    pub(super) service: &'a Service,
    pub(super) caller: Aid,
    pub(super) agent: Aid,
    /// The service, when the agent is one of this node.
    pub(super) local: Option<ServiceTcp>,
    /// The paths that may be taken to an agent elsewhere.
    pub(super) paths: Paths,
}

/// How a request failed on a connection.
enum Failure {
    /// Nothing of it was sent.
    NotSent(hyper::Error),
    /// No answer began.
    NoAnswer(hyper::Error),
    /// The answer broke off.
    Broken(hyper::Error),
    /// The answer did not end in time.
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
            Failure::NotSent(error) | Failure::NoAnswer(error) | Failure::Broken(error) => {
                Self::NoAnswer(error)
            }
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
    /// opened.
    pub(super) async fn run(&self, request: HttpRequest) -> Result<model::FetchAnswer, Error> {
        let is_repeatable = request.method().is_idempotent();
        if let Some(connection) = self.pooled(is_repeatable).await? {
            let route = connection.route.clone();
            let failure = match self.exchange(connection, request.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            self.service.core.pool.forget(&route);
            match failure {
                Failure::NotSent(_) | Failure::Refused(_) => {}
                Failure::NoAnswer(_) if is_repeatable => {}
                failure => return Err(failure.into()),
            }
        }
        let connection = self.connect().await?;
        match self.exchange(connection, request.clone()).await {
            Err(failure) if self.is_worth_another(&failure, is_repeatable) => {}
            result => return Ok(result?),
        }
        self.service.distrust_endpoint(&self.agent);
        Ok(self.exchange(self.connect().await?, request).await?)
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
            Failure::Broken(_) | Failure::Timeout | Failure::Refused(_) => false,
        }
    }

    async fn pooled(&self, is_repeatable: bool) -> Result<Option<Connection>, Error> {
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
        let (record, stream) = self
            .service
            .call(self.caller, self.agent, self.paths, Content::Http)
            .await?;
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
        let (http, connection) = http1::Builder::new()
            // Some services look names up by their usual capitals, against the standard.
            .title_case_headers(true)
            .max_buf_size(MAX_HEAD_LEN)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(Error::NoAnswer)?;
        self.service.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to a service ended");
            }
        });
        Ok(Sender { http, way })
    }

    /// One request and its answer; keeps the connection for the next when it can carry one.
    async fn exchange(
        &self,
        connection: Connection,
        request: HttpRequest,
    ) -> Result<model::FetchAnswer, Failure> {
        let Connection {
            route,
            mut sender,
            refusal,
        } = connection;
        let answer = timeout(ROUND_TRIP_TIMEOUT, round_trip(&mut sender, request)).await;
        let Answer {
            mut answer,
            is_complete,
        } = answer
            .unwrap_or(Err(Failure::Timeout))
            .map_err(|failure| refusal.get().map_or(failure, Failure::Refused))?;
        answer.is_relayed = sender.way.is_relayed;
        if is_complete {
            self.service.core.pool.put(route, sender);
        }
        Ok(answer)
    }
}

async fn round_trip(sender: &mut Sender, request: HttpRequest) -> Result<Answer, Failure> {
    sender.http.ready().await.map_err(Failure::NotSent)?;
    let response = sender
        .http
        .try_send_request(request)
        .await
        .map_err(|mut error| {
            let not_sent = error.take_message().is_some();
            let error = error.into_error();
            if not_sent {
                Failure::NotSent(error)
            } else {
                Failure::NoAnswer(error)
            }
        })?;
    answer::read(response).await.map_err(Failure::Broken)
}
