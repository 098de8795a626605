// SPDX-License-Identifier: MPL-2.0
//! What a full key keeps, whoever came first and however often.

use std::collections::BTreeSet;

use libp2p::PeerId;

use super::*;
use crate::behaviour::records::store::Outcome;
use crate::behaviour::records::{Query, Store};
use crate::limits::{DISPLACED_PER_SOURCE, MAX_TOPIC_RECORDS};
use crate::record::{Draft, RecordKind, Seq, Topic};
use crate::{Aid, Credential, SigningKey, clock};

const TOPIC: &str = "translate";

fn source() -> Source {
    Source::of(PeerId::random(), None)
}

/// An entry of an agent of its own.
fn entry() -> VerifiedRecord {
    entry_of(&SigningKey::generate(), 1)
}

fn entry_of(agent: &SigningKey, seq: u64) -> VerifiedRecord {
    let draft = Draft {
        kind: RecordKind::TOPIC,
        payload: Topic::new(TOPIC).encode().unwrap(),
        seq: Seq(seq),
        timestamp: clock::now(),
        ttl_secs: 3600,
    };
    draft.sign(&Credential::node(agent.clone())).unwrap()
}

/// A store into which these are written, in this order.
fn store<'w>(writes: impl IntoIterator<Item = &'w (VerifiedRecord, Source)>) -> Store {
    let (store, _) = Store::new();
    for (record, source) in writes {
        put(&store, record, *source);
    }
    store
}

fn put(store: &Store, record: &VerifiedRecord, source: Source) -> Outcome {
    store.put(
        DhtKey::of_topic(TOPIC),
        record.clone(),
        source,
        clock::now(),
    )
}

fn held(store: &Store) -> BTreeSet<Aid> {
    let query = Query::of_entries(DhtKey::of_topic(TOPIC));
    let records = store.get(&query, clock::now());
    records.iter().map(VerifiedRecord::aid).collect()
}

fn aids(writes: &[(VerifiedRecord, Source)]) -> BTreeSet<Aid> {
    writes.iter().map(|(record, _)| record.aid()).collect()
}

#[test]
fn one_source_with_ten_thousand_entries_displaces_nobody() {
    let attacker = source();
    let flood: Vec<_> = (0..10_000).map(|_| (entry(), attacker)).collect();
    let honest: Vec<_> = (0..20).map(|_| (entry(), source())).collect();
    let before = store(honest.iter().chain(&flood));
    let after = store(flood.iter().chain(&honest));
    let amid = store(flood[..5000].iter().chain(&honest).chain(&flood[5000..]));
    for store in [&before, &amid, &after] {
        assert!(held(store).is_superset(&aids(&honest)));
        assert_eq!(held(store).len(), MAX_TOPIC_RECORDS);
        assert!(store.overflows(&DhtKey::of_topic(TOPIC), clock::now()));
    }
    assert_eq!(held(&before), held(&after), "the order makes no difference");
    assert_eq!(held(&before), held(&amid), "the order makes no difference");
}

#[test]
fn every_source_keeps_as_many_as_the_others() {
    let sources: Vec<_> = (0..7).map(|_| source()).collect();
    let writes: Vec<_> = (0..700).map(|n| (entry(), sources[n % 7])).collect();
    let store = store(&writes);
    for source in &sources {
        let own: Vec<_> = writes
            .iter()
            .filter(|(_, by)| by == source)
            .cloned()
            .collect();
        let kept = aids(&own).intersection(&held(&store)).count();
        assert!((14..=15).contains(&kept), "{kept} of 100 entries");
    }
}

#[test]
fn neither_renewals_nor_other_writers_change_who_is_kept() {
    let attacker = source();
    let agents: Vec<_> = (0..20)
        .map(|_| (SigningKey::generate(), source()))
        .collect();
    let honest: Vec<_> = agents.iter().map(|(a, by)| (entry_of(a, 1), *by)).collect();
    // The attacker writes the entries of others as well, so that they count for its crowd.
    let flood: Vec<_> = (0..300).map(|_| (entry(), attacker)).collect();
    let copies: Vec<_> = honest
        .iter()
        .map(|(record, _)| (record.clone(), attacker))
        .collect();
    let store = store(copies.iter().chain(&honest).chain(&flood));
    assert!(held(&store).is_superset(&aids(&honest)));
    // The attacker is the first to write a renewal, and renews its own all the time.
    for (agent, _) in &agents {
        put(&store, &entry_of(agent, 2), attacker);
    }
    for _ in 0..300 {
        put(&store, &entry(), attacker);
    }
    assert!(held(&store).is_superset(&aids(&honest)));
}

#[test]
fn many_writers_do_not_drive_out_the_one_with_few_entries() {
    let crowds: Vec<_> = (0..MAX_WRITERS_PER_ENTRY).map(|_| source()).collect();
    let (honest, publisher) = (entry(), source());
    let mut writes: Vec<_> = crowds.iter().map(|by| (honest.clone(), *by)).collect();
    writes.extend(crowds.iter().flat_map(|by| (0..30).map(|_| (entry(), *by))));
    let store = store(&writes);
    assert!(matches!(
        put(&store, &honest, publisher),
        Outcome::AlreadyHeld | Outcome::Stored
    ));
    for by in &crowds {
        for _ in 0..100 {
            put(&store, &entry(), *by);
        }
    }
    assert!(held(&store).contains(&honest.aid()));
}

#[test]
fn a_refused_entry_may_be_alive_until_it_expires_and_a_displaced_one_too() {
    let (store, mut displaced) = Store::new();
    let (crowd, key, now) = (source(), DhtKey::of_topic(TOPIC), clock::now());
    for _ in 0..MAX_TOPIC_RECORDS - 1 {
        put(&store, &entry(), crowd);
    }
    assert!(!store.overflows(&key, now));
    put(&store, &entry(), crowd);
    assert!(displaced.try_recv().is_err());
    assert!(matches!(put(&store, &entry(), source()), Outcome::Stored));
    let lost = displaced.try_recv().unwrap();
    assert_eq!(lost.key, key);
    assert!(!held(&store).contains(&lost.record.aid()));
    let end = lost.record.expires_at();
    assert!(store.overflows(&key, end), "it is alive in its last second");
    store.remove_expired(crate::UnixSeconds(end.0 + 10));
    assert!(held(&store).is_empty());
    assert!(!store.overflows(&key, crate::UnixSeconds(end.0 + 10)));
}

#[test]
fn who_displaces_its_own_entries_does_not_fill_the_queue() {
    let (store, mut displaced) = Store::new();
    let (crowd, other) = (source(), source());
    for _ in 0..MAX_TOPIC_RECORDS + 10 * DISPLACED_PER_SOURCE {
        put(&store, &entry(), crowd);
    }
    let waiting = displaced.len();
    assert!((1..=DISPLACED_PER_SOURCE).contains(&waiting), "{waiting}");
    put(&store, &entry(), other);
    assert_eq!(displaced.len(), waiting + 1, "others are not held up");
    while displaced.try_recv().is_ok() {}
    for _ in 0..DISPLACED_PER_SOURCE {
        put(&store, &entry(), crowd);
    }
    assert!(!displaced.is_empty(), "there is room again");
}
