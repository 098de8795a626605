// SPDX-License-Identifier: MPL-2.0
//! MCP: what assistants see of a node, over pipes and over HTTP.

#[path = "mcp/bridge.rs"]
mod bridge;
#[path = "mcp/catalogue.rs"]
mod catalogue;
#[path = "mcp/clients.rs"]
mod clients;
#[path = "mcp/conformance.rs"]
mod conformance;
#[path = "mcp/eras.rs"]
mod eras;
#[path = "mcp/exposed.rs"]
mod exposed;
#[path = "mcp/failures.rs"]
mod failures;
#[path = "mcp/fetch.rs"]
mod fetch;
#[path = "mcp/hostile.rs"]
mod hostile;
#[path = "mcp/hosts.rs"]
mod hosts;
#[path = "mcp/keys.rs"]
mod keys;
#[path = "mcp/mailbox.rs"]
mod mailbox;
#[path = "mcp/pages.rs"]
mod pages;
#[path = "mcp/poison.rs"]
mod poison;
#[path = "mcp/promises.rs"]
mod promises;
#[path = "mcp/remote.rs"]
mod remote;
#[path = "mcp/resources.rs"]
mod resources;
#[path = "mcp/scripts.rs"]
mod scripts;
#[path = "mcp/undo.rs"]
mod undo;
