// SPDX-License-Identifier: MPL-2.0

use super::{
    set::{Merged, Refusal},
    *,
};
use crate::{
    Credential, Delegation, DelegationProof, SigningKey, UnixSeconds,
    delegation::Terms,
    limits::{
        MAX_MAILBOX_LEN, MAX_MAILBOX_NOTES, MAX_MAILBOX_TTL, MAX_NOTES_PER_SENDER, MAX_RECORD_LEN,
        MAX_RECORD_TTL,
    },
};

const NOW: UnixSeconds = UnixSeconds(1_795_000_000);

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn node() -> Credential {
    Credential::node(key(1))
}

/// The agent of key 1, acted for by key 2.
fn delegation(issued_at: u64, expires_at: Option<u64>) -> Delegation {
    let mut terms = Terms::new(
        key(1).public().aid(),
        key(2).public(),
        UnixSeconds(issued_at),
    );
    terms.expires_at = expires_at.map(UnixSeconds);
    DelegationProof::by_master(&key(1), terms)
        .unwrap()
        .verify(NOW)
        .unwrap()
}

fn agent(issued_at: u64) -> Credential {
    Credential::agent(key(2), delegation(issued_at, None)).unwrap()
}

fn draft(kind: u8, payload: &[u8]) -> Draft {
    let (kind, payload) = (RecordKind(kind), payload.to_vec());
    Draft {
        kind,
        payload,
        seq: Seq(1),
        timestamp: NOW,
        ttl_secs: 3600,
    }
}

fn profile() -> Draft {
    draft(0x02, b"")
}

fn verify_at(record: &VerifiedRecord, now: u64) -> Result<VerifiedRecord, Error> {
    SignedRecord::decode(record.encoded())
        .unwrap()
        .verify(UnixSeconds(now))
}

#[test]
fn a_timestamp_may_lie_a_minute_ahead() {
    let record = profile().sign(&node()).unwrap();
    assert!(verify_at(&record, NOW.0 - 60).is_ok());
    assert_eq!(verify_at(&record, NOW.0 - 61), Err(Error::FromTheFuture));
}

#[test]
fn a_record_lives_through_the_second_in_which_it_expires() {
    let record = profile().sign(&node()).unwrap();
    let end = NOW.0 + 3600;
    assert!(verify_at(&record, end).is_ok());
    assert_eq!(verify_at(&record, end + 1), Err(Error::Expired));
    assert_eq!(record.expires_at(), UnixSeconds(end));
    assert!(!record.is_expired(UnixSeconds(end)));
    assert!(record.is_expired(UnixSeconds(end + 1)));
}

#[test]
fn the_last_times_there_are_do_not_overflow() {
    let timestamp = UnixSeconds(u64::MAX);
    let record = Draft {
        timestamp,
        ttl_secs: u32::MAX,
        ..profile()
    }
    .sign(&node())
    .unwrap();
    assert_eq!(verify_at(&record, u64::MAX - 61), Err(Error::FromTheFuture));
    assert!(verify_at(&record, u64::MAX).is_ok());
    assert_eq!(record.expires_at(), timestamp);
}

#[test]
fn a_record_ends_with_its_delegation() {
    let delegation = delegation(1, Some(NOW.0 + 100));
    let record = profile()
        .sign(&Credential::agent(key(2), delegation).unwrap())
        .unwrap();
    let last = NOW.0 + 159;
    assert_eq!(record.expires_at(), UnixSeconds(last));
    assert!(verify_at(&record, last).is_ok());
    let verdict = verify_at(&record, last + 1);
    assert_eq!(verdict, Err(Error::Delegation(delegation::Error::Expired)));

    let late = Draft {
        timestamp: UnixSeconds(last + 1),
        ..profile()
    };
    let credential = Credential::agent(key(2), record.delegation().unwrap().clone()).unwrap();
    assert_eq!(late.sign(&credential), Err(SignError::DelegationExpired));
}

#[test]
fn null_and_empty_payloads_are_signed_differently() {
    let record = profile().sign(&node()).unwrap();
    let empty = record.encoded();
    // Key 3 and an empty byte string, before key 4.
    let at = empty
        .windows(3)
        .position(|window| window == [0x03, 0x40, 0x04])
        .unwrap();
    let mut null = empty.to_vec();
    null[at + 1] = 0xf6;
    let null = SignedRecord::decode(&null).unwrap();
    assert_eq!(null.encode()[at + 1], 0xf6);
    assert_eq!(null.verify(NOW), Err(Error::Signature));
}

#[test]
fn an_attached_delegation_of_somebody_else_proves_nothing() {
    let with_proof = |signer: u8, proof: Vec<u8>| {
        let body = SignedRecord::decode(profile().sign(&node()).unwrap().encoded())
            .unwrap()
            .body;
        let signature = key(signer).sign(&body.signed_bytes());
        let public_key = key(signer).public();
        SignedRecord {
            body,
            public_key,
            signature,
            delegation: Some(proof),
        }
        .verify(NOW)
    };
    let proof = || delegation(7, None).encoded().to_vec();
    assert_eq!(with_proof(2, proof()).unwrap().issued_at(), UnixSeconds(7));
    assert_eq!(with_proof(3, proof()), Err(Error::OtherDelegation));
    assert!(matches!(
        with_proof(2, vec![0xa0]),
        Err(Error::Delegation(_))
    ));
    // The owner needs none; whatever is attached is dropped.
    assert_eq!(
        with_proof(1, vec![0xa0]).unwrap(),
        with_proof(1, proof()).unwrap()
    );
    assert_eq!(with_proof(1, proof()).unwrap().delegation(), None);
}

#[test]
fn the_rank_is_delegation_then_counter_then_time() {
    let sign = |issued_at, seq, age| {
        let draft = Draft {
            seq: Seq(seq),
            timestamp: UnixSeconds(NOW.0 - age),
            ..profile()
        };
        draft.sign(&agent(issued_at)).unwrap()
    };
    let ranked = [sign(1, 1, 1), sign(1, 1, 0), sign(1, 2, 9), sign(2, 0, 9)];
    for (older, newer) in ranked.iter().zip(&ranked[1..]) {
        assert!(newer.is_newer_than(older));
        assert!(!older.is_newer_than(newer));
    }
    assert!(!ranked[0].is_newer_than(&ranked[0]));
}

#[test]
fn drafts_that_cannot_be_published_are_not_signed() {
    let sign = |draft: Draft| draft.sign(&node());
    assert_eq!(
        sign(draft(0x00, b"")),
        Err(SignError::Kind(RecordKind(0x00)))
    );
    assert_eq!(
        sign(draft(0x20, b"")),
        Err(SignError::Kind(RecordKind(0x20)))
    );
    assert_eq!(
        sign(Draft {
            ttl_secs: 0,
            ..profile()
        }),
        Err(SignError::Ttl)
    );
    assert!(matches!(
        sign(draft(0x01, b"x")),
        Err(SignError::Payload(_))
    ));
    assert!(matches!(sign(draft(0x10, b"")), Err(SignError::Payload(_))));
    assert!(sign(draft(0x80, &[0; MAX_MAILBOX_LEN])).is_ok());
    assert!(matches!(
        sign(draft(0x8f, &[0; MAX_MAILBOX_LEN + 1])),
        Err(SignError::Payload(_))
    ));
    assert_eq!(
        sign(draft(0x03, &[0; MAX_RECORD_LEN])),
        Err(SignError::TooLong)
    );
}

#[test]
fn bytes_beyond_the_limit_are_not_read() {
    assert_eq!(
        SignedRecord::decode(&[0; MAX_RECORD_LEN + 1]),
        Err(Error::TooLong)
    );
}

#[test]
fn a_record_that_only_fits_without_its_zeros_is_refused() {
    let mut body = SignedRecord::decode(profile().sign(&node()).unwrap().encoded())
        .unwrap()
        .body;
    (body.seq, body.payload) = (Seq(0), Some(vec![1; MAX_RECORD_LEN - 142]));
    let signature = key(1).sign(&body.signed_bytes());
    let public_key = key(1).public();
    let mut bytes = SignedRecord {
        body,
        public_key,
        signature,
        delegation: None,
    }
    .encode();
    assert_eq!(SignedRecord::decode(&bytes), Err(Error::TooLong));
    // Key 4 and zero, before key 5.
    let at = bytes
        .windows(3)
        .position(|window| window == [0x04, 0x00, 0x05])
        .unwrap();
    bytes.drain(at..at + 2);
    bytes[0] -= 1;
    let record = SignedRecord::decode(&bytes).unwrap();
    assert_eq!(record.verify(NOW), Err(Error::TooLong));
}

#[test]
fn withdrawals_say_nothing_on_purpose() {
    let sign = |kind, payload: &[u8]| draft(kind, payload).sign(&node()).unwrap();
    assert!(sign(0x01, &Endpoint::default().encode().unwrap()).is_withdrawn());
    assert!(!sign(0x01, &[0xa1, 0x01, 0x81, 0x61, b'x']).is_withdrawn());
    assert!(sign(0x0f, b"").is_withdrawn());
    assert!(!sign(0x0f, b"x").is_withdrawn());
    assert!(!sign(0x80, b"").is_withdrawn());
}

#[test]
fn sovereign_records_live_at_their_publisher_only() {
    let (here, there) = (node().aid().key(), key(2).public().aid().key());
    let record = profile().sign(&node()).unwrap();
    assert!(record.may_live_at(&here) && !record.may_live_at(&there));
    let note = draft(0x80, b"").sign(&node()).unwrap();
    assert!(note.may_live_at(&here) && note.may_live_at(&there));
}

#[test]
fn lifetimes_are_admitted_up_to_the_limit() {
    let verdict = |kind, ttl_secs: u64| {
        let ttl_secs = ttl_secs.try_into().unwrap();
        let record = Draft {
            ttl_secs,
            ..draft(kind, b"")
        }
        .sign(&node())
        .unwrap();
        RecordSet::new().admit(&record)
    };
    for (kind, max) in [
        (0x02, MAX_RECORD_TTL),
        (0x11, MAX_RECORD_TTL),
        (0x80, MAX_MAILBOX_TTL),
    ] {
        assert_eq!(verdict(kind, max.as_secs()), Ok(()));
        assert_eq!(verdict(kind, max.as_secs() + 1), Err(Refusal::TtlTooLong));
    }
}

#[test]
fn a_full_mailbox_keeps_what_it_has() {
    let note = |sender: usize, number: usize| {
        let sender = sender.to_le_bytes();
        let seed = std::array::from_fn(|at| sender.get(at).copied().unwrap_or(0));
        let draft = draft(0x80, &number.to_le_bytes());
        draft
            .sign(&Credential::node(SigningKey::from_seed(&seed)))
            .unwrap()
    };
    let mut set = RecordSet::new();
    for sender in 0..MAX_MAILBOX_NOTES / MAX_NOTES_PER_SENDER {
        for number in 0..MAX_NOTES_PER_SENDER {
            assert_eq!(set.insert(note(sender, number)), Ok(Merged::Added));
        }
        if set.len() < MAX_MAILBOX_NOTES {
            assert_eq!(set.insert(note(sender, 999)), Err(Refusal::SenderQuota));
        }
    }
    let full = set.clone();
    assert_eq!(set.insert(note(999, 0)), Err(Refusal::MailboxFull));
    assert_eq!(set.insert(note(0, 0)), Ok(Merged::Stale));
    assert_eq!(set, full);

    // Other categories at the same place have room of their own, and expiry makes room again.
    assert_eq!(
        set.insert(profile().sign(&node()).unwrap()),
        Ok(Merged::Added)
    );
    set.remove_expired(UnixSeconds(NOW.0 + 3601));
    assert!(set.is_empty());
}

#[test]
fn full_sovereign_sets_drop_the_oldest_but_the_endpoint() {
    let sign = |kind: u8, age: u64| {
        let payload = if kind == 1 {
            Endpoint::default().encode().unwrap()
        } else {
            vec![]
        };
        let draft = Draft {
            timestamp: UnixSeconds(NOW.0 - age),
            ..draft(kind, &payload)
        };
        draft.sign(&node()).unwrap()
    };
    let mut set = RecordSet::new();
    for kind in 1..=8 {
        // The endpoint is the oldest, then the record of kind 2.
        set.insert(sign(kind, 100 - u64::from(kind))).unwrap();
    }
    assert_eq!(set.insert(sign(9, 200)), Err(Refusal::Outranked));
    assert_eq!(set.insert(sign(9, 0)), Ok(Merged::Added));
    let kinds: Vec<_> = set.iter().map(|record| record.kind().0).collect();
    assert_eq!(kinds, [1, 3, 4, 5, 6, 7, 8, 9]);
}
