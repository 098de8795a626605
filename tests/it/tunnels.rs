// SPDX-License-Identifier: MPL-2.0
//! TCP through tunnels and one-shot connections, between two daemons.

#[path = "tunnels/ends.rs"]
mod ends;
#[path = "tunnels/faults.rs"]
mod faults;
#[path = "tunnels/management.rs"]
mod management;

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::harness::{Daemon, Link, TcpService, Tunnel, connect, counting, eventually, say};

/// Longest wait for what should happen soon.
const DEADLINE: Duration = Duration::from_secs(20);

/// Longest wait for the bulk transfer.
const BULK_DEADLINE: Duration = Duration::from_secs(600);

/// A number from the environment, so that a longer run does more.
fn number(name: &str, default: usize) -> usize {
    let set = std::env::var(name).ok();
    set.map_or(default, |text| text.parse().expect(name))
}

/// Sends `bytes`, ends the direction, and returns everything that comes back.
async fn exchange(mut stream: TcpStream, bytes: &[u8]) -> Vec<u8> {
    let (mut reader, mut writer) = stream.split();
    let mut received = Vec::new();
    let sending = async {
        writer.write_all(bytes).await.expect("the tunnel takes it");
        writer.shutdown().await.expect("the tunnel takes the end");
    };
    let both = async { tokio::join!(sending, reader.read_to_end(&mut received)) };
    let ((), read) = timeout(DEADLINE, both).await.expect("answered in time");
    read.expect("read to the end");
    received
}

#[tokio::test]
async fn twenty_connections_at_once_keep_their_bytes_apart() {
    let link = Link::to(TcpService::echo().await).await;
    let tunnel = link.tunnel().await;
    let len = 100_000;
    let exchanging = (0_u8..20).map(|number| {
        let tunnel = &tunnel;
        async move {
            let sent = vec![number; len];
            assert!(exchange(tunnel.connect().await, &sent).await == sent);
        }
    });
    join_all(exchanging).await;
    let shown = eventually("all are closed", DEADLINE, async || {
        let shown = tunnel.shown().await.ok();
        (shown["active_conns"] == 0).then_some(shown)
    })
    .await;
    assert_eq!(shown["bytes_up"], 20 * len);
    assert_eq!(shown["bytes_down"], 20 * len);
    assert!(shown["last_progress_at"].is_string(), "{shown}");
    assert_eq!(link.served(), 20, "the first stream is used too");
    let peers = link.caller().api.get("/peers").await.ok();
    assert_eq!(peers["peers"][0]["connections"], 1, "{peers}");
}

#[tokio::test]
async fn hundreds_of_connections_are_open_at_once() {
    let count = number("A2AL_TUNNEL_OPEN", 500);
    let link = Link::to(TcpService::echo().await).await;
    let tunnel = link.tunnel().await;
    let mut open = Vec::with_capacity(count);
    for _ in 0..count {
        open.push(tunnel.connect().await);
    }
    for stream in &mut open {
        stream.write_all(b"x").await.expect("open");
    }
    for stream in &mut open {
        let echoed = timeout(DEADLINE, stream.read_u8()).await.expect("in time");
        assert_eq!(echoed.expect("open"), b'x');
    }
    assert_eq!(tunnel.shown().await.ok()["active_conns"], count);
    let peers = link.caller().api.get("/peers").await.ok();
    assert_eq!(peers["peers"][0]["connections"], 1, "{peers}");
    drop(open);
    eventually("all are closed", DEADLINE, async || {
        (tunnel.shown().await.ok()["active_conns"] == 0).then_some(())
    })
    .await;
}

/// Memory that a daemon holds, in KiB.
fn resident(daemon: &Daemon) -> usize {
    let path = format!("/proc/{}/status", daemon.pid());
    let status = std::fs::read_to_string(path).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.trim().split(' ').next());
    number.and_then(|text| text.parse().ok()).expect("a number")
}

#[tokio::test]
async fn many_connections_one_after_another() {
    // Caches of the allocator and the network are filled by then.
    const WARM: usize = 50;
    const MOST_GROWTH: usize = 32 << 10;
    let count = number("A2AL_TUNNEL_SEQUENTIAL", 200);
    let link = Link::to(TcpService::echo().await).await;
    let tunnel = link.tunnel().await;
    let daemons = [link.caller(), link.host()];
    let (started, mut warm) = (Instant::now(), [0; 2]);
    for round in 0..count {
        if round == WARM {
            warm = daemons.map(resident);
        }
        let sent = round.to_be_bytes();
        assert_eq!(exchange(tunnel.connect().await, &sent).await, sent);
    }
    let took = started.elapsed();
    let end = daemons.map(resident);
    say(&format!(
        "{count} connections one after another: {took:?}; KiB resident {warm:?}, then {end:?}"
    ));
    assert_eq!(link.served(), count);
    for (before, after) in warm.into_iter().zip(end) {
        assert!(after < before + MOST_GROWTH, "{before} KiB, then {after}");
    }
}

/// Sends `len` bytes that do not repeat soon, and ends the direction; returns their checksum.
async fn send(mut writer: OwnedWriteHalf, len: usize) -> Vec<u8> {
    let (mut sum, mut left, mut round) = (Sha256::new(), len, 0_u64);
    let mut chunk = counting(256 * 1024);
    while left > 0 {
        chunk[..8].copy_from_slice(&round.to_be_bytes());
        let part = &chunk[..left.min(chunk.len())];
        writer.write_all(part).await.expect("the way is open");
        sum.update(part);
        (left, round) = (left - part.len(), round + 1);
    }
    writer.shutdown().await.expect("the way is open");
    sum.finalize().to_vec()
}

/// Reads to the end; returns the checksum and the number of bytes.
async fn receive(mut reader: OwnedReadHalf) -> (Vec<u8>, usize) {
    let (mut sum, mut len) = (Sha256::new(), 0);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match reader.read(&mut buffer).await.expect("the way is whole") {
            0 => return (sum.finalize().to_vec(), len),
            read => {
                sum.update(&buffer[..read]);
                len += read;
            }
        }
    }
}

#[tokio::test]
async fn both_directions_at_once_arrive_unchanged() {
    let len = number("A2AL_TUNNEL_BULK_MIB", 32) << 20;
    let (told, mut sums) = mpsc::channel(1);
    let service = TcpService::start(move |stream| {
        let told = told.clone();
        async move {
            let (reader, writer) = stream.into_split();
            let both = tokio::join!(receive(reader), send(writer, len));
            told.send(both).await.expect("the test waits");
        }
    });
    let link = Link::to(service.await).await;
    let tunnel = link.tunnel().await;
    let (reader, writer) = tunnel.connect().await.into_split();
    let started = Instant::now();
    let both = async { tokio::join!(send(writer, len), receive(reader)) };
    let (sent, received) = timeout(BULK_DEADLINE, both).await.expect("in time");
    let took = started.elapsed();
    let (reached, answered) = sums.recv().await.expect("the service is done");
    assert_eq!(reached, (sent, len));
    assert_eq!(received, (answered, len));
    say(&format!("{} MiB each way at once: {took:?}", len >> 20));
    let status = link.caller().status().await;
    assert_eq!(status["tunnel_active_count"], 1);
    assert_eq!(status["tunnel_bytes_up_total"], len);
    assert_eq!(status["tunnel_bytes_down_total"], len);
}

#[tokio::test]
async fn the_end_of_one_direction_leaves_the_other_open() {
    // The service answers only after the client has ended, and the other way round.
    let (told, mut heard) = mpsc::channel(1);
    let service = TcpService::start(move |mut stream| {
        let told = told.clone();
        async move {
            // The daemon also looks whether the service is there.
            let Ok(first) = stream.read_u8().await else {
                return;
            };
            let mut rest = Vec::new();
            if first == b'c' {
                stream.read_to_end(&mut rest).await.expect("to its end");
                stream.write_all(b"after your end").await.expect("open");
            } else {
                stream.write_all(b"before mine").await.expect("open");
                stream.shutdown().await.expect("open");
                stream.read_to_end(&mut rest).await.expect("to its end");
            }
            told.send(rest).await.expect("the test waits");
        }
    });
    let link = Link::to(service.await).await;
    let tunnel = link.tunnel().await;

    assert_eq!(
        exchange(tunnel.connect().await, b"client ends first").await,
        b"after your end"
    );
    assert_eq!(heard.recv().await.expect("told"), b"lient ends first");

    let mut stream = tunnel.connect().await;
    stream.write_all(b"s").await.expect("open");
    let mut received = Vec::new();
    let read = timeout(DEADLINE, stream.read_to_end(&mut received)).await;
    read.expect("in time").expect("to its end");
    assert_eq!(received, b"before mine");
    stream.write_all(b"still here").await.expect("open");
    stream.shutdown().await.expect("open");
    assert_eq!(heard.recv().await.expect("told"), b"still here");
}

/// A service that greets, and ends at once or after an answer.
async fn greeter() -> TcpService {
    TcpService::start(async |mut stream: TcpStream| {
        stream.write_all(b"welcome\n").await.expect("open");
        stream.shutdown().await.expect("open");
    })
    .await
}

async fn greeted(mut stream: TcpStream) {
    let mut received = String::new();
    let read = timeout(DEADLINE, stream.read_to_string(&mut received)).await;
    read.expect("in time").expect("to its end");
    assert_eq!(received, "welcome\n");
}

#[tokio::test]
async fn a_service_may_speak_first_and_end_first() {
    let link = Link::to(greeter().await).await;
    let tunnel = link.tunnel().await;
    // The first takes the stream that opened the tunnel, the others one of their own.
    for _ in 0..3 {
        greeted(tunnel.connect().await).await;
    }
    let path = format!("/connect/{}", link.aid);
    let once = link.caller().api.post(&path, json!({})).await.ok();
    assert_eq!(
        (&once["connected"], &once["allowed"]),
        (&json!(true), &json!(true))
    );
    let address = once["tunnel"].as_str().expect("an address").to_owned();
    greeted(connect(&address).await).await;
    let again = TcpStream::connect(&address).await;
    assert!(again.is_err(), "one connection only");
}

#[tokio::test]
async fn single_bytes_are_echoed_at_once() {
    let link = Link::to(TcpService::echo().await).await;
    let mut stream = link.tunnel().await.connect().await;
    let mut times = Vec::new();
    for byte in 0..200 {
        let started = Instant::now();
        stream.write_all(&[byte]).await.expect("open");
        let echoed = timeout(DEADLINE, stream.read_u8()).await.expect("in time");
        assert_eq!(echoed.expect("open"), byte);
        times.push(started.elapsed());
    }
    times.sort();
    let median = times[times.len() / 2];
    say(&format!("one byte there and back: median {median:?}"));
    assert!(
        median < Duration::from_millis(40),
        "no delayed sends: {median:?}"
    );
}

#[tokio::test]
async fn a_slow_reader_holds_the_writer_up() {
    // Windows of QUIC, copy buffers, and four socket buffers, of which the kernel makes the two that
    // receive up to 32 MiB long.
    const MOST: usize = 128 << 20;
    let (told, mut written) = mpsc::channel(1);
    let service = TcpService::start(move |mut stream| {
        let told = told.clone();
        async move {
            // The daemon also looks whether the service is there.
            if stream.read_u8().await.is_err() {
                return;
            }
            let (chunk, mut len) = (vec![1; 64 * 1024], 0);
            let silence = Duration::from_secs(2);
            while len <= MOST
                && matches!(timeout(silence, stream.write_all(&chunk)).await, Ok(Ok(())))
            {
                len += chunk.len();
            }
            told.send(len).await.expect("the test waits");
        }
    });
    let link = Link::to(service.await).await;
    let mut unread = link.tunnel().await.connect().await;
    unread.write_all(b"!").await.expect("open");
    let held = timeout(BULK_DEADLINE, written.recv()).await;
    let held = held.expect("in time").expect("told");
    say(&format!(
        "a reader that does not read: {} KiB under way",
        held >> 10
    ));
    assert!(held < MOST, "{held} bytes were taken for nobody");
    drop(unread);
}

#[tokio::test]
async fn an_agent_on_the_same_daemon_is_reached() {
    let service = greeter().await;
    let daemon = Daemon::alone().await;
    let agent = daemon.api.identity().await;
    let registration = agent.registration_with(&service.address);
    daemon.api.post("/agents", registration).await.ok();
    let path = format!("/tunnel/{}", agent.aid);
    let tunnel = Tunnel::opened(&daemon, &daemon.api.post(&path, json!({})).await);
    for _ in 0..2 {
        greeted(tunnel.connect().await).await;
    }
    let shown = tunnel.shown().await.ok();
    assert_eq!(shown["is_relayed"], false);
    assert_eq!(shown["bytes_down"], 16);
}
