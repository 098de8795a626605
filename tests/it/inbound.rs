// SPDX-License-Identifier: MPL-2.0
//! What happens to streams on the called agent's daemon.

#[path = "inbound/http.rs"]
mod http;

use std::time::Duration;

use a2al_protocol::network::{AgentStream, Content};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::harness::{Net, Pair, RawCaller, Upstream, body, echoed, eventually, header};

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

async fn send(stream: &mut (impl tokio::io::AsyncWrite + Unpin), bytes: impl AsRef<[u8]>) {
    let written = stream.write_all(bytes.as_ref()).await;
    written.expect("an open stream");
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
async fn a_service_notices_that_its_caller_has_left() {
    for content in [Content::Http, Content::Bytes] {
        let (_net, mut played, _caller, mut stream) = called(content).await;
        send(&mut stream, b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let (mut service, _) = played.request().await;
        send(
            &mut service,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        )
        .await;
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
        assert_eq!(body(&pair.get("/name").await), b"second");
    }
    assert_eq!(pair.upstream.served(), 2);
}
