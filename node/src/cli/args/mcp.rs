// SPDX-License-Identifier: MPL-2.0
//! The grammar of MCP servers that are agents.

use std::ffi::OsString;

use a2al_protocol::Aid;
use clap::Args as Group;

use super::CallOptions;

#[derive(Debug, Group)]
pub(in crate::cli) struct McpConnect {
    /// The agent
    pub(in crate::cli) aid: Aid,
    /// Where its service has its MCP endpoint
    #[arg(long, default_value = "/mcp")]
    pub(in crate::cli) path: String,
    #[command(flatten)]
    pub(in crate::cli) options: CallOptions,
}

#[derive(Debug, Group)]
pub(in crate::cli) struct Expose {
    /// CMD is an MCP server
    #[arg(long, required = true)]
    mcp: bool,
    /// The agent of this node that it is reached at
    #[arg(long)]
    pub(in crate::cli) aid: Option<Aid>,
    /// What the new agent is called
    #[arg(long, conflicts_with = "aid")]
    pub(in crate::cli) name: Option<String>,
    /// A service to be found by, such as tool.search; may be repeated
    #[arg(long = "service", value_name = "SERVICE")]
    pub(in crate::cli) services: Vec<String>,
    /// The server and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(in crate::cli) command: Vec<OsString>,
}
