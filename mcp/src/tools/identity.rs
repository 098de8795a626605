// SPDX-License-Identifier: MPL-2.0
//! Making identities.

use a2al_service::model::KeptIdentity;
use rmcp::handler::server::tool::schema_for_output;
use rmcp::model::{CallToolResponse, ErrorData};
use rmcp::{tool, tool_router};

use crate::arguments::{Nothing, Parameters};
use crate::human::Human;
use crate::server::Server;

/// The tool that makes an identity.
const GENERATE: &str = "a2al_identity_generate";

#[tool_router(router = identity_tools, vis = "pub(super)")]
impl Server {
    /// Makes a new identity (AID) whose keys stay with this node; no key is ever shown. Give the
    /// aid to `a2al_agent_register` next. The owner saves the master key at `backup_url` or by
    /// `backup_command`: tell them.
    #[tool(
        name = "a2al_identity_generate",
        title = "Make an identity",
        output_schema = schema_for_output::<KeptIdentity>(),
        annotations(
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = false,
            open_world_hint = false
        )
    )]
    async fn identity_generate(
        &self,
        human: Human,
        _: Parameters<Nothing>,
    ) -> Result<CallToolResponse, ErrorData> {
        let made = self.service().keep_identity();
        self.with_backup_page(human, GENERATE, made).await
    }
}
