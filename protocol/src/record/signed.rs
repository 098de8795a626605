// SPDX-License-Identifier: MPL-2.0
//! Records as they come from the wire.

use super::{Error, RecordKind, Seq};
use crate::{
    Aid, PublicKey, Signature, UnixSeconds,
    cbor::{self, Writer},
    limits::MAX_RECORD_LEN,
};

/// What separates signed records from everything else an Ed25519 key signs.
const DOMAIN: &[u8] = b"a2al-rec\0";

/// A decoded record of which nothing is proven yet; see [`SignedRecord::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRecord {
    pub(super) body: Body,
    pub(super) public_key: PublicKey,
    pub(super) signature: Signature,
    /// Field 9, which the signature does not cover.
    pub(super) delegation: Option<Vec<u8>>,
}

/// The fields that are signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Body {
    pub(super) aid: Aid,
    pub(super) kind: RecordKind,
    /// None stands for `null`, which is signed differently from an empty payload.
    pub(super) payload: Option<Vec<u8>>,
    pub(super) seq: Seq,
    pub(super) timestamp: UnixSeconds,
    pub(super) ttl_secs: u32,
}

impl SignedRecord {
    /// Reads a record. Says nothing about whether it is true; see [`Self::verify`].
    ///
    /// # Errors
    /// [`Error::TooLong`], [`Error::Malformed`], [`Error::Address`] or [`Error::Field`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > MAX_RECORD_LEN {
            return Err(Error::TooLong);
        }
        let mut fields = Fields::default();
        cbor::read_map(bytes, |key, value| {
            match key {
                1 => fields.address = value.bytes()?.unwrap_or_default(),
                2 => fields.kind = value.uint()?,
                3 => fields.payload = value.bytes()?,
                4 => fields.seq = value.uint()?,
                5 => fields.timestamp = value.uint()?,
                6 => fields.ttl_secs = value.uint()?,
                7 => fields.public_key = value.bytes()?.unwrap_or_default(),
                8 => fields.signature = value.bytes()?.unwrap_or_default(),
                9 => fields.delegation = value.bytes()?,
                _ => value.skip()?,
            }
            Ok(())
        })?;
        fields.into_record()
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.body
            .write(writer.map(8 + usize::from(self.delegation.is_some())));
        writer.uint(7).bytes(self.public_key.as_bytes());
        writer.uint(8).bytes(self.signature.as_bytes());
        if let Some(delegation) = &self.delegation {
            writer.uint(9).bytes(delegation);
        }
        writer.finish()
    }

    /// The address this record claims to come from.
    pub fn aid(&self) -> Aid {
        self.body.aid
    }

    /// What the record is about.
    pub fn kind(&self) -> RecordKind {
        self.body.kind
    }
}

impl Body {
    /// What the record says; nothing and `null` are the same to its readers.
    pub(super) fn payload(&self) -> &[u8] {
        self.payload.as_deref().unwrap_or_default()
    }

    /// What is signed: the domain, then fields 1 to 6 of the record.
    pub(super) fn signed_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::with_prefix(DOMAIN);
        self.write(writer.map(6));
        writer.finish()
    }

    fn write(&self, writer: &mut Writer) {
        writer
            .uint(1)
            .bytes(self.aid.as_bytes())
            .uint(2)
            .uint(self.kind.0.into())
            .uint(3);
        match &self.payload {
            Some(payload) => writer.bytes(payload),
            None => writer.null(),
        };
        writer
            .uint(4)
            .uint(self.seq.0)
            .uint(5)
            .uint(self.timestamp.0);
        writer.uint(6).uint(self.ttl_secs.into());
    }
}

/// The fields of a record as they stand on the wire.
#[derive(Default)]
struct Fields {
    address: Vec<u8>,
    kind: u8,
    payload: Option<Vec<u8>>,
    seq: u64,
    timestamp: u64,
    ttl_secs: u32,
    public_key: Vec<u8>,
    signature: Vec<u8>,
    delegation: Option<Vec<u8>>,
}

impl Fields {
    fn into_record(self) -> Result<SignedRecord, Error> {
        let body = Body {
            aid: Aid::from_bytes(&self.address)?,
            kind: RecordKind(self.kind),
            payload: self.payload,
            seq: Seq(self.seq),
            timestamp: UnixSeconds(self.timestamp),
            ttl_secs: self.ttl_secs,
        };
        Ok(SignedRecord {
            body,
            public_key: PublicKey::from_bytes(exactly(&self.public_key, 7)?),
            signature: Signature::from_bytes(exactly(&self.signature, 8)?),
            // An empty one is left out when writing, as the reference does.
            delegation: self.delegation.filter(|proof| !proof.is_empty()),
        })
    }
}

fn exactly<const N: usize>(bytes: &[u8], field: u8) -> Result<[u8; N], Error> {
    bytes.try_into().map_err(|_| Error::Field(field))
}
