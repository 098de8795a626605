// SPDX-License-Identifier: MPL-2.0
//! The agents of this node.

use a2al_protocol::Aid;
use a2al_service::model::{
    Agent, AgentList, Done, Outcome, PatchAgent, Published, Register, Registered, Secret, Updated,
};
use rmcp::{tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::One;
use crate::answer::{Failure, Json};
use crate::arguments::{Nothing, Parameters};
use crate::server::Server;

/// What registers an agent: a kept key, or both keys.
#[derive(Debug, Deserialize, JsonSchema)]
struct Registration {
    /// AID from `a2al_identity_generate`, whose keys are here; without it give both key fields.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    aid: Option<Aid>,
    /// Operational private key from elsewhere, 128 hex digits; not with aid.
    #[serde(default)]
    operational_private_key_hex: Option<Secret>,
    /// The master key's proof for that key, CBOR in hex; not with aid.
    #[serde(default)]
    #[schemars(example = &"a701582048…")]
    delegation_proof_hex: Option<String>,
    /// The agent's local service: host:port, http://host:port or https://host:port; none by
    /// default.
    #[serde(default)]
    #[schemars(example = &"127.0.0.1:8080")]
    service_tcp: Option<String>,
}

/// Changes to one agent.
#[derive(Debug, Deserialize, JsonSchema)]
struct Patch {
    #[serde(flatten)]
    one: One,
    #[serde(flatten)]
    changes: PatchAgent,
}

/// The change was made.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Patched {
    /// Always `updated`.
    status: Outcome,
    /// The service it has now; empty if none.
    pub(super) service_tcp: String,
}

#[tool_router(router = agent_tools, vis = "pub(super)")]
impl Server {
    /// Hosts an agent on this node, or takes over a newer delegation. Nothing is published yet:
    /// `a2al_agent_publish` does that.
    #[tool(
        name = "a2al_agent_register",
        title = "Host an agent",
        annotations(
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = true,
            open_world_hint = false
        )
    )]
    async fn agent_register(
        &self,
        Parameters(asked): Parameters<Registration>,
    ) -> Result<Json<Registered>, Failure> {
        let keys = (
            asked.operational_private_key_hex,
            asked.delegation_proof_hex,
        );
        let registered = match (asked.aid, keys) {
            (Some(aid), (None, None)) => {
                let service_tcp = asked.service_tcp.as_deref();
                self.service().register_kept(aid, service_tcp).await
            }
            (None, (Some(operational_private_key_hex), Some(delegation_proof_hex))) => {
                let request = Register {
                    operational_private_key_hex,
                    delegation_proof_hex,
                    service_tcp: asked.service_tcp,
                };
                self.service().register(request).await
            }
            _ => {
                let problem = "give either aid alone, or both key fields without aid";
                let next = "make an identity with a2al_identity_generate and give its aid";
                return Err(Failure::new("bad_argument", problem, next).about("aid"));
            }
        };
        registered
            .map(Json)
            .map_err(|error| Failure::from(error).about_if("no_kept_key", "aid"))
    }

    /// The agents this node hosts, with their services and whether they are published.
    #[tool(
        name = "a2al_agents_list",
        title = "List this node's agents",
        annotations(
            read_only_hint = true,
            destructive_hint = false,
            idempotent_hint = true,
            open_world_hint = false
        )
    )]
    async fn agents_list(&self, _: Parameters<Nothing>) -> Result<Json<AgentList>, Failure> {
        Ok(Json(self.service().agents()))
    }

    /// One agent of this node: service, publication, who may call.
    #[tool(
        name = "a2al_agent_get",
        title = "Show an agent of this node",
        annotations(
            read_only_hint = true,
            destructive_hint = false,
            idempotent_hint = true,
            open_world_hint = false
        )
    )]
    async fn agent_get(
        &self,
        Parameters(One { aid }): Parameters<One>,
    ) -> Result<Json<Agent>, Failure> {
        Ok(Json(self.service().agent(aid)?))
    }

    /// Binds an agent of this node to another local service, or to none.
    #[tool(
        name = "a2al_agent_patch",
        title = "Change an agent's service",
        annotations(
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = true,
            open_world_hint = false
        )
    )]
    async fn agent_patch(
        &self,
        Parameters(asked): Parameters<Patch>,
    ) -> Result<Json<Patched>, Failure> {
        let Patch { one, changes } = asked;
        let Some(service_tcp) = changes.service_tcp.clone() else {
            let problem = "nothing to change";
            let next = "give service_tcp: host:port, or \"\" for none";
            return Err(Failure::new("bad_argument", problem, next).about("service_tcp"));
        };
        let Updated { status } = self.service().patch(one.aid, changes).await?;
        Ok(Json(Patched {
            status,
            service_tcp,
        }))
    }

    /// Takes an agent off this node and withdraws what it published. For 30 days its owner can
    /// undo that with `a2al agents restore AID`.
    #[tool(
        name = "a2al_agent_delete",
        title = "Delete an agent",
        annotations(
            read_only_hint = false,
            destructive_hint = true,
            idempotent_hint = true,
            open_world_hint = false
        )
    )]
    async fn agent_delete(
        &self,
        Parameters(One { aid }): Parameters<One>,
    ) -> Result<Json<Done>, Failure> {
        Ok(Json(self.service().delete(aid).await?))
    }

    /// Publishes where an agent of this node is reached, so that others find it by its address,
    /// and keeps that renewed across restarts.
    #[tool(
        name = "a2al_agent_publish",
        title = "Publish an agent",
        annotations(
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = true,
            open_world_hint = true
        )
    )]
    async fn agent_publish(
        &self,
        Parameters(One { aid }): Parameters<One>,
    ) -> Result<Json<Published>, Failure> {
        Ok(Json(self.service().publish(aid).await?))
    }
}
