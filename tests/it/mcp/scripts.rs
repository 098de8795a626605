// SPDX-License-Identifier: MPL-2.0
//! `POST /mcp/call`: one tool, without the protocol around it.

use serde_json::json;

use crate::harness::Daemon;

#[tokio::test]
async fn a_script_calls_a_tool() {
    let daemon = Daemon::alone().await;
    let call = |tool: &str, args| {
        daemon
            .api
            .post("/mcp/call", json!({ "tool": tool, "args": args }))
    };
    let status = call("a2al_status", json!({})).await.ok();
    assert_eq!(status["node_aid"], daemon.status().await["node_aid"]);
    call("a2al_agents_list", json!(null)).await.ok();
    let aid = daemon.api.identity().await.aid;
    call("a2al_agent_get", json!({ "aid": aid }))
        .await
        .refused(422, "not found");
    let refused = call("a2al_agent_get", json!({ "aid": "x" })).await;
    let told = refused.json();
    assert_eq!(told["argument"], "aid", "{told}");
    assert!(told["next"].is_string(), "{told}");
    refused.refused(400, "argument `aid`");
    call("a2al_agent_get", json!({}))
        .await
        .refused(400, "missing field `aid`");
    call("a2al_nothing", json!({}))
        .await
        .refused(400, "unknown tool");
    daemon
        .api
        .post("/mcp/call", json!({}))
        .await
        .refused(400, "tool required");
}
