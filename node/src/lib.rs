// SPDX-License-Identifier: MPL-2.0
//! The A2AL daemon `a2ald` and its command line `a2al`.
//!
//! Everything a node can do is in `a2al_service`; this crate puts it within reach:
//!
//! - [`daemon`] is the life of `a2ald`: it reads the [`config`], starts the [`logging`], takes the
//!   [`lock`] of its directory, starts the node, and drains it when it is told to stop;
//! - [`rest`] is the API, served by [`server`] and only from behind the [`guard`];
//! - [`gateway`] passes HTTP requests on to agents, beside the API and behind the same guard;
//! - [`hosts`] puts the node into the configuration of programs that talk to MCP servers;
//! - [`cli`] is `a2al`, a client of that API;
//! - [`demo`] shows two nodes finding each other, in one process.

pub mod argv;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod demo;
pub mod gateway;
pub mod guard;
pub mod hosts;
mod invitation;
pub mod lock;
pub mod logging;
pub mod output;
pub mod rest;
pub mod server;
