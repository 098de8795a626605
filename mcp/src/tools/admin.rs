// SPDX-License-Identifier: MPL-2.0
//! Looking after the node.

use a2al_protocol::Aid;
use a2al_service::model::{Agent, DeletedList, Heartbeat, KeptList, Probe};
use rmcp::handler::server::tool::{IntoCallToolResult, schema_for_output};
use rmcp::model::CallToolResponse;
use rmcp::{ErrorData, tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::One;
use crate::answer::{Failure, Json};
use crate::arguments::{Nothing, Parameters};
use crate::consent::Consent;
use crate::human::Human;
use crate::server::Server;

/// The tool that hands out credentials, as a file.
pub(super) const EXPORT: &str = "a2al_agent_export";

/// What to export.
#[derive(Debug, Deserialize, JsonSchema)]
struct Export {
    #[serde(flatten)]
    one: One,
    /// True: the user has agreed. Needed only where the host cannot ask the user itself; false by
    /// default.
    #[serde(default)]
    #[schemars(example = false)]
    confirm: bool,
}

/// The credentials are in a file.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Exported {
    /// Whose they are.
    #[schemars(with = "String")]
    pub(super) aid: Aid,
    /// The file; only the owner of this node can read it.
    pub(super) path: String,
}

#[tool_router(router = admin_tools, vis = "pub(super)")]
impl Server {
    /// Marks an agent of this node as alive. Other calls that change it do so too.
    #[tool(
        name = "a2al_agent_heartbeat",
        title = "Mark an agent as alive",
        annotations(
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = true,
            open_world_hint = false
        )
    )]
    async fn agent_heartbeat(
        &self,
        Parameters(One { aid }): Parameters<One>,
    ) -> Result<Json<Heartbeat>, Failure> {
        Ok(Json(self.service().heartbeat(aid)?))
    }

    /// Whether the local service of an agent answers just now, and what is published for it.
    #[tool(
        name = "a2al_agent_probe",
        title = "Check an agent's service",
        annotations(
            read_only_hint = true,
            destructive_hint = false,
            idempotent_hint = true,
            open_world_hint = false
        )
    )]
    async fn agent_probe(
        &self,
        Parameters(One { aid }): Parameters<One>,
    ) -> Result<Json<Probe>, Failure> {
        Ok(Json(self.service().probe(aid).await?))
    }

    /// Hosts an agent again that was deleted less than 30 days ago, with its service and records.
    #[tool(
        name = "a2al_agent_restore",
        title = "Restore a deleted agent",
        annotations(
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = false,
            open_world_hint = false
        )
    )]
    async fn agent_restore(
        &self,
        Parameters(One { aid }): Parameters<One>,
    ) -> Result<Json<Agent>, Failure> {
        Ok(Json(self.service().restore(aid).await?))
    }

    /// The agents that were deleted and can be restored.
    #[tool(
        name = "a2al_agents_deleted",
        title = "List deleted agents",
        annotations(
            read_only_hint = true,
            destructive_hint = false,
            idempotent_hint = true,
            open_world_hint = false
        )
    )]
    async fn agents_deleted(&self, _: Parameters<Nothing>) -> Result<Json<DeletedList>, Failure> {
        Ok(Json(self.service().deleted_agents()))
    }

    /// The identities that were made on this node and wait to be registered or backed up.
    #[tool(
        name = "a2al_identities_kept",
        title = "List kept identities",
        annotations(
            read_only_hint = true,
            destructive_hint = false,
            idempotent_hint = true,
            open_world_hint = false
        )
    )]
    async fn identities_kept(&self, _: Parameters<Nothing>) -> Result<Json<KeptList>, Failure> {
        Ok(Json(self.service().kept_identities()))
    }

    /// Writes an agent's credentials, its private key included, to a file on this machine, for
    /// `a2al agents import` on another node. The user is asked first. No key is shown.
    #[tool(
        name = "a2al_agent_export",
        title = "Export an agent's credentials to a file",
        output_schema = schema_for_output::<Exported>(),
        annotations(
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = false,
            open_world_hint = false
        )
    )]
    async fn agent_export(
        &self,
        human: Human,
        Parameters(asked): Parameters<Export>,
    ) -> Result<CallToolResponse, ErrorData> {
        let aid = asked.one.aid;
        let what = format!("write the private key of agent {aid} to a file on this machine");
        let act = format!("{EXPORT} {aid}");
        match human
            .agrees(self.questions(), &act, &what, asked.confirm)
            .await
        {
            Ok(Consent::Given) => {}
            Ok(Consent::Ask(question)) => return Ok((*question).into()),
            Err(failure) => return failure.into_call_tool_result(),
        }
        match self.service().export_to_file(aid).await {
            Ok(path) => {
                let path = path.display().to_string();
                Json(Exported { aid, path }).into_call_tool_result()
            }
            Err(error) => Failure::from(error).into_call_tool_result(),
        }
    }
}
