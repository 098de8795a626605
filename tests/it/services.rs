// SPDX-License-Identifier: MPL-2.0
//! Services behind agents: changed, stopped, restarted, and written by others.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Foreign, NGINX, Net, PYTHON, Pair, Upstream, body, counting, eventually};

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
    let Some(mut command) = NGINX.command("nginx_is_served_as_it_is") else {
        return;
    };
    let home = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(home.path().join("page.bin"), counting(100_000)).expect("a page");
    let config = home.path().join("nginx.conf");
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
