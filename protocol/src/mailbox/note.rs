// SPDX-License-Identifier: MPL-2.0
//! A note as it travels: signed records.

use super::payload::{Content, Payload};
use super::{MessageId, Randomness, Recipient, SealError, crypto, long};
use crate::{
    Credential, DhtKey, Draft, RecordKind, Seq, UnixSeconds, VerifiedRecord,
    limits::{MAX_LONG_BODY_LEN, MAX_NOTE_BODY_LEN},
};

/// When a note is signed, and for how long it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// The sender's counter.
    pub seq: Seq,
    /// The present time.
    pub timestamp: UnixSeconds,
    /// How long the note lives, in seconds; at most [`MAX_MAILBOX_TTL`](crate::limits::MAX_MAILBOX_TTL).
    pub ttl_secs: u32,
}

/// A note under way: the record for the mailbox and, if its body is long, its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedNote {
    /// What lies in the mailbox: the note, or the head of a long one.
    pub record: VerifiedRecord,
    /// The parts of a long body, for the place that [`place_of_parts`](super::place_of_parts) tells.
    pub parts: Vec<VerifiedRecord>,
}

impl SealedNote {
    /// Seals and signs a note of at most [`MAX_LONG_BODY_LEN`] bytes with fresh randomness.
    ///
    /// Up to [`MAX_NOTE_BODY_LEN`] bytes the reference can read it.
    ///
    /// # Errors
    /// [`SealError::TooLong`], [`SealError::Key`] or [`SealError::Sign`].
    pub fn seal(
        credential: &Credential,
        recipient: &Recipient,
        msg_type: u8,
        body: &[u8],
        lifetime: Lifetime,
    ) -> Result<Self, SealError> {
        if body.len() > MAX_LONG_BODY_LEN {
            return Err(SealError::TooLong {
                max: MAX_LONG_BODY_LEN,
            });
        }
        let whole = Content::whole(msg_type, body);
        let fits = body.len() <= MAX_NOTE_BODY_LEN - usize::from(msg_type > LAST_SHORT_UINT);
        let (kind, content, parts) = if fits {
            (RecordKind::MAILBOX, whole, Vec::new())
        } else {
            let secret = crypto::random_secret();
            let parts = long::split(&secret, body);
            let head = Content {
                length: body.len(),
                secret: Some(secret),
                ..Content::whole(msg_type, &[])
            };
            (RecordKind::LONG_NOTE, head, parts)
        };
        let payload = Payload::seal(credential.aid(), recipient, &content, &Randomness::fresh())?;
        let sign = |kind, payload| lifetime.draft(kind, payload).sign(credential);
        let parts = parts
            .into_iter()
            .map(|payload| sign(RecordKind::NOTE_PART, payload))
            .collect::<Result<_, _>>()?;
        let record = sign(kind, payload.encode()?)?;
        Ok(Self { record, parts })
    }

    /// The name of the note.
    pub fn id(&self) -> MessageId {
        MessageId::of_payload(self.record.payload())
    }

    /// The mailbox that it is for; `None` if the record is no note.
    pub fn place(&self) -> Option<DhtKey> {
        let recipient = super::recipient_of(&self.record).ok()?;
        Some(recipient.key())
    }
}

/// The largest number that CBOR writes in one byte.
const LAST_SHORT_UINT: u8 = 23;

impl Lifetime {
    fn draft(self, kind: RecordKind, payload: Vec<u8>) -> Draft {
        Draft {
            kind,
            payload,
            seq: self.seq,
            timestamp: self.timestamp,
            ttl_secs: self.ttl_secs,
        }
    }
}
