// SPDX-License-Identifier: MPL-2.0
//! The payload of a note, and what is sealed in it.

use zeroize::Zeroizing;

use super::crypto::{self, Nonce, Secret, TAG_LEN};
use super::{OpenError, Randomness, Recipient, SealError};
use crate::{
    Aid, RecordKind, SigningKey, VerifiedRecord,
    cbor::{self, Writer},
    limits::{MAX_MAILBOX_LEN, MAX_NOTE_BODY_LEN},
};

/// Who writes to whom, and the ciphertext.
pub(super) struct Payload {
    pub(super) recipient: Aid,
    sender: Aid,
    ephemeral: [u8; 32],
    sealed: Vec<u8>,
    nonce: Nonce,
}

impl Payload {
    pub(super) fn seal(
        sender: Aid,
        recipient: &Recipient,
        content: &Content,
        randomness: &Randomness,
    ) -> Result<Self, SealError> {
        let shared = randomness.shared_with(&recipient.key);
        let key = crypto::note_key(&shared.ok_or(SealError::Key)?, &sender, &recipient.aid);
        let nonce = randomness.nonce();
        Ok(Self {
            recipient: recipient.aid,
            sender,
            ephemeral: randomness.public(),
            sealed: crypto::encrypt(&key, &nonce, &content.encode()),
            nonce,
        })
    }

    pub(super) fn open(&self, key: &SigningKey) -> Result<Content, OpenError> {
        let shared = crypto::shared_by(key, self.ephemeral).ok_or(OpenError::Sealed)?;
        let key = crypto::note_key(&shared, &self.sender, &self.recipient);
        let content = crypto::decrypt(&key, &self.nonce, &self.sealed);
        Content::decode(&content.ok_or(OpenError::Sealed)?)
    }

    /// The payload of a note whose sender is its publisher.
    pub(super) fn of_record(record: &VerifiedRecord) -> Result<Self, OpenError> {
        if !matches!(record.kind(), RecordKind::MAILBOX | RecordKind::LONG_NOTE) {
            return Err(OpenError::Kind);
        }
        let payload = Self::decode(record.payload())?;
        if payload.sender != record.aid() {
            return Err(OpenError::OtherSender);
        }
        Ok(payload)
    }

    fn decode(bytes: &[u8]) -> Result<Self, OpenError> {
        let [
            mut recipient,
            mut sender,
            mut ephemeral,
            mut sealed,
            mut nonce,
        ] = [const { Vec::new() }; 5];
        cbor::read_map(bytes, |key, value| {
            let field = match key {
                1 => &mut recipient,
                2 => &mut sender,
                3 => &mut ephemeral,
                4 => &mut sealed,
                5 => &mut nonce,
                _ => return value.skip(),
            };
            *field = value.bytes()?.unwrap_or_default();
            Ok(())
        })?;
        if sealed.len() < TAG_LEN {
            return Err(OpenError::Field(4));
        }
        Ok(Self {
            recipient: Aid::from_bytes(&recipient).map_err(|_| OpenError::Field(1))?,
            sender: Aid::from_bytes(&sender).map_err(|_| OpenError::Field(2))?,
            ephemeral: ephemeral.try_into().map_err(|_| OpenError::Field(3))?,
            sealed,
            nonce: nonce.try_into().map_err(|_| OpenError::Field(5))?,
        })
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, SealError> {
        let mut writer = Writer::new();
        writer
            .map(5)
            .uint(1)
            .bytes(self.recipient.as_bytes())
            .uint(2)
            .bytes(self.sender.as_bytes());
        writer
            .uint(3)
            .bytes(&self.ephemeral)
            .uint(4)
            .bytes(&self.sealed);
        writer.uint(5).bytes(&self.nonce);
        let payload = writer.finish();
        if payload.len() > MAX_MAILBOX_LEN {
            return Err(SealError::TooLong {
                max: MAX_NOTE_BODY_LEN,
            });
        }
        Ok(payload)
    }
}

/// What is sealed: the body itself, or of a long note where to find it.
pub(super) struct Content {
    pub(super) msg_type: u8,
    pub(super) body: Zeroizing<Vec<u8>>,
    /// Length of a long body, in bytes.
    pub(super) length: usize,
    /// What opens the parts of a long body.
    pub(super) secret: Option<Secret>,
}

impl Content {
    pub(super) fn whole(msg_type: u8, body: &[u8]) -> Self {
        Self {
            msg_type,
            body: Zeroizing::new(body.to_vec()),
            length: 0,
            secret: None,
        }
    }

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = Writer::new();
        let fields = if self.secret.is_some() { 3 } else { 2 };
        writer.map(fields).uint(1).uint(self.msg_type.into());
        match &self.secret {
            None => writer.uint(2).bytes(&self.body),
            Some(secret) => {
                let length = writer.uint(3).uint(self.length as u64);
                length.uint(4).bytes(secret.as_ref())
            }
        };
        Zeroizing::new(writer.finish())
    }

    fn decode(bytes: &[u8]) -> Result<Self, OpenError> {
        let mut content = Self::whole(0, &[]);
        let mut secret = None;
        cbor::read_map(bytes, |key, value| {
            match key {
                1 => content.msg_type = value.uint()?,
                2 => content.body = Zeroizing::new(value.bytes()?.unwrap_or_default()),
                3 => content.length = value.uint()?,
                4 => secret = value.bytes()?.map(Zeroizing::new),
                _ => value.skip()?,
            }
            Ok(())
        })?;
        if let Some(secret) = secret {
            let secret = secret.as_slice().try_into();
            content.secret = Some(Secret::new(secret.map_err(|_| OpenError::Field(4))?));
        }
        Ok(content)
    }
}
