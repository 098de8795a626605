// SPDX-License-Identifier: MPL-2.0
//! The use cases of an A2AL node as MCP tools, for assistants.
//!
//! [`Mcp`] is the handle a front end holds. It is served over HTTP ([`Mcp::http`]) or over a pair
//! of pipes ([`Mcp::serve`]), in both lifecycles of the protocol: the handshake of the revisions
//! from 2024-11-05 on, and the stateless one of 2026-07-28. [`bridge`] passes messages on to an MCP
//! server that is reached over HTTP, [`exposed`] lets a server that speaks over pipes be reached so.
//!
//! ```text
//! server      what a client is answered
//! tools       one file per topic: thin adapters over `a2al_service`, speaking its model types
//! catalogue   all tools, with schemas cut to what a model needs, by toolset
//! arguments   how arguments are read, and a bad one is named
//! answer      results: structured content and a text; failures with what to do next
//! call        deadlines, progress, cancellation, notices; `called` is what comes of a single call
//! consent     asking the human; `questions` are those that stateless clients carry
//! untrusted   what strangers wrote
//! resources   the node mirrored for hosts that show or watch it; `watching` tells of changes
//! prompts     the first journeys
//! http, sessions, pipes, bridge, exposed; `receipts` tells which answers arrived
//! ```

mod answer;
mod arguments;
mod backup;
pub mod bridge;
mod call;
mod called;
mod catalogue;
mod consent;
pub mod exposed;
mod http;
mod human;
mod limits;
mod lines;
mod pipes;
mod prompts;
mod questions;
mod receipts;
mod resources;
mod server;
mod sessions;
mod tools;
mod toolsets;
mod untrusted;
mod watching;

pub use called::{CallError, Called};
pub use http::Endpoint;
pub use receipts::Receipts;
pub use server::Mcp;
pub use toolsets::{Toolset, Toolsets, UnknownToolset};
