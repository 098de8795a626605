// SPDX-License-Identifier: MPL-2.0
//! Delegation proofs as bytes.

use super::{Approval, DelegationProof, Error, Terms};
use crate::{
    Aid, PublicKey, Signature, UnixSeconds,
    aid::Version,
    cbor::{self, Writer},
    limits::MAX_DELEGATION_LEN,
};

/// What separates signed delegations from everything else an Ed25519 key signs.
const DOMAIN: &[u8] = b"a2al-del\0";

impl DelegationProof {
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
}

/// What the master key signs: the domain, then fields 1 to 6 of the proof.
pub(super) fn signed_bytes(master: &PublicKey, terms: &Terms) -> Vec<u8> {
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
