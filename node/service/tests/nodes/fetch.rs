// SPDX-License-Identifier: MPL-2.0
//! Requests to services of agents, here and elsewhere.

use a2al_protocol::Aid;
use a2al_service::model::{Fetch, FetchAnswer, PatchAgent};
use a2al_service::{Error, Service};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::harness::{Echo, Node};

const BODY_LIMIT: usize = 4 * 1024 * 1024;

fn get(path: &str) -> Fetch {
    Fetch {
        path: Some(path.to_owned()),
        ..Fetch::default()
    }
}

async fn fetch(service: &Service, aid: Aid, request: Fetch) -> FetchAnswer {
    service.fetch(aid, request).await.unwrap()
}

fn text(answer: &FetchAnswer) -> String {
    String::from_utf8(BASE64_STANDARD.decode(&answer.body).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_reach_the_service_over_one_connection() {
    let echo = Echo::start().await;
    let callee = Node::first().await;
    let caller = Node::beside(&callee).await;
    let aid = callee.published(&echo.address).await;

    let answer = fetch(&caller.service, aid, get("a b")).await;
    assert_eq!(answer.status, 207);
    assert_eq!(answer.headers["X-Kind"], ["echo"]);
    assert!(
        text(&answer).starts_with("GET /a%20b HTTP/1.1\r\n"),
        "{}",
        text(&answer)
    );
    assert!(
        text(&answer).contains("Host: a2al-agent\r\n"),
        "{}",
        text(&answer)
    );

    let post = Fetch {
        method: Some("post".to_owned()),
        body_base64: Some(BASE64_STANDARD.encode("hello")),
        ..get("/")
    };
    assert!(text(&fetch(&caller.service, aid, post).await).ends_with("\r\n\r\nhello"));
    for _ in 0..5 {
        fetch(&caller.service, aid, get("/")).await;
    }
    assert_eq!(echo.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_do_not_share_connections() {
    let echo = Echo::start().await;
    let callee = Node::first().await;
    let caller = Node::beside(&callee).await;
    let aid = callee.published(&echo.address).await;
    let other = caller.agent("").await;
    fetch(&caller.service, aid, get("/")).await;
    let as_other = Fetch {
        local_aid: Some(other.to_string()),
        ..get("/")
    };
    fetch(&caller.service, aid, as_other).await;
    assert_eq!(echo.connections(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_own_agent_is_called_directly() {
    let echo = Echo::start().await;
    let node = Node::first().await;
    let aid = node.agent(&format!("http://{}", echo.address)).await;
    let other = node.agent("").await;
    for caller in [node.service.node_aid(), other] {
        let forged = [("X-A2AL-Caller-AID".to_owned(), vec!["forged".to_owned()])];
        let request = Fetch {
            local_aid: Some(caller.to_string()),
            headers: forged.into_iter().collect(),
            ..get("/")
        };
        let seen = text(&fetch(&node.service, aid, request).await);
        assert!(
            seen.contains(&format!("Host: {}\r\n", echo.address)),
            "{seen}"
        );
        assert!(
            seen.contains(&format!("X-A2al-Caller-Aid: {caller}\r\n")),
            "{seen}"
        );
        assert!(!seen.contains("forged"), "{seen}");
    }
    assert_eq!(echo.connections(), 2, "callers do not share connections");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tls_service_is_reached_whatever_its_certificate() {
    let echo = Echo::start_tls().await;
    let callee = Node::first().await;
    let caller = Node::beside(&callee).await;
    let aid = callee.published(&format!("https://{}", echo.address)).await;
    for node in [&caller, &callee] {
        assert_eq!(fetch(&node.service, aid, get("/")).await.status, 207);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_answers_are_cut_at_the_limit() {
    let echo = Echo::start().await;
    let callee = Node::first().await;
    let caller = Node::beside(&callee).await;
    let aid = callee.published(&echo.address).await;
    for (len, truncated) in [(BODY_LIMIT, false), (BODY_LIMIT + 1, true)] {
        let answer = fetch(&caller.service, aid, get(&format!("/big/{len}"))).await;
        assert_eq!(answer.truncated, truncated);
        assert_eq!(
            BASE64_STANDARD.decode(&answer.body).unwrap().len(),
            BODY_LIMIT
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_the_service_closed_is_not_noticed() {
    let echo = Echo::start().await;
    let callee = Node::first().await;
    let caller = Node::beside(&callee).await;
    let aid = callee.published(&echo.address).await;
    for _ in 0..20 {
        assert_eq!(fetch(&caller.service, aid, get("/close")).await.status, 207);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_service_is_used_at_once() {
    let (old, new) = (Echo::start().await, Echo::start().await);
    let callee = Node::first().await;
    let caller = Node::beside(&callee).await;
    let aid = callee.published(&old.address).await;
    fetch(&caller.service, aid, get("/")).await;
    let patch = PatchAgent {
        service_tcp: Some(new.address.clone()),
        ..PatchAgent::default()
    };
    callee.service.patch(aid, patch).await.unwrap();
    for _ in 0..3 {
        fetch(&caller.service, aid, get("/")).await;
    }
    assert_eq!((old.connections(), new.connections()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_say_how_far_the_call_came() {
    let callee = Node::first().await;
    let caller = Node::beside(&callee).await;
    let closed = callee.published("127.0.0.1:9").await;
    let silent = callee.published("").await;
    let unknown = caller.service.generate_identity().aid;
    let http = async |aid, request| {
        let error = caller.service.fetch(aid, request).await.unwrap_err();
        (error.wire().http, error.to_string())
    };
    assert_eq!(
        http(closed, get("/")).await,
        (502, "inbound unreachable".to_owned())
    );
    assert_eq!(http(silent, get("/")).await, (503, "no inbound".to_owned()));
    assert_eq!(http(callee.service.node_aid(), get("/")).await.0, 503);
    let (status, text) = http(unknown, get("/")).await;
    assert!(
        status == 502 && text.starts_with("resolve failed"),
        "{text}"
    );

    let elsewhere = Fetch {
        local_aid: Some(silent.to_string()),
        ..get("/")
    };
    assert!(matches!(
        caller.service.fetch(closed, elsewhere).await,
        Err(Error::CallerNotHosted)
    ));
    let garbage = Fetch {
        local_aid: Some("garbage".to_owned()),
        ..get("/")
    };
    assert_eq!(
        http(closed, garbage).await,
        (400, "bad local_aid".to_owned())
    );
}
