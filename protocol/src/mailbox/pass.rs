// SPDX-License-Identifier: MPL-2.0
//! Passes: who has been written to may write back without a proof of work, and has room of its own in the mailbox.

use super::recipient_of;
use super::statement::{Endorsement, EndorsementFields, StatementError};
use crate::{
    Aid, Credential, Signature, UnixSeconds, VerifiedRecord,
    cbor::{self, Writer},
    limits::{CLOCK_SKEW, MAX_PASS_LEN, MAX_PASS_LIFE, REPLY_PASS_LEN},
};

/// What separates passes from everything else an Ed25519 key signs.
const DOMAIN: &[u8] = b"a2al-pass\0";

/// Permission to write to an agent, given by that agent to one other. Nothing is proven yet; see [`Self::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedPass {
    issuer: Aid,
    holder: Aid,
    expires_at: UnixSeconds,
    endorsement: Endorsement,
}

/// A pass that was checked, or just issued. Cheap enough to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    signed: SignedPass,
    issued_at: UnixSeconds,
}

impl Pass {
    /// Lets `holder` write to the agent of `credential` until `expires_at`; nobody takes one that ends after more than [`MAX_PASS_LIFE`].
    pub fn issue(credential: &Credential, holder: Aid, expires_at: UnixSeconds) -> Self {
        let issuer = credential.aid();
        let message = message(&issuer, &holder, expires_at);
        Self {
            signed: SignedPass {
                issuer,
                holder,
                expires_at,
                endorsement: Endorsement::sign(credential, &message),
            },
            issued_at: credential.issued_at(),
        }
    }

    /// Who may be written to.
    pub fn issuer(&self) -> Aid {
        self.signed.issuer
    }

    /// Who may write.
    pub fn holder(&self) -> Aid {
        self.signed.holder
    }

    /// The last second in which it counts.
    pub fn expires_at(&self) -> UnixSeconds {
        self.signed.expires_at
    }

    /// When the delegation of the key that signed was issued; zero without one.
    pub fn issued_at(&self) -> UnixSeconds {
        self.issued_at
    }

    /// Whether it lets the sender of a note write to its recipient at `now`.
    pub fn admits(&self, note: &VerifiedRecord, now: UnixSeconds) -> bool {
        now <= self.expires_at() && self.signed.is_for(note)
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        self.signed.encode()
    }

    /// The short form that travels beside a note that the issuer sends to the holder: what the note says anyway is left out.
    ///
    /// `None` if the note is between others, or signed with another key.
    pub fn beside(&self, note: &VerifiedRecord) -> Option<[u8; REPLY_PASS_LEN]> {
        let reply = SignedPass::beside(self.expires_at(), self.signature(), note)?;
        let mut bytes = [0; REPLY_PASS_LEN];
        bytes[..8].copy_from_slice(&self.expires_at().0.to_be_bytes());
        bytes[8..].copy_from_slice(self.signature().as_bytes());
        (reply == self.signed).then_some(bytes)
    }

    fn signature(&self) -> Signature {
        self.signed.endorsement.signature
    }
}

impl SignedPass {
    /// Reads a pass. Says nothing about whether it is genuine; see [`Self::verify`].
    ///
    /// # Errors
    /// [`StatementError::TooLong`], [`StatementError::Malformed`] or [`StatementError::Field`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StatementError> {
        if bytes.len() > MAX_PASS_LEN {
            return Err(StatementError::TooLong);
        }
        let (mut issuer, mut holder, mut expires_at) = (Vec::new(), Vec::new(), 0);
        let mut endorsement = EndorsementFields::default();
        cbor::read_map(bytes, |key, value| {
            match key {
                1 => issuer = value.bytes()?.unwrap_or_default(),
                2 => holder = value.bytes()?.unwrap_or_default(),
                3 => expires_at = value.uint()?,
                7 => endorsement.public_key = value.bytes()?.unwrap_or_default(),
                8 => endorsement.signature = value.bytes()?.unwrap_or_default(),
                9 => endorsement.delegation = value.bytes()?,
                _ => value.skip()?,
            }
            Ok(())
        })?;
        Ok(Self {
            issuer: Aid::from_bytes(&issuer).map_err(|_| StatementError::Field(1))?,
            holder: Aid::from_bytes(&holder).map_err(|_| StatementError::Field(2))?,
            expires_at: UnixSeconds(expires_at),
            endorsement: endorsement.into_endorsement()?,
        })
    }

    /// Reads the short form beside `note`, which the issuer sends to the holder; `None` if it cannot be one.
    pub fn decode_beside(bytes: &[u8], note: &VerifiedRecord) -> Option<Self> {
        let bytes: &[u8; REPLY_PASS_LEN] = bytes.try_into().ok()?;
        let (expires_at, signature) = bytes.split_first_chunk()?;
        let expires_at = UnixSeconds(u64::from_be_bytes(*expires_at));
        let signature = Signature::from_bytes(signature.try_into().ok()?);
        Self::beside(expires_at, signature, note)
    }

    fn beside(
        expires_at: UnixSeconds,
        signature: Signature,
        note: &VerifiedRecord,
    ) -> Option<Self> {
        let delegation = note.delegation().map(|proof| proof.encoded().to_vec());
        Some(Self {
            issuer: note.aid(),
            holder: recipient_of(note).ok()?,
            expires_at,
            endorsement: Endorsement {
                public_key: note.public_key(),
                signature,
                delegation,
            },
        })
    }

    /// Whether it claims to let the sender of a note write to its recipient.
    pub(crate) fn is_for(&self, note: &VerifiedRecord) -> bool {
        self.holder == note.aid() && recipient_of(note) == Ok(self.issuer)
    }

    /// Who claims to have issued it, and for whom.
    pub fn parties(&self) -> (Aid, Aid) {
        (self.issuer, self.holder)
    }

    /// Checks that it is in force at `now` and ends within [`MAX_PASS_LIFE`], and that its issuer signed it.
    ///
    /// Costs one signature check, or two with a delegation; the cheap checks come first.
    ///
    /// # Errors
    /// [`StatementError::NotInForce`], [`StatementError::Signature`], [`StatementError::NotDelegated`] or
    /// [`StatementError::Delegation`].
    pub fn verify(mut self, now: UnixSeconds) -> Result<Pass, StatementError> {
        let latest = now.saturating_add(MAX_PASS_LIFE + CLOCK_SKEW);
        if self.expires_at < now || self.expires_at > latest {
            return Err(StatementError::NotInForce);
        }
        let message = message(&self.issuer, &self.holder, self.expires_at);
        let issued_at = self.endorsement.verify(self.issuer, &message, now)?;
        Ok(Pass {
            issued_at,
            signed: self,
        })
    }

    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.map(3 + self.endorsement.fields());
        write(&mut writer, &self.issuer, &self.holder, self.expires_at);
        self.endorsement.write(&mut writer);
        writer.finish()
    }
}

/// What is signed: the domain, then fields 1 to 3.
fn message(issuer: &Aid, holder: &Aid, expires_at: UnixSeconds) -> Vec<u8> {
    let mut writer = Writer::with_prefix(DOMAIN);
    write(writer.map(3), issuer, holder, expires_at);
    writer.finish()
}

fn write(writer: &mut Writer, issuer: &Aid, holder: &Aid, expires_at: UnixSeconds) {
    writer.uint(1).bytes(issuer.as_bytes());
    writer.uint(2).bytes(holder.as_bytes());
    writer.uint(3).uint(expires_at.0);
}
