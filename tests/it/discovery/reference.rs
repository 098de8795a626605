// SPDX-License-Identifier: MPL-2.0
//! Entries and profiles that the reference daemon made.

use a2al_protocol::{
    Credential, DelegationProof, Draft, Profile, RecordKind, Seq, SignedRecord, SigningKey, Topic,
    UnixSeconds, VerifiedRecord, clock,
};
use serde_json::{Value, json};

use super::DEADLINE;
use crate::harness::{Daemon, Net, beside, eventually};

const VECTORS: &str = include_str!("../../vectors/reference-0.3.5.json");

/// The records of a kind, each with what it was made from.
fn vectors(kind: &str) -> Vec<Value> {
    let vectors: Value = serde_json::from_str(VECTORS).expect("the vectors");
    let records = vectors["records"].as_array().expect("a list").iter();
    let records = records.filter(|record| record["kind"] == kind);
    records.cloned().collect()
}

fn bytes(vector: &Value, name: &str) -> Vec<u8> {
    hex::decode(vector[name].as_str().expect("text")).expect("hexadecimal")
}

/// The record, verified at the time at which it was captured.
fn captured(vector: &Value) -> VerifiedRecord {
    let record = SignedRecord::decode(&bytes(vector, "record_cbor_hex")).expect("a record");
    let at = vector["at"].as_u64().expect("a time");
    record
        .verify(UnixSeconds(at))
        .expect("a record of the reference")
}

/// Who made the record, able to sign again.
fn credential(vector: &Value, record: &VerifiedRecord) -> Credential {
    let key = vector["op_priv_hex"].as_str().expect("a key");
    let key = SigningKey::from_private_hex(key).expect("a key");
    match record.delegation() {
        Some(delegation) => Credential::agent(key, delegation.clone()).expect("its own key"),
        None => Credential::node(key),
    }
}

/// The same record, signed as of now.
fn renewed(vector: &Value) -> VerifiedRecord {
    let record = captured(vector);
    let draft = Draft {
        seq: Seq(record.seq().0 + 1),
        timestamp: clock::now(),
        ..Draft::of_record(&record)
    };
    draft
        .sign(&credential(vector, &record))
        .expect("as it was signed before")
}

/// Hosts the publisher of `record` on `daemon`.
async fn host(daemon: &Daemon, vector: &Value, record: &VerifiedRecord) -> String {
    let proof = record
        .delegation()
        .expect("the agents of the vectors are delegated");
    assert!(DelegationProof::decode(proof.encoded()).is_ok());
    let body = json!({
        "operational_private_key_hex": vector["op_priv_hex"],
        "delegation_proof_hex": hex::encode(proof.encoded()),
    });
    let answer = daemon.api.post("/agents", body).await.ok();
    answer["aid"].as_str().expect("an address").to_owned()
}

#[tokio::test]
async fn entries_of_the_reference_appear_in_searches() {
    let net = Net::of(2).await;
    let node = beside(&net.nodes[0]).await;
    let vectors = vectors("topic");
    assert!(vectors.len() >= 10);
    for vector in &vectors {
        let record = renewed(vector);
        assert_eq!(record.payload(), bytes(vector, "payload_hex"));
        let aid = record.aid().to_string();
        let topic = Topic::decode(record.payload()).expect("an entry").topic;
        node.client
            .publish_entry(record)
            .await
            .expect("honest holders");
        let entry = eventually("the entry is found", DEADLINE, async || {
            let found = net.nodes[1]
                .api
                .discover(json!({ "services": [topic] }))
                .await;
            found.into_iter().find(|entry| entry["aid"] == aid.as_str())
        })
        .await;
        let told = &vector["payload_decoded"];
        for (name, key) in [
            ("version", "1"),
            ("service", "2"),
            ("name", "3"),
            ("protocols", "4"),
            ("tags", "5"),
            ("brief", "6"),
        ] {
            assert_eq!(entry[name], told[key], "{name} of {entry}");
        }
        assert_eq!(
            numbers(&entry["meta"]),
            numbers(told.get("7").unwrap_or(&Value::Null))
        );
    }
    node.client.shutdown().await;
}

/// The value with every number as a float: the reference knows no other.
fn numbers(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(list) => list.iter().map(numbers).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(name, value)| (name.clone(), numbers(value)))
            .collect(),
        other => other.clone(),
    }
}

#[tokio::test]
async fn the_same_input_gives_the_bytes_of_the_reference() {
    let net = Net::of(2).await;
    let host_daemon = &net.nodes[0];
    let node = beside(&net.nodes[1]).await;
    for vector in vectors("topic") {
        let record = captured(&vector);
        let aid = host(host_daemon, &vector, &record).await;
        let told = &vector["payload_decoded"];
        let topic = told["2"].as_str().expect("a name");
        let body = json!({
            "services": [topic], "name": told["3"], "protocols": told["4"], "tags": told["5"],
            "brief": told["6"], "meta": told.get("7"), "ttl": vector["ttl"],
        });
        host_daemon.api.offer(&aid, body).await;
        let ours = eventually("the entry is found", DEADLINE, async || {
            let batch = node.client.search(topic).next().await.ok().flatten()?;
            batch.into_iter().find(|found| found.aid() == record.aid())
        })
        .await;
        assert_eq!(ours.payload(), record.payload(), "{}", vector["name"]);
        assert_eq!(
            (ours.kind(), ours.ttl_secs()),
            (record.kind(), record.ttl_secs())
        );
    }
    for vector in vectors("profile") {
        let record = captured(&vector);
        assert!(Profile::decode(record.payload()).is_ok());
        let aid = host(host_daemon, &vector, &record).await;
        let told = &vector["payload_decoded"];
        let body = json!({
            "name": told["2"], "brief": told["3"], "protocols": told["4"], "skills": told["5"],
            "card_hash": told["6"], "modalities": told["8"], "meta": told["9"],
        });
        host_daemon
            .api
            .post(&format!("/agents/{aid}/profile"), body)
            .await
            .ok();
        let ours = eventually("the profile is found", DEADLINE, async || {
            let found = node
                .client
                .records(record.aid(), Some(RecordKind::PROFILE))
                .await;
            found.ok()?.pop()
        })
        .await;
        assert_eq!(ours.payload(), record.payload(), "{}", vector["name"]);
    }
    node.client.shutdown().await;
}
