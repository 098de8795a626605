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
    let daemon = Daemon::alone().await;
    let mut mcp = Mcp::on_pipes(&same_directory(&daemon));
    mcp.open("2025-06-18").await;
    let uri = json!({ "uri": "a2al://agents" });
    let watch =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/subscribe", "params": uri });
    mcp.ask(watch).await;
    let before = mcp.done("a2al_status", json!({})).await;
    let daemon = daemon.stop().await.start().await;

    // The client asks for nothing and hears all the same: first that it may have missed something.
    let is_update = |message: &Value| message["method"] == "notifications/resources/updated";
    mcp.hears(is_update).await;
    daemon.api.agent().await;
    let update = mcp.hears(is_update).await;
    assert_eq!(update["params"], uri);
    let after = mcp.done("a2al_status", json!({})).await;
    assert_eq!(before["node_aid"], after["node_aid"]);
    let (status, _) = mcp.close().await;
    assert!(status.success(), "{status}");
    daemon.api.get("/health").await.ok();
}

#[tokio::test]
async fn a_second_process_takes_the_place_of_the_first() {
    let setup = Setup::new();
    let mut first = Mcp::on_pipes(&setup);
    first.open("2025-06-18").await;
    let before = first.done("a2al_status", json!({})).await;
    let (mut second, mut third) = (Mcp::on_pipes(&setup), Mcp::on_pipes(&setup));
    second.open("2025-06-18").await;
    third.open("2025-06-18").await;
    let (status, _) = first.close().await;
    assert!(status.success(), "{status}");
    for mcp in [&mut second, &mut third] {
        let after = mcp.done("a2al_status", json!({})).await;
        assert_eq!(before["node_aid"], after["node_aid"]);
    }
    for mcp in [second, third] {
        let (status, _) = mcp.close().await;
        assert!(status.success(), "{status}");
    }
    setup.start().await.api.get("/health").await.ok();
}

#[tokio::test]
async fn a_daemon_that_was_killed_is_replaced_as_well() {
    let daemon = Daemon::alone().await;
    let mut mcp = Mcp::on_pipes(&same_directory(&daemon));
    mcp.open("2025-06-18").await;
    let before = mcp.done("a2al_status", json!({})).await;
    let setup = daemon.kill().await;
    assert!(
        setup.data_dir().join("daemon.api").exists(),
        "it says where it was"
    );
    let after = mcp.done("a2al_status", json!({})).await;
    assert_eq!(before["node_aid"], after["node_aid"]);
    let (status, _) = mcp.close().await;
    assert!(status.success(), "{status}");
}
