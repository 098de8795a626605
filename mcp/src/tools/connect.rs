// SPDX-License-Identifier: MPL-2.0
//! Ports of this machine that lead to agents' services.

use a2al_protocol::Aid;
use a2al_service::model::{Connect, Connected, OpenTunnel, Tunnel, TunnelList};
use rmcp::{tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::answer::{Failure, Json};
use crate::arguments::{Nothing, Parameters};
use crate::server::Server;

/// How to connect to an agent once.
#[derive(Debug, Deserialize, JsonSchema)]
struct Once {
    /// AID of the agent to connect to.
    #[schemars(with = "String")]
    remote_aid: Aid,
    #[serde(flatten)]
    request: Connect,
}

/// How to open a tunnel.
#[derive(Debug, Deserialize, JsonSchema)]
struct Open {
    /// AID of the agent to open a tunnel to.
    #[schemars(with = "String")]
    remote_aid: Aid,
    #[serde(flatten)]
    request: OpenTunnel,
}

/// Which tunnel to close.
#[derive(Debug, Deserialize, JsonSchema)]
struct Close {
    /// The tunnel's id, from `a2al_tunnel_open` or `a2al_tunnel_list`.
    #[schemars(example = &"9f86d081884c7d65")]
    tunnel_id: String,
}

/// The tunnel is closed.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Closed {
    /// Always true.
    pub(super) closed: bool,
}

#[tool_router(router = connect_tools, vis = "pub(super)")]
impl Server {
    /// Opens a port at 127.0.0.1 for one TCP connection to an agent's service, within six minutes.
    /// For HTTP use `a2al_fetch`, for more than one connection `a2al_tunnel_open`.
    #[tool(
        name = "a2al_connect",
        title = "Open a one-shot port to an agent",
        annotations(
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = false,
            open_world_hint = true
        )
    )]
    async fn connect(
        &self,
        Parameters(asked): Parameters<Once>,
    ) -> Result<Json<Connected>, Failure> {
        let Once {
            remote_aid,
            request,
        } = asked;
        Ok(Json(self.service().connect(remote_aid, request).await?))
    }

    /// Opens a port at 127.0.0.1 that leads to an agent's service until it is closed or idle.
    /// The same call again answers the tunnel that exists.
    #[tool(
        name = "a2al_tunnel_open",
        title = "Open a tunnel to an agent",
        annotations(
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = true,
            open_world_hint = true
        )
    )]
    async fn tunnel_open(
        &self,
        Parameters(asked): Parameters<Open>,
    ) -> Result<Json<Tunnel>, Failure> {
        let Open {
            remote_aid,
            request,
        } = asked;
        Ok(Json(self.service().open_tunnel(remote_aid, request).await?))
    }

    /// The open tunnels of this node, oldest first, and what each has carried.
    #[tool(
        name = "a2al_tunnel_list",
        title = "List the open tunnels",
        annotations(
            read_only_hint = true,
            destructive_hint = false,
            idempotent_hint = true,
            open_world_hint = false
        )
    )]
    async fn tunnel_list(&self, _: Parameters<Nothing>) -> Result<Json<TunnelList>, Failure> {
        Ok(Json(self.service().tunnels()))
    }

    /// Closes a tunnel and cuts its connections.
    #[tool(
        name = "a2al_tunnel_close",
        title = "Close a tunnel",
        annotations(
            read_only_hint = false,
            destructive_hint = true,
            idempotent_hint = false,
            open_world_hint = false
        )
    )]
    async fn tunnel_close(
        &self,
        Parameters(asked): Parameters<Close>,
    ) -> Result<Json<Closed>, Failure> {
        self.service().close_tunnel(&asked.tunnel_id)?;
        Ok(Json(Closed { closed: true }))
    }
}
