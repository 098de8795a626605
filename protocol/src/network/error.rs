// SPDX-License-Identifier: MPL-2.0
//! What can go wrong in the network as a whole.

use std::io;

use libp2p::Multiaddr;

use crate::record::VerifiedRecord;

/// Why a read or a write of records failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Every node around the key was asked, and none holds such a record; or its publisher has withdrawn it.
    #[error("no such record in the network")]
    NotFound,
    /// Too few nodes answered in time.
    #[error("the network did not answer in time")]
    Timeout,
    /// Somebody holds a newer record of the same publisher; it verified.
    #[error("a newer record of the publisher is in the network")]
    Superseded(VerifiedRecord),
    /// What was to be left for an agent is not a note.
    #[error("the record is not a note")]
    NotANote,
    /// The record names no service.
    #[error("the record is no entry for a service")]
    NoEntry,
    /// No node wants the record, for the reason given.
    #[error("no node accepts the record ({0})")]
    Refused(&'static str),
}

/// Why the network did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The transports could not be built.
    #[error("cannot set up the transports")]
    Transport(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The node key is not a valid identity.
    #[error("the node key is not a valid identity")]
    Key,
    /// An address to listen on is taken, or not an address of this machine.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is nothing to listen on.
    #[error("no address to listen on")]
    NoAddress,
}
