// SPDX-License-Identifier: MPL-2.0
//! Records that the reference published.

use a2al_protocol::{
    Credential, DhtKey, Draft, Endpoint, NatType, Profile, RecordKind, SignedRecord, SigningKey,
    Topic, VerifiedRecord,
    record::{PayloadError, meta},
};
use serde_json::Value;

use crate::{Section, bytes, clock, entries, number, text};

#[test]
fn records_verify_and_are_signed_alike() {
    let mut section = Section::new("records", &[]);
    for entry in entries("records") {
        let encoded = bytes(entry, "record_cbor_hex");
        let record = SignedRecord::decode(&encoded).unwrap();
        assert_eq!(record.encode(), encoded);
        let record = record.verify(clock(entry)).unwrap();
        check_fields(entry, &record);
        check_payload(entry, &record);
        let signed = sign_anew(entry, &record);
        section.compare(text(entry, "name"), &encoded.as_slice(), &signed.encoded());
    }
    section.finish();
}

fn check_fields(entry: &Value, record: &VerifiedRecord) {
    assert_eq!(record.aid().to_string(), text(entry, "aid"));
    assert_eq!(u64::from(record.kind().0), number(entry, "rec_type"));
    assert_eq!(record.payload(), bytes(entry, "payload_hex"));
    assert_eq!(record.seq().0, number(entry, "seq"));
    assert_eq!(record.timestamp().0, number(entry, "timestamp"));
    assert_eq!(u64::from(record.ttl_secs()), number(entry, "ttl"));
    assert_eq!(record.public_key().to_string(), text(entry, "pubkey_hex"));
    assert_eq!(record.signature().to_string(), text(entry, "signature_hex"));
    let signed = bytes(entry, "signed_bytes_hex");
    assert_eq!(
        record.public_key().verify(&signed, &record.signature()),
        Ok(())
    );
    let key: [u8; 32] = bytes(entry, "dht_key_hex").try_into().unwrap();
    assert!(record.may_live_at(&DhtKey::from_bytes(key)));
}

/// Signs the same content with the same key; signatures are deterministic.
fn sign_anew(entry: &Value, record: &VerifiedRecord) -> VerifiedRecord {
    let key = SigningKey::from_private_hex(text(entry, "op_priv_hex")).unwrap();
    let credential = match record.delegation() {
        Some(delegation) => Credential::agent(key, delegation.clone()).unwrap(),
        None => Credential::node(key),
    };
    Draft::of_record(record).sign(&credential).unwrap()
}

/// The payload says what the vectors say, and encodes to the same bytes.
fn check_payload(entry: &Value, record: &VerifiedRecord) {
    let decoded = &entry["payload_decoded"];
    let encoded: Result<Vec<u8>, PayloadError> = match record.kind() {
        RecordKind::ENDPOINT => {
            let endpoint = Endpoint::decode(record.payload()).unwrap();
            assert_eq!(decoded["1"], Value::from(endpoint.addresses.clone()));
            assert_eq!(endpoint.nat, NatType::Unknown);
            endpoint.encode()
        }
        RecordKind::PROFILE => {
            let profile = Profile::decode(record.payload()).unwrap();
            check_profile(decoded, &profile);
            profile.encode()
        }
        RecordKind::TOPIC => {
            let topic = Topic::decode(record.payload()).unwrap();
            check_topic(entry, &topic);
            topic.encode()
        }
        _ => Ok(record.payload().to_vec()),
    };
    assert_eq!(encoded.as_deref(), Ok(record.payload()));
}

fn check_profile(decoded: &Value, profile: &Profile) {
    assert_eq!(decoded["2"], Value::from(profile.name.as_str()));
    assert_eq!(decoded["3"], Value::from(profile.brief.as_str()));
    assert_eq!(decoded["4"], Value::from(profile.protocols.clone()));
    assert_eq!(decoded["5"], Value::from(profile.skills.clone()));
    assert_eq!(
        profile.card_hash.map(hex::encode).as_deref(),
        decoded["6"].as_str()
    );
    assert_eq!(decoded["8"], Value::from(profile.modalities.clone()));
    assert_eq!(profile.meta["k"], meta::Value::Text("v".to_owned()));
    assert_eq!(profile.meta["n"], meta::Value::Float(70000.0));
}

fn check_topic(entry: &Value, topic: &Topic) {
    let decoded = &entry["payload_decoded"];
    assert_eq!(decoded["1"], Value::from(topic.version));
    assert_eq!(decoded["2"], Value::from(topic.topic.as_str()));
    assert_eq!(decoded["3"], Value::from(topic.name.as_str()));
    assert_eq!(decoded["4"], Value::from(topic.protocols.clone()));
    assert_eq!(decoded["5"], Value::from(topic.tags.clone()));
    assert_eq!(decoded["6"], Value::from(topic.brief.as_str()));
    assert_eq!(
        DhtKey::of_topic(&topic.topic).to_string(),
        text(entry, "dht_key_hex")
    );
}
