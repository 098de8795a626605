// SPDX-License-Identifier: MPL-2.0
//! Sealed notes as bytes, for the disk: each record with its length in front, the note first.

use a2al_protocol::mailbox::SealedNote;
use a2al_protocol::{SignedRecord, UnixSeconds, VerifiedRecord};

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

/// Reads what [`encode`] wrote; `None` if it is something else, or not in force any more.
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
mod tests {
    use a2al_protocol::mailbox::{Lifetime, Recipient};
    use a2al_protocol::{Credential, Seq, SigningKey};

    use super::*;
    use crate::clock;

    fn sealed(body: &[u8]) -> SealedNote {
        let (sender, recipient) = (SigningKey::generate(), SigningKey::generate().public());
        let recipient = Recipient {
            aid: recipient.aid(),
            key: recipient,
        };
        let lifetime = Lifetime {
            seq: Seq(1),
            timestamp: clock::now(),
            ttl_secs: 60,
        };
        SealedNote::seal(&Credential::node(sender), &recipient, 3, body, lifetime).unwrap()
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
                .saturating_add(std::time::Duration::from_secs(1));
            assert_eq!(decode(&bytes, later), None, "its time is over");
        }
        assert_eq!(decode(&[], clock::now()), None);
    }
}
