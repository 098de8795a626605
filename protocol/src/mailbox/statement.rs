// SPDX-License-Identifier: MPL-2.0
//! What an agent states beside its records: a signature by its operational key, and why that key may speak for it.

use crate::{
    Aid, Credential, DelegationProof, PublicKey, Signature, UnixSeconds,
    cbor::{MalformedCbor, Writer},
    delegation,
};

/// Why a pass or a removal proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// It is longer than any can be.
    #[error("the statement is too long")]
    TooLong,
    /// It is not the CBOR map it should be.
    #[error("the statement is malformed")]
    Malformed(#[from] MalformedCbor),
    /// A field is missing or out of bounds.
    #[error("field {0} of the statement is missing or out of bounds")]
    Field(u8),
    /// It is not in force.
    #[error("the statement is not in force")]
    NotInForce,
    /// The signature is wrong.
    #[error("the signature of the statement is wrong")]
    Signature,
    /// The signing key is not that of the agent, and was not delegated to.
    #[error("the signing key does not speak for the agent")]
    NotDelegated,
    /// The delegation is malformed or does not verify.
    #[error("the delegation of the statement is invalid")]
    Delegation(#[source] delegation::Error),
}

/// The fields that every statement ends with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endorsement {
    pub(super) public_key: PublicKey,
    pub(super) signature: Signature,
    /// As on the wire; none if the address is the key's own.
    pub(super) delegation: Option<Vec<u8>>,
}

impl Endorsement {
    pub(super) fn sign(credential: &Credential, message: &[u8]) -> Self {
        let public_key = credential.public_key();
        let delegation = credential.delegation();
        let delegation = delegation.filter(|_| public_key.aid() != credential.aid());
        Self {
            public_key,
            signature: credential.sign(message),
            delegation: delegation.map(|proof| proof.encoded().to_vec()),
        }
    }

    /// Checks that whoever speaks for `aid` signed `message`. Of the delegation nothing is kept but what it says, in its
    /// canonical form, and only if it takes one.
    ///
    /// Returns when the delegation was issued; zero without one.
    pub(super) fn verify(
        &mut self,
        aid: Aid,
        message: &[u8],
        now: UnixSeconds,
    ) -> Result<UnixSeconds, StatementError> {
        let proof = self.proof(aid)?;
        self.public_key
            .verify(message, &self.signature)
            .map_err(|_| StatementError::Signature)?;
        let delegation = proof.map(|proof| proof.verify(now)).transpose();
        let delegation = delegation.map_err(StatementError::Delegation)?;
        self.delegation = delegation.as_ref().map(|proof| proof.encoded().to_vec());
        Ok(delegation.map_or(UnixSeconds(0), |proof| proof.issued_at()))
    }

    fn proof(&self, aid: Aid) -> Result<Option<DelegationProof>, StatementError> {
        if self.public_key.aid() == aid {
            return Ok(None);
        }
        let encoded = self.delegation.as_ref();
        let proof = DelegationProof::decode(encoded.ok_or(StatementError::NotDelegated)?)
            .map_err(StatementError::Delegation)?;
        let is_theirs = proof.terms.agent == aid && proof.terms.operational == self.public_key;
        is_theirs
            .then_some(Some(proof))
            .ok_or(StatementError::NotDelegated)
    }

    /// How many fields [`Self::write`] writes.
    pub(super) fn fields(&self) -> usize {
        2 + usize::from(self.delegation.is_some())
    }

    /// Writes the fields 7 to 9, as records have them.
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.uint(7).bytes(self.public_key.as_bytes());
        writer.uint(8).bytes(self.signature.as_bytes());
        if let Some(delegation) = &self.delegation {
            writer.uint(9).bytes(delegation);
        }
    }
}

/// The fields of [`Endorsement::write`] as they stand on the wire.
#[derive(Default)]
pub(super) struct EndorsementFields {
    pub(super) public_key: Vec<u8>,
    pub(super) signature: Vec<u8>,
    pub(super) delegation: Option<Vec<u8>>,
}

impl EndorsementFields {
    pub(super) fn into_endorsement(self) -> Result<Endorsement, StatementError> {
        let public_key = self.public_key.try_into();
        let signature = self.signature.try_into();
        Ok(Endorsement {
            public_key: PublicKey::from_bytes(public_key.map_err(|_| StatementError::Field(7))?),
            signature: Signature::from_bytes(signature.map_err(|_| StatementError::Field(8))?),
            delegation: self.delegation.filter(|proof| !proof.is_empty()),
        })
    }
}
