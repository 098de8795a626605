// SPDX-License-Identifier: MPL-2.0
//! The life of an agent on its daemon: made, registered, changed, published, moved, deleted.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Daemon, Identity, Upstream, eventually};

/// Every member of an agent's description.
const SHOWN: [&str; 10] = [
    "aid",
    "service_tcp",
    "seq",
    "published_to_dht",
    "last_publish_at",
    "next_republish_estimate",
    "dht_record_expires_at",
    "dht_active_replicas",
    "dht_local_replicas",
    "heartbeat_seconds_ago",
];

fn path(identity: &Identity) -> String {
    format!("/agents/{}", identity.aid)
}

#[tokio::test]
async fn an_identity_is_made_and_kept_nowhere() {
    let daemon = Daemon::alone().await;
    let answer = daemon.api.post("/identity/generate", json!({})).await.ok();
    let hex_len = |name: &str| {
        let text = answer[name].as_str().expect("keys are text");
        assert!(
            text.chars().all(|digit| digit.is_ascii_hexdigit()),
            "{name}"
        );
        text.len()
    };
    assert_eq!(hex_len("master_private_key_hex"), 128);
    assert_eq!(hex_len("operational_private_key_hex"), 128);
    assert!(hex_len("delegation_proof_hex") > 300);
    assert!(!answer["warning"].as_str().expect("a warning").is_empty());
    assert_eq!(daemon.api.get("/agents").await.ok()["agents"], json!([]));
    let aid = answer["aid"].as_str().expect("an address");
    daemon
        .api
        .get(&format!("/agents/{aid}"))
        .await
        .refused(404, "not found");
}

#[tokio::test]
async fn registering_is_idempotent_and_keeps_the_service() {
    let daemon = Daemon::alone().await;
    let one = daemon.api.identity().await;
    let first = daemon
        .api
        .post("/agents", one.registration_with("127.0.0.1:8000"))
        .await
        .ok();
    assert_eq!(first["aid"], one.aid.as_str());
    assert_eq!(first["status"], "registered");

    daemon.api.post("/agents", one.registration()).await.ok();
    assert_eq!(
        daemon.api.shown(&one.aid).await["service_tcp"],
        "127.0.0.1:8000"
    );
    daemon
        .api
        .post("/agents", one.registration_with("http://127.0.0.1:9000"))
        .await
        .ok();
    assert_eq!(
        daemon.api.shown(&one.aid).await["service_tcp"],
        "http://127.0.0.1:9000"
    );

    let prefixed = json!({
        "operational_private_key_hex": format!("0x{}", one.operational),
        "delegation_proof_hex": format!("0x{}", one.proof),
    });
    daemon.api.post("/agents", prefixed).await.ok();
    let all = daemon.api.get("/agents").await.ok();
    assert_eq!(all["agents"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn an_agent_is_described_in_full() {
    let daemon = Daemon::alone().await;
    let agent = daemon.api.agent().await;
    let shown = daemon.api.shown(&agent.aid).await;
    for name in SHOWN {
        assert!(shown.get(name).is_some(), "{name} is missing: {shown}");
    }
    assert_eq!(shown["published_to_dht"], false);
    assert_eq!(shown["last_publish_at"], Value::Null);
    let published = daemon.api.publish(&agent.aid).await;
    let shown = daemon.api.shown(&agent.aid).await;
    assert_eq!(shown["published_to_dht"], true);
    assert_eq!(shown["seq"], published["seq"]);
    for name in [
        "last_publish_at",
        "next_republish_estimate",
        "dht_record_expires_at",
    ] {
        let time = shown[name]
            .as_str()
            .unwrap_or_else(|| panic!("{name} of {shown}"));
        assert!(
            time.len() >= 20 && time.as_bytes()[10] == b'T',
            "{name} {time} is not RFC 3339"
        );
    }
    assert!(shown["heartbeat_seconds_ago"].is_number(), "{shown}");
    let listed = daemon.api.get("/agents").await.ok();
    assert_eq!(listed["agents"][0]["aid"], agent.aid.as_str());
    assert_eq!(listed["agents"][0]["seq"], published["seq"]);
}

#[tokio::test]
async fn an_address_is_read_in_both_its_forms() {
    let daemon = Daemon::alone().await;
    let agent = daemon.api.agent().await;
    let lower = agent.aid.to_lowercase();
    assert_eq!(daemon.api.shown(&lower).await["aid"], agent.aid.as_str());
    let upper = agent.aid.to_uppercase();
    for bad in [
        upper.as_str(),
        &agent.aid[1..],
        "a0",
        "x",
        "%20",
        "0x00",
        "bc1qxyz",
    ] {
        daemon
            .api
            .get(&format!("/agents/{bad}"))
            .await
            .refused(400, "bad aid");
    }
}

/// Fields of a registration with values that cannot be read, and how each refusal begins.
fn broken_fields(one: &Identity) -> Vec<(&'static str, String, &'static str)> {
    let (proof, key) = ("delegation_proof_hex", "operational_private_key_hex");
    vec![
        (proof, "zz".to_owned(), "bad delegation_proof_hex"),
        (proof, "a0".to_owned(), "delegation parse"),
        (proof, one.proof[..100].to_owned(), "delegation parse"),
        (proof, format!("{}00", one.proof), "delegation parse"),
        (key, "zz".to_owned(), "bad operational_private_key_hex"),
        (
            key,
            one.operational[..64].to_owned(),
            "bad operational_private_key_hex",
        ),
        (
            "service_tcp",
            "http://127.0.0.1:80/path".to_owned(),
            "service_tcp cannot contain a path",
        ),
    ]
}

#[tokio::test]
async fn broken_registrations_are_refused_with_the_reason() {
    let daemon = Daemon::alone().await;
    let one = daemon.api.identity().await;
    let other = daemon.api.identity().await;
    for broken in [
        "{",
        "[1]",
        "7",
        "{\"service_tcp\":1}",
        "{\"delegation_proof_hex\":[]}",
    ] {
        daemon
            .api
            .post_text("/agents", broken)
            .await
            .refused(400, "invalid json");
    }
    for (field, value, reason) in broken_fields(&one) {
        let mut body = one.registration();
        body[field] = json!(value);
        let answer = daemon.api.post("/agents", body).await;
        assert_eq!(answer.status, 400, "{field}: {}", answer.text);
        let told = answer.json()["error"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert!(told.starts_with(reason), "{field}={value}: {told}");
    }
    let mut swapped = one.registration();
    swapped["operational_private_key_hex"] = json!(other.operational);
    assert_eq!(daemon.api.post("/agents", swapped).await.status, 400);
    assert_eq!(daemon.api.get("/agents").await.ok()["agents"], json!([]));
}

#[tokio::test]
async fn a_service_is_bound_and_unbound() {
    let daemon = Daemon::alone().await;
    let upstream = Upstream::start("bound").await;
    let agent = daemon.api.agent().await;
    let bind = json!({ "service_tcp": upstream.address });
    assert_eq!(
        daemon.api.patch(&path(&agent), bind).await.ok(),
        json!({ "status": "updated" })
    );
    let probed = daemon
        .api
        .get(&format!("{}/probe", path(&agent)))
        .await
        .ok();
    assert_eq!(probed["service_tcp_ok"], true, "{probed}");
    daemon.api.patch(&path(&agent), json!({})).await.ok();
    assert_eq!(
        daemon.api.shown(&agent.aid).await["service_tcp"],
        upstream.address.as_str()
    );

    daemon
        .api
        .patch(&path(&agent), json!({ "service_tcp": "" }))
        .await
        .ok();
    assert_eq!(daemon.api.shown(&agent.aid).await["service_tcp"], "");
    let probed = daemon
        .api
        .get(&format!("{}/probe", path(&agent)))
        .await
        .ok();
    assert_eq!(probed["service_tcp_ok"], false, "{probed}");
}

#[tokio::test]
async fn a_change_needs_the_right_key_if_one_is_shown() {
    let daemon = Daemon::alone().await;
    let agent = daemon.api.agent().await;
    let other = daemon.api.identity().await;
    let with_key =
        |key: &str| json!({ "service_tcp": "127.0.0.1:1", "operational_private_key_hex": key });
    daemon
        .api
        .patch(&path(&agent), with_key(&agent.operational))
        .await
        .ok();
    let wrong = daemon
        .api
        .patch(&path(&agent), with_key(&other.operational))
        .await;
    wrong.refused(403, "operational key mismatch");
    let garbage = daemon.api.patch(&path(&agent), with_key("zz")).await;
    garbage.refused(400, "bad operational_private_key_hex");
    let with_path = json!({ "service_tcp": "127.0.0.1:1/path" });
    let refused = daemon.api.patch(&path(&agent), with_path).await;
    refused.refused(
        400,
        "service_tcp cannot contain a path — use host:port or https://host:port",
    );
    daemon
        .api
        .patch(&path(&other), json!({}))
        .await
        .refused(404, "not found");
    daemon
        .api
        .patch("/agents/a0", json!({}))
        .await
        .refused(400, "bad aid");
}

#[tokio::test]
async fn a_probe_tells_what_the_network_holds() {
    let daemon = Daemon::alone().await;
    let agent = daemon.api.agent().await;
    let probe = format!("{}/probe", path(&agent));
    let before = daemon.api.get(&probe).await.ok();
    assert_eq!(before["published_endpoints"], json!([]), "{before}");
    let published = daemon.api.publish(&agent.aid).await;
    let after = daemon.api.get(&probe).await.ok();
    assert_eq!(after["published_record_seq"], published["seq"], "{after}");
    assert!(after["published_nat_type"].is_u64(), "{after}");
    let endpoints = after["published_endpoints"].as_array().expect("a list");
    assert!(!endpoints.is_empty(), "{after}");
    let stranger = daemon.api.identity().await;
    daemon
        .api
        .get(&format!("{}/probe", path(&stranger)))
        .await
        .refused(404, "not found");
}

#[tokio::test]
async fn a_heartbeat_is_taken_and_shown() {
    let daemon = Daemon::alone().await;
    let agent = daemon.api.agent().await;
    let beat = format!("{}/heartbeat", path(&agent));
    assert_eq!(
        daemon.api.post(&beat, json!({})).await.ok(),
        json!({ "status": "ok" })
    );
    let ago = daemon.api.shown(&agent.aid).await["heartbeat_seconds_ago"].as_f64();
    assert!(ago.is_some_and(|ago| (0.0..10.0).contains(&ago)), "{ago:?}");
    let stranger = daemon.api.identity().await;
    let unknown = daemon
        .api
        .post(&format!("{}/heartbeat", path(&stranger)), json!({}))
        .await;
    unknown.refused(404, "not found");
}

#[tokio::test]
async fn publishing_counts_up_and_survives_a_restart() {
    let daemon = Daemon::alone().await;
    let agent = daemon.api.agent().await;
    let mut last = 0;
    let mut daemon = daemon;
    for _ in 0..3 {
        for _ in 0..3 {
            let seq = daemon.api.publish(&agent.aid).await["seq"]
                .as_u64()
                .expect("a number");
            assert!(seq > last, "{seq} after {last}");
            last = seq;
        }
        daemon = daemon.kill().await.start().await;
    }
    let stranger = daemon.api.identity().await;
    let unknown = daemon
        .api
        .post(&format!("{}/publish", path(&stranger)), json!({}))
        .await;
    unknown.refused(404, "not found");
}

#[tokio::test]
async fn an_agent_moves_to_another_daemon() {
    let from = Daemon::alone().await;
    let agent = from.api.identity().await;
    from.api
        .post("/agents", agent.registration_with("127.0.0.1:8000"))
        .await
        .ok();
    let answer = from.api.get(&format!("{}/export", path(&agent))).await;
    assert_eq!(answer.headers["cache-control"], "no-store");
    let exported = answer.ok();
    let expected = json!({
        "aid": agent.aid,
        "operational_private_key_hex": agent.operational,
        "delegation_proof_hex": agent.proof,
        "service_tcp": "127.0.0.1:8000",
    });
    assert_eq!(exported, expected);
    let to = Daemon::alone().await;
    assert_eq!(
        to.api.post("/agents", exported).await.ok()["aid"],
        agent.aid.as_str()
    );
    assert_eq!(
        to.api.shown(&agent.aid).await["service_tcp"],
        "127.0.0.1:8000"
    );
    let stranger = from.api.identity().await;
    from.api
        .get(&format!("{}/export", path(&stranger)))
        .await
        .refused(404, "not found");
}

#[tokio::test]
async fn deleting_is_final_and_harmless_when_repeated() {
    let daemon = Daemon::alone().await;
    let agent = daemon.api.agent().await;
    daemon.api.publish(&agent.aid).await;
    for _ in 0..2 {
        assert_eq!(
            daemon.api.delete(&path(&agent)).await.ok(),
            json!({ "ok": true })
        );
        daemon
            .api
            .get(&path(&agent))
            .await
            .refused(404, "not found");
    }
    let daemon = daemon.stop().await.start().await;
    assert_eq!(daemon.api.get("/agents").await.ok()["agents"], json!([]));
    daemon.api.post("/agents", agent.registration()).await.ok();
    daemon.api.publish(&agent.aid).await;
    daemon.api.resolve(&agent.aid).await;
}

#[tokio::test]
async fn the_nodes_own_identity_is_not_an_agent() {
    let daemon = Daemon::alone().await;
    let node = daemon.status().await["node_aid"]
        .as_str()
        .expect("an address")
        .to_owned();
    let deleted = daemon.api.delete(&format!("/agents/{node}")).await;
    deleted.refused(400, "cannot delete node identity");
    assert_eq!(daemon.api.get("/agents").await.ok()["agents"], json!([]));
}

#[tokio::test]
async fn what_was_published_is_renewed_after_a_restart() {
    let daemon = Daemon::alone().await;
    let published = daemon.api.agent().await;
    let silent = daemon.api.agent().await;
    daemon.api.publish(&published.aid).await;
    let daemon = daemon.stop().await.start().await;
    eventually(
        "the agent is published again",
        Duration::from_secs(10),
        async || {
            let shown = daemon.api.shown(&published.aid).await;
            let is_back = shown["published_to_dht"] == true && shown["last_publish_at"].is_string();
            is_back.then_some(())
        },
    )
    .await;
    daemon.api.resolve(&published.aid).await;
    // Registering publishes nothing, and neither does a restart.
    assert_eq!(
        daemon.api.shown(&silent.aid).await["published_to_dht"],
        false
    );
}

#[tokio::test]
async fn status_and_configuration_are_told() {
    let daemon = Daemon::alone().await;
    assert_eq!(
        daemon.api.get("/health").await.ok(),
        json!({ "status": "ok" })
    );
    let status = daemon.status().await;
    assert_eq!(status["peer_id"], daemon.peer_id.as_str());
    assert_eq!(status["data_dir"], daemon.data_dir().display().to_string());
    for name in [
        "node_aid",
        "version",
        "auto_publish",
        "dht_peers",
        "uptime_seconds",
        "reachability",
    ] {
        assert!(!status[name].is_null(), "{name} of {status}");
    }
    let config = daemon.api.get("/config").await.ok();
    assert_eq!(config["api_addr"], "127.0.0.1:0", "{config}");
    let schema = daemon.api.get("/config/schema").await.ok();
    assert!(schema["properties"].is_object(), "{schema}");
    let changed = daemon
        .api
        .patch("/config", json!({ "auto_publish": false }))
        .await
        .ok();
    assert_eq!(changed, json!({ "ok": true, "restart_required": [] }));
    assert_eq!(daemon.status().await["auto_publish"], false);
    let moved = daemon
        .api
        .patch(
            "/config",
            json!({ "listen_addr": "127.0.0.1:0", "unknown": 1 }),
        )
        .await;
    assert_eq!(moved.ok()["restart_required"], json!(["listen_addr"]));
    daemon
        .api
        .patch("/config", json!({ "auto_publish": "x" }))
        .await
        .refused(400, "invalid json");
    let daemon = daemon.stop().await.start().await;
    assert_eq!(daemon.api.get("/config").await.ok()["auto_publish"], false);
}
