// SPDX-License-Identifier: MPL-2.0
//! Bodies that do not fit a mailbox record: sealed as a whole, cut into parts, and kept at a place of their own.
//!
//! The head, a record in the mailbox, holds a secret from which everything else follows: the key of the body, and a token whose
//! hash, the lock, is in every part. The place of the parts is the hash of sender and lock, so nobody else can write there, and
//! nobody who sees the parts learns whom they are for. Whoever shows the token may have the parts dropped.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::crypto::{self, Nonce, Secret, TAG_LEN};
use super::{Note, OpenError};
use crate::{
    Aid, DhtKey, RecordKind, VerifiedRecord,
    cbor::{self, Writer},
    limits::{MAX_NOTE_PARTS, NOTE_PART_LEN},
    record::PayloadError,
};

/// What places of parts are hashed with, so that they are no places of anything else.
const PLACE: &[u8] = b"a2al-note-parts\0";

/// What the two values are derived for that grow from the secret of a long note.
const KEY_INFO: &[u8] = b"a2al-note key";
const TOKEN_INFO: &[u8] = b"a2al-note token";

/// The key of a body is used once, so its nonce need not differ from others.
const NONCE: Nonce = [0; 12];

/// The head of a long note: what it takes to find its parts, and to put them together.
#[derive(Clone, PartialEq, Eq)]
pub struct Head {
    pub(super) sender: Aid,
    pub(super) msg_type: u8,
    pub(super) length: usize,
    pub(super) secret: Secret,
}

impl std::fmt::Debug for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Head")
            .field("sender", &self.sender)
            .field("msg_type", &self.msg_type)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

impl Head {
    /// Who sent the note.
    pub fn sender(&self) -> Aid {
        self.sender
    }

    /// The place in the DHT where its parts are held.
    pub fn place(&self) -> DhtKey {
        place(&self.sender, &lock(&self.token()))
    }

    /// What has holders drop the parts.
    pub(crate) fn token(&self) -> Secret {
        crypto::derive(None, &self.secret, &[TOKEN_INFO])
    }

    /// How many parts there are.
    pub fn count(&self) -> usize {
        (self.length + TAG_LEN).div_ceil(NOTE_PART_LEN)
    }

    /// Puts the note together. Records that are no parts of it are passed over.
    ///
    /// # Errors
    /// [`OpenError::Parts`] if some are missing, [`OpenError::Sealed`] if they are not what the sender sealed.
    pub fn join(&self, parts: &[VerifiedRecord]) -> Result<Note, OpenError> {
        let lock = lock(&self.token());
        let own = parts.iter().filter(|part| part.aid() == self.sender);
        let own = own.filter_map(|part| Part::of_record(part).ok());
        let by_index: BTreeMap<usize, Part> = own
            .filter(|part| part.lock == lock)
            .map(|part| (part.index, part))
            .collect();
        let count = self.count();
        let found = by_index.range(..count);
        let missing = count - found.clone().count();
        if missing > 0 {
            return Err(OpenError::Parts { missing, count });
        }
        let sealed: Vec<u8> = found.flat_map(|(_, part)| &part.bytes).copied().collect();
        let key = crypto::derive(None, &self.secret, &[KEY_INFO]);
        let body = crypto::decrypt(&key, &NONCE, &sealed).ok_or(OpenError::Sealed)?;
        if body.len() != self.length {
            return Err(OpenError::Sealed);
        }
        Ok(Note {
            sender: self.sender,
            msg_type: self.msg_type,
            body: body.to_vec(),
        })
    }
}

/// The payloads of the parts of `body`.
pub(super) fn split(secret: &Secret, body: &[u8]) -> Vec<Vec<u8>> {
    let key = crypto::derive(None, secret, &[KEY_INFO]);
    let lock = lock(&crypto::derive(None, secret, &[TOKEN_INFO]));
    let sealed = crypto::encrypt(&key, &NONCE, body);
    let parts = sealed.chunks(NOTE_PART_LEN).enumerate();
    parts
        .map(|(index, bytes)| {
            let part = Part {
                lock,
                index,
                bytes: bytes.to_vec(),
            };
            part.encode()
        })
        .collect()
}

/// The only place where a part may be held; `None` if the record is no part of a note.
pub fn place_of_parts(part: &VerifiedRecord) -> Option<DhtKey> {
    let read = Part::of_record(part).ok()?;
    Some(place(&part.aid(), &read.lock))
}

/// Checks the payload of a part.
pub(crate) fn check_part(payload: &[u8]) -> Result<(), PayloadError> {
    Part::decode(payload).map(drop)
}

/// Whether `token` is the one of the note that a record is a part of.
pub fn is_opened_by(part: &VerifiedRecord, token: &[u8; 32]) -> bool {
    Part::of_record(part).is_ok_and(|part| part.lock == lock(token))
}

/// What a token opens.
fn lock(token: &[u8; 32]) -> [u8; 32] {
    let digest = Sha256::new().chain_update(TOKEN_INFO).chain_update(token);
    digest.finalize().into()
}

fn place(sender: &Aid, lock: &[u8; 32]) -> DhtKey {
    let digest = Sha256::new()
        .chain_update(PLACE)
        .chain_update(sender.as_bytes())
        .chain_update(lock);
    DhtKey::from_bytes(digest.finalize().into())
}

/// One piece of a sealed body.
struct Part {
    lock: [u8; 32],
    index: usize,
    bytes: Vec<u8>,
}

impl Part {
    fn of_record(record: &VerifiedRecord) -> Result<Self, OpenError> {
        if record.kind() != RecordKind::NOTE_PART {
            return Err(OpenError::Kind);
        }
        Self::decode(record.payload()).map_err(|_| OpenError::Content)
    }

    fn decode(payload: &[u8]) -> Result<Self, PayloadError> {
        let (mut lock, mut index, mut bytes) = (Vec::new(), 0, Vec::new());
        cbor::read_map(payload, |key, value| {
            match key {
                1 => lock = value.bytes()?.unwrap_or_default(),
                2 => index = value.uint()?,
                3 => bytes = value.bytes()?.unwrap_or_default(),
                _ => value.skip()?,
            }
            Ok(())
        })?;
        if index >= MAX_NOTE_PARTS || bytes.len() > NOTE_PART_LEN {
            return Err(PayloadError::Part);
        }
        let lock = lock.try_into().map_err(|_| PayloadError::Part)?;
        Ok(Self { lock, index, bytes })
    }

    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        let writer_ref = writer.map(3).uint(1).bytes(&self.lock);
        writer_ref.uint(2).uint(self.index as u64);
        writer.uint(3).bytes(&self.bytes);
        writer.finish()
    }
}

/// The slot of a part within its set: the lock and the index.
pub(crate) fn part_slot(payload: &[u8]) -> Option<([u8; 32], usize)> {
    let part = Part::decode(payload).ok()?;
    Some((part.lock, part.index))
}
