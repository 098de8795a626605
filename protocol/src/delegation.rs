// SPDX-License-Identifier: MPL-2.0
//! Delegation: the owner of an address lets an operational key act for it.
//!
//! The master key, or the wallet, signs [`Terms`] once; the result is a [`DelegationProof`], which
//! travels with everything the operational key signs. Only [`DelegationProof::verify`] makes a
//! [`Delegation`] of it, so whoever holds one needs no further check but [`Delegation::is_valid_at`].
//! A delegation issued later beats every record signed under an earlier one; that is how a stolen
//! operational key is revoked.

mod message;
mod proof;
mod wire;

use std::{fmt, sync::Arc};

pub use self::proof::{Approval, DelegationProof, Error};
use crate::{Aid, PublicKey, UnixSeconds, aid::Version, limits::DELEGATION_GRACE};

/// The only scope there is: everything on the network.
pub const SCOPE_NETWORK: u8 = 1;

/// What the owner of an address agrees to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The address that is acted for.
    pub agent: Aid,
    /// The key that may act.
    pub operational: PublicKey,
    /// When this was agreed; a later delegation beats an earlier one.
    pub issued_at: UnixSeconds,
    /// When it ends; never, if none.
    pub expires_at: Option<UnixSeconds>,
    /// What it covers; nothing but [`SCOPE_NETWORK`] verifies.
    pub scope: u8,
}

impl Terms {
    /// Terms that cover everything and never end.
    pub const fn new(agent: Aid, operational: PublicKey, issued_at: UnixSeconds) -> Self {
        Self {
            agent,
            operational,
            issued_at,
            expires_at: None,
            scope: SCOPE_NETWORK,
        }
    }

    /// The text a wallet is asked to sign; none if the agent's address is not that of a wallet.
    pub fn message(&self) -> Option<String> {
        let chain = match self.agent.version() {
            Version::Ethereum => "Ethereum",
            Version::Paralism => "Paralism",
            Version::Ed25519 | Version::P256 | Version::Unassigned(_) => return None,
        };
        Some(message::write(self, chain))
    }

    /// Whether the terms are in force at `now`, [`DELEGATION_GRACE`] included.
    fn is_in_force_at(&self, now: UnixSeconds) -> bool {
        self.last_second().is_none_or(|last| now <= last)
    }

    /// The last second in which the terms are in force, [`DELEGATION_GRACE`] included.
    fn last_second(&self) -> Option<UnixSeconds> {
        let grace = DELEGATION_GRACE.as_secs() - 1;
        self.expires_at
            .map(|end| UnixSeconds(end.0.saturating_add(grace)))
    }

    /// The number that stands for [`Self::expires_at`] in CBOR and in messages.
    fn expires_at_or_zero(&self) -> u64 {
        self.expires_at.map_or(0, |end| end.0)
    }
}

/// A verified delegation. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Delegation(Arc<Verified>);

#[derive(PartialEq, Eq)]
struct Verified {
    proof: DelegationProof,
    encoded: Vec<u8>,
}

impl Delegation {
    /// Wraps a proof after its check.
    fn of_verified(proof: DelegationProof) -> Self {
        let encoded = proof.encode();
        Self(Arc::new(Verified { proof, encoded }))
    }

    /// The proof behind this delegation.
    pub fn proof(&self) -> &DelegationProof {
        &self.0.proof
    }

    /// The address that is acted for.
    pub fn agent(&self) -> Aid {
        self.terms().agent
    }

    /// The key that may act.
    pub fn operational(&self) -> PublicKey {
        self.terms().operational
    }

    /// When the owner agreed.
    ///
    /// Not compared with any clock, because a later delegation is how the owner takes back an
    /// earlier one, whatever the clocks say. Nobody but the owner can choose it.
    pub fn issued_at(&self) -> UnixSeconds {
        self.terms().issued_at
    }

    /// When it ends; never, if none. It still counts for [`DELEGATION_GRACE`] after that.
    pub fn expires_at(&self) -> Option<UnixSeconds> {
        self.terms().expires_at
    }

    /// The canonical encoding of the proof.
    pub fn encoded(&self) -> &[u8] {
        &self.0.encoded
    }

    /// Whether it is in force at `now`, [`DELEGATION_GRACE`] included.
    pub fn is_valid_at(&self, now: UnixSeconds) -> bool {
        self.terms().is_in_force_at(now)
    }

    /// The last second in which it is in force; none if it never ends.
    pub(crate) fn last_second(&self) -> Option<UnixSeconds> {
        self.terms().last_second()
    }

    fn terms(&self) -> &Terms {
        &self.0.proof.terms
    }
}

impl fmt::Debug for Delegation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Delegation").field(self.terms()).finish()
    }
}
