// SPDX-License-Identifier: MPL-2.0
//! Requests that are refused as the specification says, and do no harm.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::{Call, Daemon, Mcp, Setup, eventually, initialize, stateless};

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
async fn sessions_opened_at_once_are_bounded_too() {
    let daemon = Daemon::alone().await;
    let mut opening = JoinSet::new();
    for _ in 0..96 {
        let mut mcp = Mcp::over_http(&daemon.api);
        opening.spawn(async move {
            let Mcp::Http(http) = &mut mcp else {
                unreachable!("it was opened over HTTP")
            };
            // One that is the oldest before it has begun makes room for others.
            http.post(&initialize("2025-11-25")).await;
            mcp
        });
    }
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let mut alive = 0;
    for mut mcp in opening.join_all().await {
        let Mcp::Http(http) = &mut mcp else {
            unreachable!("it was opened over HTTP")
        };
        alive += usize::from(http.post(&list).await.status == 200);
    }
    assert!(alive > 32 && alive <= 64, "{alive} sessions");
}

/// Begins to listen; the stream stays open as long as the response is held.
async fn listen(daemon: &Daemon) -> reqwest::Response {
    let wanted = json!({ "notifications": { "toolsListChanged": true } });
    let body = stateless(1, "2026-07-28", "subscriptions/listen", wanted);
    let mut request = daemon.api.request(&Method::POST, "/mcp");
    for (name, value) in [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "subscriptions/listen"),
    ] {
        request = request.header(name, value);
    }
    let response = request.body(body.to_string()).send().await;
    response.expect("an answer")
}

#[tokio::test]
async fn more_listeners_than_there_may_be_are_told_so() {
    let daemon = Daemon::alone().await;
    let mut listening = Vec::new();
    for _ in 0..64 {
        let mut response = listen(&daemon).await;
        let first = response.chunk().await.expect("a stream").expect("a chunk");
        assert!(String::from_utf8_lossy(&first).contains("acknowledged"));
        listening.push(response);
    }
    let refused = listen(&daemon).await.text().await.expect("its end");
    assert!(refused.contains("too_many_clients"), "{refused}");
    daemon.api.get("/health").await.ok();
    drop(listening);
    let free = eventually("a place is free", Duration::from_secs(20), async || {
        let mut response = listen(&daemon).await;
        let mut text = String::new();
        for _ in 0..2 {
            let chunk = tokio::time::timeout(Duration::from_millis(500), response.chunk());
            match chunk.await {
                Ok(Ok(Some(chunk))) => text.push_str(&String::from_utf8_lossy(&chunk)),
                Ok(_) => break,
                Err(_) => return Some(text),
            }
        }
        None
    });
    assert!(free.await.contains("acknowledged"));
}

#[tokio::test]
async fn noise_on_the_pipe_is_answered() {
    let setup = Setup::new();
    let mut mcp = Mcp::on_pipes(&setup);
    mcp.open("2025-06-18").await;
    let long = "x".repeat(MAX_MESSAGE_LEN);
    let long = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping", "params": { "x": long } });
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for (noise, code) in [
        (&b"{"[..], -32700),
        (b"\x00\x01", -32700),
        (
            b"{\"jsonrpc\":\"2.0\",\"id\":\"\xff\",\"method\":\"ping\"}",
            -32700,
        ),
        (deep.as_bytes(), -32700),
        (b"[]", -32600),
        (b"{\"jsonrpc\":\"2.0\"}", -32600),
        (long.to_string().as_bytes(), -32600),
    ] {
        let Mcp::Pipes(pipes) = &mut mcp else {
            unreachable!("it was opened on pipes")
        };
        pipes.send_bytes(noise).await;
        let answer = mcp.hears(|message| message.get("error").is_some()).await;
        assert_eq!(answer["error"]["code"], code, "{answer}");
        assert!(answer["id"].is_null(), "{answer}");
    }
    // A notice that nobody knows, and a line of nothing, are no reason to say anything.
    for quiet in [
        "",
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\",\"params\":1}",
    ] {
        let Mcp::Pipes(pipes) = &mut mcp else {
            unreachable!("it was opened on pipes")
        };
        pipes.send_bytes(quiet.as_bytes()).await;
    }
    mcp.done("a2al_status", json!({})).await;
    let (status, heard) = mcp.close().await;
    assert!(status.success(), "{status}");
    for line in heard.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect("nothing but JSON on stdout");
    }
    let errors = heard.lines().filter(|line| line.contains("\"error\""));
    assert_eq!(errors.count(), 7, "{heard}");
}

#[tokio::test]
async fn calls_of_the_wrong_shape_are_bad_params() {
    let daemon = Daemon::alone().await;
    let mut over_http = Mcp::over_http(&daemon.api);
    let mut on_pipes = Mcp::on_pipes(&Setup::new());
    for mcp in [&mut over_http, &mut on_pipes] {
        mcp.open("2025-11-25").await;
        for params in [
            json!({ "name": "a2al_status", "arguments": "{}" }),
            json!({ "name": "a2al_status", "arguments": [] }),
            json!({ "name": 7 }),
            json!({}),
        ] {
            let call =
                json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": params });
            let answer = mcp.ask(call).await;
            assert_eq!(answer["error"]["code"], -32602, "{params}: {answer}");
            let text = answer["error"]["message"].as_str().unwrap_or_default();
            assert!(text.contains("tools/call"), "{answer}");
        }
        let call = json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/dance" });
        assert_eq!(mcp.ask(call).await["error"]["code"], -32601);
    }
}
