// SPDX-License-Identifier: MPL-2.0
//! The tools, a file per topic. What a tool does is said by the comment of its function, what its
//! arguments are by those of their fields: models read both.

mod admin;
mod agents;
mod connect;
mod fetch;
mod identity;
mod lookup;
mod mailbox;
mod node;
mod peers;
mod records;
mod services;
mod texts;
mod wallets;

pub(crate) use mailbox::Notes;

use a2al_protocol::Aid;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::model::{JsonObject, Tool};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::server::Server;
use crate::toolsets::Toolset;

/// The tools that may wait for a human's answer.
pub(crate) const ASKS_A_HUMAN: [&str; 1] = [admin::EXPORT];

/// Whether a call of `tool` that was given up may simply be made again: it changes nothing, or the
/// same once more.
pub(crate) fn may_be_repeated(tool: &Tool, arguments: Option<&JsonObject>) -> bool {
    if tool.name == fetch::FETCH {
        let method = arguments.and_then(|arguments| arguments.get("method")?.as_str());
        return fetch::is_repeatable(method.unwrap_or_default());
    }
    let hints = tool.annotations.as_ref();
    hints.is_some_and(|hints| {
        hints.read_only_hint == Some(true) || hints.idempotent_hint == Some(true)
    })
}

/// The routers of all tools, by toolset.
pub(crate) fn routers() -> [(Toolset, ToolRouter<Server>); 4] {
    let core = Server::identity_tools()
        + Server::agent_tools()
        + Server::node_tools()
        + Server::lookup_tools()
        + Server::service_tools()
        + Server::fetch_tools()
        + Server::connect_tools()
        + Server::mailbox_tools();
    [
        (Toolset::Core, core),
        (Toolset::Records, Server::record_tools()),
        (Toolset::Web3, Server::wallet_tools()),
        (
            Toolset::Admin,
            Server::admin_tools() + Server::mailbox_admin_tools() + Server::peer_tools(),
        ),
    ]
}

/// The arguments of a tool that works on one address.
#[derive(Debug, Deserialize, JsonSchema)]
struct One {
    /// The agent's AID.
    #[schemars(with = "String", example = &"A0eB165E6D5d1dE7C44e0228E8efE48E4D05F6479A")]
    aid: Aid,
}
