// SPDX-License-Identifier: MPL-2.0
//! `a2al_fetch`: what an agent answers, and what of it a model is shown.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::harness::{Daemon, Mcp, Pair};

#[tokio::test]
async fn answers_come_as_text_json_or_bytes_with_who_sent_them() {
    let pair = Pair::start().await;
    let mut mcp = Mcp::over_http(&pair.caller().api);
    mcp.open("2025-11-25").await;
    let request = json!({
        "remote_aid": pair.aid, "method": "post", "path": "echo?q=a b",
        "headers": { "X-Test": ["1", "2"] }, "body": "hällo",
    });
    let fetched = mcp.done("a2al_fetch", request).await;
    assert_eq!(fetched["status"], 200);
    let untrusted = &fetched["untrusted"];
    assert_eq!(
        (&untrusted["sender"], &untrusted["verified"]),
        (&json!(pair.aid), &json!(true))
    );
    let echo = &untrusted["json"];
    assert_eq!(
        (&echo["method"], &echo["path"]),
        (&json!("POST"), &json!("/echo?q=a%20b")),
        "{echo}"
    );
    let bytes = mcp
        .done(
            "a2al_fetch",
            json!({ "remote_aid": pair.aid, "path": "/bytes/300", "max_bytes": 10 }),
        )
        .await;
    assert_eq!(bytes["untrusted"]["body"], "AAECAwQFBgcICQ==", "{bytes}");
    assert!(
        bytes["note"]
            .as_str()
            .is_some_and(|note| note.contains("10 of 300")),
        "{bytes}"
    );
    let missing = mcp
        .done(
            "a2al_fetch",
            json!({ "remote_aid": pair.aid, "path": "/status/404" }),
        )
        .await;
    assert_eq!(missing["status"], 404);
}

#[tokio::test]
async fn failures_say_what_to_do() {
    let pair = Pair::start().await;
    let mut mcp = Mcp::over_http(&pair.caller().api);
    mcp.open("2025-11-25").await;
    let nobody = pair.caller().api.identity().await.aid;
    for (arguments, code, argument) in [
        (
            json!({ "remote_aid": "a0" }),
            "bad_argument",
            json!("remote_aid"),
        ),
        (
            json!({ "remote_aid": pair.aid, "path": 7 }),
            "bad_argument",
            json!("path"),
        ),
        (
            json!({ "remote_aid": pair.aid, "url": "x" }),
            "bad_argument",
            json!("url"),
        ),
        (
            json!({ "remote_aid": pair.aid, "method": "a b" }),
            "bad_method",
            json!("method"),
        ),
        (
            json!({ "remote_aid": pair.aid, "local_aid": "x" }),
            "bad_local_aid",
            json!("local_aid"),
        ),
        (
            json!({ "remote_aid": pair.aid, "local_aid": nobody }),
            "caller_not_registered",
            json!("local_aid"),
        ),
        (
            json!({ "remote_aid": pair.aid, "body": "", "body_base64": "" }),
            "bad_argument",
            json!("body"),
        ),
        (
            json!({ "remote_aid": nobody }),
            "resolve_failed",
            Value::Null,
        ),
    ] {
        let failed = mcp.fails("a2al_fetch", arguments.clone()).await;
        assert_eq!(failed["code"], code, "{arguments}: {failed}");
        assert_eq!(failed["argument"], argument, "{arguments}: {failed}");
        assert!(failed["retryable"].is_boolean() && failed["message"].is_string());
        assert!(
            failed["next"].as_str().is_some_and(|next| next.len() > 10),
            "{failed}"
        );
    }
}

#[tokio::test]
async fn either_an_agent_or_a_service_is_called() {
    let daemon = Daemon::alone().await;
    let mut mcp = Mcp::over_http(&daemon.api);
    mcp.open("2025-11-25").await;
    let both = json!({ "remote_aid": daemon.api.identity().await.aid, "service": "a.b" });
    for (arguments, argument, next) in [
        (json!({}), "remote_aid", "add remote_aid, or service"),
        (both, "service", "leave one out"),
    ] {
        let failed = mcp.fails("a2al_fetch", arguments).await;
        assert_eq!(failed["code"], "bad_argument", "{failed}");
        assert_eq!(failed["argument"], argument, "{failed}");
        let told = failed["next"].as_str().expect("text");
        assert!(told.starts_with(next), "{failed}");
    }
}

/// A service that takes requests and says nothing.
async fn silent_service() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("a bound socket").to_string();
    tokio::spawn(async move {
        let mut callers = Vec::new();
        while let Ok((caller, _)) = listener.accept().await {
            callers.push(caller);
        }
    });
    address
}

#[tokio::test]
async fn a_long_call_reports_progress_and_can_be_called_off() {
    let setup = crate::harness::Setup::new();
    let mut mcp = Mcp::on_pipes(&setup);
    mcp.open("2025-11-25").await;
    let address = silent_service().await;
    let aid = mcp.done("a2al_identity_generate", json!({})).await["aid"].clone();
    mcp.done(
        "a2al_agent_register",
        json!({ "aid": aid, "service_tcp": address }),
    )
    .await;
    let call = json!({ "jsonrpc": "2.0", "id": "long", "method": "tools/call", "params": {
        "name": "a2al_fetch", "arguments": { "remote_aid": aid }, "_meta": { "progressToken": "p" },
    }});
    mcp.tell(call).await;
    let progress = mcp
        .hears(|message| message["method"] == "notifications/progress")
        .await;
    assert_eq!(progress["params"]["progressToken"], "p");
    assert!(progress["params"]["progress"].as_f64() > Some(0.0));
    let cancel = json!({ "requestId": "long", "reason": "no need" });
    mcp.tell(json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancel }))
        .await;
    mcp.done("a2al_status", json!({})).await;
    // A call that goes on reports every two seconds, and is answered in the end.
    let further = tokio::time::timeout(Duration::from_secs(7), mcp.hears(|_| true)).await;
    assert!(further.is_err(), "{further:?}");
}

#[tokio::test]
async fn no_call_takes_longer_than_a_host_waits() {
    let daemon = Daemon::alone().await;
    let address = silent_service().await;
    let agent = daemon.api.serving(&address).await;
    let mut mcp = Mcp::over_http(&daemon.api);
    mcp.open("2025-11-25").await;
    let mut other = Mcp::over_http(&daemon.api);
    other.open("2025-11-25").await;
    let started = Instant::now();
    let get = json!({ "remote_aid": agent.aid });
    let post = json!({ "remote_aid": agent.aid, "method": "post", "body": "pay 5" });
    let (failed, unclear) = tokio::join!(
        mcp.fails("a2al_fetch", get),
        other.fails("a2al_fetch", post)
    );
    assert_eq!(failed["code"], "timeout", "{failed}");
    assert_eq!(failed["retryable"], true);
    assert_eq!(unclear["code"], "timeout", "{unclear}");
    assert_eq!(unclear["retryable"], false, "the service may have acted");
    assert!(
        unclear["next"]
            .as_str()
            .is_some_and(|next| next.contains("check")),
        "{unclear}"
    );
    assert!(
        started.elapsed() < Duration::from_secs(45),
        "{:?}",
        started.elapsed()
    );
}
