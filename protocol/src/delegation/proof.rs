// SPDX-License-Identifier: MPL-2.0
//! The proof of a delegation: how it is made and how it is checked.

use super::{Delegation, SCOPE_NETWORK, Terms, message, wire::signed_bytes};
use crate::{
    PublicKey, Signature, SigningKey, UnixSeconds, WalletKey, aid, aid::Version,
    cbor::MalformedCbor, key, limits::MAX_DELEGATION_LEN,
};

/// The terms of a delegation with the owner's signature, not yet checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelegationProof {
    /// What was agreed.
    pub terms: Terms,
    /// Who agreed, and how that is proved.
    pub approval: Approval,
}

/// How the owner of an address signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Approval {
    /// By the Ed25519 master key from which the address derives.
    Master {
        /// The master key.
        key: PublicKey,
        /// Its signature over the terms.
        signature: Signature,
    },
    /// By the wallet that owns the address, over a text that states the terms.
    Wallet {
        /// The text as it was signed.
        message: String,
        /// The signature, in the form of the wallet's chain.
        signature: [u8; 65],
    },
}

/// Why bytes are not a delegation proof, or why it proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is longer than [`MAX_DELEGATION_LEN`].
    #[error("the delegation proof is too long")]
    TooLong,
    /// It is not the CBOR map it should be.
    #[error("the delegation proof is malformed")]
    Malformed(#[from] MalformedCbor),
    /// Its agent is not an address.
    #[error("the delegation proof names no valid agent")]
    Agent(#[from] aid::ParseError),
    /// A field is missing, has the wrong length, or must not be there for this kind of address.
    #[error("field {0} of the delegation proof does not fit its kind of address")]
    Field(u8),
    /// Addresses of this version can't delegate.
    #[error("addresses of this version cannot delegate")]
    Unsupported,
    /// The scope is not [`SCOPE_NETWORK`].
    #[error("the scope of the delegation is unknown")]
    Scope,
    /// It has expired.
    #[error("the delegation has expired")]
    Expired,
    /// The signer does not own the agent's address.
    #[error("the delegation is not signed by the owner of the address")]
    NotOwner,
    /// The signature is wrong.
    #[error("the signature of the delegation is wrong")]
    Signature,
    /// The signed text does not state the terms.
    #[error("the signed text does not state the terms of the delegation")]
    Message,
}

impl DelegationProof {
    /// Signs `terms` with the master key of their agent.
    ///
    /// # Errors
    /// [`Error::NotOwner`] if the agent's address does not derive from `master`.
    pub fn by_master(master: &SigningKey, terms: Terms) -> Result<Self, Error> {
        let key = master.public();
        if key.aid() != terms.agent {
            return Err(Error::NotOwner);
        }
        let signature = master.sign(&signed_bytes(&key, &terms));
        Ok(Self {
            terms,
            approval: Approval::Master { key, signature },
        })
    }

    /// Signs `terms` with the wallet key of their agent.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the agent's address is not that of a wallet, [`Error::NotOwner`]
    /// if it is that of another one.
    pub fn by_wallet(wallet: &WalletKey, terms: Terms) -> Result<Self, Error> {
        let message = terms.message().ok_or(Error::Unsupported)?;
        let (owner, signature) = match terms.agent.version() {
            Version::Ethereum => (wallet.ethereum_aid(), wallet.sign_ethereum(&message)),
            _ => (wallet.paralism_aid(), wallet.sign_paralism(&message)),
        };
        if owner != terms.agent {
            return Err(Error::NotOwner);
        }
        Ok(Self {
            terms,
            approval: Approval::Wallet { message, signature },
        })
    }

    /// Puts together `terms` and a wallet's signature over their [`Terms::message`].
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the agent's address is not that of a wallet. The signature itself
    /// is left to [`Self::verify`].
    pub fn from_wallet_signature(terms: Terms, signature: [u8; 65]) -> Result<Self, Error> {
        let message = terms.message().ok_or(Error::Unsupported)?;
        Ok(Self {
            terms,
            approval: Approval::Wallet { message, signature },
        })
    }

    /// Checks scope, expiry and the owner's signature.
    ///
    /// The time of issue is not compared with `now`: the reference takes proofs from the future,
    /// and since only the owner can make them, refusing them would protect nobody.
    ///
    /// # Errors
    /// [`Error::Scope`], [`Error::Expired`], [`Error::NotOwner`], [`Error::Signature`],
    /// [`Error::Message`], [`Error::Unsupported`] if the approval is not of the kind that the agent's
    /// address needs, or [`Error::TooLong`] in canonical form.
    pub fn verify(self, now: UnixSeconds) -> Result<Delegation, Error> {
        if self.terms.scope != SCOPE_NETWORK {
            return Err(Error::Scope);
        }
        if !self.terms.is_in_force_at(now) {
            return Err(Error::Expired);
        }
        match &self.approval {
            Approval::Master { key, signature } => self.check_master(key, signature)?,
            Approval::Wallet { message, signature } => self.check_wallet(message, signature)?,
        }
        let delegation = Delegation::of_verified(self);
        // Fields that were left out have been added, and others must be able to read it, too.
        if delegation.encoded().len() > MAX_DELEGATION_LEN {
            return Err(Error::TooLong);
        }
        Ok(delegation)
    }

    fn check_master(&self, key: &PublicKey, signature: &Signature) -> Result<(), Error> {
        if key.aid() != self.terms.agent {
            return Err(Error::NotOwner);
        }
        let bytes = signed_bytes(key, &self.terms);
        key.verify(&bytes, signature).map_err(|_| Error::Signature)
    }

    fn check_wallet(&self, text: &str, signature: &[u8; 65]) -> Result<(), Error> {
        if !message::states(text, &self.terms) {
            return Err(Error::Message);
        }
        let signer = match self.terms.agent.version() {
            Version::Ethereum => key::recover_ethereum(text, signature),
            Version::Paralism => key::recover_paralism(text, signature),
            Version::Ed25519 | Version::P256 | Version::Unassigned(_) => {
                return Err(Error::Unsupported);
            }
        };
        match signer {
            Some(signer) if signer == self.terms.agent => Ok(()),
            Some(_) => Err(Error::NotOwner),
            None => Err(Error::Signature),
        }
    }
}
