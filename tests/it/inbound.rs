// SPDX-License-Identifier: MPL-2.0
//! What happens to streams on the called agent's daemon, and which services it lets them reach.

use std::time::Duration;

use a2al_protocol::network::{AgentStream, Content};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::harness::{
    Answer, Daemon, Net, Pair, RawCaller, Setup, Upstream, echoed, eventually, header,
};

/// Longest wait for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Hands every connection's bytes to the test, as a service that the test plays itself.
struct Played {
    address: String,
    accepted: mpsc::Receiver<TcpStream>,
}

impl Played {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket").to_string();
        let (accepting, accepted) = mpsc::channel(16);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if accepting.send(stream).await.is_err() {
                    break;
                }
            }
        });
        Self { address, accepted }
    }

    /// The next connection that brings something, up to the end of a head; probes bring nothing.
    async fn request(&mut self) -> (TcpStream, String) {
        loop {
            let next = timeout(PATIENCE, self.accepted.recv()).await;
            let mut stream = next.expect("a connection").expect("the listener lives");
            let head = head(&mut stream).await;
            if !head.is_empty() {
                return (stream, head);
            }
        }
    }
}

/// Reads up to the end of a head, or of the stream.
async fn head(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match timeout(PATIENCE, stream.read_u8())
            .await
            .expect("more of it")
        {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).expect("text")
}

async fn next(stream: &mut (impl tokio::io::AsyncRead + Unpin), text: &str) {
    let mut bytes = vec![0; text.len()];
    let read = timeout(PATIENCE, stream.read_exact(&mut bytes)).await;
    read.unwrap_or_else(|_| panic!("{text:?} did not come"))
        .unwrap_or_else(|error| panic!("{text:?} did not come: {error}"));
    assert_eq!(String::from_utf8_lossy(&bytes), text);
}

/// A host with an agent before a played service, and a caller's stream to it.
async fn called(content: Content) -> (Net, Played, RawCaller, AgentStream) {
    let net = Net::of(1).await;
    let played = Played::start().await;
    let agent = net.nodes[0].api.serving(&played.address).await.aid;
    let caller = RawCaller::beside(&net.nodes[0]).await;
    let endpoint = caller.endpoint(&agent).await;
    let stream = caller.call(&endpoint, content).await;
    (net, played, caller, stream)
}

#[tokio::test]
async fn a_service_learns_who_calls_and_sees_the_rest_as_before() {
    let pair = Pair::start().await;
    let caller = pair.caller().api.agent().await.aid;
    let headers = json!({ "X-A2AL-Caller-AID": ["forged"], "X-Mine": ["kept"] });
    let request = json!({ "path": "/echo?a", "local_aid": caller, "headers": headers });
    let seen = echoed(&pair.fetch(request).await.ok());
    assert_eq!(seen["headers"]["x-a2al-caller-aid"], json!([caller]));
    assert_eq!(header(&seen["headers"], "x-mine"), Some("kept"));
    assert_eq!(header(&seen["headers"], "host"), Some("a2al-agent"));
    assert_eq!(
        seen["headers"].as_object().expect("headers").len(),
        4,
        "{seen}"
    );
}

#[tokio::test]
async fn events_arrive_one_by_one() {
    for content in [Content::Http, Content::Bytes] {
        let (_net, mut played, caller, mut stream) = called(content).await;
        stream
            .write_all(b"GET /events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n")
            .await
            .expect("an open stream");
        let (mut service, request) = played.request().await;
        let named = format!("X-A2al-Caller-Aid: {}\r\n", caller.aid).to_lowercase();
        assert!(request.to_lowercase().contains(&named), "{request}");
        service
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            .await
            .expect("an open connection");
        let answer = head(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        for number in 0..5 {
            let chunk = format!("9\r\ndata: {number}\n\n\r\n");
            service
                .write_all(chunk.as_bytes())
                .await
                .expect("an open connection");
            // The next one is sent only when this one has arrived.
            next(&mut stream, &chunk).await;
        }
        // One that breaks off is not completed: the last chunk is missing.
        drop(service);
        let mut rest = Vec::new();
        let _end = timeout(PATIENCE, stream.read_to_end(&mut rest))
            .await
            .expect("an end");
        assert!(rest.is_empty(), "{rest:?}");
    }
}

#[tokio::test]
async fn a_service_notices_that_its_caller_has_left() {
    for content in [Content::Http, Content::Bytes] {
        let (_net, mut played, _caller, mut stream) = called(content).await;
        stream
            .write_all(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
            .await
            .expect("an open stream");
        let (mut service, _) = played.request().await;
        service
            .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            .await
            .expect("an open connection");
        head(&mut stream).await;
        drop(stream);
        // With the events after that, no matter how slowly they come.
        eventually("the connection breaks", PATIENCE, async || {
            service.write_all(b"1\r\na\r\n").await.err()
        })
        .await;
    }
}

#[tokio::test]
async fn a_service_may_switch_protocols() {
    let (_net, mut played, _caller, mut stream) = called(Content::Http).await;
    let asked = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream
        .write_all(asked.as_bytes())
        .await
        .expect("an open stream");
    let (mut service, request) = played.request().await;
    for line in [
        "Connection: Upgrade\r\n",
        "Upgrade: websocket\r\n",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    ] {
        assert!(request.contains(line), "{request}");
    }
    // The first bytes of the new protocol come in the same packet.
    service
        .write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x02hi")
        .await
        .expect("an open connection");
    let answer = head(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    let mut frame = [0; 4];
    stream.read_exact(&mut frame).await.expect("a frame");
    assert_eq!(&frame, b"\x81\x02hi");
    for _ in 0..3 {
        stream
            .write_all(b"\0\xffping")
            .await
            .expect("an open stream");
        let mut got = [0; 6];
        service.read_exact(&mut got).await.expect("a frame");
        assert_eq!(&got, b"\0\xffping");
        service
            .write_all(b"pong")
            .await
            .expect("an open connection");
        next(&mut stream, "pong").await;
    }
    // Each side may end by itself.
    stream.shutdown().await.expect("an open stream");
    assert_eq!(service.read(&mut [0; 8]).await.expect("an end"), 0);
    service
        .write_all(b"last")
        .await
        .expect("an open connection");
    drop(service);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.expect("an end");
    assert_eq!(rest, b"last");
}

#[tokio::test]
async fn bodies_and_trailers_pass_both_ways() {
    let (_net, mut played, _caller, mut stream) = called(Content::Http).await;
    stream
        .write_all(b"POST /a HTTP/1.1\r\nhOsT: a\r\nTE: trailers\r\nTrailer: x-sum, X-A2AL-Caller-AID\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await
        .expect("an open stream");
    let (mut service, request) = played.request().await;
    assert!(
        request.contains("hOsT: a\r\n"),
        "names as they were spelled: {request}"
    );
    for part in ["3\r\nabc\r\n", "1\r\nd\r\n"] {
        stream
            .write_all(part.as_bytes())
            .await
            .expect("an open stream");
        next(&mut service, part).await;
    }
    stream
        .write_all(b"0\r\nx-sum: 1\r\nX-A2AL-Caller-AID: forged\r\n\r\n")
        .await
        .expect("an open stream");
    let trailers = head(&mut service).await;
    assert_eq!(trailers, "0\r\nx-sum: 1\r\n\r\n");
    service
        .write_all(b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 2\r\n\r\n")
        .await
        .expect("an open connection");
    head(&mut stream).await;
    next(&mut stream, "2\r\nok\r\n").await;
    let trailers = head(&mut stream).await.to_lowercase();
    assert_eq!(trailers, "0\r\nx-sum: 2\r\n\r\n");
    // The same connection carries the next request.
    stream
        .write_all(b"HEAD /b HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .expect("an open stream");
    assert!(head(&mut service).await.starts_with("HEAD /b HTTP/1.1\r\n"));
    service
        .write_all(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 700\r\nETag: x\r\n\r\n")
        .await
        .expect("an open connection");
    let answer = head(&mut stream).await;
    assert!(answer.contains("ETag: x\r\n"), "{answer}");
    stream
        .write_all(b"GET /c HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .expect("an open stream");
    assert!(head(&mut service).await.starts_with("GET /c HTTP/1.1\r\n"));
    service
        .write_all(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 700\r\nETag: x\r\n\r\n")
        .await
        .expect("an open connection");
    let answer = head(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 304 "), "{answer}");
}

#[tokio::test]
async fn an_answer_that_ends_with_the_connection_is_told_from_a_broken_one() {
    // Of an old service, and of a new one that names no length.
    for version in ["1.0", "1.1"] {
        let (_net, mut played, _caller, mut stream) = called(Content::Http).await;
        stream
            .write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
            .await
            .expect("an open stream");
        let (mut service, _) = played.request().await;
        let answer = format!("HTTP/{version} 200 OK\r\nX-Kind: old\r\n\r\nhello");
        service
            .write_all(answer.as_bytes())
            .await
            .expect("an open connection");
        drop(service);
        let told = head(&mut stream).await;
        assert!(told.contains("X-Kind: old\r\n"), "{told}");
        assert!(
            told.to_lowercase().contains("connection: close\r\n"),
            "{told}"
        );
        next(&mut stream, "5\r\nhello\r\n0\r\n\r\n").await;
        assert_eq!(stream.read(&mut [0; 8]).await.expect("an end"), 0);
    }
    let (_net, mut played, _caller, mut stream) = called(Content::Http).await;
    stream
        .write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .expect("an open stream");
    let (mut service, _) = played.request().await;
    service
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        .await
        .expect("an open connection");
    drop(service);
    head(&mut stream).await;
    let mut rest = Vec::new();
    let _end = timeout(PATIENCE, stream.read_to_end(&mut rest))
        .await
        .expect("an end");
    assert_eq!(rest, b"hello", "and not ten bytes");
}

#[tokio::test]
async fn an_expectation_is_answered_and_passed_on() {
    let (_net, mut played, _caller, mut stream) = called(Content::Http).await;
    stream
        .write_all(
            b"PUT /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
        )
        .await
        .expect("an open stream");
    let (mut service, request) = played.request().await;
    assert!(request.contains("Expect: 100-continue\r\n"), "{request}");
    let interim = head(&mut stream).await;
    assert!(interim.starts_with("HTTP/1.1 100 "), "{interim}");
    stream.write_all(b"ab").await.expect("an open stream");
    next(&mut service, "ab").await;
    service
        .write_all(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")
        .await
        .expect("an open connection");
    let answer = head(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
}

#[tokio::test]
async fn a_changed_service_serves_connected_callers_at_once() {
    let pair = Pair::start().await;
    let second = Upstream::start("second").await;
    let path = format!("/agents/{}", pair.aid);
    // A pooled connection, and a stream in the middle of an answer.
    pair.get("/name").await;
    let slow = pair.fetch(json!({ "method": "POST", "path": "/slow/400" }));
    let change = async {
        let begun = || pair.upstream.served() >= 2;
        eventually("the answer begins", PATIENCE, async || {
            begun().then_some(())
        })
        .await;
        let patch = json!({ "service_tcp": second.address });
        pair.host().api.patch(&path, patch).await.ok();
    };
    let (broken, ()) = tokio::join!(slow, change);
    broken.refused(502, "inbound unreachable");
    for _ in 0..3 {
        assert_eq!(crate::harness::body(&pair.get("/name").await), b"second");
    }
    assert_eq!(pair.upstream.served(), 2);
}

const ELSEWHERE: &str =
    "service_tcp is on another machine; allow_lan_services in the configuration would allow that";
const NEVER: &str = "service_tcp cannot be a link-local, multicast or unspecified address";

/// Where `daemon` listens for other nodes over TCP.
async fn network_listener(daemon: &Daemon) -> String {
    let addresses = daemon.addresses().await;
    let port = addresses.iter().find_map(|address| {
        let (_, rest) = address.split_once("/tcp/")?;
        rest.split('/').next()
    });
    format!("127.0.0.1:{}", port.expect("the node listens over TCP"))
}

/// Registers a new agent with `service`.
async fn register(daemon: &Daemon, service: &str) -> Answer {
    let identity = daemon.api.identity().await;
    let registration = identity.registration_with(service);
    daemon.api.post("/agents", registration).await
}

#[tokio::test]
async fn services_are_on_this_machine_and_not_the_daemon_itself() {
    let daemon = Setup::new().start().await;
    let api = daemon.api.authority().to_owned();
    let own = network_listener(&daemon).await;
    let known = format!("/agents/{}", daemon.api.agent().await.aid);
    for (service, error) in [
        (&*api, "service_tcp cannot be the daemon's own API address"),
        (&*own, "service_tcp cannot be a port of the daemon itself"),
        ("169.254.169.254:80", NEVER),
        ("[::ffff:169.254.169.254]:80", NEVER),
        ("0.0.0.0:80", NEVER),
        ("224.0.0.1:80", NEVER),
        ("192.168.1.1:80", ELSEWHERE),
        ("http://10.0.0.1:80", ELSEWHERE),
        ("https://203.0.113.1:443", ELSEWHERE),
    ] {
        register(&daemon, service).await.refused(400, error);
        let patch = json!({ "service_tcp": service });
        daemon.api.patch(&known, patch).await.refused(400, error);
    }
    // It cannot be switched on by a caller of the API.
    let switch = json!({ "allow_lan_services": true });
    let _answer = daemon.api.patch("/config", switch).await;
    register(&daemon, "10.0.0.1:80")
        .await
        .refused(400, ELSEWHERE);
}

#[tokio::test]
async fn the_configuration_allows_services_on_other_machines() {
    let allowed = Setup::new().with_env("A2AL_ALLOW_LAN_SERVICES", "true");
    let daemon = allowed.start().await;
    for service in ["192.168.1.1:80", "https://203.0.113.1:443"] {
        register(&daemon, service).await.ok();
    }
    register(&daemon, "169.254.169.254:80")
        .await
        .refused(400, NEVER);
    // What is known already is checked again when it is dialled.
    let stopped = daemon
        .kill()
        .await
        .with_env("A2AL_ALLOW_LAN_SERVICES", "false");
    let daemon = stopped.start().await;
    let agents = daemon.api.get("/agents").await.ok();
    let agents = agents["agents"].as_array().expect("a list");
    assert_eq!(agents.len(), 2, "they stay registered");
    for agent in agents {
        let aid = agent["aid"].as_str().expect("an address");
        let fetched = daemon.api.post(&format!("/fetch/{aid}"), json!({})).await;
        fetched.refused(502, "inbound unreachable");
    }
}
