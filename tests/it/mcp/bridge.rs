// SPDX-License-Identifier: MPL-2.0
//! `a2ald --mcp-stdio` beside a daemon that runs: a bridge to it.

use serde_json::{Value, json};

use crate::harness::{Daemon, Mcp, Setup, stateless};

/// The setup of the daemon that runs on the data directory of `daemon`.
fn same_directory(daemon: &Daemon) -> Setup {
    daemon.setup()
}

#[tokio::test]
async fn a_second_process_serves_the_tools_of_the_first() {
    let daemon = Daemon::alone().await;
    let mut mcp = Mcp::on_pipes(&same_directory(&daemon));
    let opened = mcp.open("2025-06-18").await;
    assert_eq!(opened["result"]["protocolVersion"], "2025-06-18");
    let status = mcp.done("a2al_status", json!({})).await;
    assert_eq!(status["node_aid"], daemon.status().await["node_aid"]);
    daemon
        .api
        .patch("/config", json!({ "mcp_toolsets": "all" }))
        .await
        .ok();
    mcp.hears(|message| message["method"] == "notifications/tools/list_changed")
        .await;
    let (status, heard) = mcp.close().await;
    assert!(status.success(), "{status}");
    for line in heard.lines() {
        serde_json::from_str::<Value>(line).expect("nothing but JSON on stdout");
    }
    daemon.api.get("/health").await.ok();
}

#[tokio::test]
async fn stateless_requests_pass_as_well() {
    let daemon = Daemon::alone().await;
    let mut mcp = Mcp::on_pipes(&same_directory(&daemon));
    let call = json!({ "name": "a2al_status", "arguments": {} });
    let called = mcp
        .ask(stateless(3, "2026-07-28", "tools/call", call))
        .await;
    let status = &called["result"]["structuredContent"];
    assert_eq!(
        status["node_aid"],
        daemon.status().await["node_aid"],
        "{called}"
    );
    let newer = mcp
        .ask(stateless(5, "2099-01-01", "tools/list", json!({})))
        .await;
    assert_eq!(newer["error"]["code"], -32022, "{newer}");
    let (status, _) = mcp.close().await;
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn the_client_does_not_notice_that_the_daemon_was_started_anew() {
    let daemon = Setup::fixed().start().await;
    let mut mcp = Mcp::on_pipes(&same_directory(&daemon));
    mcp.open("2025-06-18").await;
    let before = mcp.done("a2al_status", json!({})).await;
    let setup = daemon.stop().await;
    let request = json!({ "jsonrpc": "2.0", "id": 9, "method": "tools/list" });
    let gone = mcp.ask(request).await;
    assert!(
        gone["error"]["message"]
            .as_str()
            .is_some_and(|text| text.contains("cannot be reached")),
        "{gone}"
    );
    let _daemon = setup.start().await;
    let after = mcp.done("a2al_status", json!({})).await;
    assert_eq!(before["node_aid"], after["node_aid"]);
}
