// SPDX-License-Identifier: MPL-2.0
//! Calls from other agents: each becomes a connection to the called agent's service.

use std::sync::Arc;
use std::time::Duration;

use a2al_protocol::Aid;
use a2al_protocol::network::{AgentStream, IncomingCall, Refusal};
use tokio::io::copy_bidirectional_with_sizes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::Service;
use crate::service_tcp::ServiceStream;

/// Streams to services at one time, idle ones included; further calls are refused as busy.
///
/// Each holds two buffers, so this is 128 MiB at most. Source: the reference takes 1024 gateway
/// connections.
const MAX_BRIDGES: usize = 1024;

/// Bytes copied at a time. Smaller writes cost QUIC streams throughput.
const BUFFER_LEN: usize = 64 * 1024;

/// How long telling the caller yes or no may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers calls until the network or the service stops.
pub(crate) async fn run(service: Service, mut calls: mpsc::Receiver<IncomingCall>) {
    let slots = Arc::new(Semaphore::new(MAX_BRIDGES));
    while let Some(call) = calls.recv().await {
        let slot = Arc::clone(&slots).try_acquire_owned();
        let answering = service.clone();
        service.spawn(async move {
            match slot {
                Ok(slot) => answer(answering, call, slot).await,
                Err(_) => refuse(call, Refusal::Busy).await,
            }
        });
    }
}

async fn answer(service: Service, call: IncomingCall, _slot: OwnedSemaphorePermit) {
    let (caller, agent) = (call.caller(), call.agent());
    let (upstream, bridges) = match service.open_service(agent).await {
        Ok(opened) => opened,
        Err(refusal) => {
            tracing::debug!(%caller, %agent, ?refusal, "call refused");
            return refuse(call, refusal).await;
        }
    };
    match timeout(ANSWER_TIMEOUT, call.accept()).await {
        Ok(Ok(stream)) => {
            tracing::debug!(%caller, %agent, "call accepted");
            bridge(stream, upstream, &bridges).await;
        }
        Ok(Err(error)) => tracing::debug!(%caller, %agent, %error, "caller left"),
        Err(_) => tracing::debug!(%caller, %agent, "caller did not take the stream in time"),
    }
}

async fn refuse(call: IncomingCall, refusal: Refusal) {
    // A caller that does not listen is told nothing.
    let _ = timeout(ANSWER_TIMEOUT, call.refuse(refusal)).await;
}

/// Copies both ways, each until its end, unless the agent's service changes first.
async fn bridge(mut stream: AgentStream, mut upstream: ServiceStream, ended: &CancellationToken) {
    let copying = copy_bidirectional_with_sizes(&mut stream, &mut upstream, BUFFER_LEN, BUFFER_LEN);
    // Either side may break off; the other then sees its end, too.
    let _ = ended.run_until_cancelled(copying).await;
}

impl Service {
    /// Connects to the service of the called agent; also returns what ends the connection early.
    async fn open_service(&self, aid: Aid) -> Result<(ServiceStream, CancellationToken), Refusal> {
        if aid == self.node_aid() {
            return Err(Refusal::NoService);
        }
        let agent = self.core.registry.get(&aid).ok_or(Refusal::NotHosted)?;
        let service = agent.service.as_ref().ok_or(Refusal::NoService)?;
        let stream = service
            .connect(self.core.config.api_addr)
            .await
            .map_err(|error| {
                tracing::info!(%aid, %service, %error, "service unreachable");
                Refusal::ServiceUnreachable
            })?;
        Ok((stream, agent.bridges.clone()))
    }
}
