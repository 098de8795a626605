// SPDX-License-Identifier: MPL-2.0
//! The use cases of an A2AL node, with no knowledge of HTTP routes, MCP or the command line.
//!
//! [`Service`] is the node. Each of its methods is one use case: it takes and returns types of
//! [`model`], and fails with an [`Error`] that knows its text, code and HTTP status. Front ends
//! only translate.
//!
//! ```text
//! identity, wallets     make identities and proofs; nothing is stored
//! keystore              identities whose keys stay here
//! agents                register, look at, change, delete, restore
//! publish, renewal      endpoint records out, and kept alive
//! offers, profiles      services agents are found by, what they say about themselves, kept alive
//! discover, providers   who offers a service; a request to whoever offers it best
//! records, resolve      records of any kind; where agents are reached
//! fetch, connect        HTTP requests to an agent, whole or streaming; a stream to an agent
//! tunnels               TCP on this machine to an agent's service, and one-shot connections
//! inbound               calls from other agents, to the services of ours
//! mailbox               notes: sent, delivered or stored, received, read
//! events                what happens to agents, told as it happens
//! status, peers         how the node is doing, and whom it is connected to
//! relaying              what is said when others use this node as a relay
//! ────────────────────────────────────────────────────────────
//! registry, live        agents in memory: what is committed, what only runs
//! store                 what is on disk
//! ```

mod agents;
mod base64_body;
mod clock;
mod config;
mod connect;
mod discover;
mod error;
mod events;
mod fetch;
mod hexadecimal;
mod housekeeping;
mod identity;
mod inbound;
mod keystore;
mod live;
mod mailbox;
pub mod model;
mod offers;
mod outgoing;
mod peers;
mod profiles;
mod providers;
mod publish;
mod pump;
mod records;
mod registry;
mod relaying;
mod renewal;
mod resolve;
mod schedule;
mod sequence;
mod service;
mod service_tcp;
mod status;
mod store;
pub mod text;
mod tunnels;
mod wallets;
mod whole;

pub use config::{Config, InboundLimits, NetworkConfig};
pub use error::{Error, Failures, Input, Wire};
pub use events::{EventStream, Lagged, Streamed};
pub use fetch::ForwardedBody;
pub use mailbox::{HANDING, Polled, Receipt};
pub use outgoing::{Given, Outgoing};
pub use service::{Service, StartError};
pub use service_tcp::OwnListener;
pub use store::OpenError;
