// SPDX-License-Identifier: MPL-2.0
//! No bytes make a decoder panic, and what it accepts has one canonical form.

use a2al_protocol::{Aid, DelegationProof, Endpoint, Profile, SignedRecord, Topic, VerifiedRecord};
use proptest::{collection::vec, prelude::*};

use crate::{NOW, record};

/// Pieces of CBOR: heads that announce much, begin containers or end them, tags and numbers.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    let head = prop::sample::select(vec![
        0x00, 0x18, 0x1b, 0x20, 0x40, 0x58, 0x5b, 0x5f, 0x61, 0x7b, 0x7f, 0x80, 0x9b, 0x9f, 0xa1,
        0xa9, 0xbb, 0xbf, 0xc2, 0xd9, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfb, 0xff,
    ]);
    let key = 1..=9_u8;
    prop_oneof![
        head.prop_map(|byte| vec![byte]),
        key.prop_map(|byte| vec![byte]),
        Just(vec![0xd9, 0xd9, 0xf7]),
        Just(vec![0x55; 22]),
        vec(any::<u8>(), 0..8),
    ]
}

fn cbor_like() -> impl Strategy<Value = Vec<u8>> {
    vec(fragment(), 0..24).prop_map(|fragments| [&[0xbf], fragments.concat().as_slice()].concat())
}

fn read_all(bytes: &[u8]) -> Result<(), TestCaseError> {
    let _ = Aid::from_bytes(bytes);
    if let Ok(record) = SignedRecord::decode(bytes) {
        prop_assert_eq!(SignedRecord::decode(&record.encode()), Ok(record.clone()));
        let _ = record.verify(NOW);
    }
    if let Ok(proof) = DelegationProof::decode(bytes) {
        prop_assert_eq!(DelegationProof::decode(&proof.encode()), Ok(proof.clone()));
        let _ = proof.verify(NOW);
    }
    if let Ok(payload) = Endpoint::decode(bytes).and_then(|endpoint| endpoint.encode()) {
        prop_assert!(Endpoint::decode(&payload).is_ok());
    }
    if let Ok(payload) = Topic::decode(bytes).and_then(|topic| topic.encode()) {
        prop_assert!(Topic::decode(&payload).is_ok());
    }
    if let Ok(payload) = Profile::decode(bytes).and_then(|profile| profile.encode()) {
        prop_assert!(Profile::decode(&payload).is_ok());
    }
    Ok(())
}

/// The encoding of `record` with `piece` in place of what stood at `place`.
fn splice(record: &VerifiedRecord, place: prop::sample::Index, piece: &[u8]) -> Vec<u8> {
    let encoded = record.encoded();
    let start = place.index(encoded.len());
    let end = (start + piece.len()).min(encoded.len());
    [&encoded[..start], piece, &encoded[end..]].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn arbitrary_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..600)) {
        read_all(&bytes)?;
    }

    #[test]
    fn bytes_that_look_like_cbor_are_read_or_refused(bytes in cbor_like()) {
        read_all(&bytes)?;
    }
}

proptest! {
    #[test]
    fn damaged_records_are_read_or_refused(
        record in record(),
        place: prop::sample::Index,
        piece in fragment(),
    ) {
        read_all(&splice(&record, place, &piece))?;
        read_all(&record.encoded()[..place.index(record.encoded().len())])?;
    }
}
