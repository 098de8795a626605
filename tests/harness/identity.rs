// SPDX-License-Identifier: MPL-2.0
//! Identities and agents, made through the API alone.

use serde_json::{Value, json};

use super::Api;

/// The answer of `POST /identity/generate`.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) aid: String,
    pub(crate) master: String,
    pub(crate) operational: String,
    pub(crate) proof: String,
}

impl Identity {
    /// Reads the answer of `POST /identity/generate`.
    pub(crate) fn read(answer: &Value) -> Self {
        let text = |name: &str| {
            answer[name]
                .as_str()
                .expect("keys and proofs are text")
                .to_owned()
        };
        Self {
            aid: text("aid"),
            master: text("master_private_key_hex"),
            operational: text("operational_private_key_hex"),
            proof: text("delegation_proof_hex"),
        }
    }

    /// The body of `POST /agents` that registers this identity without a service.
    pub(crate) fn registration(&self) -> Value {
        json!({
            "operational_private_key_hex": self.operational,
            "delegation_proof_hex": self.proof,
        })
    }

    /// The same with a service.
    pub(crate) fn registration_with(&self, service: &str) -> Value {
        let mut body = self.registration();
        body["service_tcp"] = json!(service);
        body
    }
}

impl Api {
    /// A new identity, stored nowhere.
    pub(crate) async fn identity(&self) -> Identity {
        Identity::read(&self.post("/identity/generate", json!({})).await.ok())
    }

    /// A new agent without a service.
    pub(crate) async fn agent(&self) -> Identity {
        let identity = self.identity().await;
        self.post("/agents", identity.registration()).await.ok();
        identity
    }

    /// A new agent in front of `service`, published.
    pub(crate) async fn serving(&self, service: &str) -> Identity {
        let identity = self.identity().await;
        self.post("/agents", identity.registration_with(service))
            .await
            .ok();
        self.publish(&identity.aid).await;
        identity
    }

    /// Publishes the endpoint of `aid` and returns the answer.
    pub(crate) async fn publish(&self, aid: &str) -> Value {
        let answer = self
            .post(&format!("/agents/{aid}/publish"), json!({}))
            .await
            .ok();
        assert_eq!(answer["ok"], true, "{answer}");
        answer
    }

    /// Resolves `aid` and returns the answer.
    pub(crate) async fn resolve(&self, aid: &str) -> Value {
        let answer = self.post(&format!("/resolve/{aid}"), json!({})).await.ok();
        assert_eq!(answer["address"], aid, "{answer}");
        answer
    }

    /// `GET /agents/{aid}`.
    pub(crate) async fn shown(&self, aid: &str) -> Value {
        self.get(&format!("/agents/{aid}")).await.ok()
    }
}
