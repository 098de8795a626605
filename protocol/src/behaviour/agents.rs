// SPDX-License-Identifier: MPL-2.0
//! `/a2al/agent/1`: authenticated streams between two *agents*.
//!
//! libp2p proves which node is at the other end; this protocol proves which agent. The first stream of an AID pair on a
//! connection runs a mutual handshake ([`handshake`]); what was proved is remembered for that connection ([`Bindings`]), and
//! later streams of the pair name it and send user bytes at once.
//!
//! - [`Caller`] opens streams, [`serve`] answers them, each in the task of whoever uses the stream.
//! - [`Hosted`] holds the credentials of the agents on this node.
//! - [`Newest`] remembers the newest delegation verified for each AID, so that a revoked key is refused.

mod bindings;
mod callee;
mod caller;
mod content;
mod handshake;
mod hosted;
mod newest;
mod stream;

pub use callee::IncomingCall;
pub use caller::{CallError, Mistrust};
pub use content::Content;
pub use handshake::Refusal;
pub use stream::{AgentStream, RefusalHandle};

pub(crate) use bindings::Bindings;
pub(crate) use callee::{Callee, serve};
pub(crate) use caller::{Caller, Target};
pub(crate) use hosted::Hosted;
pub(crate) use newest::Newest;

use libp2p::StreamProtocol;
use libp2p::swarm::NetworkBehaviour;
use tokio::sync::mpsc;

use super::streams::{self, Incoming, Links};
use crate::limits::ACCEPT_QUEUE;

/// Name of the protocol.
pub(crate) const PROTOCOL: StreamProtocol = StreamProtocol::new("/a2al/agent/1");

/// Largest handshake message, in bytes: two AIDs, a nonce and a proof with the longest delegation fit several times over.
const MAX_MESSAGE_LEN: usize = 4096;

/// Opens and accepts agent streams, and forgets what was proved on a connection when it closes.
#[derive(NetworkBehaviour)]
#[behaviour(prelude = "libp2p::swarm::derive_prelude")]
pub(crate) struct Behaviour {
    streams: streams::Behaviour,
    bindings: Bindings,
}

impl Behaviour {
    /// Returns the behaviour, the table through which streams are opened, and the queue of inbound streams.
    pub(crate) fn new(bindings: Bindings) -> (Self, Links, mpsc::Receiver<Incoming>) {
        let (streams, links, incoming) = streams::Behaviour::new(PROTOCOL, ACCEPT_QUEUE);
        (Self { streams, bindings }, links, incoming)
    }
}
