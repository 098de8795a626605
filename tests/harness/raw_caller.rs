// SPDX-License-Identifier: MPL-2.0
//! A node in this process that opens bare streams to agents, as no client of a daemon's API can.

use std::time::Duration;

use a2al_protocol::network::{AgentStream, CallError, Config, Content, Network, Paths};
use a2al_protocol::{Aid, Credential, SigningKey, VerifiedRecord};
use tokio::time::timeout;

use super::{Daemon, joined};

/// Longest time to open a stream.
const CALL_DEADLINE: Duration = Duration::from_secs(20);

/// A node with one agent that calls.
#[derive(Debug)]
pub(crate) struct RawCaller {
    pub(crate) aid: Aid,
    network: Network,
}

impl RawCaller {
    /// Joins through `daemon`.
    pub(crate) async fn beside(daemon: &Daemon) -> Self {
        Self::at(daemon.addresses().await).await
    }

    /// The same over QUIC: a connection over TCP bears fewer streams.
    pub(crate) async fn over_quic(daemon: &Daemon) -> Self {
        let mut addresses = daemon.addresses().await;
        addresses.retain(|address| address.contains("/udp/"));
        Self::at(addresses).await
    }

    async fn at(addresses: Vec<String>) -> Self {
        let network = joined(Config::new(SigningKey::generate()), &addresses).await;
        let credential = Credential::node(SigningKey::generate());
        let aid = credential.aid();
        network.client.host(credential.into());
        Self { aid, network }
    }

    /// The published endpoint of an agent.
    pub(crate) async fn endpoint(&self, agent: &str) -> VerifiedRecord {
        let agent = agent.parse().expect("an address");
        self.network
            .client
            .endpoint(agent)
            .await
            .expect("a published agent")
    }

    /// Opens a stream to the agent of `endpoint`.
    pub(crate) async fn call(&self, endpoint: &VerifiedRecord, content: Content) -> AgentStream {
        let called = self.try_call(endpoint, content).await;
        called.expect("a stream")
    }

    /// The same, but it may be refused.
    pub(crate) async fn try_call(
        &self,
        endpoint: &VerifiedRecord,
        content: Content,
    ) -> Result<AgentStream, CallError> {
        let client = &self.network.client;
        let call = client.call(self.aid, endpoint, Paths::Any, content);
        let called = timeout(CALL_DEADLINE, call).await;
        called.expect("an answer in time")
    }
}
