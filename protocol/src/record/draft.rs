// SPDX-License-Identifier: MPL-2.0
//! Signing records of one's own.

use super::{
    PayloadError, RecordKind, Seq, SignedRecord, VerifiedRecord, signed::Body,
    verified::check_payload,
};
use crate::{Credential, UnixSeconds, limits::MAX_RECORD_LEN};

/// A record before it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// What the record is about.
    pub kind: RecordKind,
    /// What it says.
    pub payload: Vec<u8>,
    /// The publisher's counter, larger than that of every earlier record of this kind.
    pub seq: Seq,
    /// The present time.
    pub timestamp: UnixSeconds,
    /// How long the record lives, in seconds.
    pub ttl_secs: u32,
}

/// Why a draft can't be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// Records of this kind are not published.
    #[error("records of kind {0} are not published")]
    Kind(RecordKind),
    /// The record would expire at once.
    #[error("the lifetime of a record must be at least a second")]
    Ttl,
    /// The payload is not one that records of this kind may hold.
    #[error("the payload is invalid")]
    Payload(#[from] PayloadError),
    /// The record would be longer than [`MAX_RECORD_LEN`].
    #[error("the record is longer than {MAX_RECORD_LEN} bytes")]
    TooLong,
    /// The delegation is over.
    #[error("the delegation has expired")]
    DelegationExpired,
}

impl Draft {
    /// What a record says, to be signed again.
    pub fn of_record(record: &VerifiedRecord) -> Self {
        Self {
            kind: record.kind(),
            payload: record.payload().to_vec(),
            seq: record.seq(),
            timestamp: record.timestamp(),
            ttl_secs: record.ttl_secs(),
        }
    }

    /// Signs the record as the address of `credential`.
    ///
    /// # Errors
    /// [`SignError::Kind`], [`SignError::Ttl`], [`SignError::Payload`], [`SignError::TooLong`], or
    /// [`SignError::DelegationExpired`] at the timestamp of the draft.
    pub fn sign(self, credential: &Credential) -> Result<VerifiedRecord, SignError> {
        if !self.kind.is_assigned() {
            return Err(SignError::Kind(self.kind));
        }
        if self.ttl_secs == 0 {
            return Err(SignError::Ttl);
        }
        check_payload(self.kind, &self.payload)?;
        let public_key = credential.public_key();
        // An address that derives from the signing key needs no delegation, and none may count.
        let needed = credential
            .delegation()
            .filter(|_| public_key.aid() != credential.aid());
        if needed.is_some_and(|delegation| !delegation.is_valid_at(self.timestamp)) {
            return Err(SignError::DelegationExpired);
        }
        let body = self.into_body(credential);
        let signature = credential.sign(&body.signed_bytes());
        let record = SignedRecord {
            body,
            public_key,
            signature,
            delegation: None,
        };
        let record = VerifiedRecord::new(record, needed.cloned());
        if record.encoded().len() > MAX_RECORD_LEN {
            return Err(SignError::TooLong);
        }
        Ok(record)
    }

    fn into_body(self, credential: &Credential) -> Body {
        Body {
            aid: credential.aid(),
            kind: self.kind,
            payload: Some(self.payload),
            seq: self.seq,
            timestamp: self.timestamp,
            ttl_secs: self.ttl_secs,
        }
    }
}
