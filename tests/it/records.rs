// SPDX-License-Identifier: MPL-2.0
//! Records of an agent's own besides its endpoint.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::harness::{Net, eventually};

fn record(kind: u64, payload: &[u8]) -> Value {
    json!({ "rec_type": kind, "payload_base64": BASE64_STANDARD.encode(payload), "ttl": 600 })
}

#[tokio::test]
async fn a_record_is_published_and_read_elsewhere() {
    let net = Net::of(3).await;
    let agent = net.nodes[0].api.agent().await;
    net.nodes[0].api.publish(&agent.aid).await;
    let path = format!("/agents/{}/records", agent.aid);
    assert_eq!(
        net.nodes[0].api.post(&path, record(7, b"seven")).await.ok(),
        json!({ "ok": true })
    );

    let one = format!("/resolve/{}/records?type=7", agent.aid);
    let found = net.nodes[1].api.get(&one).await.ok();
    let found = &found["records"][0];
    assert_eq!(found["aid"], agent.aid.as_str(), "{found}");
    assert_eq!(
        (&found["rec_type"], &found["ttl"]),
        (&json!(7), &json!(600))
    );
    assert_eq!(found["payload_base64"], BASE64_STANDARD.encode("seven"));
    for name in ["pubkey_base64", "signature_base64", "delegation_base64"] {
        assert!(
            found[name].as_str().is_some_and(|text| !text.is_empty()),
            "{name}: {found}"
        );
    }
    assert!(
        found["seq"].is_u64() && found["timestamp"].is_u64(),
        "{found}"
    );

    let all = net.nodes[2]
        .api
        .get(&format!("/resolve/{}/records", agent.aid))
        .await
        .ok();
    let kinds = all["records"].as_array().expect("a list").iter();
    let mut kinds = kinds
        .map(|record| record["rec_type"].as_u64())
        .collect::<Vec<_>>();
    kinds.sort_unstable();
    assert_eq!(kinds, [Some(1), Some(7)]);
}

#[tokio::test]
async fn a_newer_record_replaces_the_older() {
    let net = Net::of(3).await;
    let agent = net.nodes[0].api.agent().await;
    let path = format!("/agents/{}/records", agent.aid);
    for payload in ["first", "second", "third"] {
        net.nodes[0]
            .api
            .post(&path, record(3, payload.as_bytes()))
            .await
            .ok();
    }
    let one = format!("/resolve/{}/records?type=3", agent.aid);
    let found = net.nodes[2].api.get(&one).await.ok();
    assert_eq!(
        found["records"].as_array().map(Vec::len),
        Some(1),
        "{found}"
    );
    assert_eq!(
        found["records"][0]["payload_base64"],
        BASE64_STANDARD.encode("third")
    );
}

#[tokio::test]
async fn broken_records_are_refused() {
    let net = Net::of(2).await;
    let api = &net.nodes[0].api;
    let agent = api.agent().await;
    let path = format!("/agents/{}/records", agent.aid);
    for kind in [0, 1, 16, 128, 255] {
        api.post(&path, record(kind, b"x"))
            .await
            .refused(400, "rec_type must be 0x02-0x0f");
    }
    let mut no_ttl = record(2, b"x");
    no_ttl["ttl"] = json!(0);
    api.post(&path, no_ttl).await.refused(400, "ttl required");
    let mut garbage = record(2, b"x");
    garbage["payload_base64"] = json!("***");
    api.post(&path, garbage)
        .await
        .refused(400, "invalid payload_base64");
    api.post_text(&path, "{").await.refused(400, "invalid json");
    // The reference says ok and loses it.
    let large = api.post(&path, record(5, &[7; 5000])).await;
    assert!(
        matches!(large.status, 400 | 413),
        "{} {}",
        large.status,
        large.text
    );
    let stranger = api.identity().await;
    let unknown = api
        .post(
            &format!("/agents/{}/records", stranger.aid),
            record(2, b"x"),
        )
        .await;
    unknown.refused(404, "not found");
    let found = api
        .get(&format!("/resolve/{}/records", agent.aid))
        .await
        .ok();
    assert_eq!(found["records"], json!([]));
}

#[tokio::test]
async fn every_kind_a_record_can_have_is_carried() {
    let net = Net::of(2).await;
    let agent = net.nodes[0].api.agent().await;
    let path = format!("/agents/{}/records", agent.aid);
    // A profile (2) has a form of its own; the others are the agent's to fill, up to what fits.
    for kind in 3..=15 {
        net.nodes[0]
            .api
            .post(&path, record(kind, &[1; 400]))
            .await
            .ok();
    }
    let all = format!("/resolve/{}/records", agent.aid);
    let deadline = std::time::Duration::from_secs(5);
    eventually("every kind is found", deadline, async || {
        let found = net.nodes[1].api.get(&all).await.ok();
        // Eight kinds of one agent is what a holder has to keep.
        (found["records"].as_array().map_or(0, Vec::len) >= 8).then_some(())
    })
    .await;
}
