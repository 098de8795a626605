// SPDX-License-Identifier: MPL-2.0
//! What a service learns about its callers: from the header of each request, and by asking.

use std::net::SocketAddr;
use std::time::Duration;

use a2al_protocol::network::Content;
use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::http::HeaderMap;
use axum::routing::any;
use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::harness::{Api, Net, RawCaller, body, eventually};

/// Calls of the two callers together; `A2AL_TEST_CALLS` sets another number.
const CALLS: usize = 1000;

/// Calls under way at one time.
const AT_ONCE: usize = 16;

fn calls() -> usize {
    let set = std::env::var("A2AL_TEST_CALLS").ok();
    set.map_or(CALLS, |calls| calls.parse().expect("a number"))
}

/// A web service that asks the daemon at `api` about every request, and tells both answers.
async fn asking(api: &Api) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket").to_string();
    let routes = Router::new()
        .fallback(any(ask))
        .with_state(api.clone())
        .into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

async fn ask(
    State(api): State<Api>,
    ConnectInfo(caller): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> axum::Json<Value> {
    let session = api.get(&format!("/sessions/{}", caller.port())).await.ok();
    let own = headers.iter().filter(|(name, _)| {
        let name = name.as_str().replace('_', "-");
        name.starts_with("x-a2al")
    });
    let own = own.map(|(name, value)| json!([name.as_str(), value.to_str().ok()]));
    axum::Json(json!({ "session": session, "headers": own.collect::<Vec<_>>() }))
}

#[tokio::test]
async fn two_callers_at_once_are_never_taken_for_each_other() {
    let net = Net::of(3).await;
    let host = &net.nodes[2].api;
    let agent = host.serving(&asking(host).await).await.aid;
    let callers = [
        (&net.nodes[0].api, net.nodes[0].api.agent().await),
        (&net.nodes[0].api, net.nodes[0].api.agent().await),
        (&net.nodes[1].api, net.nodes[1].api.agent().await),
    ];
    let fetch = format!("/fetch/{agent}");
    let told = futures::stream::iter(0..calls())
        .map(|number| {
            let (api, caller) = &callers[number % callers.len()];
            let request = json!({
                "path": format!("/{number}"),
                "local_aid": caller.aid,
                "headers": {
                    "X-A2AL-Caller-AID": [agent],
                    "X_A2AL_Caller_AID": [agent],
                    "X-A2AL-Other": ["forged"],
                    "Connection": ["X-A2AL-Caller-AID"],
                },
            });
            let fetching = api.post(&fetch, request);
            async move { (caller.aid.clone(), fetching.await.ok()) }
        })
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    assert_eq!(told.len(), calls());
    let mut right = 0;
    for (caller, fetched) in told {
        let told: Value = serde_json::from_slice(&body(&fetched)).expect("JSON");
        assert_eq!(told["session"]["caller_aid"], caller, "{told}");
        assert_eq!(told["session"]["local_aid"], agent, "{told}");
        assert_eq!(
            told["headers"],
            json!([["x-a2al-caller-aid", caller]]),
            "{told}"
        );
        right += 1;
    }
    crate::harness::say(&format!("the right caller in {right} of {} calls", calls()));
}

/// A service that asks who calls before it has read a byte, says so, and then returns what it gets.
async fn asking_at_once(api: &Api) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket").to_string();
    let api = api.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, caller)) = listener.accept().await {
            let api = api.clone();
            tokio::spawn(async move {
                let answer = api.get(&format!("/sessions/{}", caller.port())).await;
                let told = json!({ "port": caller.port(), "status": answer.status, "told": answer.json() });
                stream.write_all(format!("{told}\n").as_bytes()).await?;
                let (mut read, mut write) = stream.split();
                tokio::io::copy(&mut read, &mut write).await
            });
        }
    });
    address
}

#[tokio::test]
async fn a_session_is_known_as_soon_as_a_service_can_ask_and_for_as_long_as_it_lasts() {
    let net = Net::of(1).await;
    let host = &net.nodes[0];
    let agent = host.api.serving(&asking_at_once(&host.api).await).await.aid;
    let caller = RawCaller::beside(host).await;
    let endpoint = caller.endpoint(&agent).await;
    let mut port = 0;
    for _ in 0..50 {
        let mut stream = caller.call(&endpoint, Content::Bytes).await;
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            line.push(stream.read_u8().await.expect("the service speaks first"));
        }
        let said: Value = serde_json::from_slice(&line).expect("JSON");
        assert_eq!(said["status"], 200, "{said}");
        assert_eq!(said["told"]["caller_aid"], caller.aid.to_string(), "{said}");
        assert_eq!(
            said["told"]["bytes_down"], 0,
            "asked before anything was said"
        );
        port = said["port"].as_u64().expect("a port");

        stream.write_all(b"hello").await.expect("an open stream");
        let mut back = [0; 5];
        stream
            .read_exact(&mut back)
            .await
            .expect("the bytes come back");
        let session = host.api.get(&format!("/sessions/{port}")).await.ok();
        assert_eq!(session["addr"], format!("127.0.0.1:{port}"));
        let down = line.len() + 5;
        assert_eq!(
            (&session["bytes_up"], &session["bytes_down"]),
            (&json!(5), &json!(down))
        );
        for time in ["connected_at", "last_progress_at"] {
            let time = session[time].as_str().expect("a time");
            assert!(time.ends_with('Z') && time.len() == 20, "{session}");
        }
        let key = session["caller_pubkey"].as_str().expect("a key");
        assert_eq!(key.len(), 43, "32 bytes in base64url: {key}");
    }
    let path = format!("/sessions/{port}");
    eventually("the session ends", Duration::from_secs(10), async || {
        (host.api.get(&path).await.status == 404).then_some(())
    })
    .await;
    host.api.get(&path).await.refused(404, "session not found");
    for bad in [
        "0",
        "65536",
        "x",
        "+1",
        "-1",
        "80x",
        "127.0.0.1:0",
        "::1:80",
    ] {
        let path = format!("/sessions/{bad}");
        host.api.get(&path).await.refused(400, "invalid port");
    }
}

#[tokio::test]
async fn another_program_with_the_same_port_has_no_callers_address() {
    let net = Net::of(1).await;
    let host = &net.nodes[0];
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let service = listener.local_addr().expect("a bound socket");
    let agent = host.api.serving(&service.to_string()).await.aid;
    let caller = RawCaller::beside(host).await;
    let endpoint = caller.endpoint(&agent).await;
    let accepting = async {
        loop {
            let (mut stream, from) = listener.accept().await.expect("a connection");
            // Probes bring nothing.
            if stream.read_u8().await.is_ok() {
                return (stream, from);
            }
        }
    };
    let calling = async {
        let mut stream = caller.call(&endpoint, Content::Bytes).await;
        stream.write_u8(0).await.expect("an open stream");
        stream
    };
    let (_stream, (_service, called)) = tokio::join!(calling, accepting);

    let thief = TcpSocket::new_v4().expect("a socket");
    let taken = SocketAddr::new([127, 0, 0, 2].into(), called.port());
    thief.bind(taken).expect("the same port of another address");
    let _thief = thief.connect(service).await.expect("the service listens");
    let (_stolen, seen) = listener.accept().await.expect("a connection");
    assert_eq!(seen, taken);

    let port = format!("/sessions/{}", called.port());
    for path in [port, format!("/sessions/{called}")] {
        let session = host.api.get(&path).await.ok();
        assert_eq!(session["caller_aid"], caller.aid.to_string(), "{path}");
        assert_eq!(session["addr"], called.to_string(), "{path}");
    }
    let path = format!("/sessions/{seen}");
    host.api.get(&path).await.refused(404, "session not found");
}

/// A service that takes what comes, says nothing, and tells the test once it has all of it.
async fn taking() -> (String, mpsc::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket").to_string();
    let (telling, told) = mpsc::channel(16);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut taken = Vec::new();
            // What came before a break counts, too.
            let _ = stream.read_to_end(&mut taken).await;
            if !taken.is_empty() && telling.send(taken).await.is_err() {
                break;
            }
        }
    });
    (address, told)
}

#[tokio::test]
async fn no_caller_hands_a_plain_service_a_header_of_ours() {
    let net = Net::of(1).await;
    let (address, mut told) = taking().await;
    let agent = net.nodes[0].api.serving(&address).await.aid;
    let caller = RawCaller::beside(&net.nodes[0]).await;
    let endpoint = caller.endpoint(&agent).await;
    // Python serves the first and the third, BusyBox the second.
    for first in [
        "GET\r/ HTTP/1.1\r\n",
        "GET / HTTP/1.1 junk\r\n",
        "GET /\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.1\r\n",
        "GET /\rHTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n",
        "GET / ICE/1.0\r\n",
    ] {
        let request = format!("{first}Host: a\r\nX-A2AL-Caller-AID: forged\r\n\r\n");
        for is_bytewise in [false, true] {
            let mut stream = caller.call(&endpoint, Content::Bytes).await;
            for piece in request
                .as_bytes()
                .chunks(if is_bytewise { 1 } else { 1000 })
            {
                // Refused as soon as the stream is cut.
                if stream.write_all(piece).await.is_err() || stream.flush().await.is_err() {
                    break;
                }
            }
            let _ = stream.shutdown().await;
            // Left only once it ended: what a service has not read is lost with a reset.
            let mut answer = Vec::new();
            let ending = stream.read_to_end(&mut answer);
            let _ = timeout(Duration::from_secs(20), ending)
                .await
                .expect("the stream ends");
            // The service takes one connection after the other.
            let mut last = caller.call(&endpoint, Content::Bytes).await;
            last.write_all(b"last").await.expect("an open stream");
            last.shutdown().await.expect("an open stream");
            loop {
                let taken = timeout(Duration::from_secs(20), told.recv()).await;
                let taken = taken.expect("the last stream").expect("the service lives");
                if taken == b"last" {
                    break;
                }
                let taken = String::from_utf8_lossy(&taken);
                assert!(!taken.contains("forged"), "{first:?}: {taken:?}");
            }
        }
    }
}
