// SPDX-License-Identifier: MPL-2.0
//! Signed records: what agents publish about themselves and leave for each other.
//!
//! ```text
//! Draft ── sign(credential) ──────────────────┐
//!                                             ├──▶ VerifiedRecord ── RecordSet
//! bytes ── decode ──▶ SignedRecord ── verify ─┘
//! ```
//!
//! A [`VerifiedRecord`] is one whose signature, payload and times were checked and whose signing key
//! was shown to speak for its address; nothing else reaches a store or a caller. A [`RecordSet`] is
//! what one place of the DHT holds.

pub mod branch;
pub mod endpoint;
pub mod meta;
pub mod profile;
pub mod set;
pub mod topic;

mod draft;
mod kind;
mod signed;
mod verified;

use std::fmt;

pub use self::{
    branch::Branch,
    draft::{Draft, SignError},
    endpoint::{Endpoint, NatType},
    kind::{Category, RecordKind},
    profile::Profile,
    set::RecordSet,
    signed::SignedRecord,
    topic::Topic,
    verified::VerifiedRecord,
};
use crate::{aid, cbor::MalformedCbor, delegation};

/// A publisher's counter: of two records under the same delegation the one with the larger counts.
///
/// Milliseconds, nanoseconds and plain counters all occur.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct Seq(pub u64);

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why bytes are not a record, or why the record proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is longer than [`MAX_RECORD_LEN`](crate::limits::MAX_RECORD_LEN).
    #[error("the record is too long")]
    TooLong,
    /// It is not the CBOR map it should be.
    #[error("the record is malformed")]
    Malformed(#[from] MalformedCbor),
    /// Its publisher is not an address.
    #[error("the record names no valid publisher")]
    Address(#[from] aid::ParseError),
    /// A field is missing or has the wrong length.
    #[error("field {0} of the record is missing or has the wrong length")]
    Field(u8),
    /// Its timestamp lies in the future.
    #[error("the timestamp of the record lies in the future")]
    FromTheFuture,
    /// Its lifetime is over.
    #[error("the record has expired")]
    Expired,
    /// Its payload is not what a record of its kind holds.
    #[error("the payload of the record is invalid")]
    Payload(#[from] PayloadError),
    /// The signature is wrong.
    #[error("the signature of the record is wrong")]
    Signature,
    /// The signing key is not the publisher's own, and there is no delegation.
    #[error("the signing key does not belong to the publisher")]
    NotDelegated,
    /// The delegation does not name this publisher and this signing key.
    #[error("the delegation is for another publisher or another key")]
    OtherDelegation,
    /// The delegation is malformed or does not verify.
    #[error("the delegation of the record is invalid")]
    Delegation(#[source] delegation::Error),
}

/// Why a payload is not what a record of its kind may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// It is not the CBOR map it should be.
    #[error("the payload is malformed")]
    Malformed(#[from] MalformedCbor),
    /// It is longer than payloads of this kind may be.
    #[error("the payload is longer than {max} bytes")]
    TooLong {
        /// The longest allowed, in bytes.
        max: usize,
    },
    /// The NAT type is none of the known ones.
    #[error("the NAT type is unknown")]
    NatType,
    /// A list has too many entries or an entry that is too long.
    #[error("a list of the payload holds too much")]
    List,
    /// The topic has no name.
    #[error("the topic has no name")]
    NoTopic,
    /// The brief of a topic entry is too long.
    #[error("the brief is too long")]
    Brief,
    /// A part of a note names no lock, or is larger or further back than a part may be.
    #[error("the part of a note is out of bounds")]
    Part,
    /// The hash of the agent card does not have 32 bytes.
    #[error("the card hash does not have 32 bytes")]
    CardHash,
}

#[cfg(test)]
mod tests;
