// SPDX-License-Identifier: MPL-2.0
//! Notes: what one agent leaves for another, sealed so that only that one can read it.
//!
//! ```text
//! SealedNote::seal ──▶ record for the mailbox, and parts of a long body
//! VerifiedRecord ── open ──▶ Opened::Note
//!                       └──▶ Opened::Head ── join(parts) ──▶ Note
//! ```
//!
//! A note is a record in the mailbox of its recipient, which is the place of the recipient's address in the DHT. Its payload names
//! both agents; what it says is encrypted to the recipient's operational key. The formats are those of the reference; `docs/notes.md`
//! describes what is ours: bodies above [`MAX_NOTE_BODY_LEN`](crate::limits::MAX_NOTE_BODY_LEN), passes, proofs of work and removals.
//!
//! A note is from whom it says because its record is: [`open`] takes nothing but a [`VerifiedRecord`], and requires that sender
//! and publisher are the same.

mod crypto;
mod long;
mod note;
mod pass;
mod payload;
mod removal;
mod statement;
mod work;

use std::fmt;

use sha2::{Digest, Sha256};

pub(crate) use self::long::{check_part, part_slot};
use self::payload::{Content, Payload};
pub use self::{
    crypto::Randomness,
    long::{Head, is_opened_by, place_of_parts},
    note::{Lifetime, SealedNote},
    pass::{Pass, SignedPass},
    removal::{Removal, SignedRemoval},
    statement::StatementError,
    work::{Challenge, Work, demanded_bits},
};
use crate::{
    Aid, PublicKey, RecordKind, SigningKey, VerifiedRecord, cbor::MalformedCbor,
    limits::MAX_LONG_BODY_LEN, record::SignError,
};

/// What one agent says to another.
#[derive(Clone, PartialEq, Eq)]
pub struct Note {
    /// Who says it.
    pub sender: Aid,
    /// What kind of message it is: 1 asks for a connection, 2 names candidates, 3 is text; others pass through.
    pub msg_type: u8,
    /// What it says; at most [`MAX_LONG_BODY_LEN`] bytes.
    pub body: Vec<u8>,
}

impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Note")
            .field("sender", &self.sender)
            .field("msg_type", &self.msg_type)
            .field("body_len", &self.body.len())
            .finish()
    }
}

/// Whom a note is for: an agent, and the operational key that will open it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The agent.
    pub aid: Aid,
    /// Its operational key: the one that signed its endpoint record.
    pub key: PublicKey,
}

impl Recipient {
    /// The publisher of a record, by the key that signed it.
    pub fn of_record(record: &VerifiedRecord) -> Self {
        Self {
            aid: record.aid(),
            key: record.public_key(),
        }
    }
}

/// Names a note: the SHA-256 of its payload. Displayed as 64 lowercase hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId([u8; 32]);

impl MessageId {
    /// The id with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The id of the note with this payload.
    pub fn of_payload(payload: &[u8]) -> Self {
        Self(Sha256::digest(payload).into())
    }

    /// The bytes of the id.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageId({self})")
    }
}

/// Seals a body of at most [`MAX_NOTE_BODY_LEN`](crate::limits::MAX_NOTE_BODY_LEN) bytes: the payload of a record of kind
/// [`MAILBOX`](RecordKind::MAILBOX).
///
/// A message type above 23 takes one byte more, which the body then lacks.
///
/// # Errors
/// [`SealError::TooLong`], or [`SealError::Key`] if nobody can open what is sealed to that key.
pub fn seal(
    sender: Aid,
    recipient: &Recipient,
    msg_type: u8,
    body: &[u8],
    randomness: &Randomness,
) -> Result<Vec<u8>, SealError> {
    let content = Content::whole(msg_type, body);
    Payload::seal(sender, recipient, &content, randomness)?.encode()
}

/// What [`open`] finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// The whole note.
    Note(Note),
    /// The head of a long note, whose body lies in parts elsewhere.
    Head(Head),
}

/// Opens a record that was left for `recipient`, with the operational key that it was sealed to.
///
/// # Errors
/// [`OpenError`], by the first rule that is broken: the record is a note, it is for `recipient`, its sender published it, every
/// field has its length, and the key fits.
pub fn open(
    record: &VerifiedRecord,
    recipient: Aid,
    key: &SigningKey,
) -> Result<Opened, OpenError> {
    let payload = Payload::of_record(record)?;
    if payload.recipient != recipient {
        return Err(OpenError::OtherRecipient);
    }
    let content = payload.open(key)?;
    let note = |body| Note {
        sender: record.aid(),
        msg_type: content.msg_type,
        body,
    };
    match (&content.secret, record.kind()) {
        (None, RecordKind::MAILBOX) => Ok(Opened::Note(note(content.body.to_vec()))),
        (Some(secret), RecordKind::LONG_NOTE) if content.length <= MAX_LONG_BODY_LEN => {
            Ok(Opened::Head(Head {
                sender: record.aid(),
                msg_type: content.msg_type,
                length: content.length,
                secret: secret.clone(),
            }))
        }
        _ => Err(OpenError::Content),
    }
}

/// For whom a record is, if it is a note; it need not be one that its recipient can open.
///
/// # Errors
/// [`OpenError::Kind`], [`OpenError::Malformed`], [`OpenError::Field`], or [`OpenError::OtherSender`] if it names another sender than
/// its publisher.
pub fn recipient_of(record: &VerifiedRecord) -> Result<Aid, OpenError> {
    Payload::of_record(record).map(|payload| payload.recipient)
}

/// Why a note can't be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The body is too long.
    #[error("the body is longer than {max} bytes")]
    TooLong {
        /// The longest allowed, in bytes.
        max: usize,
    },
    /// The recipient's key is none that anything can be sealed to.
    #[error("nothing can be sealed to the key of the recipient")]
    Key,
    /// A record of the note can't be signed.
    #[error("the record can't be signed")]
    Sign(#[from] SignError),
}

/// Why a note can't be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The record is not a note.
    #[error("the record is not a note")]
    Kind,
    /// Its payload, or what is sealed in it, is not the CBOR map it should be.
    #[error("the note is malformed")]
    Malformed(#[from] MalformedCbor),
    /// A field is missing or has the wrong length.
    #[error("field {0} of the note is missing or has the wrong length")]
    Field(u8),
    /// It is for somebody else.
    #[error("the note is for another recipient")]
    OtherRecipient,
    /// It names another sender than the publisher of its record.
    #[error("the note names another sender than its publisher")]
    OtherSender,
    /// It was sealed to another key, or changed since.
    #[error("the note does not open with this key")]
    Sealed,
    /// What was sealed is not what a record of its kind holds.
    #[error("the content does not fit the kind of the note")]
    Content,
    /// Parts of a long body are missing.
    #[error("{missing} of {count} parts of the note are missing")]
    Parts {
        /// How many are missing.
        missing: usize,
        /// How many there should be.
        count: usize,
    },
}

#[cfg(test)]
mod tests;
