// SPDX-License-Identifier: MPL-2.0
//! HTTP requests to an agent's service, over streams to its node: in one piece ([`Service::fetch`])
//! or as they come ([`Service::forward`]).
//!
//! The service is met as HTTP/1.1. Streams stay open between requests, per caller and agent
//! ([`pool`]), so a service sees keep-alive connections. An agent of this node is called
//! without the network in between.

mod answer;
mod call;
mod ended;
mod forward;
mod hops;
mod outgoing;
mod pool;
mod request;
mod turn;

use std::time::Duration;

use a2al_protocol::Aid;
use a2al_protocol::network::Paths;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request};
use tokio::time::{timeout, timeout_at};

pub use forward::ForwardedBody;
pub(crate) use pool::Pool;
pub(crate) use turn::{Stage, Turn};

use outgoing::Outgoing;

use crate::error::Input;
use crate::service_tcp::ServiceTcp;
use crate::{Error, Service, model};

/// Longest time for one call, lookup and connecting included. Source: the reference.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Longest time from sending the request to the end of the answer. Source: the reference.
const ROUND_TRIP_TIMEOUT: Duration = Duration::from_secs(30);

impl Service {
    /// Sends one HTTP request to the service of `aid` and returns its answer, whatever its status.
    ///
    /// Redirects are not followed. At most 4 MiB of the body are returned. Takes at most 60 s.
    /// Dropping the future ends the request.
    ///
    /// # Errors
    /// [`Error::Input`] for a request HTTP cannot express; the others say how far the call came.
    pub async fn fetch(
        &self,
        aid: Aid,
        request: model::Fetch,
    ) -> Result<model::FetchAnswer, Error> {
        self.fetch_in_turn(aid, &request, &Turn::default()).await
    }

    /// The same for one of several agents that may answer the request.
    pub(crate) async fn fetch_in_turn(
        &self,
        aid: Aid,
        request: &model::Fetch,
        turn: &Turn,
    ) -> Result<model::FetchAnswer, Error> {
        let caller = self.caller(request.local_aid.as_deref().unwrap_or_default())?;
        let local = self.own_service(&aid)?;
        let http = request::build(request, local.as_ref().map(ServiceTcp::authority))?;
        let call = call::Call {
            service: self,
            caller,
            agent: aid,
            local,
            paths: match request.disable_relay {
                Some(true) => Paths::Direct,
                _ => self.paths(),
            },
            patience: ROUND_TRIP_TIMEOUT,
            turn,
        };
        timeout(CALL_TIMEOUT, fetched(&call, http))
            .await
            .map_err(|_| Error::FetchTimeout)?
    }

    /// The method of a request that HTTP can express.
    ///
    /// # Errors
    /// Names the part that it cannot.
    pub(crate) fn method_of(request: &model::Fetch) -> Result<Method, Input> {
        Ok(request::build(request, None)?.method().clone())
    }

    /// The address to call as.
    pub(crate) fn caller(&self, local_aid: &str) -> Result<Aid, Error> {
        if local_aid.is_empty() {
            return Ok(self.node_aid());
        }
        let aid = local_aid.parse().map_err(|_| Input::LocalAid)?;
        if aid == self.node_aid() || self.core.registry.get(&aid).is_some() {
            return Ok(aid);
        }
        Err(Error::CallerNotHosted)
    }

    /// The service of one of this node's own agents; `None` for agents elsewhere.
    fn own_service(&self, aid: &Aid) -> Result<Option<ServiceTcp>, Error> {
        if *aid == self.node_aid() {
            return Err(Error::NoInbound);
        }
        match self.core.registry.get(aid) {
            Some(agent) => agent.service.clone().map(Some).ok_or(Error::NoInbound),
            None => Ok(None),
        }
    }
}

/// The whole answer to a request that is there as a whole.
async fn fetched(
    call: &call::Call<'_>,
    request: Request<Full<Bytes>>,
) -> Result<model::FetchAnswer, Error> {
    let answered = call.run(Outgoing::new(request)).await?;
    let (deadline, kept) = (answered.since + ROUND_TRIP_TIMEOUT, answered.kept);
    let mut answer = timeout_at(deadline, answer::read(answered.response))
        .await
        .map_err(|_| Error::FetchTimeout)?
        .map_err(Error::NoAnswer)?;
    answer.is_relayed = kept.is_relayed();
    if !answer.truncated {
        kept.put_back();
    }
    Ok(answer)
}
