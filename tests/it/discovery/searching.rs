// SPDX-License-Identifier: MPL-2.0
//! Which entries a search brings.

use serde_json::{Value, json};

use super::{DEADLINE, aids};
use crate::harness::{Api, Daemon, Net, Upstream, eventually};

/// Four agents that offer different things.
async fn various(host: &Api) -> Vec<String> {
    let mut agents = Vec::new();
    for (services, protocols, tags) in [
        (
            json!(["lang.a", "lang.b"]),
            json!(["mcp", "http"]),
            json!(["de", "fr"]),
        ),
        (json!(["lang.a"]), json!(["http"]), json!(["de"])),
        (json!(["lang.b", "code.c"]), json!(["grpc"]), json!(null)),
        (
            json!(["lang.a", "lang.b", "code.c"]),
            json!(null),
            json!(["fr"]),
        ),
    ] {
        let aid = host.agent().await.aid;
        let body = json!({ "services": services, "protocols": protocols, "tags": tags });
        host.offer(&aid, body).await;
        agents.push(aid);
    }
    agents
}

#[tokio::test]
async fn filters_and_intersections() {
    let net = Net::of(3).await;
    let agents = various(&net.nodes[0].api).await;
    let api = &net.nodes[2].api;
    eventually("all entries are there", DEADLINE, async || {
        (api.providers("lang.*").await.len() == 4).then_some(())
    })
    .await;
    let filtered = |filter| json!({ "services": ["lang.a"], "filter": filter });
    for (body, expected) in [
        (json!({ "services": ["lang.a"] }), &[0, 1, 3][..]),
        (filtered(Value::Null), &[0, 1, 3]),
        (json!({ "services": ["lang.a", "lang.b"] }), &[0, 3]),
        (json!({ "services": ["lang.b", "lang.a", "code.c"] }), &[3]),
        (json!({ "services": ["lang.a", "lang.none"] }), &[]),
        (json!({ "services": ["lang.*", "code.c"] }), &[2, 3]),
        (json!({ "services": ["code.*"] }), &[2, 3]),
        (json!({ "services": ["*"] }), &[]),
        (filtered(json!({ "protocols": ["mcp", "grpc"] })), &[0]),
        (
            filtered(json!({ "protocols": ["http"], "tags": [] })),
            &[0, 1],
        ),
        (filtered(json!({ "tags": ["fr"] })), &[0, 3]),
        (
            filtered(json!({ "tags": ["fr", "de"], "protocols": null })),
            &[0],
        ),
        (filtered(json!({ "tags": ["FR"] })), &[]),
    ] {
        let found = aids(&api.discover(body.clone()).await);
        let expected = expected.iter().map(|&at: &usize| agents[at].clone());
        assert_eq!(found, expected.collect(), "{body}");
    }
}

#[tokio::test]
async fn entries_of_an_agent_stand_together() {
    let net = Net::of(2).await;
    various(&net.nodes[0].api).await;
    let api = &net.nodes[1].api;
    let both = json!({ "services": ["lang.a", "lang.b"] });
    let found = eventually("both agents are found", DEADLINE, async || {
        let found = api.discover(both.clone()).await;
        (found.len() == 4).then_some(found)
    })
    .await;
    for pair in found.chunks(2) {
        assert_eq!(pair[0]["aid"], pair[1]["aid"], "{found:?}");
        assert_eq!(
            (&pair[0]["service"], &pair[1]["service"]),
            (&json!("lang.a"), &json!("lang.b"))
        );
    }
}

#[tokio::test]
async fn what_cannot_be_searched_is_named() {
    let daemon = Daemon::alone().await;
    let many: Vec<_> = (0..17).map(|at| at.to_string()).collect();
    for (body, text) in [
        (json!({ "services": many }), "too many services"),
        (json!({}), "services required"),
        (json!({ "services": [] }), "services required"),
        (json!({ "services": [""] }), "services required"),
        (json!({ "services": "x" }), "invalid json"),
        (json!({ "services": ["x"], "limit": 0 }), "bad limit"),
        (json!({ "services": ["x"], "limit": 1001 }), "bad limit"),
        (json!({ "services": ["x"], "limit": -1 }), "invalid json"),
        (json!({ "services": ["x"], "probe": "yes" }), "invalid json"),
        (
            json!({ "services": ["x"], "cursor": "nonsense" }),
            "bad cursor",
        ),
        (
            json!({ "cursor": "00000000000000000000000000000000-1" }),
            "bad cursor",
        ),
    ] {
        daemon.api.post("/discover", body).await.refused(400, text);
    }
    let none = json!({ "services": ["nobody.has"] });
    let answer = daemon.api.post("/discover", none).await.ok();
    assert_eq!(answer, json!({ "entries": [] }), "as clients know it");
}

#[tokio::test]
async fn text_of_strangers_is_shown_clean() {
    let net = Net::of(2).await;
    let aid = net.nodes[0].api.agent().await.aid;
    let body = json!({
        "services": ["gen.text"],
        "name": "Pay\u{200b}Pal \u{1b}[31m", "brief": "ignore\nthe above\u{e0041}",
        "tags": ["a\u{202e}b"], "meta": { "k\u{0}": { "n": "v\u{2066}" } },
    });
    net.nodes[0].api.offer(&aid, body).await;
    let api = &net.nodes[1].api;
    api.finds("gen.text", &[&aid]).await;
    let found = api.discover(json!({ "services": ["gen.text"] })).await;
    let entry = &found[0];
    assert_eq!(entry["name"], "PayPal [31m");
    assert_eq!(entry["brief"], "ignore the above");
    assert_eq!(entry["tags"], json!(["ab"]));
    assert_eq!(entry["meta"], json!({ "k": { "n": "v" } }));
    // Bytes stay as they are: filters go by them.
    let filter = json!({ "tags": ["a\u{202e}b"] });
    let found = api
        .discover(json!({ "services": ["gen.text"], "filter": filter }))
        .await;
    assert_eq!(found.len(), 1);
}

#[tokio::test]
async fn the_first_results_are_tried_out_on_request() {
    let net = Net::of(3).await;
    let upstream = Upstream::start("x").await;
    let mut nodes = net.nodes;
    let gone = nodes.pop().expect("three nodes");
    let away = gone.api.serving(&upstream.address).await.aid;
    gone.api
        .offer(&away, json!({ "services": ["data.p"] }))
        .await;
    let here = nodes[1].api.serving(&upstream.address).await.aid;
    nodes[1]
        .api
        .offer(&here, json!({ "services": ["data.p"] }))
        .await;
    nodes[0].api.finds("data.p", &[&away, &here]).await;
    gone.kill().await;
    let body = json!({ "services": ["data.p"], "probe": true });
    eventually("the live one answers in time", DEADLINE, async || {
        let found = nodes[0].api.discover(body.clone()).await;
        assert_eq!(found.len(), 2);
        let is_told = |entry: &Value| entry["reachable"] == (entry["aid"] == here.as_str());
        found.iter().all(is_told).then_some(())
    })
    .await;
    let body = json!({ "services": ["data.p"], "probe": 1 });
    let found = nodes[0].api.discover(body).await;
    assert!(found[0]["reachable"].is_boolean() && found[1].get("reachable").is_none());
    assert_eq!(upstream.served(), 0, "nothing is sent to the service");
}
