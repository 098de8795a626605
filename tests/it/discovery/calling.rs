// SPDX-License-Identifier: MPL-2.0
//! Calling whoever offers a service.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use a2al_protocol::network::Client;
use a2al_protocol::{Credential, RecordKind, SigningKey, Topic};
use serde_json::{Value, json};

use crate::harness::{Api, Daemon, Net, Scripted, answer, beside, body, signed};
use crate::reach::behind_relay;

impl Api {
    /// A published agent in front of `service` that offers `name`.
    async fn providing(&self, service: &str, name: &str) -> String {
        let aid = self.serving(service).await.aid;
        self.offer(&aid, json!({ "services": [name] })).await;
        aid
    }

    async fn call(&self, name: &str, method: &str, path: &str) -> Value {
        let request = json!({ "service": name, "method": method, "path": path });
        self.post("/call", request).await.ok()
    }
}

/// A service that says its name, and keeps what it was asked.
async fn named(name: &'static str) -> Scripted {
    Scripted::start(move |_| answer("", name).into_bytes()).await
}

/// The same, but each answer takes `secs`.
async fn slow(name: &'static str, secs: u64) -> Scripted {
    let pause = Duration::from_secs(secs);
    Scripted::start_slow(pause, move |_| answer("", name).into_bytes()).await
}

/// A service that breaks off instead of answering.
async fn broken() -> Scripted {
    Scripted::start(|_| Vec::new()).await
}

/// Requests with `method`, by the path asked for.
fn asked(service: &Scripted, method: &str) -> Vec<String> {
    let lines = service.asked();
    let lines = lines.iter().filter_map(|request| request.lines().next());
    lines
        .filter_map(|line| line.strip_prefix(method)?.split(' ').nth(1))
        .map(str::to_owned)
        .collect()
}

/// An agent without a node: its record leads through a relay that has no place for it.
async fn offer_from_behind(client: &Client, relay: &Daemon, name: &str) {
    let key = SigningKey::generate();
    let endpoint = behind_relay(&relay.addresses().await[0], &key);
    client.publish(endpoint).await.expect("honest holders");
    let payload = Topic::new(name).encode().expect("a short entry");
    let record = signed(&Credential::node(key), RecordKind::TOPIC, payload, 1);
    client.publish_entry(record).await.expect("honest holders");
}

#[tokio::test]
async fn a_hundred_calls_are_answered_whoever_is_dead_or_slow() {
    let mut net = Net::of(6).await;
    let services = [
        named("one").await,
        named("two").await,
        slow("slow", 10).await,
    ];
    let mut aids = Vec::new();
    for (service, node) in services.iter().zip(&net.nodes[1..]) {
        aids.push(node.api.providing(&service.address, "tool.job").await);
    }
    let dying = named("dead").await;
    let dead = net.nodes[5].api.providing(&dying.address, "tool.job").await;
    let node = beside(&net.nodes[4]).await;
    offer_from_behind(&node.client, &net.nodes[4], "tool.job").await;
    let caller = net.nodes[0].api.clone();
    super::eventually("all five are found", super::DEADLINE, async || {
        (caller.providers("tool.job").await.len() == 5).then_some(())
    })
    .await;
    net.nodes.pop().expect("six nodes").kill().await;

    let mut times = Vec::new();
    for at in 0..100 {
        let method = if at % 2 == 0 { "GET" } else { "POST" };
        let started = Instant::now();
        let called = caller.call("tool.job", method, &format!("/{at}")).await;
        times.push(started.elapsed());
        assert_eq!(called["status"], 200, "{called}");
        let aid = called["aid"].as_str().expect("an address");
        assert!(aids.iter().any(|live| live == aid), "{called}");
        assert_ne!(aid, dead);
        assert!(
            called["why"].as_str().is_some_and(|why| !why.is_empty()),
            "{called}"
        );
    }
    times.sort_unstable();
    println!("95 of 100 calls took at most {:?}", times[94]);
    assert!(times[94] <= Duration::from_secs(5), "{times:?}");
    let posts: Vec<_> = services
        .iter()
        .flat_map(|service| asked(service, "POST"))
        .collect();
    let distinct: BTreeSet<_> = posts.iter().collect();
    assert_eq!(
        (posts.len(), distinct.len()),
        (50, 50),
        "each was sent once"
    );
    assert!(asked(&dying, "POST").is_empty());
    node.client.shutdown().await;
}

#[tokio::test]
async fn a_post_reaches_one_service_at_most() {
    let net = Net::of(2).await;
    let (caller, other) = (&net.nodes[0].api, &net.nodes[1].api);
    let second = named("second").await;

    // The nearest provider is that of the own node, and it breaks off.
    let first = broken().await;
    let near = caller.providing(&first.address, "tool.a").await;
    let far = other.providing(&second.address, "tool.a").await;
    caller.finds("tool.a", &[&near, &far]).await;
    let request = json!({ "service": "tool.a", "method": "POST", "path": "/x" });
    let failed = caller.post("/call", request).await;
    let told = failed.json();
    let error = told["error"].as_str().expect("a text");
    assert!(
        error.contains(&near) && error.contains("not repeated"),
        "{told}"
    );
    assert_eq!(
        (&told["code"], &told["retryable"]),
        (&json!("providers_failed"), &json!(false))
    );
    failed.refused(502, "call failed");
    assert_eq!(
        (asked(&first, "POST").len(), asked(&second, "POST").len()),
        (1, 0)
    );

    // It failed lately, so the other one comes first.
    let called = caller.call("tool.a", "POST", "/y").await;
    assert_eq!(
        (&called["aid"], body(&called)),
        (&json!(far), b"second".to_vec())
    );
    assert_eq!(
        (asked(&first, "POST").len(), asked(&second, "POST").len()),
        (1, 1)
    );

    // One that is slow is waited for.
    let first = slow("first", 3).await;
    let near = caller.providing(&first.address, "tool.b").await;
    let far = other.providing(&second.address, "tool.b").await;
    caller.finds("tool.b", &[&near, &far]).await;
    let called = caller.call("tool.b", "POST", "/z").await;
    assert_eq!(
        (&called["aid"], body(&called)),
        (&json!(near), b"first".to_vec())
    );
    assert_eq!(
        (asked(&first, "POST").len(), asked(&second, "POST").len()),
        (1, 1)
    );

    // A service that is not there has seen nothing.
    let closed = caller.providing("127.0.0.1:1", "tool.c").await;
    let far = other.providing(&second.address, "tool.c").await;
    caller.finds("tool.c", &[&closed, &far]).await;
    let called = caller.call("tool.c", "POST", "/w").await;
    assert_eq!(called["aid"], far.as_str());
    assert!(
        called["why"]
            .as_str()
            .is_some_and(|why| why.contains("1 before it failed"))
    );
    assert_eq!(asked(&second, "POST"), ["/y", "/w"]);
}

#[tokio::test]
async fn what_only_reads_is_asked_of_the_next_one() {
    let net = Net::of(2).await;
    let (caller, other) = (&net.nodes[0].api, &net.nodes[1].api);
    let second = named("second").await;
    let services = [
        ("data.broken", broken().await),
        ("data.slow", slow("first", 25).await),
    ];
    for (name, first) in &services {
        let near = caller.providing(&first.address, name).await;
        let far = other.providing(&second.address, name).await;
        caller.finds(name, &[&near, &far]).await;
        let started = Instant::now();
        for method in ["GET", "OPTIONS", "HEAD"] {
            let called = caller.call(name, method, "/x").await;
            assert_eq!(called["aid"], far.as_str(), "{called}");
        }
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "nobody waits for the slow one"
        );
        assert_eq!(asked(first, "GET").len(), 1, "who failed lately comes last");
        assert!(asked(first, "HEAD").is_empty());
    }
}

/// Two agents of `host` that offer `lang.x`, tagged `de` and `fr`, and their services.
async fn tagged(host: &Api, caller: &Api) -> ([Scripted; 2], Vec<String>) {
    let services = [named("de").await, named("fr").await];
    let mut aids = Vec::new();
    for (service, tag) in services.iter().zip(["de", "fr"]) {
        let aid = host.serving(&service.address).await.aid;
        let body = json!({ "services": ["lang.x"], "tags": [tag] });
        host.offer(&aid, body).await;
        aids.push(aid);
    }
    caller.finds("lang.x", &[&aids[0], &aids[1]]).await;
    (services, aids)
}

#[tokio::test]
async fn the_filter_chooses_and_the_request_arrives_whole() {
    let net = Net::of(2).await;
    let (caller, host) = (&net.nodes[0].api, &net.nodes[1].api);
    let (services, aids) = tagged(host, caller).await;
    let own = caller.agent().await.aid;
    for (tag, aid) in ["de", "fr"].iter().zip(&aids) {
        let request = json!({
            "service": "lang.x", "filter": { "tags": [tag] }, "local_aid": own,
            "method": "POST", "path": "/", "headers": { "X-Mine": ["1"] }, "body_base64": "aGk=",
        });
        let called = caller.post("/call", request).await.ok();
        assert_eq!(
            (&called["aid"], body(&called)),
            (&json!(aid), tag.as_bytes().to_vec())
        );
        assert!(called["headers"]["Content-Length"].is_array(), "{called}");
    }
    let request = services[0].asked().pop().expect("it was asked");
    let head = request.to_ascii_lowercase();
    assert!(
        head.contains("x-mine: 1") && head.ends_with("\r\n\r\nhi"),
        "{request}"
    );
    assert!(
        request.contains(&own),
        "the service learns who calls: {request}"
    );
}

#[tokio::test]
async fn a_call_that_cannot_be_made_says_why() {
    let net = Net::of(2).await;
    let (caller, host) = (&net.nodes[0].api, &net.nodes[1].api);
    let (_services, aids) = tagged(host, caller).await;
    let with = |name: &str, value: Value| {
        let mut request = json!({ "service": "lang.x" });
        request[name] = value;
        request
    };
    for (request, status, text) in [
        (json!({}), 400, "bad service"),
        (with("service", json!("lang.*")), 400, "bad service"),
        (with("headers", json!({ "a": "b" })), 400, "invalid json"),
        (with("method", json!("a b")), 400, "bad method"),
        (with("body_base64", json!("%")), 400, "bad body_base64"),
        (with("local_aid", json!("x")), 400, "bad local_aid"),
        (with("service", json!("lang.none")), 404, "no provider"),
        (
            with("filter", json!({ "tags": ["it"] })),
            404,
            "no provider",
        ),
    ] {
        caller.post("/call", request).await.refused(status, text);
    }
    for aid in &aids {
        let nowhere = json!({ "service_tcp": "127.0.0.1:1" });
        host.patch(&format!("/agents/{aid}"), nowhere).await.ok();
    }
    let failed = caller.post("/call", json!({ "service": "lang.x" })).await;
    let told = failed.json();
    for aid in &aids {
        let error = told["error"].as_str().expect("a text");
        assert!(error.contains(aid), "{told}");
    }
    assert_eq!(told["retryable"], true);
    failed.refused(502, "call failed");
}
