// SPDX-License-Identifier: MPL-2.0
//! How far a request came that was not answered by its agent.

use serde_json::Value;

use super::{Door, agent_of, doors};
use crate::harness::{Net, Pair, RawAnswer, Scripted, raw_request};

#[track_caller]
fn assert_refused(answer: &RawAnswer, status: u16, text: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let told: Value = serde_json::from_str(&answer.body).expect("JSON");
    let error = told["error"].as_str().unwrap_or_default();
    assert!(error.starts_with(text), "{error:?} instead of {text:?}");
    assert!(told["code"].is_string(), "{told}");
}

#[tokio::test]
async fn what_cannot_be_reached_is_told_apart() {
    let net = Net::of(2).await;
    let (caller, host) = (&net.nodes[0].api, &net.nodes[1].api);
    let unknown = caller.identity().await.aid;
    let closed = host.serving("127.0.0.1:1").await.aid;
    let idle = host.agent().await.aid;
    host.publish(&idle).await;
    let own_idle = caller.agent().await.aid;
    let own_closed = caller.serving("127.0.0.1:1").await.aid;
    for (aid, status, text) in [
        (unknown.as_str(), 502, "resolve failed"),
        (&closed, 502, "inbound unreachable"),
        (&own_closed, 502, "inbound unreachable"),
        (&idle, 503, "no inbound"),
        (&own_idle, 503, "no inbound"),
    ] {
        for door in Door::both(caller, aid) {
            assert_refused(&door.ask("GET", "/", "").await, status, text);
            let post = door.ask("POST", "/", "Content-Length: 0\r\n").await;
            assert_refused(&post, status, text);
        }
    }
}

#[tokio::test]
async fn what_is_no_address_and_no_request_is_refused() {
    let pair = Pair::start().await;
    let api = &pair.caller().api;
    for aid in ["x", "a0", &pair.aid[1..], &format!("{}0", pair.aid)] {
        for door in Door::both(api, aid) {
            assert_refused(&door.ask("GET", "/", "").await, 400, "bad aid address");
        }
    }
    let wrong_case = Door::by_path(api, &pair.aid.to_ascii_uppercase());
    assert_refused(
        &wrong_case.ask("GET", "/", "").await,
        400,
        "bad aid address",
    );
    for door in doors(&pair) {
        assert_refused(
            &door.ask("CONNECT", "/echo", "").await,
            405,
            "Method Not Allowed",
        );
    }
    let tunnel = "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n";
    for door in doors(&pair) {
        let tunnel = tunnel.replace("HOST", &door.host);
        let answer = raw_request(api.authority(), tunnel.as_bytes()).await;
        assert!((400..500).contains(&answer.status), "{}", answer.head);
    }
    assert_eq!(pair.upstream.served(), 0, "a refused request came through");
}

#[tokio::test]
async fn a_request_that_may_have_been_heard_is_not_said_twice() {
    // Hears every request and breaks off instead of answering.
    let service = Scripted::start(|_| Vec::new()).await;
    let (net, aid) = agent_of(&service.address).await;
    for door in Door::both(&net.nodes[0].api, &aid) {
        let before = service.asked().len();
        let answer = door.ask("POST", "/pay", "Content-Length: 0\r\n").await;
        assert_refused(&answer, 502, "inbound unreachable");
        assert_eq!(service.asked().len(), before + 1);
    }
}
