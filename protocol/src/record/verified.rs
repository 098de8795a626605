// SPDX-License-Identifier: MPL-2.0
//! Records whose every claim was checked, and the check itself.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    Branch, Category, Endpoint, Error, PayloadError, RecordKind, Seq, SignedRecord, Topic,
};
use crate::{
    Aid, Delegation, DelegationProof, DhtKey, PublicKey, Signature, UnixSeconds,
    limits::{CLOCK_SKEW, MAX_MAILBOX_LEN, MAX_RECORD_LEN},
    mailbox::{check_part, place_of_parts},
};

impl SignedRecord {
    /// Checks everything a record claims: that it is in force at `now`, that its payload is one of
    /// its kind, that it is signed, and that the signing key speaks for the publisher.
    ///
    /// The key speaks for the publisher if the address derives from it, or if field 9 delegates to
    /// it. Field 9 is not signed; where it is not needed it is dropped unread, so that nobody can
    /// change a record's rank by attaching one. Where it is needed it is kept in canonical form.
    ///
    /// Costs one signature check, or two with a delegation; the cheap checks come first.
    ///
    /// # Errors
    /// [`Error::FromTheFuture`], [`Error::Expired`], [`Error::Payload`], [`Error::Signature`],
    /// [`Error::NotDelegated`], [`Error::OtherDelegation`], [`Error::Delegation`], or
    /// [`Error::TooLong`] in canonical form.
    pub fn verify(mut self, now: UnixSeconds) -> Result<VerifiedRecord, Error> {
        if self.body.timestamp > now.saturating_add(CLOCK_SKEW) {
            return Err(Error::FromTheFuture);
        }
        if end_of_ttl(&self) < now {
            return Err(Error::Expired);
        }
        check_payload(self.body.kind, self.body.payload())?;
        let delegation = self.take_delegation()?;
        self.public_key
            .verify(&self.body.signed_bytes(), &self.signature)
            .map_err(|_| Error::Signature)?;
        let delegation = delegation.map(|proof| proof.verify(now)).transpose();
        let record = VerifiedRecord::new(self, delegation.map_err(Error::Delegation)?);
        // Fields that were left out have been added, and others must be able to read it, too.
        if record.encoded().len() > MAX_RECORD_LEN {
            return Err(Error::TooLong);
        }
        Ok(record)
    }

    /// The delegation this record depends on; none if the address is the signing key's own.
    fn take_delegation(&mut self) -> Result<Option<DelegationProof>, Error> {
        let field = self.delegation.take();
        if self.public_key.aid() == self.body.aid {
            return Ok(None);
        }
        let proof = DelegationProof::decode(&field.ok_or(Error::NotDelegated)?)
            .map_err(Error::Delegation)?;
        let terms = &proof.terms;
        if terms.agent != self.body.aid || terms.operational != self.public_key {
            return Err(Error::OtherDelegation);
        }
        Ok(Some(proof))
    }
}

/// A record whose every claim was checked. Cheap to clone; equal if the encodings are.
#[derive(Clone)]
pub struct VerifiedRecord(Arc<Inner>);

struct Inner {
    record: SignedRecord,
    delegation: Option<Delegation>,
    topic: Option<String>,
    encoded: Vec<u8>,
}

impl VerifiedRecord {
    /// Wraps a record after its check, or one that was just signed. Its field 9 becomes that of
    /// `delegation`.
    pub(super) fn new(mut record: SignedRecord, delegation: Option<Delegation>) -> Self {
        record.delegation = delegation.as_ref().map(|proof| proof.encoded().to_vec());
        let encoded = record.encode();
        let is_entry = record.body.kind.category() == Category::Topic;
        let entry = is_entry.then(|| Topic::decode(record.body.payload()).ok());
        Self(Arc::new(Inner {
            record,
            delegation,
            topic: entry.flatten().map(|entry| entry.topic),
            encoded,
        }))
    }

    /// The address the record comes from.
    pub fn aid(&self) -> Aid {
        self.0.record.body.aid
    }

    /// What the record is about.
    pub fn kind(&self) -> RecordKind {
        self.0.record.body.kind
    }

    /// What it says; empty if nothing.
    pub fn payload(&self) -> &[u8] {
        self.0.record.body.payload()
    }

    /// The service that it is an entry for, or withdraws one for; none if it is of another
    /// category, or names none.
    pub fn topic(&self) -> Option<&str> {
        self.0.topic.as_deref()
    }

    /// The publisher's counter.
    pub fn seq(&self) -> Seq {
        self.0.record.body.seq
    }

    /// When it was signed, by the publisher's clock.
    pub fn timestamp(&self) -> UnixSeconds {
        self.0.record.body.timestamp
    }

    /// How long it lives from [`Self::timestamp`] on, in seconds.
    pub fn ttl_secs(&self) -> u32 {
        self.0.record.body.ttl_secs
    }

    /// The last second in which it is in force: when its lifetime ends, or that of its delegation.
    pub fn expires_at(&self) -> UnixSeconds {
        let own = end_of_ttl(&self.0.record);
        self.delegation()
            .and_then(Delegation::last_second)
            .map_or(own, |last| own.min(last))
    }

    /// Whether it is no longer in force at `now`.
    pub fn is_expired(&self, now: UnixSeconds) -> bool {
        self.expires_at() < now
    }

    /// The key that signed it: the publisher's own or its operational one.
    pub fn public_key(&self) -> PublicKey {
        self.0.record.public_key
    }

    /// The signature.
    pub fn signature(&self) -> Signature {
        self.0.record.signature
    }

    /// The proof that the key may sign for the address; none if the address is the key's own.
    pub fn delegation(&self) -> Option<&Delegation> {
        self.0.delegation.as_ref()
    }

    /// When the delegation was issued; zero without one.
    pub fn issued_at(&self) -> UnixSeconds {
        self.delegation()
            .map_or(UnixSeconds(0), Delegation::issued_at)
    }

    /// The canonical encoding, delegation included.
    pub fn encoded(&self) -> &[u8] {
        &self.0.encoded
    }

    /// Whether `key` is a place in the DHT where this record may be held.
    ///
    /// A sovereign record belongs to the place of its publisher, an entry for a service to the
    /// branches of its [`Self::roots`], a part of a note to the place that follows from it. Those of
    /// notes are for [`recipient_of`](crate::mailbox::recipient_of) to tell.
    pub fn may_live_at(&self, key: &DhtKey) -> bool {
        match self.kind().category() {
            Category::Sovereign => self.aid().key() == *key,
            Category::Topic => self.branch_at(key).is_some(),
            Category::Mailbox => true,
            Category::NotePart => place_of_parts(self) == Some(*key),
        }
    }

    /// Where an entry for a service is looked for: the key of the service, and that of its
    /// category if it has one. Empty for other records.
    pub fn roots(&self) -> Vec<DhtKey> {
        let Some(topic) = self.topic() else {
            return Vec::new();
        };
        let own = DhtKey::of_topic(topic);
        let category = DhtKey::of_category(topic).filter(|category| *category != own);
        std::iter::once(own).chain(category).collect()
    }

    /// The branch at `key` on which this entry may be held.
    pub fn branch_at(&self, key: &DhtKey) -> Option<Branch> {
        let mut level: Vec<_> = self.roots().into_iter().map(Branch::root).collect();
        while !level.is_empty() {
            if let Some(found) = level.iter().find(|branch| branch.key() == *key) {
                return Some(found.clone());
            }
            level = level
                .iter()
                .filter_map(|b| b.towards(&self.aid()))
                .collect();
        }
        None
    }

    /// What decides between two records for the same slot: time of delegation, then counter, then
    /// timestamp. The larger wins.
    pub fn rank(&self) -> (u64, u64, u64) {
        (self.issued_at().0, self.seq().0, self.timestamp().0)
    }

    /// Whether this record replaces `other` in the slot they share.
    ///
    /// Records of equal rank are compared byte by byte: which of them wins doesn't matter, but all
    /// nodes must come to the same answer.
    pub fn is_newer_than(&self, other: &Self) -> bool {
        (self.rank(), self.encoded()) > (other.rank(), other.encoded())
    }

    /// Whether the publisher took back what it said before: an endpoint record without addresses,
    /// another sovereign one without payload, or the withdrawal of an entry.
    pub fn is_withdrawn(&self) -> bool {
        match self.kind() {
            RecordKind::ENDPOINT => {
                Endpoint::decode(self.payload()).is_ok_and(|endpoint| endpoint.is_withdrawn())
            }
            RecordKind::TOPIC_WITHDRAWN => true,
            kind => kind.category() == Category::Sovereign && self.payload().is_empty(),
        }
    }
}

impl PartialEq for VerifiedRecord {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.encoded() == other.encoded()
    }
}

impl Eq for VerifiedRecord {}

impl fmt::Debug for VerifiedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedRecord")
            .field("aid", &self.aid())
            .field("kind", &self.kind())
            .field("rank", &self.rank())
            .finish_non_exhaustive()
    }
}

/// Checks that `payload` is one that records of this kind may hold.
pub(super) fn check_payload(kind: RecordKind, payload: &[u8]) -> Result<(), PayloadError> {
    match kind {
        RecordKind::ENDPOINT => Endpoint::decode(payload).map(drop),
        RecordKind::TOPIC => Topic::decode(payload).map(drop),
        RecordKind::NOTE_PART => check_part(payload),
        _ if kind.category() == Category::Mailbox && payload.len() > MAX_MAILBOX_LEN => {
            Err(PayloadError::TooLong {
                max: MAX_MAILBOX_LEN,
            })
        }
        _ => Ok(()),
    }
}

fn end_of_ttl(record: &SignedRecord) -> UnixSeconds {
    let ttl = Duration::from_secs(record.body.ttl_secs.into());
    record.body.timestamp.saturating_add(ttl)
}
