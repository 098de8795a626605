// SPDX-License-Identifier: MPL-2.0
//! The command line: publishing, searching and calling services.

use serde_json::{Value, json};

use super::DEADLINE;
use crate::cli::Cli;
use crate::harness::{Daemon, Net, Scripted, Upstream, answer, eventually};

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

/// Two nodes, an agent of the first in front of `upstream` that offers `lang.translate`, and the command line at both.
struct Offered {
    net: Net,
    upstream: Upstream,
    host: Cli,
    caller: Cli,
    aid: String,
}

impl Offered {
    async fn start() -> Self {
        let upstream = Upstream::start("behind").await;
        let net = Net::of(2).await;
        let (host, caller) = (Cli::of(&net.nodes[0]), Cli::of(&net.nodes[1]));
        let made = host.json(&["register", "--save-master", "m.key"]).await;
        let aid = made["aid"].as_str().expect("an address").to_owned();
        let url = format!("http://{}/echo", upstream.address);
        let entry = [
            "--name",
            "Über\u{202e}setzer",
            "--brief",
            "does",
            "--url",
            &url,
        ];
        let more = [
            "--protocol",
            "http",
            "--tag",
            "de",
            "--tag",
            "fr",
            "--ttl",
            "600",
        ];
        let meta = ["--meta", r#"{"a":{"b":[1,2]}}"#];
        let args = [&["publish", "lang.translate"], &entry[..], &more, &meta].concat();
        let told = host.done(&args).await;
        assert!(
            told.contains(&aid) && told.contains("lang.translate"),
            "{told}"
        );
        found(&caller, "lang.translate").await;
        Self {
            net,
            upstream,
            host,
            caller,
            aid,
        }
    }
}

/// The first entry for `service`, once there is one.
async fn found(cli: &Cli, service: &str) -> Value {
    eventually("the service is found", DEADLINE, async || {
        let found = cli.json(&["search", service]).await;
        found["entries"].get(0).cloned()
    })
    .await
}

#[tokio::test]
async fn a_service_is_offered_found_and_taken_back() {
    let offered = Offered::start().await;
    let Offered {
        net,
        upstream,
        host,
        caller,
        aid,
    } = &offered;
    let shown = net.nodes[0].api.shown(aid).await;
    assert_eq!(shown["service_tcp"], format!("http://{}", upstream.address));
    let filters = ["--filter-tag", "fr", "--filter-protocol", "http"];
    let args = [
        &["search", "lang.*", "--probe", "--limit", "5"],
        &filters[..],
    ]
    .concat();
    let entry = &caller.json(&args).await["entries"][0];
    assert_eq!(
        entry["meta"],
        json!({ "a": { "b": [1, 2] }, "path": "/echo" })
    );
    assert_eq!(
        (&entry["ttl"], &entry["reachable"]),
        (&json!(600), &json!(true))
    );
    let listed = caller.done(&["search", "lang.translate", "--probe"]).await;
    for part in [aid, "Übersetzer", "de,fr", "NODE UP", "yes"] {
        assert!(listed.contains(part), "{part}: {listed}");
    }
    let args = ["search", "lang.translate", "--filter-tag", "x"];
    let ended = caller.run(&args).await;
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(0), ""));
    assert!(ended.stderr.contains("nobody"), "{}", ended.stderr);

    let about = caller.done(&["info", aid]).await;
    assert!(
        about.contains("lang.translate") && about.contains("skills"),
        "{about}"
    );
    let about = caller.run(&["info", aid]).await;
    assert!(about.stderr.contains("profile"), "{}", about.stderr);
    let about = caller.json(&["info", aid]).await;
    assert_eq!(about["services"][0]["service"], "lang.translate");
    assert!(about["records"].is_array());

    host.done(&["publish", aid]).await;
    let odd = host.run(&["unpublish", "lang.none"]).await;
    assert!(odd.stderr.contains("did not offer"), "{}", odd.stderr);
    host.done(&["unpublish", "lang.translate"]).await;
    eventually("nobody offers it", DEADLINE, async || {
        let found = caller.json(&["search", "lang.translate", "--all"]).await;
        (found["entries"] == json!([])).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_service_is_called_by_its_name() {
    let Offered { caller, aid, .. } = &Offered::start().await;
    let got = caller.run(&["call", "lang.translate", "/name"]).await;
    assert_eq!((got.code(), got.stdout.as_str()), (Some(0), "behind"));
    assert!(
        got.stderr.contains(aid),
        "says who answered: {}",
        got.stderr
    );
    let args = ["call", "lang.translate", "/mirror", "-d", "body"];
    assert_eq!(caller.done(&args).await, "body");
    let args = ["call", "lang.translate", "/echo", "-X", "PUT", "-d", "x"];
    let put = caller.json(&args).await;
    assert_eq!((&put["aid"], &put["status"]), (&json!(aid), &json!(200)));
    assert!(put["why"].is_string());
    let ended = caller.run(&["call", "lang.translate", "/status/404"]).await;
    assert_eq!(ended.code(), Some(1));
    let told = caller.fails(4, &["call", "lang.none", "/"]).await;
    assert!(told.contains("a2al search"), "{told}");
    let args = ["call", "lang.translate", "/", "--filter-tag", "zz"];
    let told = caller.fails(4, &args).await;
    assert!(told.contains("filter"), "{told}");
}

#[tokio::test]
async fn what_cannot_be_offered_is_said() {
    let daemon = Daemon::alone().await;
    let cli = Cli::of(&daemon);
    cli.fails(2, &["publish", "a.b"]).await;
    daemon.api.agent().await;
    cli.fails(2, &["publish", "a.b", "--meta", "[1"]).await;
    cli.fails(2, &["publish", "a.b", "--url", "nonsense"]).await;
    cli.fails(2, &["publish", "a.b", "--yes"]).await;
    for name in [" ", "lang.*", "lang.\u{200b}translate"] {
        cli.fails(1, &["publish", name]).await;
    }
    cli.fails(2, &["search", ""]).await;
    let told = cli
        .fails(1, &["publish", "a.b", "--brief", &"x".repeat(141)])
        .await;
    assert!(told.contains("141 characters"), "{told}");
    let told = cli.run(&["publish", "odd", "--ttl", "7201"]).await;
    assert_eq!(told.code(), Some(0));
    for remark in ["category", "ttl is 7200 s"] {
        assert!(told.stderr.contains(remark), "{}", told.stderr);
    }

    let file = daemon.data_dir().join("bad.json");
    std::fs::write(&file, r#"{"a":1}"#).expect("a file");
    let from = file.display().to_string();
    let args = ["publish", "a.b", "--from", &*from, "-y"];
    let told = cli.fails(1, &args).await;
    assert!(told.contains("not an agent card: no name"), "{told}");
    let file = daemon.data_dir().join("card.json");
    std::fs::write(&file, "[]").expect("a file");
    for from in [
        &*file.display().to_string(),
        "no-such-file",
        "http://127.0.0.1:1",
    ] {
        cli.fails(1, &["publish", "a.b", "--from", from]).await;
    }
    let told = cli
        .fails(1, &["publish", "a.b", "--from", "https://127.0.0.1:1/card"])
        .await;
    assert!(told.contains("--from -"), "{told}");

    let other = Scripted::saying("").await;
    let elsewhere = format!("http://{}/agents", other.address);
    let moved = format!("HTTP/1.1 302 Found\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n");
    let moved = Scripted::saying(&moved).await;
    let from = format!("http://{}/card", moved.address);
    let told = cli.fails(1, &["publish", "a.b", "--from", &from]).await;
    assert!(told.contains(&elsewhere), "{told}");
    assert!(other.asked().is_empty(), "a redirect was followed");
}

#[tokio::test]
async fn an_agent_card_is_imported() {
    let service = with_card().await;
    let net = Net::of(2).await;
    let (host, caller) = (Cli::of(&net.nodes[0]), Cli::of(&net.nodes[1]));
    host.json(&["register", "--save-master", "m.key"]).await;
    let from = format!("http://{}", service.address);
    let args = ["publish", "tool.sum", "--from", &from, "--tag", "mine"];
    let told = host.fails(2, &args).await;
    assert!(told.contains("-y"), "nobody was asked: {told}");
    let agents = host.json(&["agents", "list"]).await.to_string();
    assert!(!agents.contains(&service.address), "left alone: {agents}");
    let ended = host.run(&[&args[..], &["-y"]].concat()).await;
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    for taken in ["Carded", "From a card", "a2a, jsonrpc", "mine", "/rpc"] {
        assert!(
            ended.stderr.contains(taken),
            "says what it took: {}",
            ended.stderr
        );
    }
    let entry = found(&caller, "tool.sum").await;
    let expected =
        json!(["Carded", "From a card", ["a2a", "jsonrpc"], ["mine"], { "path": "/rpc" }]);
    let told = ["name", "brief", "protocols", "tags", "meta"].map(|name| entry[name].clone());
    assert_eq!(json!(told), expected);
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
    let entry = found(&caller, "tool.old").await;
    let expected = json!([["a2a", "jsonrpc", "grpc"], ["old", "x"], { "path": "/a2a" }]);
    let told = ["protocols", "tags", "meta"].map(|name| entry[name].clone());
    assert_eq!(json!(told), expected);
}
