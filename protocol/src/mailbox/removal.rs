// SPDX-License-Identifier: MPL-2.0
//! Removals: a recipient acknowledges notes, so that holders drop them and take them from nobody again.

use std::sync::Arc;

use super::MessageId;
use super::statement::{Endorsement, EndorsementFields, StatementError};
use crate::{
    Aid, Credential, DhtKey, UnixSeconds,
    cbor::{self, Writer},
    limits::{CLOCK_SKEW, MAX_MAILBOX_TTL, MAX_REMOVAL_LEN, REMOVED_PER_STATEMENT},
};

/// What separates removals from everything else an Ed25519 key signs.
const DOMAIN: &[u8] = b"a2al-note-removal\0";

/// An acknowledgement of notes, by their recipient. Nothing is proven yet; see [`Self::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRemoval {
    recipient: Aid,
    timestamp: UnixSeconds,
    ids: Vec<MessageId>,
    endorsement: Endorsement,
}

/// A removal that was checked, or just signed. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    signed: Arc<SignedRemoval>,
    issued_at: UnixSeconds,
}

impl Removal {
    /// Acknowledges notes for the agent of `credential`: at most [`REMOVED_PER_STATEMENT`], the others are left out.
    pub fn sign(credential: &Credential, ids: &[MessageId], now: UnixSeconds) -> Self {
        let recipient = credential.aid();
        let ids: Vec<_> = ids.iter().copied().take(REMOVED_PER_STATEMENT).collect();
        let message = message(&recipient, now, &ids);
        let signed = SignedRemoval {
            recipient,
            timestamp: now,
            ids,
            endorsement: Endorsement::sign(credential, &message),
        };
        Self {
            signed: Arc::new(signed),
            issued_at: credential.issued_at(),
        }
    }

    /// Whose mailbox it is about.
    pub fn recipient(&self) -> Aid {
        self.signed.recipient
    }

    /// The place of that mailbox.
    pub fn place(&self) -> DhtKey {
        self.recipient().key()
    }

    /// The notes that are acknowledged.
    pub fn ids(&self) -> &[MessageId] {
        &self.signed.ids
    }

    /// When the delegation of the key that signed was issued; zero without one.
    pub fn issued_at(&self) -> UnixSeconds {
        self.issued_at
    }

    /// The last second in which a note that is acknowledged here can be in force.
    pub fn expires_at(&self) -> UnixSeconds {
        last_second(self.signed.timestamp)
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.map(3 + self.signed.endorsement.fields());
        let SignedRemoval {
            recipient,
            timestamp,
            ids,
            endorsement,
        } = &*self.signed;
        write(&mut writer, recipient, *timestamp, ids);
        endorsement.write(&mut writer);
        writer.finish()
    }
}

impl SignedRemoval {
    /// Reads a removal. Says nothing about whether it is genuine; see [`Self::verify`].
    ///
    /// # Errors
    /// [`StatementError::TooLong`], [`StatementError::Malformed`] or [`StatementError::Field`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StatementError> {
        if bytes.len() > MAX_REMOVAL_LEN {
            return Err(StatementError::TooLong);
        }
        let (mut recipient, mut timestamp, mut ids) = (Vec::new(), 0, Vec::new());
        let mut endorsement = EndorsementFields::default();
        cbor::read_map(bytes, |key, value| {
            match key {
                1 => recipient = value.bytes()?.unwrap_or_default(),
                2 => timestamp = value.uint()?,
                3 => ids = value.bytes()?.unwrap_or_default(),
                7 => endorsement.public_key = value.bytes()?.unwrap_or_default(),
                8 => endorsement.signature = value.bytes()?.unwrap_or_default(),
                9 => endorsement.delegation = value.bytes()?,
                _ => value.skip()?,
            }
            Ok(())
        })?;
        let (ids, rest) = ids.as_chunks();
        if !rest.is_empty() || ids.is_empty() || ids.len() > REMOVED_PER_STATEMENT {
            return Err(StatementError::Field(3));
        }
        Ok(Self {
            recipient: Aid::from_bytes(&recipient).map_err(|_| StatementError::Field(1))?,
            timestamp: UnixSeconds(timestamp),
            ids: ids.iter().copied().map(MessageId::from_bytes).collect(),
            endorsement: endorsement.into_endorsement()?,
        })
    }

    /// Whose mailbox it claims to be about.
    pub fn recipient(&self) -> Aid {
        self.recipient
    }

    /// Checks that notes it acknowledges can still be in force at `now`, and that their recipient signed it.
    ///
    /// # Errors
    /// [`StatementError::NotInForce`], [`StatementError::Signature`], [`StatementError::NotDelegated`] or
    /// [`StatementError::Delegation`].
    pub fn verify(mut self, now: UnixSeconds) -> Result<Removal, StatementError> {
        let is_early = self.timestamp > now.saturating_add(CLOCK_SKEW);
        if is_early || last_second(self.timestamp) < now {
            return Err(StatementError::NotInForce);
        }
        let message = message(&self.recipient, self.timestamp, &self.ids);
        let issued_at = self.endorsement.verify(self.recipient, &message, now)?;
        Ok(Removal {
            issued_at,
            signed: Arc::new(self),
        })
    }
}

/// A note that was acknowledged may have been signed a little later, by a clock that runs ahead.
fn last_second(timestamp: UnixSeconds) -> UnixSeconds {
    timestamp.saturating_add(MAX_MAILBOX_TTL + 2 * CLOCK_SKEW)
}

/// What is signed: the domain, then fields 1 to 3.
fn message(recipient: &Aid, timestamp: UnixSeconds, ids: &[MessageId]) -> Vec<u8> {
    let mut writer = Writer::with_prefix(DOMAIN);
    write(writer.map(3), recipient, timestamp, ids);
    writer.finish()
}

fn write(writer: &mut Writer, recipient: &Aid, timestamp: UnixSeconds, ids: &[MessageId]) {
    let ids: Vec<u8> = ids.iter().flat_map(MessageId::as_bytes).copied().collect();
    writer.uint(1).bytes(recipient.as_bytes());
    writer.uint(2).uint(timestamp.0);
    writer.uint(3).bytes(&ids);
}
