// SPDX-License-Identifier: MPL-2.0
//! What agents say about themselves.

use serde_json::{Value, json};

use super::DEADLINE;
use crate::harness::{Api, Daemon, Net, eventually};

/// The profile of `aid`, as the network knows it.
async fn profile(api: &Api, aid: &str) -> Option<Value> {
    let path = format!("/resolve/{aid}/records?type=2");
    let found = api.get(&path).await.ok();
    found["records"][0].get("profile").cloned()
}

async fn becomes(api: &Api, aid: &str, expected: Option<Value>) {
    eventually("the profile is the expected one", DEADLINE, async || {
        (profile(api, aid).await == expected).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_profile_is_set_replaced_and_taken_back() {
    let net = Net::of(3).await;
    let (host, other) = (&net.nodes[0].api, &net.nodes[2].api);
    let aid = host.agent().await.aid;
    let path = format!("/agents/{aid}/profile");
    let body = json!({
        "name": "Bot", "brief": "says\u{202e} things", "protocols": ["mcp"],
        "skills": ["a", "b", "c", "d"], "modalities": ["text"], "card_hash": "ab".repeat(32),
        "meta": { "k": { "n": 1 } },
    });
    assert_eq!(host.post(&path, body).await.ok(), json!({ "ok": true }));
    let expected = json!({
        "name": "Bot", "brief": "says things", "protocols": ["mcp"], "skills": ["a", "b", "c"],
        "modalities": ["text"], "card_hash": "ab".repeat(32), "meta": { "k": { "n": 1 } },
    });
    becomes(other, &aid, Some(expected)).await;
    host.post(&path, json!({ "name": "Other" })).await.ok();
    becomes(other, &aid, Some(json!({ "name": "Other" }))).await;
    assert_eq!(
        host.shown(&aid).await["profile"],
        json!({ "name": "Other" })
    );
    assert_eq!(host.delete(&path).await.ok(), json!({ "ok": true }));
    becomes(other, &aid, None).await;
    assert_eq!(host.delete(&path).await.ok(), json!({ "ok": true }));

    let long = json!({ "brief": "x".repeat(701) });
    host.post(&path, long)
        .await
        .refused(400, "profile too long");
    let hash = json!({ "card_hash": "abc" });
    host.post(&path, hash).await.refused(400, "bad card_hash");
    let stranger = host.identity().await.aid;
    let unknown = format!("/agents/{stranger}/profile");
    host.post(&unknown, json!({}))
        .await
        .refused(404, "not found");
    host.delete(&unknown).await.refused(404, "not found");
}

#[tokio::test]
async fn what_is_left_open_follows_from_the_services() {
    let net = Net::of(2).await;
    let (host, other) = (&net.nodes[0].api, &net.nodes[1].api);
    let aid = host.agent().await.aid;
    let path = format!("/agents/{aid}/profile");
    let body = json!({ "services": ["lang.b", "lang.a"], "protocols": ["mcp"] });
    host.offer(&aid, body).await;
    let body = json!({ "services": ["code.c", "data.d"], "protocols": ["http", "mcp"] });
    host.offer(&aid, body).await;
    let skills = json!(["code.c", "data.d", "lang.a"]);
    let inferred = json!({ "skills": skills, "protocols": ["http", "mcp"] });
    becomes(other, &aid, Some(inferred.clone())).await;
    host.post(&path, json!({ "name": "N", "protocols": ["grpc"] }))
        .await
        .ok();
    let mixed = json!({ "name": "N", "skills": skills, "protocols": ["grpc"] });
    becomes(other, &aid, Some(mixed)).await;
    host.delete(&path).await.ok();
    becomes(other, &aid, Some(inferred)).await;
    for name in ["lang.a", "lang.b", "code.c", "data.d"] {
        host.delete(&format!("/agents/{aid}/services/{name}"))
            .await
            .ok();
    }
    becomes(other, &aid, None).await;
}

#[tokio::test]
async fn a_profile_survives_a_restart_and_ends_with_its_agent() {
    let daemon = Daemon::alone().await;
    let aid = daemon.api.agent().await.aid;
    let path = format!("/agents/{aid}/profile");
    let set = json!({ "name": "Bot" });
    daemon.api.post(&path, set.clone()).await.ok();
    let daemon = daemon.kill().await.start().await;
    becomes(&daemon.api, &aid, Some(set)).await;

    // A record of that kind, published as it is, takes the place, and the other way round.
    let records = format!("/agents/{aid}/records");
    let own = json!({ "rec_type": 2, "payload_base64": "ogEBAmNvd24=", "ttl": 600 });
    daemon.api.post(&records, own).await.ok();
    becomes(&daemon.api, &aid, Some(json!({ "name": "own" }))).await;
    let daemon = daemon.kill().await.start().await;
    becomes(&daemon.api, &aid, Some(json!({ "name": "own" }))).await;
    daemon.api.post(&path, json!({ "name": "set" })).await.ok();
    let daemon = daemon.kill().await.start().await;
    becomes(&daemon.api, &aid, Some(json!({ "name": "set" }))).await;
    daemon.api.delete(&format!("/agents/{aid}")).await.ok();
    becomes(&daemon.api, &aid, None).await;
}
