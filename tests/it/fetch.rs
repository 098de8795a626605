// SPDX-License-Identifier: MPL-2.0
//! HTTP requests to an agent's service, through two daemons.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use crate::harness::{Daemon, Pair, Setup, Upstream, body, counting, echoed, header};

/// Largest answer body that a fetch carries, in bytes.
const MAX_ANSWER_LEN: usize = 4_194_304;

#[tokio::test]
async fn every_method_reaches_the_service() {
    let pair = Pair::start().await;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "post"] {
        let fetched = pair
            .fetch(json!({ "method": method, "path": "/echo?a=1&b=%20" }))
            .await
            .ok();
        let seen = echoed(&fetched);
        assert_eq!(seen["method"], method.to_uppercase());
        assert_eq!(seen["path"], "/echo?a=1&b=%20");
        assert_eq!(
            header(&fetched["headers"], "content-type"),
            Some("application/json")
        );
        assert!(fetched.get("truncated").is_none(), "{fetched}");
    }
    let head = pair
        .fetch(json!({ "method": "HEAD", "path": "/echo" }))
        .await
        .ok();
    assert_eq!(head["status"], 200);
    assert_eq!(header(&head["headers"], "x-method"), Some("HEAD"));
    assert!(body(&head).is_empty());
}

#[tokio::test]
async fn a_request_is_filled_in_where_the_caller_left_gaps() {
    let pair = Pair::start().await;
    let bare = pair.fetch(json!({})).await.ok();
    assert_eq!(
        bare["status"], 404,
        "GET / of a service that has no such page"
    );
    let seen = echoed(&pair.get("echo/a b").await);
    assert_eq!(seen["path"], "/echo/a%20b");
    assert_eq!(header(&seen["headers"], "host"), Some("a2al-agent"));
    let headers = json!({ "Host": ["shop.example"], "X-Two": ["one", "two"], "bad name": ["x"] });
    let seen = echoed(
        &pair
            .fetch(json!({ "path": "/echo", "headers": headers }))
            .await
            .ok(),
    );
    assert_eq!(header(&seen["headers"], "host"), Some("shop.example"));
    assert_eq!(seen["headers"]["x-two"], json!(["one", "two"]));
    assert!(header(&seen["headers"], "bad name").is_none());
}

#[tokio::test]
async fn bytes_survive_both_ways() {
    let pair = Pair::start().await;
    for len in [0, 1, 255, 65_536, 700 * 1024] {
        let sent = counting(len);
        let request = json!({
            "method": "POST", "path": "/mirror", "body_base64": BASE64_STANDARD.encode(&sent),
        });
        let fetched = pair.fetch(request).await.ok();
        assert!(body(&fetched) == sent, "{len} bytes came back changed");
    }
}

#[tokio::test]
async fn a_request_over_one_mebibyte_is_refused_and_one_at_the_limit_is_not() {
    let pair = Pair::start().await;
    let path = format!("/fetch/{}", pair.aid);
    let frame = json!({ "method": "POST", "path": "/mirror", "body_base64": "" }).to_string();
    let padded = |len: usize| frame.replace("/mirror", &format!("/mirror?{}", "x".repeat(len)));
    let at_limit = padded(1024 * 1024 - frame.len() - 1);
    assert_eq!(at_limit.len(), 1024 * 1024);
    // The service may dislike so long a path; what counts is that the daemon took the request.
    let answer = pair.caller().api.post_text(&path, at_limit.clone()).await;
    assert_ne!(answer.status, 413, "{}", answer.text);
    let served = pair.upstream.served();
    let over = pair
        .caller()
        .api
        .post_text(&path, format!("{at_limit} "))
        .await;
    assert_eq!(
        (over.status, over.content_type.as_str()),
        (413, "application/json"),
        "{over:?}"
    );
    assert!(over.json()["error"].is_string());
    assert_eq!(
        pair.upstream.served(),
        served,
        "a refused request reached the service"
    );
}

#[tokio::test]
async fn a_long_answer_is_cut_and_says_so() {
    let pair = Pair::start().await;
    let whole = pair.get(&format!("/bytes/{MAX_ANSWER_LEN}")).await;
    assert!(whole.get("truncated").is_none());
    assert!(body(&whole) == counting(MAX_ANSWER_LEN));
    for extra in [1, 1024 * 1024] {
        let cut = pair
            .get(&format!("/bytes/{}", MAX_ANSWER_LEN + extra))
            .await;
        assert_eq!(cut["truncated"], true);
        assert!(body(&cut) == counting(MAX_ANSWER_LEN));
    }
    assert_eq!(
        pair.get("/name").await["status"],
        200,
        "the next call works after a cut"
    );
}

#[tokio::test]
async fn chunked_and_slow_answers_arrive_whole() {
    let pair = Pair::start().await;
    for path in ["/chunked/300", "/slow/20"] {
        let fetched = pair.get(path).await;
        let count = path
            .rsplit('/')
            .next()
            .and_then(|count| count.parse::<usize>().ok());
        assert_eq!(
            body(&fetched).len(),
            count.expect("a number") * 1000,
            "{path}"
        );
    }
}

#[tokio::test]
async fn statuses_and_redirects_pass_through() {
    let pair = Pair::start().await;
    for status in [200, 204, 304, 400, 401, 404, 418, 500, 503] {
        assert_eq!(
            pair.get(&format!("/status/{status}")).await["status"],
            status
        );
    }
    let redirect = pair.get("/redirect").await;
    assert_eq!(redirect["status"], 302);
    assert_eq!(header(&redirect["headers"], "location"), Some("/echo"));
}

#[tokio::test]
async fn fifty_at_once_are_answered_each_with_its_own() {
    let pair = Pair::start().await;
    let fetching = (0..50).map(|number| {
        let pair = &pair;
        async move {
            let seen = echoed(&pair.get(&format!("/echo/{number}")).await);
            assert_eq!(seen["path"], format!("/echo/{number}"));
        }
    });
    futures::future::join_all(fetching).await;
}

#[tokio::test]
async fn an_agent_on_the_same_daemon_is_reached() {
    let upstream = Upstream::start("local").await;
    let daemon = Daemon::alone().await;
    let agent = daemon.api.identity().await;
    daemon
        .api
        .post("/agents", agent.registration_with(&upstream.address))
        .await
        .ok();
    let path = format!("/fetch/{}", agent.aid);
    let fetched = daemon
        .api
        .post(&path, json!({ "path": "/echo" }))
        .await
        .ok();
    assert_eq!(echoed(&fetched)["path"], "/echo");
}

#[tokio::test]
async fn a_caller_may_be_any_agent_registered_here_and_no_other() {
    let pair = Pair::start().await;
    let caller = pair.caller().api.agent().await;
    let fetched = pair
        .fetch(json!({ "path": "/name", "local_aid": caller.aid }))
        .await
        .ok();
    assert_eq!(body(&fetched), b"first");

    let elsewhere = pair.host().api.agent().await;
    let served = pair.upstream.served();
    let from_elsewhere = json!({ "path": "/name", "local_aid": elsewhere.aid });
    pair.fetch(from_elsewhere)
        .await
        .refused(502, "connect failed");
    pair.fetch(json!({ "local_aid": "a0" }))
        .await
        .refused(400, "bad local_aid");
    assert_eq!(
        pair.upstream.served(),
        served,
        "a refused call reached the service"
    );
}

#[tokio::test]
async fn what_cannot_be_reached_is_told_apart() {
    let pair = Pair::start().await;
    let api = &pair.caller().api;
    let stranger = api.identity().await;
    let unknown = api
        .post(&format!("/fetch/{}", stranger.aid), json!({}))
        .await;
    unknown.refused(502, "resolve failed");

    let idle = pair.host().api.agent().await;
    pair.host().api.publish(&idle.aid).await;
    api.post(&format!("/fetch/{}", idle.aid), json!({}))
        .await
        .refused(503, "no inbound");

    let closed = pair.host().api.serving("127.0.0.1:1").await;
    let down = api.post(&format!("/fetch/{}", closed.aid), json!({})).await;
    down.refused(502, "inbound unreachable");
}

#[tokio::test]
async fn mistakes_of_the_caller_are_told_as_such() {
    let pair = Pair::start().await;
    let path = format!("/fetch/{}", pair.aid);
    let api = &pair.caller().api;
    api.post("/fetch/a0zz", json!({}))
        .await
        .refused(400, "bad aid");
    for broken in [
        "{",
        "[]",
        "{\"method\":1}",
        "{\"headers\":{\"x\":\"plain\"}}",
        "\"text\"",
    ] {
        api.post_text(&path, broken)
            .await
            .refused(400, "invalid json");
    }
    for mistake in [
        json!({ "method": "GE T" }),
        json!({ "method": "G\u{0}T" }),
        json!({ "body_base64": "***" }),
        json!({ "path": "/a\nb" }),
        json!({ "path": "/a\u{0}b" }),
    ] {
        let answer = pair.fetch(mistake.clone()).await;
        assert_eq!(answer.status, 400, "{mistake}: {}", answer.text);
    }
    assert_eq!(
        pair.upstream.served(),
        0,
        "a mistaken request reached the service"
    );
    // A body that is null, unknown fields and trailing bytes are no mistakes.
    for tolerated in ["null", "{\"unknown\":1}", "{} trailing"] {
        assert_eq!(
            api.post_text(&path, tolerated).await.ok()["status"],
            404,
            "{tolerated}"
        );
    }
}

/// As existing clients start daemons, which need the flag elsewhere.
#[tokio::test]
async fn an_advertised_host_of_this_machine_does_not_make_the_network_a_public_one() {
    let advertise = ["--fallback-host", "127.0.0.1"];
    let host = Setup::new().with(&advertise).start().await;
    let joining = Setup::new().joining(&host.addresses().await);
    let caller = joining.with(&advertise).start().await;
    let upstream = Upstream::start("first").await;
    let aid = host.api.serving(&upstream.address).await.aid;
    let fetch = format!("/fetch/{aid}");
    let answer = caller.api.post(&fetch, json!({ "path": "/name" })).await;
    assert_eq!(body(&answer.ok()), b"first");
}
