// SPDX-License-Identifier: MPL-2.0
//! What the tests of the real programs share: daemons in directories of their own, a client for their API, services
//! behind agents, and waiting for a condition instead of for a time.

#![allow(
    dead_code,
    unused_imports,
    reason = "every test binary uses a part of the harness"
)]

mod api;
mod call;
mod clock;
mod daemon;
mod dice;
mod identity;
mod link;
mod mcp;
mod neighbour;
mod net;
mod notes;
mod pair;
mod ports;
mod process;
mod raw_caller;
mod raw_http;
mod scripted;
mod streaming;
mod tcp_service;
mod tool;
mod upstream;

pub(crate) use api::{Answer, Api};
pub(crate) use call::Call;
pub(crate) use clock::{eventually, unix_now};
pub(crate) use daemon::{Daemon, Setup, bootstrap_binary, cli_binary, daemon_binary, isolated};
pub(crate) use dice::Dice;
pub(crate) use identity::Identity;
pub(crate) use link::{Link, Tunnel, connect};
pub(crate) use mcp::{Mcp, answer_to, initialize, stateless};
pub(crate) use neighbour::{beside, joined, signed};
pub(crate) use net::Net;
pub(crate) use notes::{Note, note};
pub(crate) use pair::{Pair, body, echoed, header};
pub(crate) use ports::free_port;
pub(crate) use process::{Ended, Process};
pub(crate) use raw_caller::RawCaller;
pub(crate) use raw_http::{RawAnswer, raw_request};
pub(crate) use scripted::{Scripted, answer};
pub(crate) use streaming::{EchoSocket, event_source};
pub(crate) use tcp_service::TcpService;
pub(crate) use tool::{ETH, MCP_CLIENT, NGINX, PYTHON, REDIS, SSH, SSHD, Tool, UNSHARE, say};
pub(crate) use upstream::{Foreign, Upstream, counting};
