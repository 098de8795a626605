// SPDX-License-Identifier: MPL-2.0
//! Replicas that see the same records hold the same set, whatever came first.

use a2al_protocol::{
    Draft, RecordKind, RecordSet, Seq, SigningKey, Topic, UnixSeconds, VerifiedRecord,
    limits::{MAX_SOVEREIGN_RECORDS, MAX_TOPIC_RECORDS},
    record::{Category, set::Merged},
};
use proptest::{collection::vec, prelude::*, sample::Index};

use crate::{NOW, Owner, payload};

/// A record out of few publishers, keys and numbers, so that many want the same slot, with
/// different ranks or with the same.
fn contender() -> impl Strategy<Value = VerifiedRecord> {
    let kinds = prop::sample::select(vec![0x01, 0x02, 0x10, 0x11, 0x80]);
    (
        0..2_u8,
        0..2_u8,
        0..3_u64,
        kinds,
        0..3_u64,
        0..3_u64,
        0..2_u8,
    )
        .prop_map(|(publisher, key, delegated, kind, seq, age, noise)| {
            let kind = RecordKind(kind);
            let draft = Draft {
                kind,
                payload: match kind.category() {
                    Category::Topic => Topic::new(noise.to_string()).encode().unwrap(),
                    _ => payload(kind, &[noise]),
                },
                seq: Seq(seq),
                timestamp: UnixSeconds(NOW.0 - age),
                ttl_secs: 3600,
            };
            let owner = Owner::Master(SigningKey::from_seed(&[publisher; 32]));
            let operational = SigningKey::from_seed(&[16 + key; 32]);
            draft
                .sign(&owner.credential(operational, UnixSeconds(delegated)))
                .unwrap()
        })
}

fn merged<'r>(records: impl IntoIterator<Item = &'r VerifiedRecord>) -> RecordSet {
    let mut set = RecordSet::new();
    for record in records {
        set.merge(record.clone());
    }
    set
}

proptest! {
    #[test]
    fn merging_is_commutative_and_idempotent(
        records in vec(contender(), 0..12),
        order in vec(any::<Index>(), 12),
        repeated in vec(any::<Index>(), 0..12),
    ) {
        let mut shuffled = records.clone();
        for (at, index) in order.iter().enumerate().take(records.len()) {
            shuffled.swap(at, index.index(records.len()));
        }
        shuffled.extend(repeated.iter().filter(|_| !records.is_empty()).map(|at| at.get(&records).clone()));
        prop_assert_eq!(merged(&shuffled), merged(&records));
    }

    #[test]
    fn merging_is_associative(parts in vec(vec(contender(), 0..6), 3)) {
        let left = merged(merged(parts[0].iter().chain(&parts[1])).iter().chain(&parts[2]));
        let right = merged(parts[0].iter().chain(merged(parts[1].iter().chain(&parts[2])).iter()));
        prop_assert_eq!(left, right);
    }

    #[test]
    fn a_later_delegation_is_never_displaced(records in vec(contender(), 1..12)) {
        let set = merged(&records);
        for record in &records {
            let mut set = set.clone();
            prop_assert_eq!(set.merge(record.clone()), Merged::Stale);
        }
        for held in set.iter().filter(|held| held.kind() == RecordKind::ENDPOINT) {
            let rivals = records.iter().filter(|rival| {
                (rival.aid(), rival.kind()) == (held.aid(), held.kind())
            });
            prop_assert!(rivals.max_by_key(|rival| rival.rank()).unwrap().rank() == held.rank());
        }
    }

    #[test]
    fn insertion_keeps_the_caps_and_every_note(records in vec(contender(), 0..40)) {
        let mut set = RecordSet::new();
        for record in records {
            let notes = notes(&set);
            let _ = set.insert(record);
            prop_assert!(notes.iter().all(|note| set.iter().any(|held| held.payload() == note)));
        }
        let of = |category| set.iter().filter(|held| held.kind().category() == category).count();
        prop_assert!(of(Category::Sovereign) <= MAX_SOVEREIGN_RECORDS);
        prop_assert!(of(Category::Topic) <= MAX_TOPIC_RECORDS);
    }
}

fn notes(set: &RecordSet) -> Vec<Vec<u8>> {
    let notes = set.iter().filter(|held| held.kind() == RecordKind::MAILBOX);
    notes.map(|note| note.payload().to_vec()).collect()
}
