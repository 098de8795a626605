// SPDX-License-Identifier: MPL-2.0
//! Making identities.

use a2al_service::model::KeptIdentity;
use rmcp::{tool, tool_router};

use crate::answer::{Failure, Json};
use crate::arguments::{Nothing, Parameters};
use crate::server::Server;

#[tool_router(router = identity_tools, vis = "pub(super)")]
impl Server {
    /// Makes a new identity (AID) whose keys stay with this node; no key is ever shown. Give the
    /// aid to `a2al_agent_register` next. The master key waits until the owner saves it with the
    /// command in `backup_command`: tell them.
    #[tool(
        name = "a2al_identity_generate",
        title = "Make an identity",
        annotations(
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = false,
            open_world_hint = false
        )
    )]
    async fn identity_generate(
        &self,
        _: Parameters<Nothing>,
    ) -> Result<Json<KeptIdentity>, Failure> {
        Ok(Json(self.service().keep_identity().await?))
    }
}
