// SPDX-License-Identifier: MPL-2.0
//! Registering for services, keeping that alive, and taking it back.

use serde_json::{Value, json};

use super::DEADLINE;
use crate::harness::{Daemon, Net, eventually};

#[tokio::test]
async fn a_registration_is_found_and_shown_as_it_was_made() {
    let net = Net::of(3).await;
    let [host, other, _] = &net.nodes[..] else {
        panic!("three nodes")
    };
    let aid = host.api.agent().await.aid;
    assert_eq!(host.api.shown(&aid).await["services"], Value::Null);
    let meta = json!({ "price": { "eur": 0.5, "tiers": [1, 2, { "from": 1000 }] }, "free": null });
    let body = json!({
        "services": ["lang.translate"], "name": "Übersetzer", "protocols": ["mcp", "http"],
        "tags": ["de", "fr"], "brief": "Translates text", "meta": meta, "ttl": 0,
    });
    let answer = host.api.offer(&aid, body).await;
    assert_eq!(answer["warnings"], json!([]));

    other.api.finds("lang.translate", &[&aid]).await;
    let found = other
        .api
        .discover(json!({ "services": ["lang.translate"] }))
        .await;
    let [entry] = &found[..] else {
        panic!("one entry: {found:?}")
    };
    assert!(
        entry["seq"].is_u64() && entry["timestamp"].is_u64(),
        "{entry}"
    );
    assert!(entry["renewed_at"].is_string() && entry.get("reachable").is_none());
    let mut told = entry.clone();
    for name in ["seq", "timestamp", "renewed_at"] {
        told.as_object_mut().expect("an object").remove(name);
    }
    let expected = json!({
        "aid": aid, "service": "lang.translate", "name": "Übersetzer",
        "protocols": ["mcp", "http"], "tags": ["de", "fr"], "brief": "Translates text",
        "meta": meta, "ttl": 3600, "version": 1,
    });
    assert_eq!(told, expected, "nested values and all");

    let shown = host.api.shown(&aid).await;
    let offered = json!([{
        "topic": "lang.translate", "name": "Übersetzer", "protocols": ["mcp", "http"],
        "tags": ["de", "fr"], "brief": "Translates text", "meta": meta, "ttl": 3600,
    }]);
    assert_eq!(shown["services"], offered);
    assert_eq!(shown["published_to_dht"], true, "the endpoint as well");
    assert!(shown["next_republish_estimate"].is_string(), "{shown}");
    other.api.resolve(&aid).await;
}

#[tokio::test]
async fn what_cannot_be_registered_is_named() {
    let daemon = Daemon::alone().await;
    let aid = daemon.api.agent().await.aid;
    let path = format!("/agents/{aid}/services");
    let long = "x".repeat(2000);
    let deep = (0..7).fold(json!(1), |inner, _| json!([inner]));
    for (body, text) in [
        (json!({}), "services required"),
        (json!({ "services": [] }), "services required"),
        (json!({ "services": null }), "services required"),
        (json!({ "services": "a" }), "invalid json"),
        (json!({ "services": [""] }), "service register failed"),
        (json!({ "services": [" "] }), "service register failed"),
        (
            json!({ "services": ["lang.x", "lang.\u{200b}translate"] }),
            "service register failed",
        ),
        (
            json!({ "services": ["lang.translate\u{e0041}"] }),
            "service register failed",
        ),
        (
            json!({ "services": ["lang.\u{202e}x"] }),
            "service register failed",
        ),
        (json!({ "services": ["lang.*"] }), "service register failed"),
        (
            json!({ "services": ["a"], "brief": long }),
            "service register failed",
        ),
        (
            json!({ "services": ["a"], "meta": { "k": [long] } }),
            "service register failed",
        ),
        (
            json!({ "services": ["a"], "meta": { "k": deep } }),
            "meta is nested too deeply",
        ),
        (json!({ "services": ["a"], "ttl": -1 }), "invalid json"),
    ] {
        daemon.api.post(&path, body).await.refused(400, text);
    }
    let many: Vec<_> = (0..101).map(|at| format!("data.s{at}")).collect();
    let refused = daemon.api.post(&path, json!({ "services": many })).await;
    refused.refused(400, "service register failed");
    assert_eq!(daemon.api.shown(&aid).await["services"], Value::Null);
    let stranger = daemon.api.identity().await.aid;
    let unknown = format!("/agents/{stranger}/services");
    let body = json!({ "services": ["a.b"] });
    daemon
        .api
        .post(&unknown, body)
        .await
        .refused(404, "not found");
    let unknown = format!("{unknown}/a.b");
    daemon.api.delete(&unknown).await.refused(404, "not found");
    daemon
        .api
        .delete("/agents/x/services/a")
        .await
        .refused(400, "bad aid");
}

#[tokio::test]
async fn any_name_is_taken_with_a_remark() {
    let net = Net::of(2).await;
    let host = &net.nodes[0].api;
    let aid = host.agent().await.aid;
    let names = ["Bad Name/é", "a.b.c.d", "UPPER", "lang.ok"];
    let answer = host
        .offer(&aid, json!({ "services": names, "ttl": 100_000 }))
        .await;
    let warnings = answer["warnings"].as_array().expect("a list");
    for name in &names[..3] {
        let is_said = |warning: &Value| warning.as_str().is_some_and(|text| text.contains(name));
        assert!(warnings.iter().any(is_said), "{name}: {answer}");
    }
    assert!(!answer.to_string().contains("lang.ok"), "{answer}");
    for name in names {
        net.nodes[1].api.finds(name, &[&aid]).await;
    }
    net.nodes[1].api.finds("bad name/é", &[]).await;
    let shown = host.shown(&aid).await;
    assert_eq!(shown["services"][0]["ttl"], 7200, "clamped");
    let path = format!("/agents/{aid}/services/Bad%20Name/%C3%A9");
    assert_eq!(host.delete(&path).await.ok(), json!({ "ok": true }));
    net.nodes[1].api.finds("Bad Name/é", &[]).await;
    net.nodes[1].api.finds("UPPER", &[&aid]).await;
}

#[tokio::test]
async fn registering_again_replaces_the_entry() {
    let net = Net::of(2).await;
    let (host, other) = (&net.nodes[0].api, &net.nodes[1].api);
    let aid = host.agent().await.aid;
    let mut last = 0;
    for brief in ["first", "second", "third"] {
        let body = json!({ "services": ["data.x"], "brief": brief });
        host.offer(&aid, body).await;
        let found = eventually("the newest is found", DEADLINE, async || {
            let found = other.discover(json!({ "services": ["data.x"] })).await;
            (found.first()?["brief"] == brief).then_some(found)
        })
        .await;
        assert_eq!(found.len(), 1, "{found:?}");
        let seq = found[0]["seq"].as_u64().expect("a number");
        assert!(seq > last);
        last = seq;
    }
}

#[tokio::test]
async fn what_is_taken_back_is_found_no_more() {
    let net = Net::of(4).await;
    let host = &net.nodes[0].api;
    let (one, two) = (host.offering("tool.x").await, host.offering("tool.x").await);
    host.offer(&one, json!({ "services": ["tool.y"] })).await;
    for node in &net.nodes {
        node.api.finds("tool.x", &[&one, &two]).await;
        node.api.finds("tool.*", &[&one, &two]).await;
    }
    let path = format!("/agents/{one}/services/tool.x");
    assert_eq!(host.delete(&path).await.ok(), json!({ "ok": true }));
    for node in &net.nodes {
        node.api.finds("tool.x", &[&two]).await;
        node.api.finds("tool.y", &[&one]).await;
    }
    assert_eq!(host.delete(&path).await.ok(), json!({ "ok": true }));
    host.delete(&format!("/agents/{two}")).await.ok();
    for node in &net.nodes {
        node.api.finds("tool.x", &[]).await;
        node.api.finds("tool.*", &[&one]).await;
    }
    // Back again, it has to win over its own withdrawal.
    host.offer(&one, json!({ "services": ["tool.x"] })).await;
    net.nodes[3].api.finds("tool.x", &[&one]).await;
}

#[tokio::test]
async fn entries_live_as_long_as_their_node_keeps_them_alive() {
    let net = Net::of(3).await;
    let aid = net.nodes[2].api.agent().await.aid;
    let body = json!({ "services": ["sense.x"], "ttl": 2 });
    net.nodes[2].api.offer(&aid, body).await;
    let reader = net.nodes[0].api.clone();
    let timestamp = async || {
        let found = reader.discover(json!({ "services": ["sense.x"] })).await;
        found.first().and_then(|entry| entry["timestamp"].as_u64())
    };
    let first = eventually("found", DEADLINE, timestamp).await;
    eventually("renewed beyond its first life", DEADLINE, async || {
        timestamp().await.filter(|renewed| *renewed > first + 2)
    })
    .await;
    let mut nodes = net.nodes;
    let host = nodes.pop().expect("three nodes").kill().await;
    eventually("the entry ends", DEADLINE, async || {
        timestamp().await.is_none().then_some(())
    })
    .await;
    let host = host.start().await;
    let renewed = eventually("the node took it up again", DEADLINE, timestamp).await;
    assert!(renewed > first);
    assert_eq!(
        host.api.shown(&aid).await["services"][0]["topic"],
        "sense.x"
    );
}

#[tokio::test]
async fn a_registration_survives_kill_and_its_end_as_well() {
    let daemon = Daemon::alone().await;
    let aid = daemon.api.agent().await.aid;
    let body = json!({ "services": ["code.a", "code.b"], "tags": ["t"] });
    daemon.api.offer(&aid, body).await;
    let daemon = daemon.kill().await.start().await;
    daemon.api.finds("code.a", &[&aid]).await;
    let shown = daemon.api.shown(&aid).await;
    assert_eq!(
        shown["services"].as_array().map(Vec::len),
        Some(2),
        "{shown}"
    );
    assert_eq!(shown["services"][1]["tags"], json!(["t"]));
    daemon
        .api
        .delete(&format!("/agents/{aid}/services/code.a"))
        .await
        .ok();
    let daemon = daemon.kill().await.start().await;
    daemon.api.finds("code.b", &[&aid]).await;
    daemon.api.finds("code.a", &[]).await;
}

#[tokio::test]
async fn nothing_is_renewed_while_that_is_switched_off() {
    let net = Net::of(2).await;
    let host = &net.nodes[1].api;
    host.patch("/config", json!({ "auto_publish": false }))
        .await
        .ok();
    let aid = host.agent().await.aid;
    host.offer(&aid, json!({ "services": ["reason.x"], "ttl": 10 }))
        .await;
    net.nodes[0].api.finds("reason.x", &[&aid]).await;
    net.nodes[0].api.finds("reason.x", &[]).await;
    host.patch("/config", json!({ "auto_publish": true }))
        .await
        .ok();
    net.nodes[0].api.finds("reason.x", &[&aid]).await;
}
