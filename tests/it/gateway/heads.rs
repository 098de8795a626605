// SPDX-License-Identifier: MPL-2.0
//! What an agent learns of the request, and what of its answer reaches the client.

use serde_json::{Value, json};

use super::{Door, agent_of, doors};
use crate::harness::{Net, Pair, Scripted, Setup, Upstream, answer, header, raw_request};

/// Headers that only a node may say, and those of a client's network.
const NOT_FOR_AGENTS: [&str; 7] = [
    "X-A2AL-Caller-AID: a0forged",
    "x-a2al-anything: 1",
    "X-Forwarded-For: 192.0.2.7",
    "X-Forwarded-Port: 1",
    "X-Real-IP: 192.0.2.7",
    "Forwarded: for=192.0.2.7",
    "Proxy-Authorization: Basic eA==",
];

#[tokio::test]
async fn the_service_learns_where_it_was_asked_and_not_by_whom() {
    let pair = Pair::start().await;
    let given = format!(
        "{}\r\nX-Forwarded-Host: elsewhere.example\r\nX-Two: one\r\nX-Two: two\r\n\
         Authorization: Bearer agent-token\r\nCookie: a=1\r\nKeep-Alive: 5\r\n\
         X-Hop: 1\r\nConnection: X-Hop\r\n",
        NOT_FOR_AGENTS.join("\r\n")
    );
    for door in doors(&pair) {
        let answer = door.ask("GET", "/echo", &given).await;
        let seen: Value = serde_json::from_str(&answer.body).expect("the echo is JSON");
        let headers = &seen["headers"];
        let prefix = Some(door.prefix.as_str()).filter(|prefix| !prefix.is_empty());
        for (name, value) in [
            ("host", Some(pair.aid.as_str())),
            ("x-forwarded-host", Some(&door.host)),
            ("x-forwarded-proto", Some("http")),
            ("x-forwarded-prefix", prefix),
            ("authorization", Some("Bearer agent-token")),
            ("cookie", Some("a=1")),
            ("keep-alive", None),
            ("x-hop", None),
            ("x-a2al-anything", None),
            ("x-forwarded-for", None),
            ("x-forwarded-port", None),
            ("x-real-ip", None),
            ("forwarded", None),
            ("proxy-authorization", None),
        ] {
            assert_eq!(header(headers, name), value, "{name} of {headers}");
        }
        assert_eq!(headers["x-two"], json!(["one", "two"]));
        assert_ne!(header(headers, "x-a2al-caller-aid"), Some("a0forged"));
    }
}

#[tokio::test]
async fn the_token_of_the_api_is_needed_and_never_passed_on() {
    let upstream = Upstream::start("guarded").await;
    let net = Net::of(1).await;
    let aid = net.nodes[0].api.serving(&upstream.address).await.aid;
    let caller = Setup::new()
        .with_config("api_token = \"canary-4711\"\nrequire_local_token = true\n")
        .joining(&net.nodes[0].addresses().await)
        .start()
        .await;
    for door in Door::both(&caller.api, &aid) {
        for wrong in ["", "Authorization: Bearer agent-token\r\n"] {
            let refused = door.ask("GET", "/echo", wrong).await;
            assert_eq!(refused.status, 401, "{}", refused.body);
        }
        let right = "Authorization: Bearer canary-4711\r\nX-Kept: 1\r\n";
        let answer = door.ask("GET", "/echo", right).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(answer.body.contains("x-kept"), "{}", answer.body);
        assert!(!answer.body.contains("canary"), "{}", answer.body);
        assert!(!answer.body.contains("authorization"), "{}", answer.body);
    }
    assert_eq!(upstream.served(), 2);
}

#[tokio::test]
async fn an_answer_acts_on_nothing_but_itself() {
    let hostile = answer(
        "Content-Type: text/html\r\nContent-Security-Policy: default-src *\r\n\
         Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Credentials: true\r\n\
         Clear-Site-Data: \"*\"\r\nService-Worker-Allowed: /\r\nAlt-Svc: h3=\":1\"\r\n\
         Strict-Transport-Security: max-age=9; includeSubDomains\r\nPublic-Key-Pins: x\r\n\
         Cross-Origin-Resource-Policy: cross-origin\r\nX-A2AL-Caller-AID: a0forged\r\n\
         Set-Cookie: a=1; Domain=localhost; Path=/\r\nSet-Cookie: b=2\r\nX-Kept: 1\r\n",
        "<p>page",
    );
    let service = Scripted::saying(&hostile).await;
    let (net, aid) = agent_of(&service.address).await;
    for door in Door::both(&net.nodes[0].api, &aid) {
        let answer = door.ask("GET", "/", "").await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "<p>page"));
        assert_eq!(answer.header("x-kept"), Some("1"));
        let head = answer.head.to_ascii_lowercase();
        for gone in [
            "clear-site-data",
            "alt-svc",
            "strict-transport-security",
            "public-key-pins",
            "x-a2al-",
            "domain=",
        ] {
            assert!(!head.contains(gone), "{gone} in {head}");
        }
        let by_path = !door.prefix.is_empty();
        for gone in ["access-control-", "service-worker-allowed", "default-src *"] {
            assert_eq!(head.contains(gone), !by_path, "{gone} in {head}");
        }
        let policy = if by_path {
            ": sandbox;"
        } else {
            ": frame-ancestors 'self'"
        };
        assert!(
            head.contains(&format!("content-security-policy{policy}")),
            "{head}"
        );
        let embedding = answer.header("cross-origin-resource-policy");
        assert_eq!(embedding, Some("same-origin"), "{head}");
        let path = door.prefix.to_ascii_lowercase();
        assert!(
            head.contains(&format!("set-cookie: a=1; path={path}/\r\n")),
            "{head}"
        );
    }
}

#[tokio::test]
async fn every_answer_below_the_path_is_sandboxed() {
    let pair = Pair::start().await;
    let [door, _] = doors(&pair);
    for (method, path) in [
        ("GET", "/echo"),
        ("HEAD", "/echo"),
        ("GET", "/status/404"),
        ("CONNECT", "/echo"),
    ] {
        let answer = door.ask(method, path, "").await;
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(policy.starts_with("sandbox;"), "{}", answer.head);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
    let authority = pair.caller().api.authority();
    let request = format!("GET /aid/x/ HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    let answer = raw_request(authority, request.as_bytes()).await;
    assert_eq!(answer.status, 400);
    let policy = answer.header("content-security-policy").unwrap_or_default();
    assert!(policy.starts_with("sandbox;"), "{}", answer.head);
}
