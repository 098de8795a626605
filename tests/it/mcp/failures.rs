// SPDX-License-Identifier: MPL-2.0
//! Calls that cannot be made: the argument at fault is named.

use serde_json::json;

use crate::harness::{Mcp, Setup};

#[tokio::test]
async fn the_argument_at_fault_is_named() {
    let daemon = Setup::new().with(&["--mcp-toolsets", "all"]).start().await;
    let agent = daemon.api.agent().await;
    let mut mcp = Mcp::over_http(&daemon.api);
    mcp.open("2025-11-25").await;
    let (aid, bad) = (agent.aid.as_str(), json!({ "aid": "zz" }));
    let record = json!({ "aid": aid, "rec_type": 3, "payload_base64": "aGk=", "ttl": -5 });
    let offer = json!({ "aid": aid, "services": ["a.b"], "ttl": -5 });
    let headers = json!({ "remote_aid": aid, "headers": { "a": 5 } });
    let kind = json!({ "aid": aid, "recipient": aid, "text": "x", "msg_type": 300 });
    let recipient = json!({ "aid": aid, "recipient": "zz", "text": "x" });
    let nothing = json!({ "aid": aid, "service_tcp": null });
    let filter = json!({ "services": ["a.b"], "filter": { "tags": ["x"], "tag": "y" } });
    for (tool, arguments, argument) in [
        ("a2al_agent_patch", &bad, "aid"),
        ("a2al_agent_export", &bad, "aid"),
        ("a2al_events_poll", &bad, "aid"),
        ("a2al_agent_publish_record", &record, "ttl"),
        ("a2al_service_register", &offer, "ttl"),
        ("a2al_fetch", &headers, "headers"),
        ("a2al_mailbox_send", &kind, "msg_type"),
        ("a2al_mailbox_send", &recipient, "recipient"),
        ("a2al_agent_patch", &nothing, "service_tcp"),
        ("a2al_discover", &filter, "filter"),
    ] {
        let failed = mcp.fails(tool, arguments.clone()).await;
        assert_eq!(failed["argument"], argument, "{tool} {arguments}: {failed}");
        assert_eq!(failed["retryable"], false, "{failed}");
    }
    let failed = mcp.fails("a2al_discover", filter).await;
    let message = failed["message"].as_str().expect("text");
    assert!(message.contains("`tag`"), "names the key: {message}");
}

#[tokio::test]
async fn an_argument_that_the_node_refuses_is_named() {
    let daemon = Setup::new().start().await;
    let agent = daemon.api.agent().await;
    let mut mcp = Mcp::over_http(&daemon.api);
    mcp.open("2025-11-25").await;
    let (aid, nobody) = (agent.aid, daemon.api.identity().await.aid);
    let note = |field: &str, body: String| json!({ "aid": aid, "recipient": aid, field: body });
    let text = note("text", "x".repeat(70_000));
    let encoded = note("body_base64", "AAAA".repeat(25_000));
    let (nobody, tunnel) = (json!({ "aid": nobody }), json!({ "tunnel_id": "0" }));
    for (tool, arguments, code, argument) in [
        ("a2al_agent_get", &nobody, "not_found", "aid"),
        ("a2al_mailbox_poll", &nobody, "not_found", "aid"),
        ("a2al_agent_register", &nobody, "no_kept_key", "aid"),
        (
            "a2al_tunnel_close",
            &tunnel,
            "tunnel_not_found",
            "tunnel_id",
        ),
        ("a2al_mailbox_send", &text, "body_too_long", "text"),
        (
            "a2al_mailbox_send",
            &encoded,
            "body_too_long",
            "body_base64",
        ),
    ] {
        let failed = mcp.fails(tool, arguments.clone()).await;
        assert_eq!(failed["code"], code, "{tool}: {failed}");
        assert_eq!(failed["argument"], argument, "{tool}: {failed}");
    }
}

#[tokio::test]
async fn the_part_of_an_entry_that_the_node_refuses_is_named() {
    let daemon = Setup::new().start().await;
    let agent = daemon.api.agent().await;
    let mut mcp = Mcp::over_http(&daemon.api);
    mcp.open("2025-11-25").await;
    let long = |len: usize| "x".repeat(len);
    for (service, name, brief, code, argument) in [
        ("a.b".to_owned(), 1, 600, "entry_too_long", "brief"),
        ("a.b".to_owned(), 5000, 1, "entry_too_long", "name"),
        (long(5000), 1, 1, "entry_too_long", "services"),
        ("a.*".to_owned(), 1, 1, "bad_service", "services"),
    ] {
        let offer = json!({
            "aid": agent.aid, "services": [service], "name": long(name), "brief": long(brief),
        });
        let failed = mcp.fails("a2al_service_register", offer).await;
        assert_eq!(failed["code"], code, "{failed}");
        assert_eq!(failed["argument"], argument, "{failed}");
    }
}

#[tokio::test]
async fn a_change_is_told() {
    let daemon = Setup::new().start().await;
    let agent = daemon.api.agent().await;
    let mut mcp = Mcp::over_http(&daemon.api);
    mcp.open("2025-11-25").await;
    for service in ["127.0.0.1:9", ""] {
        let change = json!({ "aid": agent.aid, "service_tcp": service });
        let changed = mcp.done("a2al_agent_patch", change).await;
        assert_eq!(changed["service_tcp"], service, "{changed}");
        let shown = mcp
            .done("a2al_agent_get", json!({ "aid": agent.aid }))
            .await;
        assert_eq!(shown["service_tcp"], service, "{shown}");
    }
}
