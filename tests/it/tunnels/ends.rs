// SPDX-License-Identifier: MPL-2.0
//! Ends that are no breaks, breaks that are no ends, and readers that do not read.

use std::io::ErrorKind;
use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::{DEADLINE, exchange};
use crate::harness::{Daemon, Link, TcpService, Tunnel, counting, eventually};

/// Bytes of a long answer: more than all buffers on its way hold.
const LONG: usize = 20_000_000;

/// A service that answers one request, as HTTP/1.0 does, and closes the connection: what comes then is refused.
async fn answering_once() -> TcpService {
    TcpService::start(async |mut stream: TcpStream| {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                // The daemon also looks whether the service is there.
                Err(_) => return,
            }
        }
        let answer = counting(LONG);
        let start = b"HTTP/1.0 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n";
        stream.write_all(start).await.expect("open");
        stream.write_all(&answer).await.expect("open");
    })
    .await
}

/// Asks, and reads slowly what comes; the request is all that is sent, and the connection stays open until the answer ends.
async fn asked(tunnel: &Tunnel, version: &str) {
    let mut stream = tunnel.connect().await;
    let request = format!("GET / {version}\r\nHost: here\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("open");
    let (mut answer, mut chunk) = (Vec::new(), vec![0; 1 << 20]);
    loop {
        let read = timeout(DEADLINE, stream.read(&mut chunk)).await;
        match read.expect("it flows").expect("an end, not a break") {
            0 => break,
            len => answer.extend_from_slice(&chunk[..len]),
        }
        if answer.len() < LONG / 2 {
            sleep(Duration::from_millis(2)).await;
        }
    }
    let at = answer.windows(4).position(|end| end == b"\r\n\r\n");
    let (head, body) = answer.split_at(at.expect("a head") + 4);
    let head = String::from_utf8_lossy(head).to_lowercase();
    if head.contains("chunked") {
        assert!(
            body.len() > LONG && body.ends_with(b"\r\n0\r\n\r\n"),
            "{head}"
        );
    } else {
        assert!(body == counting(LONG), "{} bytes: {head}", body.len());
    }
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_arrives_whole() {
    for transport in ["/udp/", "/tcp/"] {
        let link = Link::over(transport, answering_once().await).await;
        let tunnel = link.tunnel().await;
        for version in ["HTTP/1.0", "HTTP/1.1"] {
            join_all((0..4).map(|_| asked(&tunnel, version))).await;
        }
    }
}

#[tokio::test]
async fn an_answer_within_one_daemon_arrives_whole() {
    let daemon = Daemon::alone().await;
    let service = answering_once().await;
    let agent = daemon.api.identity().await;
    let registration = agent.registration_with(&service.address);
    daemon.api.post("/agents", registration).await.ok();
    let path = format!("/tunnel/{}", agent.aid);
    let tunnel = Tunnel::opened(&daemon, &daemon.api.post(&path, json!({})).await);
    join_all((0..4).map(|_| asked(&tunnel, "HTTP/1.0"))).await;
}

/// A service that waits for a byte and then sends for as long as it can.
async fn endless() -> TcpService {
    TcpService::start(async |mut stream: TcpStream| {
        if stream.read_u8().await.is_ok() {
            while stream.write_all(&[7; 4096]).await.is_ok() {}
        }
    })
    .await
}

#[tokio::test]
async fn a_daemon_that_stops_breaks_what_is_under_way() {
    let link = Link::to(endless().await).await;
    let tunnel = link.tunnel().await;
    let mut stream = tunnel.connect().await;
    stream.write_all(b"!").await.expect("open");
    stream.read_u8().await.expect("it flows");
    let Link { mut net, .. } = link;
    net.nodes.remove(0).stop().await;
    let mut rest = Vec::new();
    let ended = timeout(DEADLINE, stream.read_to_end(&mut rest)).await;
    let ended = ended
        .expect("an end, not silence")
        .map_err(|error| error.kind());
    assert_eq!(ended, Err(ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn readers_that_do_not_read_leave_room_for_others() {
    let link = Link::to(endless().await).await;
    let echo = TcpService::echo().await;
    let other = link.host().api.serving(&echo.address).await;
    let stalled = link.tunnel().await;
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let mut stream = stalled.connect().await;
        stream.write_all(b"!").await.expect("open");
        stream.read_u8().await.expect("it flows");
        waiting.push(stream);
    }
    eventually("all of them are full", DEADLINE, async || {
        let before = stalled.shown().await.ok()["bytes_down"].as_u64()?;
        sleep(Duration::from_millis(300)).await;
        (stalled.shown().await.ok()["bytes_down"].as_u64()? == before).then_some(())
    })
    .await;
    let path = format!("/tunnel/{}", other.aid);
    let opened = link.caller().api.post(&path, json!({})).await;
    let tunnel = Tunnel::opened(link.caller(), &opened);
    let sent = counting(1_000_000);
    assert!(exchange(tunnel.connect().await, &sent).await == sent);
    // They go on where they stopped.
    for mut stream in waiting {
        let mut chunk = vec![0; 1 << 20];
        let read = timeout(DEADLINE, stream.read_exact(&mut chunk)).await;
        read.expect("in time").expect("still there");
    }
}

/// More than yamux bears unless it is told otherwise.
#[tokio::test]
async fn hundreds_of_connections_share_one_over_tcp() {
    let link = Link::over("/tcp/", TcpService::echo().await).await;
    let tunnel = link.tunnel().await;
    let mut open = Vec::new();
    for _ in 0..700 {
        let mut stream = tunnel.connect().await;
        echoed(&mut stream).await;
        open.push(stream);
    }
    for stream in &mut open {
        echoed(stream).await;
    }
}

async fn echoed(stream: &mut TcpStream) {
    stream.write_all(b"x").await.expect("open");
    let read = timeout(DEADLINE, stream.read_u8()).await;
    assert_eq!(read.expect("in time").expect("open"), b'x');
}
