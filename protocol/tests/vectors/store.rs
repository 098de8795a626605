// SPDX-License-Identifier: MPL-2.0
//! What a store makes of records: verified, admitted, in which order, and how many.

use std::collections::HashMap;

use a2al_protocol::{
    Credential, DhtKey, Draft, RecordKind, RecordSet, Seq, SignedRecord, SigningKey, Topic,
    UnixSeconds, VerifiedRecord,
    record::{self, Endpoint, set::Merged},
};
use serde_json::Value;

use crate::{Section, VECTORS, bytes, clock, entries, flag, text};

/// The answer to a record handed to a store.
#[derive(Debug, PartialEq)]
struct Answer {
    stored: bool,
    already_had: bool,
}

impl Answer {
    fn of_reference(entry: &Value) -> Self {
        Self {
            stored: flag(entry, "stored"),
            already_had: flag(entry, "already_had"),
        }
    }
}

#[derive(Default)]
struct Store(HashMap<DhtKey, RecordSet>);

impl Store {
    /// Does with an entry what a node of ours does with a record from the network.
    fn store(&mut self, entry: &Value) -> Answer {
        let merged = verify(entry).ok().and_then(|record| {
            let key = match entry["dht_key_hex"].as_str() {
                Some(_) => DhtKey::from_bytes(bytes(entry, "dht_key_hex").try_into().unwrap()),
                None => record.aid().key(),
            };
            let set = self.0.entry(key).or_default();
            record
                .may_live_at(&key)
                .then(|| set.insert(record).ok())
                .flatten()
        });
        Answer {
            stored: merged.is_some(),
            already_had: merged == Some(Merged::Stale),
        }
    }
}

fn verify(entry: &Value) -> Result<VerifiedRecord, record::Error> {
    SignedRecord::decode(&bytes(entry, "record_cbor_hex"))?.verify(clock(entry))
}

#[test]
fn the_same_records_are_stored() {
    let deviations = [
        (
            "ttl 0xffffffff",
            "valid, but no record lives longer than a day in our stores",
        ),
        (
            "topic at unrelated key",
            "entries are kept where searches look for them, and nowhere else",
        ),
        (
            "rectype 0x11 garbage payload 900B",
            "0x11 withdraws the entry for the service that it names, and this names none",
        ),
    ];
    let mut section = Section::new("store_cases", &deviations);
    let mut store = Store::default();
    for entry in entries("store_cases") {
        let answer = store.store(entry);
        section.compare(text(entry, "name"), &Answer::of_reference(entry), &answer);
    }
    section.finish();
}

#[test]
fn a_lifetime_that_no_store_admits_is_still_valid() {
    let entry = entries("store_cases")
        .iter()
        .find(|entry| text(entry, "name") == "ttl 0xffffffff");
    let record = verify(entry.unwrap()).unwrap();
    assert_eq!(
        RecordSet::new().admit(&record),
        Err(record::set::Refusal::TtlTooLong)
    );
}

#[test]
fn records_replace_each_other_in_the_same_order() {
    let mut section = Section::new("ordering_sequences", &[]);
    let mut store = Store::default();
    for entry in VECTORS["ordering_sequences"]["steps"].as_array().unwrap() {
        let answer = store.store(entry);
        section.compare(text(entry, "name"), &Answer::of_reference(entry), &answer);
    }
    section.finish();
}

#[test]
fn an_unsigned_proof_gives_no_rank() {
    let attack = &VECTORS["unsigned_field9_attack"];
    let record = |key| {
        SignedRecord::decode(&bytes(attack, key))
            .unwrap()
            .verify(clock(attack))
            .unwrap()
    };
    let made_up = record("record_with_made_up_field9_hex");
    let genuine = record("later_genuine_update_hex");
    assert_eq!(
        (made_up.delegation(), made_up.issued_at()),
        (None, UnixSeconds(0))
    );

    let mut section = Section::new("unsigned_field9_attack", &[]);
    let mut set = RecordSet::new();
    section.compare("made-up field 9", &Merged::Added, &set.merge(made_up));
    section.compare("later update", &Merged::Replaced, &set.merge(genuine));
    section.finish();
}

#[test]
fn a_note_in_another_name_is_refused() {
    let verdict = verify(&VECTORS["forged_sender_note"]);
    let mut section = Section::new("forged_sender_note", &[]);
    section.compare("forged sender", &Err(record::Error::NotDelegated), &verdict);
    section.finish();
}

#[test]
fn sets_hold_as_many_records() {
    let deviations = [
        (
            "mailbox_same_sender_kept_of_6",
            "we hold 64 notes of a sender, and keep the older ones",
        ),
        (
            "mailbox_kept_of_55_senders_at_one_key",
            "we hold 512 notes, so that strangers can't crowd out others",
        ),
    ];
    let mut section = Section::new("store_caps", &deviations);
    let caps = &VECTORS["store_caps"];

    let mut set = RecordSet::new();
    for kind in 1..=10 {
        set.insert(sign(0, kind, 0)).unwrap();
    }
    let kept: Vec<u8> = set.iter().map(|record| record.kind().0).collect();
    let name = "sovereign_rec_types_kept_after_storing_1_to_10_in_order";
    section.compare(name, &caps[name], &Value::from(kept));

    let name = "mailbox_same_sender_kept_of_6";
    assert_eq!(text(caps, name), "the newest 4 by timestamp");
    section.compare(name, &4, &kept_of((0..6).map(|age| sign(0, 0x80, age))));

    let name = "mailbox_kept_of_55_senders_at_one_key";
    let ours = kept_of((0..55).map(|sender| sign(sender, 0x80, 0)));
    section.compare(name, &caps[name], &Value::from(ours));

    let name = "topic_kept_of_104_at_one_key";
    let ours = kept_of((0..104).map(|publisher| sign(publisher, 0x10, publisher.into())));
    section.compare(name, &caps[name], &Value::from(ours));

    let name = "topic_0x10_then_0x11_same_pubkey_same_key";
    assert_eq!(text(caps, name), "only the 0x11 record is left");
    let mut set = RecordSet::new();
    set.insert(sign(0, 0x10, 0)).unwrap();
    set.insert(sign(0, 0x11, 1)).unwrap();
    let kept: Vec<u8> = set.iter().map(|record| record.kind().0).collect();
    section.compare(name, &vec![0x11], &kept);
    section.finish();
}

fn kept_of(records: impl Iterator<Item = VerifiedRecord>) -> usize {
    let mut set = RecordSet::new();
    for record in records {
        // A refusal is one of the ways not to be kept.
        let _ = set.insert(record);
    }
    set.len()
}

/// A record of the publisher with this number, signed `age` seconds after the first.
fn sign(publisher: u8, kind: u8, age: u64) -> VerifiedRecord {
    let kind = RecordKind(kind);
    let draft = Draft {
        kind,
        payload: match kind {
            RecordKind::ENDPOINT => Endpoint::default().encode().unwrap(),
            RecordKind::TOPIC | RecordKind::TOPIC_WITHDRAWN => {
                Topic::new("some.topic").encode().unwrap()
            }
            _ => age.to_be_bytes().to_vec(),
        },
        seq: Seq(age),
        timestamp: UnixSeconds(1_795_000_000 + age),
        ttl_secs: 3600,
    };
    draft
        .sign(&Credential::node(SigningKey::from_seed(&[publisher; 32])))
        .unwrap()
}
