// SPDX-License-Identifier: MPL-2.0
//! The proof of a delegation: its encoding and its check.

use super::{Delegation, SCOPE_NETWORK, Terms, message};
use crate::{
    Aid, PublicKey, Signature, SigningKey, UnixSeconds, WalletKey, aid,
    aid::Version,
    cbor::{self, MalformedCbor, Writer},
    key,
    limits::MAX_DELEGATION_LEN,
};

/// What separates signed delegations from everything else an Ed25519 key signs.
const DOMAIN: &[u8] = b"a2al-del\0";

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

    /// Reads a proof. Says nothing about whether it is true; see [`Self::verify`].
    ///
    /// # Errors
    /// [`Error::TooLong`], [`Error::Malformed`], [`Error::Agent`], [`Error::Field`], or
    /// [`Error::Unsupported`] for addresses that can't delegate.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > MAX_DELEGATION_LEN {
            return Err(Error::TooLong);
        }
        let mut fields = Fields::default();
        cbor::read_map(bytes, |key, value| {
            match key {
                1 => fields.master = value.bytes()?.unwrap_or_default(),
                2 => fields.operational = value.bytes()?.unwrap_or_default(),
                3 => fields.agent = value.bytes()?.unwrap_or_default(),
                4 => fields.issued_at = value.uint()?,
                5 => fields.expires_at = value.uint()?,
                6 => fields.scope = value.uint()?,
                7 => fields.signature = value.bytes()?.unwrap_or_default(),
                8 => fields.message = value.text()?,
                _ => value.skip()?,
            }
            Ok(())
        })?;
        fields.into_proof()
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        match &self.approval {
            Approval::Master { key, signature } => {
                write_terms(writer.map(7).uint(1).bytes(key.as_bytes()), &self.terms);
                writer.uint(7).bytes(signature.as_bytes());
            }
            Approval::Wallet { message, signature } => {
                write_terms(writer.map(7), &self.terms);
                writer.uint(7).bytes(signature).uint(8).text(message);
            }
        }
        writer.finish()
    }

    /// Checks scope, expiry and the owner's signature.
    ///
    /// The time of issue is not compared with `now`: the reference takes proofs from the future,
    /// and since only the owner can make them, refusing them would protect nobody.
    ///
    /// # Errors
    /// [`Error::Scope`], [`Error::Expired`], [`Error::NotOwner`], [`Error::Signature`],
    /// [`Error::Message`], or [`Error::Unsupported`] if the approval is not of the kind that the
    /// agent's address needs.
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
        Ok(Delegation::of_verified(self))
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

/// The fields of a proof as they stand on the wire.
#[derive(Default)]
struct Fields {
    master: Vec<u8>,
    operational: Vec<u8>,
    agent: Vec<u8>,
    issued_at: u64,
    expires_at: u64,
    scope: u8,
    signature: Vec<u8>,
    message: String,
}

impl Fields {
    fn into_proof(self) -> Result<DelegationProof, Error> {
        let agent = Aid::from_bytes(&self.agent)?;
        let terms = Terms {
            agent,
            operational: PublicKey::from_bytes(exactly(&self.operational, 2)?),
            issued_at: UnixSeconds(self.issued_at),
            expires_at: (self.expires_at != 0).then_some(UnixSeconds(self.expires_at)),
            scope: self.scope,
        };
        let approval = match agent.version() {
            Version::Ed25519 => self.into_master()?,
            Version::Ethereum | Version::Paralism => self.into_wallet()?,
            Version::P256 | Version::Unassigned(_) => return Err(Error::Unsupported),
        };
        Ok(DelegationProof { terms, approval })
    }

    fn into_master(self) -> Result<Approval, Error> {
        if !self.message.is_empty() {
            return Err(Error::Field(8));
        }
        Ok(Approval::Master {
            key: PublicKey::from_bytes(exactly(&self.master, 1)?),
            signature: Signature::from_bytes(exactly(&self.signature, 7)?),
        })
    }

    fn into_wallet(self) -> Result<Approval, Error> {
        if !self.master.is_empty() {
            return Err(Error::Field(1));
        }
        if self.message.is_empty() {
            return Err(Error::Field(8));
        }
        Ok(Approval::Wallet {
            signature: exactly(&self.signature, 7)?,
            message: self.message,
        })
    }
}

fn exactly<const N: usize>(bytes: &[u8], field: u8) -> Result<[u8; N], Error> {
    bytes.try_into().map_err(|_| Error::Field(field))
}

/// What the master key signs: the domain, then fields 1 to 6 of the proof.
fn signed_bytes(master: &PublicKey, terms: &Terms) -> Vec<u8> {
    let mut writer = Writer::with_prefix(DOMAIN);
    write_terms(writer.map(6).uint(1).bytes(master.as_bytes()), terms);
    writer.finish()
}

fn write_terms(writer: &mut Writer, terms: &Terms) {
    writer
        .uint(2)
        .bytes(terms.operational.as_bytes())
        .uint(3)
        .bytes(terms.agent.as_bytes())
        .uint(4)
        .uint(terms.issued_at.0)
        .uint(5)
        .uint(terms.expires_at_or_zero())
        .uint(6)
        .uint(terms.scope.into());
}
