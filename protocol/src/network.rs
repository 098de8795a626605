// SPDX-License-Identifier: MPL-2.0
//! A running node: one swarm, one task that owns it, and handles for everybody else.
//!
//! [`start`] builds the swarm from a [`Config`], listens, and returns a [`Network`]: a cloneable [`Client`] for outgoing work and a
//! queue of [`IncomingCall`]s. The swarm task (`driver`) does only what needs the swarm: dialling, walking the DHT, keeping
//! the routing table and the addresses. Records are read, written and verified, and user bytes are moved, in the tasks of those who ask.
//!
//! What the swarm task knows is published as values: [`State`] for status and endpoint records, and the routing table for
//! reads and writes, which therefore start without a detour through the swarm.

pub(crate) mod address;
mod client;
mod config;
mod dialer;
mod driver;
mod error;
mod notes;
mod peer;
mod prompt;
pub(crate) mod relaying;
mod routing;
mod start;
mod state;
mod swarm;
mod transport;

pub use libp2p::{Multiaddr, PeerId};

pub use crate::behaviour::agents::{
    AgentStream, CallError, Content, IncomingCall, Mistrust, Refusal, RefusalHandle,
};
pub use crate::behaviour::records::{Deposit, FoundNote, Publication, Search};
pub use crate::behaviour::streams::{Paths, StreamPath};
pub use address::{AddressError, Bootstrap, parse_bootstrap, parse_listen};
pub use client::Client;
pub use config::{Config, HeldRecord, KnownPeer, RelayLimits, RelayServer};
pub use error::{Error, StartError};
pub use notes::{Delivered, DeliveryError, Postage, Receipt};
pub use peer::{Path, Peer, Transport};
pub use relaying::Relaying;
pub use start::{Network, start};
pub use state::{HeldRelay, Reachability, State, Udp};

pub(crate) use dialer::{DialError, Dialer};
pub(crate) use notes::Solver;
pub(crate) use routing::{Route, Routing};

#[cfg(test)]
mod tests;
