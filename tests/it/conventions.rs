// SPDX-License-Identifier: MPL-2.0
//! What holds for every route: how bodies are declared and bounded, and how wrong paths and methods are told.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{Call, Daemon, eventually, raw_request};

/// Largest JSON body that the API takes, in bytes.
const MAX_BODY_LEN: usize = 1024 * 1024;

#[tokio::test]
async fn changes_have_to_be_declared_as_json() {
    let daemon = Daemon::alone().await;
    let agent = daemon.api.agent().await;
    let path = format!("/agents/{}", agent.aid);
    let heartbeat = format!("{path}/heartbeat");
    let calls = [
        ("POST", "/identity/generate"),
        ("POST", heartbeat.as_str()),
        ("PATCH", &path),
        ("DELETE", &path),
    ];
    for (method, path) in calls {
        let wrong = [
            None,
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
            Some("Application/JSON"),
            Some(""),
        ];
        for content_type in wrong {
            let call = Call {
                method,
                path,
                content_type,
                ..Call::default()
            };
            let answer = call.send(&daemon).await;
            assert_eq!(
                answer.status,
                415,
                "{} {content_type:?}: {}",
                call.shown(),
                answer.body
            );
            assert!(
                answer
                    .body
                    .contains("Content-Type must be application/json"),
                "{}",
                answer.body
            );
        }
        let content_type = Some("application/json; charset=utf-8");
        let call = Call {
            method,
            path,
            content_type,
            body: "{}",
            ..Call::default()
        };
        assert_eq!(call.send(&daemon).await.status, 200, "{}", call.shown());
    }
    let reading = Call {
        path: "/agents",
        content_type: None,
        ..Call::default()
    };
    assert_eq!(reading.send(&daemon).await.status, 200);
}

#[tokio::test]
async fn bodies_are_bounded_on_every_route() {
    let daemon = Daemon::alone().await;
    let long = " ".repeat(MAX_BODY_LEN + 1);
    for path in [
        "/identity/generate",
        "/agents",
        "/agents/generate",
        "/agents/x/publish",
        "/resolve/x",
        "/fetch/x",
    ] {
        let call = Call {
            method: "POST",
            path,
            body: &long,
            ..Call::default()
        };
        let answer = call.send(&daemon).await;
        assert_eq!(answer.status, 413, "{path}: {}", answer.body);
        assert_eq!(
            answer.header("content-type"),
            Some("application/json"),
            "{path}"
        );
    }
    let answer = raw_request(
        daemon.api.authority(),
        &chunked_body(daemon.api.authority()),
    )
    .await;
    assert_eq!(answer.status, 413, "without a length: {}", answer.body);
    let at_limit = " ".repeat(MAX_BODY_LEN);
    let call = Call {
        method: "POST",
        path: "/identity/generate",
        body: &at_limit,
        ..Call::default()
    };
    assert_eq!(call.send(&daemon).await.status, 200);
}

#[tokio::test]
async fn a_field_that_cannot_be_read_is_named_in_the_words_of_json() {
    let daemon = Daemon::alone().await;
    for (body, said) in [
        (
            json!({ "services": "x" }),
            "`services`: invalid type: string \"x\", expected a list",
        ),
        (
            json!({ "services": [7] }),
            "`services[0]`: invalid type: integer `7`, expected a string",
        ),
        (
            json!({ "limit": -1 }),
            "`limit`: invalid value: integer `-1`, expected a whole number from 0 to",
        ),
        (
            json!({ "filter": 3 }),
            "`filter`: invalid type: integer `3`, expected an object",
        ),
        (json!(3), "invalid type: integer `3`, expected an object"),
        // A key that means nothing is none that clients may not send.
        (json!({ "filter": { "tag": "x" } }), "services required"),
    ] {
        let answer = daemon.api.post("/discover", body.clone()).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.text);
        let told = answer.json()["error"].as_str().expect("text").to_owned();
        assert!(told.contains(said), "{body}: {told}");
    }
}

/// A request whose body is over the limit and that does not tell its length.
fn chunked_body(here: &str) -> Vec<u8> {
    let head = format!(
        "POST /agents HTTP/1.1\r\nHost: {here}\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    );
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    (head + &chunk.repeat(17) + "0\r\n\r\n").into_bytes()
}

#[tokio::test]
async fn unknown_paths_and_methods_are_told_apart() {
    let daemon = Daemon::alone().await;
    let unknown = Call {
        path: "/nowhere",
        ..Call::default()
    }
    .send(&daemon)
    .await;
    assert_eq!(unknown.status, 404);
    assert_eq!(
        unknown.header("content-type"),
        Some("application/json"),
        "{}",
        unknown.head
    );
    for (method, path, allowed) in [
        ("GET", "/identity/generate", "POST"),
        ("GET", "/resolve/x", "POST"),
        ("PUT", "/agents", "POST"),
        ("POST", "/status", "GET"),
        ("OPTIONS", "/agents", "GET"),
    ] {
        let call = Call {
            method,
            path,
            ..Call::default()
        };
        let answer = call.send(&daemon).await;
        assert_eq!(answer.status, 405, "{}: {}", call.shown(), answer.body);
        let allow = answer.header("allow").unwrap_or_default();
        assert!(allow.contains(allowed), "{}: Allow {allow}", call.shown());
        assert_eq!(
            answer.header("content-type"),
            Some("application/json"),
            "{}",
            call.shown()
        );
        assert!(
            serde_json::from_str::<Value>(&answer.body).is_ok_and(|told| told["error"].is_string())
        );
    }
    let head = Call {
        method: "HEAD",
        path: "/agents",
        ..Call::default()
    }
    .send(&daemon)
    .await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[tokio::test]
async fn slow_callers_do_not_keep_others_out() {
    let daemon = Daemon::alone().await;
    let mut slow = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(daemon.api.authority())
            .await
            .expect("the API listens");
        stream
            .write_all(b"GET /health HTTP/1.1\r\nHost: 127.")
            .await
            .expect("an open connection");
        slow.push(stream);
    }
    eventually("others are answered", Duration::from_secs(20), async || {
        daemon
            .api
            .try_get("/health")
            .await
            .filter(|answer| answer.status == 200)
    })
    .await;
    let mut first = slow.swap_remove(0);
    let mut rest = Vec::new();
    let closing = tokio::time::timeout(Duration::from_secs(20), first.read_to_end(&mut rest)).await;
    assert!(closing.is_ok(), "half a request keeps its connection");
}
