// SPDX-License-Identifier: MPL-2.0
//! How the node is doing.

use a2al_service::model::Status;
use rmcp::{tool, tool_router};

use crate::answer::{Failure, Json};
use crate::arguments::{Nothing, Parameters};
use crate::server::Server;

#[tool_router(router = node_tools, vis = "pub(super)")]
impl Server {
    /// State of this node: its own address, whether it knows others, how it is reached, what it
    /// has published, open tunnels.
    #[tool(
        name = "a2al_status",
        title = "Show this node's state",
        annotations(
            read_only_hint = true,
            destructive_hint = false,
            idempotent_hint = true,
            open_world_hint = false
        )
    )]
    async fn status(&self, _: Parameters<Nothing>) -> Result<Json<Status>, Failure> {
        Ok(Json(self.service().status()))
    }
}
