// SPDX-License-Identifier: MPL-2.0
//! `/a2al/rec/1`: sets of signed records, held by the nodes closest to their key.
//!
//! kad tells who is closest; what is stored there is ours, because a kad PUT cannot be refused, does not say who sent it and
//! overwrites. Storing means verify → admit → merge: [`Store`] holds only verified records.
//!
//! - [`serve`] answers other nodes' requests: checks size, rate, proof and quota, in that order.
//! - [`Exchange`] sends one request to one node, [`Survey`] asks the nodes around a key one after the other.
//! - [`Reader`] and [`Writer`] know when enough holders have answered; [`Search`] reads key after key.
//! - [`fair`] decides which entries a full key keeps, [`hand_down`] passes those that go to the next key.
//! - [`hand_over`] passes records on when the set of closest nodes changes.
//!
//! All of it runs in the tasks of its callers; the swarm task only opens connections and walks the DHT.

mod entries;
mod exchange;
mod fair;
mod hand_over;
mod holder;
mod mailbox;
mod no_store;
mod place;
mod query;
mod quota;
mod read;
mod search;
mod source;
mod store;
mod survey;
#[cfg(test)]
mod tests;
mod verifier;
mod write;

pub use mailbox::{Deposit, FoundNote};
pub use search::Search;
pub use write::Publication;

pub(crate) use entries::hand_down;
pub(crate) use exchange::Exchange;
#[cfg(test)]
pub(crate) use exchange::{Placed, Stored};
pub(crate) use hand_over::{HandOver, hand_over};
pub(crate) use holder::{Holder, serve};
pub(crate) use mailbox::{Depositor, WorkCheck, read_work, write_work};
pub(crate) use no_store::NoStore;
pub(crate) use query::Query;
pub(crate) use read::Reader;
pub(crate) use source::Source;
pub(crate) use store::Store;
pub(crate) use verifier::Verifier;
pub(crate) use write::Writer;

use libp2p::StreamProtocol;
use libp2p::swarm::NetworkBehaviour;
use tokio::sync::mpsc;

use super::streams::{self, Incoming, Links};
use crate::limits::ACCEPT_QUEUE;

/// Name of the protocol.
pub(crate) const PROTOCOL: StreamProtocol = StreamProtocol::new("/a2al/rec/1");

/// Opens and accepts records streams.
#[derive(NetworkBehaviour)]
#[behaviour(prelude = "libp2p::swarm::derive_prelude")]
pub(crate) struct Behaviour {
    streams: streams::Behaviour,
}

impl Behaviour {
    /// Returns the behaviour, the table through which streams are opened, and the queue of inbound streams.
    pub(crate) fn new() -> (Self, Links, mpsc::Receiver<Incoming>) {
        let (streams, links, incoming) = streams::Behaviour::new(PROTOCOL, ACCEPT_QUEUE);
        (Self { streams }, links, incoming)
    }
}
