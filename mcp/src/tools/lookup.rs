// SPDX-License-Identifier: MPL-2.0
//! Where agents are reached.

use a2al_service::model::Resolution;
use rmcp::{tool, tool_router};

use super::One;
use crate::answer::{Failure, Json};
use crate::arguments::Parameters;
use crate::server::Server;
use crate::untrusted::is_without_names;

#[tool_router(router = lookup_tools, vis = "pub(super)")]
impl Server {
    /// Looks up where an agent anywhere in the network is reached. A found agent was online within
    /// the last hour. `a2al_fetch` and the others look up by themselves.
    #[tool(
        name = "a2al_resolve",
        title = "Find an agent by its address",
        annotations(
            read_only_hint = true,
            destructive_hint = false,
            idempotent_hint = true,
            open_world_hint = true
        )
    )]
    async fn resolve(
        &self,
        Parameters(One { aid }): Parameters<One>,
    ) -> Result<Json<Resolution>, Failure> {
        let mut resolution = self.service().resolve(aid).await?;
        resolution
            .endpoints
            .retain(|address| is_without_names(address));
        Ok(Json(resolution))
    }
}
