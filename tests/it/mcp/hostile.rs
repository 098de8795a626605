// SPDX-License-Identifier: MPL-2.0
//! Requests that are refused as the specification says, and do no harm.

use reqwest::Method;
use serde_json::json;

use crate::harness::{Call, Daemon, Mcp, Setup, initialize};

/// Longest message that the daemon takes, in bytes.
const MAX_MESSAGE_LEN: usize = 1024 * 1024;

/// Sends `body` to the endpoint as an MCP client would, with further headers.
async fn post(daemon: &Daemon, body: String, headers: &[(&str, &str)]) -> (u16, String) {
    let mut request = daemon.api.request(&Method::POST, "/mcp").body(body);
    let usual = [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
    ];
    for (name, value) in usual.iter().chain(headers) {
        request = request.header(*name, *value);
    }
    let response = request.send().await.expect("an answer");
    (
        response.status().as_u16(),
        response.text().await.expect("a text"),
    )
}

#[tokio::test]
async fn foreign_pages_do_not_reach_the_tools() {
    let daemon = Daemon::alone().await;
    let body = || initialize("2025-11-25").to_string();
    for path in ["/mcp", "/mcp/"] {
        let text = body();
        let call = Call {
            method: "POST",
            path,
            host: Some("evil.example"),
            body: &text,
            ..Call::default()
        };
        let answer = call.send(&daemon).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.body);
    }
    for (name, value) in [
        ("origin", "http://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let (status, text) = post(&daemon, body(), &[(name, value)]).await;
        assert_eq!(status, 403, "{name} {value}: {text}");
    }
    let own = daemon.api.base().to_owned();
    let (status, text) = post(&daemon, body(), &[("origin", &own)]).await;
    assert_eq!(status, 200, "{text}");
}

#[tokio::test]
async fn every_loopback_address_serves_the_tools() {
    let args = ["--api-addr", "127.0.0.2:0", "--listen", "127.0.0.1:0"];
    let daemon = Setup::bare().with(&args).start().await;
    let own = daemon.api.base().to_owned();
    assert!(own.contains("127.0.0.2"), "{own}");
    let body = || initialize("2025-11-25").to_string();
    for headers in [&[][..], &[("origin", &*own)]] {
        let (status, text) = post(&daemon, body(), headers).await;
        assert_eq!(status, 200, "{text}");
    }
    let foreign = [("origin", "http://127.0.0.3:1")];
    let (status, text) = post(&daemon, body(), &foreign).await;
    assert_eq!(status, 403, "{text}");
}

#[tokio::test]
async fn what_is_no_message_is_refused() {
    let daemon = Daemon::alone().await;
    let long = "x".repeat(MAX_MESSAGE_LEN);
    let long = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping", "params": { "x": long } });
    // The daemon answers before it has read all of it.
    let text = long.to_string();
    let call = Call {
        method: "POST",
        path: "/mcp",
        body: &text,
        ..Call::default()
    };
    assert_eq!(call.send(&daemon).await.status, 413);
    let session: &[_] = &[("mcp-session-id", "no-such-session")];
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }).to_string();
    for (what, body, headers, statuses) in [
        ("no JSON", "{".to_owned(), &[][..], &[400, 415][..]),
        ("no JSON-RPC", "{\"a\":1}".to_owned(), &[], &[400, 415, 422]),
        ("nothing", String::new(), &[], &[400, 415]),
        ("an unknown session", list.clone(), session, &[404]),
        ("no session", list, &[], &[400, 422]),
    ] {
        let (status, text) = post(&daemon, body, headers).await;
        assert!(statuses.contains(&status), "{what}: {status} {text}");
    }
    for (name, value) in [
        ("content-type", "text/plain"),
        ("accept", "application/json"),
    ] {
        let mut request = daemon.api.request(&Method::POST, "/mcp").body("{}");
        for header in ["content-type", "accept"] {
            let usual = if header == "accept" {
                "*/*"
            } else {
                "application/json"
            };
            request = request.header(header, if header == name { value } else { usual });
        }
        let status = request.send().await.expect("an answer").status().as_u16();
        assert!([406, 415].contains(&status), "{name}: {status}");
    }
    daemon.api.get("/health").await.ok();
}

#[tokio::test]
async fn a_session_ends_when_the_client_says_so() {
    let daemon = Daemon::alone().await;
    let mut mcp = Mcp::over_http(&daemon.api);
    mcp.open("2025-11-25").await;
    let Mcp::Http(http) = &mut mcp else {
        unreachable!("it was opened over HTTP")
    };
    let session = http.session().to_owned();
    let deleted = daemon.api.request(&Method::DELETE, "/mcp/");
    let deleted = deleted
        .header("mcp-session-id", &session)
        .send()
        .await
        .expect("an answer");
    assert!(deleted.status().is_success(), "{}", deleted.status());
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    assert_eq!(http.post(&list).await.status, 404);
}

#[tokio::test]
async fn more_sessions_than_there_may_be_end_the_oldest() {
    let daemon = Daemon::alone().await;
    let mut first = Mcp::over_http(&daemon.api);
    first.open("2025-11-25").await;
    for _ in 0..64 {
        Mcp::over_http(&daemon.api).open("2025-11-25").await;
    }
    let Mcp::Http(http) = &mut first else {
        unreachable!("it was opened over HTTP")
    };
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    assert_eq!(http.post(&list).await.status, 404);
}

#[tokio::test]
async fn noise_on_the_pipe_is_passed_over() {
    let mut mcp = Mcp::on_pipes(&Setup::new());
    mcp.open("2025-06-18").await;
    let Mcp::Pipes(pipes) = &mut mcp else {
        unreachable!("it was opened on pipes")
    };
    for noise in [
        "",
        "{",
        "\u{0}\u{1}",
        "[]",
        "{\"jsonrpc\":\"2.0\"}",
        &"x".repeat(2 * MAX_MESSAGE_LEN),
    ] {
        pipes.send_text(noise).await;
    }
    mcp.done("a2al_status", json!({})).await;
    let (status, heard) = mcp.close().await;
    assert!(status.success(), "{status}");
    for line in heard.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect("nothing but JSON on stdout");
    }
}
