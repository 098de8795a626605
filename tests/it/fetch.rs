// SPDX-License-Identifier: MPL-2.0
//! HTTP requests to an agent's service, through two daemons.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::harness::{Answer, Daemon, Foreign, Net, PYTHON, Upstream, counting, eventually, say};

/// Largest answer body that a fetch carries, in bytes.
const MAX_ANSWER_LEN: usize = 4_194_304;

/// A caller's daemon, a daemon with an agent, and the service behind the agent.
struct Pair {
    net: Net,
    upstream: Upstream,
    aid: String,
}

impl Pair {
    async fn start() -> Self {
        let upstream = Upstream::start("first").await;
        let net = Net::of(2).await;
        let aid = net.nodes[1].api.serving(&upstream.address).await.aid;
        Self { net, upstream, aid }
    }

    fn caller(&self) -> &Daemon {
        &self.net.nodes[0]
    }

    fn host(&self) -> &Daemon {
        &self.net.nodes[1]
    }

    async fn fetch(&self, request: Value) -> Answer {
        self.caller()
            .api
            .post(&format!("/fetch/{}", self.aid), request)
            .await
    }

    async fn get(&self, path: &str) -> Value {
        self.fetch(json!({ "path": path })).await.ok()
    }
}

#[track_caller]
fn body(fetched: &Value) -> Vec<u8> {
    let body = fetched["body"].as_str().expect("the body is text");
    BASE64_STANDARD.decode(body).expect("the body is base64")
}

/// What `/echo` saw.
#[track_caller]
fn echoed(fetched: &Value) -> Value {
    assert_eq!(fetched["status"], 200, "{fetched}");
    serde_json::from_slice(&body(fetched)).expect("the echo is JSON")
}

/// The first value of a header, compared without regard to case.
fn header<'a>(headers: &'a Value, name: &str) -> Option<&'a str> {
    let all = headers.as_object()?;
    let (_, values) = all
        .iter()
        .find(|(found, _)| found.eq_ignore_ascii_case(name))?;
    values[0].as_str()
}

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

#[tokio::test]
async fn a_changed_service_serves_callers_that_are_already_connected() {
    let pair = Pair::start().await;
    assert_eq!(body(&pair.get("/name").await), b"first");
    let second = Upstream::start("second").await;
    let path = format!("/agents/{}", pair.aid);
    pair.host()
        .api
        .patch(&path, json!({ "service_tcp": second.address }))
        .await
        .ok();
    assert_eq!(body(&pair.get("/name").await), b"second");
    pair.host()
        .api
        .patch(&path, json!({ "service_tcp": "" }))
        .await
        .ok();
    pair.fetch(json!({})).await.refused(503, "no inbound");
}

#[tokio::test]
async fn a_service_that_stopped_is_told_and_used_again_when_it_is_back() {
    let pair = Pair::start().await;
    assert_eq!(body(&pair.get("/name").await), b"first");
    let Pair { net, upstream, aid } = pair;
    let address = upstream.stop().await;
    let path = format!("/fetch/{aid}");
    let down = net.nodes[0]
        .api
        .post(&path, json!({ "path": "/name" }))
        .await;
    down.refused(502, "inbound unreachable");
    // The daemon may still pool a connection that the service closed; the caller must not notice.
    let pair = Pair {
        net,
        upstream: Upstream::start_at(&address, "second").await,
        aid,
    };
    assert_eq!(body(&pair.get("/name").await), b"second");
}

#[tokio::test]
async fn a_service_that_restarts_between_two_calls_is_not_missed() {
    let pair = Pair::start().await;
    assert_eq!(body(&pair.get("/name").await), b"first");
    let Pair { net, upstream, aid } = pair;
    let address = upstream.stop().await;
    let pair = Pair {
        net,
        upstream: Upstream::start_at(&address, "second").await,
        aid,
    };
    assert_eq!(body(&pair.get("/name").await), b"second");
}

#[tokio::test]
async fn a_restarted_host_is_reached_again() {
    let pair = Pair::start().await;
    pair.get("/name").await;
    let Pair {
        mut net,
        upstream,
        aid,
    } = pair;
    let host = net.nodes.pop().expect("two nodes");
    net.nodes.push(host.kill().await.start().await);
    let pair = Pair { net, upstream, aid };
    eventually("the host is reached", Duration::from_secs(20), async || {
        (pair.fetch(json!({ "path": "/name" })).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_foreign_server_is_served_as_it_is() {
    let Some(mut command) = PYTHON.command("a_foreign_server_is_served_as_it_is") else {
        return;
    };
    let pages = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(pages.path().join("page.bin"), counting(100_000)).expect("a page");
    command
        .current_dir(pages.path())
        .args(["-m", "http.server", "--bind", "127.0.0.1"]);
    let server = Foreign::start(command, |command, port| {
        command.arg(port.to_string());
    })
    .await;
    serves_page(&server.address).await;
}

#[tokio::test]
async fn nginx_is_served_as_it_is() {
    let found = std::process::Command::new("nginx").arg("-v").output();
    if !found.is_ok_and(|output| output.status.success()) {
        assert!(
            std::env::var_os("REQUIRE_NGINX").is_none(),
            "nginx is missing, and REQUIRE_NGINX=1"
        );
        return say("SKIPPED: nginx_is_served_as_it_is needs nginx");
    }
    let home = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(home.path().join("page.bin"), counting(100_000)).expect("a page");
    let config = home.path().join("nginx.conf");
    let mut command = std::process::Command::new("nginx");
    command
        .arg("-c")
        .arg(&config)
        .arg("-p")
        .arg(home.path())
        .args(["-e", "stderr"]);
    let server = Foreign::start(command, |_, port| {
        let text = nginx_config(&home.path().display().to_string(), port);
        std::fs::write(&config, text).expect("the configuration");
    })
    .await;
    serves_page(&server.address).await;
}

fn nginx_config(home: &str, port: u16) -> String {
    format!(
        "daemon off; master_process off; pid {home}/pid; error_log stderr;
         events {{}}
         http {{
           access_log off; client_body_temp_path {home}; proxy_temp_path {home};
           fastcgi_temp_path {home}; uwsgi_temp_path {home}; scgi_temp_path {home};
           server {{ listen 127.0.0.1:{port}; root {home}; }}
         }}"
    )
}

/// Fetches what the test put there, a page that is missing, and a method that the server does not know.
async fn serves_page(address: &str) {
    let net = Net::of(2).await;
    let aid = net.nodes[1].api.serving(address).await.aid;
    let path = format!("/fetch/{aid}");
    let api = &net.nodes[0].api;
    for _ in 0..3 {
        let page = api.post(&path, json!({ "path": "/page.bin" })).await.ok();
        assert_eq!(page["status"], 200);
        assert!(
            body(&page) == counting(100_000),
            "the page came back changed"
        );
    }
    assert_eq!(
        api.post(&path, json!({ "path": "/none" })).await.ok()["status"],
        404
    );
    let odd = api
        .post(&path, json!({ "method": "PROPFIND", "path": "/" }))
        .await
        .ok();
    assert!(
        odd["status"].as_u64().is_some_and(|status| status >= 400),
        "{odd}"
    );
}
