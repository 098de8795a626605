// SPDX-License-Identifier: MPL-2.0
//! The life of an agent on its daemon: made, registered, changed, moved, deleted.

use serde_json::json;

use crate::harness::{Daemon, Identity, Upstream};

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
