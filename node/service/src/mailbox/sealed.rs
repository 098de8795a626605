// SPDX-License-Identifier: MPL-2.0
//! Sealed notes as bytes, for the disk: each record with its length in front, the note first.

use a2al_protocol::mailbox::SealedNote;
use a2al_protocol::{Credential, Draft, SignedRecord, UnixSeconds, VerifiedRecord};

/// The records of a note, one after the other.
pub(super) fn encode(note: &SealedNote) -> Vec<u8> {
    let mut bytes = Vec::new();
    for record in std::iter::once(&note.record).chain(&note.parts) {
        let record = record.encoded();
        let len = u32::try_from(record.len()).expect("records are far below 4 GiB");
        bytes.extend_from_slice(&len.to_be_bytes());
        bytes.extend_from_slice(record);
    }
    bytes
}

/// A note under the newest delegation of its sender, signed anew if need be: what it says and its
/// name stay. `None` if it is not in force.
pub(super) fn current(
    note: SealedNote,
    credential: &Credential,
    now: UnixSeconds,
) -> Option<SealedNote> {
    let renewed = |record: VerifiedRecord| {
        let is_older = record.issued_at() < credential.issued_at();
        let record = if is_older {
            Draft::of_record(&record).sign(credential).ok()?
        } else {
            record
        };
        (!record.is_expired(now)).then_some(record)
    };
    Some(SealedNote {
        record: renewed(note.record)?,
        parts: note.parts.into_iter().map(renewed).collect::<Option<_>>()?,
    })
}

/// Reads what [`encode`] wrote; `None` if it is something else, or not in force at `now`.
pub(super) fn decode(mut bytes: &[u8], now: UnixSeconds) -> Option<SealedNote> {
    let record = next(&mut bytes, now)?;
    let mut parts = Vec::new();
    while !bytes.is_empty() {
        parts.push(next(&mut bytes, now)?);
    }
    Some(SealedNote { record, parts })
}

fn next(bytes: &mut &[u8], now: UnixSeconds) -> Option<VerifiedRecord> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
    let (record, rest) = rest.split_at_checked(len)?;
    *bytes = rest;
    SignedRecord::decode(record).ok()?.verify(now).ok()
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use a2al_protocol::delegation::Terms;
    use a2al_protocol::mailbox::{Lifetime, Recipient};
    use a2al_protocol::{DelegationProof, Seq, SigningKey};

    use super::*;
    use crate::clock;

    fn sealed(body: &[u8]) -> SealedNote {
        sealed_by(&Credential::node(SigningKey::generate()), body, 60)
    }

    pub(crate) fn sealed_by(sender: &Credential, body: &[u8], ttl_secs: u32) -> SealedNote {
        let recipient = SigningKey::generate().public();
        let recipient = Recipient {
            aid: recipient.aid(),
            key: recipient,
        };
        let lifetime = Lifetime {
            seq: Seq(1),
            timestamp: clock::now(),
            ttl_secs,
        };
        SealedNote::seal(sender, &recipient, 3, body, lifetime).unwrap()
    }

    /// A credential of an agent whose delegation ends after a minute, or never.
    pub(crate) fn agent(master: &SigningKey, issued_at: u64, ends: bool) -> Credential {
        let key = SigningKey::generate();
        let issued_at = UnixSeconds(issued_at);
        let mut terms = Terms::new(master.public().aid(), key.public(), issued_at);
        terms.expires_at = ends.then(|| clock::now().saturating_add(Duration::from_secs(60)));
        let proof = DelegationProof::by_master(master, terms).unwrap();
        Credential::agent(key, proof.verify(clock::now()).unwrap()).unwrap()
    }

    #[test]
    fn a_newer_delegation_keeps_notes_in_force() {
        let master = SigningKey::generate();
        let (old, new) = (agent(&master, 1, true), agent(&master, 2, false));
        let note = sealed_by(&old, &vec![7; 20_000], 7 * 24 * 3600);
        let later = clock::now().saturating_add(Duration::from_secs(3 * 24 * 3600));
        let read = decode(&encode(&note), note.record.timestamp()).unwrap();
        assert_eq!(
            current(read.clone(), &old, clock::now()),
            Some(note.clone())
        );
        assert_eq!(current(read.clone(), &old, later), None);
        let renewed = current(read, &new, later).unwrap();
        assert_eq!(renewed.id(), note.id());
        for record in renewed.parts.iter().chain([&renewed.record]) {
            let signed = SignedRecord::decode(record.encoded()).unwrap();
            assert!(signed.verify(later).is_ok());
            assert_eq!(record.public_key(), new.public_key());
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for body in [vec![7; 10], vec![7; 20_000]] {
            let note = sealed(&body);
            let bytes = encode(&note);
            assert_eq!(decode(&bytes, clock::now()), Some(note.clone()));
            assert_eq!(decode(&bytes[..bytes.len() - 1], clock::now()), None);
            let later = note
                .record
                .expires_at()
                .saturating_add(Duration::from_secs(1));
            assert_eq!(decode(&bytes, later), None, "its time is over");
        }
        assert_eq!(decode(&[], clock::now()), None);
    }
}
