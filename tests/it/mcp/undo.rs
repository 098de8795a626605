// SPDX-License-Identifier: MPL-2.0
//! Deleting an agent, and undoing it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Mcp, Pair, body, eventually};

#[tokio::test]
async fn a_deleted_agent_comes_back_as_it_was() {
    let pair = Pair::start().await;
    let host = &pair.host().api;
    let path = format!("/agents/{}", pair.aid);
    let record = json!({ "rec_type": 7, "payload_base64": "aGVsbG8=", "ttl": 3600 });
    host.post(&format!("{path}/records"), record).await.ok();
    let offer = json!({ "services": ["undo.test"], "name": "undone" });
    host.post(&format!("{path}/services"), offer).await.ok();
    let mut mcp = Mcp::over_http(host);
    mcp.open("2025-11-25").await;
    mcp.done("a2al_agent_delete", json!({ "aid": pair.aid }))
        .await;
    host.get(&path).await.refused(404, "not found");
    let deleted = host.get("/agents/deleted").await.ok();
    assert_eq!(deleted["agents"][0]["aid"], pair.aid, "{deleted}");
    assert!(deleted["agents"][0]["restorable_until"].is_string());

    let restored = host.post(&format!("{path}/restore"), json!({})).await.ok();
    assert_eq!(restored["service_tcp"], pair.upstream.address, "{restored}");
    host.post(&format!("{path}/restore"), json!({}))
        .await
        .refused(404, "not found");
    eventually(
        "it can be called again",
        Duration::from_secs(30),
        async || {
            let fetched = pair.fetch(json!({ "path": "/name" })).await;
            (fetched.status == 200 && body(&fetched.json()) == b"first").then_some(())
        },
    )
    .await;
    eventually(
        "it is found by its service again",
        Duration::from_secs(30),
        async || {
            let asked = json!({ "services": ["undo.test"] });
            let found = pair.caller().api.post("/discover", asked).await.ok();
            (found["entries"][0]["aid"] == *pair.aid).then_some(())
        },
    )
    .await;
    eventually(
        "its records are back",
        Duration::from_secs(30),
        async || {
            let found = pair
                .caller()
                .api
                .get(&format!("/resolve/{}/records?type=7", pair.aid))
                .await;
            let found: Value = found.ok();
            (found["records"][0]["payload_base64"] == "aGVsbG8=").then_some(())
        },
    )
    .await;
}

#[tokio::test]
async fn what_was_deleted_is_remembered_across_a_restart() {
    let daemon = crate::harness::Daemon::alone().await;
    let agent = daemon.api.agent().await;
    daemon
        .api
        .delete(&format!("/agents/{}", agent.aid))
        .await
        .ok();
    let daemon = daemon.stop().await.start().await;
    let agents = daemon.api.get("/agents").await.ok();
    assert_eq!(agents["agents"], json!([]));
    daemon
        .api
        .post(&format!("/agents/{}/restore", agent.aid), json!({}))
        .await
        .ok();
    let daemon = daemon.kill().await.start().await;
    assert_eq!(daemon.api.shown(&agent.aid).await["aid"], agent.aid);
}
