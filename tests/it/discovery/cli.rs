// SPDX-License-Identifier: MPL-2.0
//! The command line: publishing, searching and calling services.

use serde_json::{Value, json};

use super::DEADLINE;
use crate::cli::Cli;
use crate::harness::{Net, Scripted, answer, eventually};

/// A service that has an agent card of A2A 1.0, and answers everything else with its name.
async fn with_card() -> Scripted {
    Scripted::start(|request| {
        let card = json!({
            "name": "Card\u{200b}ed", "description": "From a card", "version": "1",
            "supportedInterfaces": [{
                "url": format!("http://{}/rpc", host(request)),
                "protocolBinding": "JSONRPC", "protocolVersion": "1.0",
            }],
            "skills": [{ "id": "sum", "name": "Sum", "tags": ["math", "fast"] }],
        });
        let is_card = request.starts_with("GET /.well-known/agent-card.json ");
        let body = if is_card {
            card.to_string()
        } else {
            "carded".to_owned()
        };
        answer("Content-Type: application/json\r\n", &body).into_bytes()
    })
    .await
}

fn host(request: &str) -> String {
    let mut lines = request.lines();
    let host = lines.find_map(|line| {
        line.to_ascii_lowercase()
            .strip_prefix("host: ")
            .map(str::to_owned)
    });
    host.unwrap_or_default()
}

#[tokio::test]
async fn a_service_is_offered_found_called_and_taken_back() {
    let upstream = crate::harness::Upstream::start("behind").await;
    let net = Net::of(2).await;
    let (host, caller) = (Cli::of(&net.nodes[0]), Cli::of(&net.nodes[1]));
    let made = host.json(&["register", "--save-master", "m.key"]).await;
    let aid = made["aid"].as_str().expect("an address");
    let url = format!("http://{}/echo", upstream.address);
    let args = [
        "publish",
        "lang.translate",
        "--name",
        "Über\u{202e}setzer",
        "--brief",
        "does",
        "--url",
        &url,
        "--protocol",
        "http",
        "--tag",
        "de",
        "--tag",
        "fr",
        "--ttl",
        "600",
        "--meta",
        r#"{"a":{"b":[1,2]}}"#,
    ];
    let told = host.done(&args).await;
    assert!(
        told.contains(aid) && told.contains("lang.translate"),
        "{told}"
    );
    let shown = net.nodes[0].api.shown(aid).await;
    assert_eq!(shown["service_tcp"], format!("http://{}", upstream.address));

    eventually("the service is found", DEADLINE, async || {
        let found = caller.json(&["search", "lang.translate"]).await;
        (found["entries"][0]["aid"] == aid).then_some(())
    })
    .await;
    let args = [
        "search",
        "lang.*",
        "--filter-tag",
        "fr",
        "--filter-protocol",
        "http",
        "--probe",
        "--limit",
        "5",
    ];
    let found = caller.json(&args).await;
    let entry = &found["entries"][0];
    assert_eq!(
        entry["meta"],
        json!({ "a": { "b": [1, 2] }, "path": "/echo" }),
        "{found}"
    );
    assert_eq!(
        (&entry["ttl"], &entry["reachable"]),
        (&json!(600), &json!(true))
    );
    let listed = caller.done(&["search", "lang.translate", "--probe"]).await;
    assert!(
        listed.contains(aid) && listed.contains("Übersetzer"),
        "{listed}"
    );
    assert!(
        listed.contains("de,fr") && listed.contains("yes"),
        "{listed}"
    );
    let ended = caller
        .run(&["search", "lang.translate", "--filter-tag", "x"])
        .await;
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(0), ""));
    assert!(ended.stderr.contains("nobody"), "{}", ended.stderr);

    let got = caller.run(&["call", "lang.translate", "/name"]).await;
    assert_eq!((got.code(), got.stdout.as_str()), (Some(0), "behind"));
    assert!(
        got.stderr.contains(aid),
        "says who answered: {}",
        got.stderr
    );
    assert_eq!(
        caller
            .done(&["call", "lang.translate", "/mirror", "-d", "body"])
            .await,
        "body"
    );
    let put = caller
        .json(&["call", "lang.translate", "/echo", "-X", "PUT", "-d", "x"])
        .await;
    assert_eq!((&put["aid"], &put["status"]), (&json!(aid), &json!(200)));
    assert!(put["why"].is_string());
    assert_eq!(
        caller
            .run(&["call", "lang.translate", "/status/404"])
            .await
            .code(),
        Some(1)
    );

    let about = caller.done(&["info", aid]).await;
    assert!(
        about.contains("lang.translate") && about.contains("skills"),
        "{about}"
    );
    let about = caller.json(&["info", aid]).await;
    assert_eq!(about["services"][0]["service"], "lang.translate");
    assert!(about["records"].is_array());

    host.done(&["publish", aid]).await;
    host.done(&["unpublish", "lang.translate"]).await;
    eventually("nobody offers it", DEADLINE, async || {
        let found = caller.json(&["search", "lang.translate", "--all"]).await;
        (found["entries"] == json!([])).then_some(())
    })
    .await;
    let told = caller.fails(4, &["call", "lang.none", "/"]).await;
    assert!(told.contains("a2al search"), "{told}");
    host.fails(2, &["publish", "a.b", "--meta", "[1"]).await;
    host.fails(2, &["publish", "a.b", "--url", "nonsense"])
        .await;
    host.fails(2, &["publish", "a.b", "--yes"]).await;
    caller.fails(2, &["publish", "a.b"]).await;
    let told = host.run(&["publish", "odd"]).await;
    assert_eq!(told.code(), Some(0));
    assert!(told.stderr.contains("category"), "{}", told.stderr);
}

#[tokio::test]
async fn an_agent_card_is_imported() {
    let service = with_card().await;
    let net = Net::of(2).await;
    let (host, caller) = (Cli::of(&net.nodes[0]), Cli::of(&net.nodes[1]));
    host.json(&["register", "--save-master", "m.key"]).await;
    let from = format!("http://{}", service.address);
    let ended = host
        .run(&["publish", "tool.sum", "--from", &from, "--tag", "mine"])
        .await;
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    for taken in ["Carded", "From a card", "a2a, jsonrpc", "mine", "/rpc"] {
        assert!(
            ended.stderr.contains(taken),
            "says what it took: {}",
            ended.stderr
        );
    }
    let entry = eventually("the service is found", DEADLINE, async || {
        let found = caller.json(&["search", "tool.sum"]).await;
        found["entries"].get(0).cloned()
    })
    .await;
    assert_eq!(
        (&entry["name"], &entry["brief"]),
        (&json!("Carded"), &json!("From a card"))
    );
    assert_eq!(
        (&entry["protocols"], &entry["tags"]),
        (&json!(["a2a", "jsonrpc"]), &json!(["mine"]))
    );
    assert_eq!(entry["meta"], json!({ "path": "/rpc" }));
    assert_eq!(caller.done(&["call", "tool.sum", "/rpc"]).await, "carded");

    // The shape of A2A 0.3, from a file.
    let card = json!({
        "protocolVersion": "0.3.0", "name": "Old", "description": "Old card",
        "url": format!("{from}/a2a"), "preferredTransport": "JSONRPC",
        "additionalInterfaces": [{ "url": "http://127.0.0.1:1", "transport": "GRPC" }],
        "skills": [{ "id": "x", "tags": ["old"] }],
    });
    let file = net.nodes[0].data_dir().join("card.json");
    std::fs::write(&file, card.to_string()).expect("a file");
    let path = file.display().to_string();
    host.done(&["publish", "tool.old", "--from", &path, "-y"])
        .await;
    let found: Value = eventually("the service is found", DEADLINE, async || {
        let found = caller.json(&["search", "tool.old"]).await;
        found["entries"].get(0).cloned()
    })
    .await;
    assert_eq!(found["protocols"], json!(["a2a", "jsonrpc", "grpc"]));
    assert_eq!(
        (&found["tags"], &found["meta"]),
        (&json!(["old", "x"]), &json!({ "path": "/a2a" }))
    );

    host.fails(1, &["publish", "a.b", "--from", "no-such-file"])
        .await;
    let told = host
        .fails(1, &["publish", "a.b", "--from", "https://127.0.0.1:1/card"])
        .await;
    assert!(told.contains("--from -"), "{told}");
    host.fails(1, &["publish", "a.b", "--from", "http://127.0.0.1:1"])
        .await;
    std::fs::write(&file, "[]").expect("a file");
    host.fails(1, &["publish", "a.b", "--from", &path]).await;
}
