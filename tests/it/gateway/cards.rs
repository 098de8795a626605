// SPDX-License-Identifier: MPL-2.0
//! A2A agent cards lead back through the gateway.

use serde_json::{Value, json};

use super::{Door, agent_of};
use crate::harness::{RawAnswer, Scripted, answer};

/// A card of A2A 1.0 with a signature, from a service that knows nothing of the gateway.
fn card() -> Value {
    json!({
        "name": "shop",
        "supportedInterfaces": [
            {"url": "http://10.1.2.3:9999/a2a/v1?key=1", "protocolBinding": "JSONRPC"},
            {"url": "https://10.1.2.3/rest", "protocolBinding": "HTTP+JSON"},
            {"url": "https://10.1.2.3:50051", "protocolBinding": "GRPC"},
        ],
        "provider": {"url": "https://provider.example"},
        "signatures": [{"protected": "e30", "signature": "AA"}],
    })
}

fn old_card() -> Value {
    json!({
        "name": "shop",
        "url": "http://10.1.2.3:9999/",
        "additionalInterfaces": [{"url": "http://10.1.2.3:9999/json", "transport": "HTTP+JSON"}],
    })
}

fn base(door: &Door) -> String {
    format!("http://{}{}", door.host, door.prefix)
}

async fn service(card: &str) -> Scripted {
    let headers = "Content-Type: application/json\r\nETag: \"1\"\r\n";
    Scripted::saying(&answer(headers, card)).await
}

#[track_caller]
fn read(answer: &RawAnswer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let len = answer.header("content-length").expect("a length");
    assert_eq!(len, answer.body.len().to_string());
    serde_json::from_str(&answer.body).expect("a card")
}

#[tokio::test]
async fn a_card_of_either_version_leads_to_the_gateway() {
    let (new, old) = (
        service(&card().to_string()).await,
        service(&old_card().to_string()).await,
    );
    let (net, new_aid) = agent_of(&new.address).await;
    let old_aid = net.nodes[1].api.serving(&old.address).await.aid;
    for door in Door::both(&net.nodes[0].api, &new_aid) {
        let conditional = "If-None-Match: \"1\"\r\nRange: bytes=0-1\r\nAccept-Encoding: gzip\r\n";
        let answer = door
            .ask("GET", "/.well-known/agent-card.json", conditional)
            .await;
        let mut expected = card();
        let interfaces = &mut expected["supportedInterfaces"];
        interfaces[0]["url"] = json!(format!("{}/a2a/v1?key=1", base(&door)));
        interfaces[1]["url"] = json!(format!("{}/rest", base(&door)));
        expected
            .as_object_mut()
            .expect("an object")
            .remove("signatures");
        assert_eq!(read(&answer), expected);
        assert_eq!(answer.header("etag"), None, "that of other bytes");
        assert_eq!(
            answer.header("x-a2al-card"),
            Some("rewritten, signatures removed")
        );
        let asked = new.asked().pop().expect("a request").to_ascii_lowercase();
        assert!(asked.contains("accept-encoding: identity\r\n"), "{asked}");
        assert!(
            !asked.contains("if-none-match") && !asked.contains("range"),
            "{asked}"
        );
        let head = door.ask("HEAD", "/.well-known/agent-card.json", "").await;
        assert_eq!((head.status, head.header("content-length")), (200, None));
    }
    for door in Door::both(&net.nodes[0].api, &old_aid) {
        let answer = door.ask("GET", "/.well-known/agent.json?x=1", "").await;
        let mut expected = old_card();
        expected["url"] = json!(format!("{}/", base(&door)));
        expected["additionalInterfaces"][0]["url"] = json!(format!("{}/json", base(&door)));
        assert_eq!(read(&answer), expected);
        assert_eq!(answer.header("x-a2al-card"), Some("rewritten"));
    }
}

#[tokio::test]
async fn a_card_that_knows_the_gateway_keeps_its_bytes() {
    // Builds its card from what the gateway tells it, as frameworks do behind a proxy.
    let aware = Scripted::start(|request| {
        let told = |name: &str| {
            let line = request.lines().find(|line| {
                let (found, _) = line.split_once(':').unwrap_or_default();
                found.eq_ignore_ascii_case(name)
            });
            line.and_then(|line| line.split_once(": "))
                .map(|(_, value)| value)
        };
        let url = format!(
            "http://{}{}/a2a",
            told("x-forwarded-host").unwrap_or_default(),
            told("x-forwarded-prefix").unwrap_or_default()
        );
        let card = format!("{{ \"url\": \"{url}\", \"signatures\": [1] }}");
        answer("Content-Type: application/json\r\nETag: \"1\"\r\n", &card).into_bytes()
    })
    .await;
    let (net, aid) = agent_of(&aware.address).await;
    for door in Door::both(&net.nodes[0].api, &aid) {
        let answer = door.ask("GET", "/.well-known/agent-card.json", "").await;
        let expected = format!(
            "{{ \"url\": \"{}/a2a\", \"signatures\": [1] }}",
            base(&door)
        );
        assert_eq!(answer.body, expected);
        assert_eq!(answer.header("etag"), Some("\"1\""));
    }
}

#[tokio::test]
async fn what_is_no_card_of_reasonable_size_is_untouched() {
    let long = json!({ "url": "http://h/", "filler": "x".repeat(1024 * 1024) }).to_string();
    let long = service(&long).await;
    let chunked = Scripted::saying(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n\
         10\r\n{\"url\":\"http://h\r\n2\r\n\"}\r\n0\r\n\r\n",
    )
    .await;
    let (net, long_aid) = agent_of(&long.address).await;
    let chunked_aid = net.nodes[1].api.serving(&chunked.address).await.aid;
    let door = Door::by_path(&net.nodes[0].api, &long_aid);
    let answer = door.ask("GET", "/.well-known/agent-card.json", "").await;
    assert!(answer.body.len() > 1024 * 1024, "{}", answer.body.len());
    assert!(answer.body.contains("\"url\":\"http://h/\""));
    let door = Door::by_path(&net.nodes[0].api, &chunked_aid);
    let answer = door.ask("GET", "/.well-known/agent-card.json", "").await;
    assert!(
        answer.body.contains("{\"url\":\"http://h"),
        "{}",
        answer.body
    );
    // Elsewhere a card is nothing special.
    let small = service(&old_card().to_string()).await;
    let aid = net.nodes[1].api.serving(&small.address).await.aid;
    let door = Door::by_path(&net.nodes[0].api, &aid);
    let answer = door.ask("GET", "/card.json", "").await;
    assert_eq!(read(&answer), old_card());
}
