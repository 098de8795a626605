// SPDX-License-Identifier: MPL-2.0
//! Both lifecycles of the protocol, on both transports.

use serde_json::{Value, json};

use crate::harness::{Daemon, Mcp, Setup, stateless};

/// The revision without a handshake.
const STATELESS: &str = "2026-07-28";

async fn on_both_transports(mut check: impl AsyncFnMut(&mut Mcp)) {
    let daemon = Daemon::alone().await;
    check(&mut Mcp::over_http(&daemon.api)).await;
    let setup = Setup::new();
    let mut pipes = Mcp::on_pipes(&setup);
    check(&mut pipes).await;
    let (status, _) = pipes.close().await;
    assert!(status.success(), "{status}");
}

fn request(id: u32, method: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": {} })
}

#[tokio::test]
async fn the_handshake_ends_at_the_revision_that_the_client_asks_for() {
    for (asked, answered) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        (STATELESS, "2025-11-25"),
        ("1999-01-01", "2025-11-25"),
    ] {
        on_both_transports(async |mcp| {
            let opened = mcp.open(asked).await;
            assert_eq!(
                opened["result"]["protocolVersion"], answered,
                "{asked}: {opened}"
            );
            assert_eq!(opened["result"]["serverInfo"]["name"], "a2ald");
            assert!(
                opened["result"]["instructions"]
                    .as_str()
                    .is_some_and(|text| text.len() < 1024)
            );
            let listed = mcp.ask(request(1, "tools/list")).await;
            assert!(listed["result"]["tools"].is_array(), "{asked}: {listed}");
            let pong = mcp.ask(request(2, "ping")).await;
            assert_eq!(pong["result"], json!({}), "{asked}: {pong}");
            let status = mcp.done("a2al_status", json!({})).await;
            assert!(status["node_aid"].is_string(), "{asked}: {status}");
            let unknown = mcp.ask(request(3, "no/such")).await;
            assert_eq!(unknown["error"]["code"], -32601, "{asked}: {unknown}");
        })
        .await;
    }
}

#[tokio::test]
async fn a_stateless_client_needs_no_handshake() {
    on_both_transports(async |mcp| {
        let found = mcp
            .ask(stateless(1, STATELESS, "server/discover", json!({})))
            .await;
        let versions = &found["result"]["supportedVersions"];
        assert!(
            versions
                .as_array()
                .is_some_and(|list| list.contains(&json!(STATELESS))),
            "{found}"
        );
        let listed = mcp
            .ask(stateless(2, STATELESS, "tools/list", json!({})))
            .await;
        let result = &listed["result"];
        assert!(
            result["tools"].is_array() && result["resultType"] == "complete",
            "{listed}"
        );
        assert!(
            result["ttlMs"].is_number() && result["cacheScope"].is_string(),
            "{listed}"
        );
        let call = json!({ "name": "a2al_status", "arguments": {} });
        let called = mcp.ask(stateless(3, STATELESS, "tools/call", call)).await;
        assert!(
            called["result"]["structuredContent"]["node_aid"].is_string(),
            "{called}"
        );
        for gone in ["ping", "logging/setLevel"] {
            let params = json!({ "level": "info" });
            let answer = mcp.ask(stateless(4, STATELESS, gone, params)).await;
            assert_eq!(answer["error"]["code"], -32601, "{gone}: {answer}");
        }
        let newer = mcp
            .ask(stateless(5, "2099-01-01", "tools/list", json!({})))
            .await;
        assert_eq!(newer["error"]["code"], -32022, "{newer}");
        assert!(newer["error"]["data"]["supported"].is_array(), "{newer}");
    })
    .await;
}

#[tokio::test]
async fn headers_have_to_say_what_the_body_says() {
    let daemon = Daemon::alone().await;
    let body = stateless(1, STATELESS, "tools/call", json!({ "name": "a2al_status" }));
    let good = [
        ("mcp-protocol-version", STATELESS),
        ("mcp-method", "tools/call"),
        ("mcp-name", "a2al_status"),
    ];
    let wrong = [
        ("mcp-protocol-version", "2025-11-25"),
        ("mcp-method", "tools/list"),
        ("mcp-name", "a2al_agent_delete"),
    ];
    for (which, (name, value)) in wrong.into_iter().enumerate() {
        let mut headers = good;
        headers[which] = (name, value);
        let mut request = daemon.api.request(&reqwest::Method::POST, "/mcp");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .body(body.to_string());
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 400, "{name}");
        let answer: Value = response.json().await.expect("JSON");
        assert_eq!(answer["error"]["code"], -32020, "{name}: {answer}");
    }
}
