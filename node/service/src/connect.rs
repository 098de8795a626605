// SPDX-License-Identifier: MPL-2.0
//! Streams to agents on other nodes.

use a2al_protocol::network::{AgentStream, CallError, Paths, Refusal};
use a2al_protocol::{Aid, VerifiedRecord};

use crate::{Error, Service};

impl Service {
    /// Opens a stream from `caller`, who is hosted here, to `agent`; also returns the record that
    /// led there.
    ///
    /// When the known endpoint does not lead to the agent any more, a newer one is looked up and
    /// tried once.
    ///
    /// # Errors
    /// [`Error::TargetUnresolved`], or how far the call came.
    pub(crate) async fn call(
        &self,
        caller: Aid,
        agent: Aid,
    ) -> Result<(VerifiedRecord, AgentStream), Error> {
        let record = self.endpoint_to_call(agent).await?;
        let failure = match self.core.client.call(caller, &record, Paths::Any).await {
            Ok(stream) => return Ok((record, stream)),
            Err(failure) => failure,
        };
        if !leads_nowhere(&failure) {
            return Err(refused(failure));
        }
        tracing::debug!(%agent, error = %failure, "known endpoint failed");
        self.core.found.distrust(&record);
        let newer = self.endpoint_to_call(agent).await?;
        if !newer.is_newer_than(&record) {
            return Err(refused(failure));
        }
        let stream = self
            .core
            .client
            .call(caller, &newer, Paths::Any)
            .await
            .map_err(refused)?;
        Ok((newer, stream))
    }

    /// Looks up the endpoint of `agent` again before the next call.
    pub(crate) fn distrust_endpoint(&self, agent: &Aid) {
        if let Some(record) = self.core.found.newest(agent) {
            self.core.found.distrust(&record);
        }
    }

    /// The endpoint record of an agent about to be called.
    pub(crate) async fn endpoint_to_call(&self, agent: Aid) -> Result<VerifiedRecord, Error> {
        self.endpoint(agent)
            .await
            .map_err(|error| Error::TargetUnresolved(Box::new(error)))
    }
}

/// Whether another endpoint of the same agent might do better.
fn leads_nowhere(failure: &CallError) -> bool {
    matches!(
        failure,
        CallError::NoAddress
            | CallError::Unreachable
            | CallError::Timeout
            | CallError::Refused(Refusal::NotHosted)
    )
}

/// How a failed call is told to clients.
pub(crate) fn refused(failure: CallError) -> Error {
    match failure {
        CallError::Refused(Refusal::NoService) => Error::NoInbound,
        CallError::Refused(Refusal::ServiceUnreachable) => Error::InboundUnreachable,
        CallError::Refused(Refusal::Denied) => Error::AccessDenied,
        CallError::Refused(Refusal::Busy) => Error::Busy,
        CallError::CallerNotHosted(_) => Error::CallerNotHosted,
        CallError::Stopped => Error::Stopped,
        failure => Error::Connect(failure),
    }
}
