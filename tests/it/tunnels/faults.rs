// SPDX-License-Identifier: MPL-2.0
//! What breaks, and who sees it.

use std::io::ErrorKind;
use std::time::Instant;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{DEADLINE, Duration, exchange};
use crate::harness::{Daemon, Link, Net, TcpService, Tunnel, counting, eventually, say};

/// Longest wait until a lost connection to a node is noticed.
const LOST_DEADLINE: Duration = Duration::from_secs(15);

/// How the connection ends when the client waits for bytes.
async fn end_of(stream: &mut TcpStream) -> std::io::Result<usize> {
    let mut rest = Vec::new();
    let read = timeout(DEADLINE, stream.read_to_end(&mut rest)).await;
    read.expect("an end, not silence")
}

fn is_reset(ended: &std::io::Result<usize>) -> bool {
    ended
        .as_ref()
        .is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
}

/// A service that takes one byte and then breaks off.
async fn breaking() -> TcpService {
    TcpService::start(async |mut stream: TcpStream| {
        stream.write_all(b"half of it").await.expect("open");
        let _go = stream.read_u8().await;
        stream.set_zero_linger().expect("a TCP socket");
    })
    .await
}

/// A service that waits for a byte, then sends without end and reports how that ends.
async fn endless() -> (TcpService, mpsc::Receiver<ErrorKind>) {
    let (told, ends) = mpsc::channel(1);
    let service = TcpService::start(move |mut stream: TcpStream| {
        let told = told.clone();
        async move {
            // The daemon also looks whether the service is there.
            if stream.read_u8().await.is_err() {
                return;
            }
            let chunk = [7; 4096];
            let ended = loop {
                if let Err(error) = stream.write_all(&chunk).await {
                    break error.kind();
                }
            };
            // The test may have seen enough.
            let _told = told.send(ended).await;
        }
    });
    (service.await, ends)
}

async fn breaks_off(tunnel: &Tunnel) {
    let mut stream = tunnel.connect().await;
    let mut start = [0; 10];
    let read = timeout(DEADLINE, stream.read_exact(&mut start)).await;
    read.expect("in time").expect("whole");
    assert_eq!(&start, b"half of it");
    stream.write_all(b"!").await.expect("open");
    let ended = end_of(&mut stream).await;
    assert!(
        is_reset(&ended),
        "half an answer is no whole one: {ended:?}"
    );
}

/// A service that takes one byte, then only listens, and reports how that ends.
async fn listening() -> (TcpService, mpsc::Receiver<std::io::Result<u64>>) {
    let (told, ends) = mpsc::channel(1);
    let service = TcpService::start(move |mut stream: TcpStream| {
        let told = told.clone();
        async move {
            if stream.read_u8().await.is_ok() {
                let ended = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
                // The test may have seen enough.
                let _told = told.send(ended).await;
            }
        }
    });
    (service.await, ends)
}

#[tokio::test]
async fn a_service_that_only_listens_tells_a_break_from_an_end() {
    for transport in ["/udp/", "/tcp/"] {
        let (service, mut ends) = listening().await;
        let link = Link::over(transport, service).await;
        let tunnel = link.tunnel().await;
        for breaks in [true, false, true] {
            let mut stream = tunnel.connect().await;
            stream.write_all(b"!half").await.expect("open");
            eventually("the bytes are carried", DEADLINE, async || {
                (tunnel.shown().await.ok()["bytes_up"].as_u64()? % 5 == 0).then_some(())
            })
            .await;
            if breaks {
                stream.set_zero_linger().expect("a TCP socket");
            } else {
                stream.shutdown().await.expect("open");
            }
            drop(stream);
            let ended = timeout(DEADLINE, ends.recv()).await.expect("in time");
            let ended = ended.expect("told");
            assert_eq!(ended.is_err(), breaks, "{ended:?} over {transport}");
        }
    }
}

async fn is_broken_off(tunnel: &Tunnel, ends: &mut mpsc::Receiver<ErrorKind>) {
    let mut stream = tunnel.connect().await;
    stream.write_all(b"!").await.expect("open");
    stream.read_u8().await.expect("the service sends");
    stream.set_zero_linger().expect("a TCP socket");
    drop(stream);
    let ended = timeout(DEADLINE, ends.recv()).await;
    let ended = ended.expect("the service learns of it").expect("told");
    let kinds = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
    assert!(kinds.contains(&ended), "{ended:?}");
}

#[tokio::test]
async fn a_break_on_one_side_is_one_on_the_other() {
    for transport in ["/udp/", "/tcp/"] {
        let link = Link::over(transport, breaking().await).await;
        let tunnel = link.tunnel().await;
        for _ in 0..5 {
            breaks_off(&tunnel).await;
        }
        let (service, mut ends) = endless().await;
        let endless = link.host().api.serving(&service.address).await;
        let path = format!("/tunnel/{}", endless.aid);
        let answer = link.caller().api.post(&path, json!({})).await;
        let tunnel = Tunnel::opened(link.caller(), &answer);
        for _ in 0..5 {
            is_broken_off(&tunnel, &mut ends).await;
        }
    }
}

#[tokio::test]
async fn a_break_is_passed_on_within_one_daemon() {
    let daemon = Daemon::alone().await;
    let tunnel_to = async |service: &TcpService| {
        let agent = daemon.api.identity().await;
        let registration = agent.registration_with(&service.address);
        daemon.api.post("/agents", registration).await.ok();
        let path = format!("/tunnel/{}", agent.aid);
        Tunnel::opened(&daemon, &daemon.api.post(&path, json!({})).await)
    };
    let breaking = breaking().await;
    breaks_off(&tunnel_to(&breaking).await).await;
    let (endless, mut ends) = endless().await;
    is_broken_off(&tunnel_to(&endless).await, &mut ends).await;
}

#[tokio::test]
async fn what_cannot_be_reached_is_told_apart() {
    let net = Net::of(2).await;
    let (caller, host) = (&net.nodes[0].api, &net.nodes[1].api);
    let unknown = caller.identity().await.aid;
    let idle = host.agent().await.aid;
    host.publish(&idle).await;
    let down = host.serving("127.0.0.1:1").await.aid;
    for (aid, connect, tunnel, text) in [
        (&unknown, 404, 502, "resolve failed"),
        (&idle, 503, 503, "no inbound"),
        (&down, 502, 502, "inbound unreachable"),
    ] {
        let asked = caller.post(&format!("/connect/{aid}"), json!({})).await;
        asked.refused(connect, text);
        let asked = caller.post(&format!("/tunnel/{aid}"), json!({})).await;
        asked.refused(tunnel, text);
    }
    let own = net.nodes[0].status().await["node_aid"].clone();
    let own = own.as_str().expect("an address");
    let asked = caller.post(&format!("/tunnel/{own}"), json!({})).await;
    asked.refused(503, "no inbound");
    assert_eq!(caller.get("/tunnel").await.ok(), json!({ "tunnels": [] }));
}

#[tokio::test]
async fn a_service_that_went_away_breaks_connections_not_the_tunnel() {
    let link = Link::to(TcpService::echo().await).await;
    let tunnel = link.tunnel().await;
    assert_eq!(exchange(tunnel.connect().await, b"one").await, b"one");
    let Link {
        net, aid, service, ..
    } = link;
    drop(service);
    let ended = end_of(&mut tunnel.connect().await).await;
    assert!(is_reset(&ended), "{ended:?}");
    assert_eq!(tunnel.shown().await.ok()["connected"], false);
    let again = TcpService::echo().await;
    let bind = json!({ "service_tcp": again.address });
    net.nodes[1]
        .api
        .patch(&format!("/agents/{aid}"), bind)
        .await
        .ok();
    assert_eq!(exchange(tunnel.connect().await, b"two").await, b"two");
    assert_eq!(tunnel.shown().await.ok()["connected"], true);
}

#[tokio::test]
async fn a_tunnel_outlives_the_agents_daemon() {
    let link = Link::over("/udp/", TcpService::echo().await).await;
    let tunnel = link.tunnel().await;
    let mut open = tunnel.connect().await;
    open.write_all(b"x").await.expect("open");
    assert_eq!(open.read_u8().await.expect("echoed"), b'x');
    let Link {
        mut net, service, ..
    } = link;
    let addresses = net.nodes[0].addresses().await;
    let host = net.nodes.pop().expect("two nodes");
    let setup = host.kill().await;
    let killed = Instant::now();
    let ended = timeout(LOST_DEADLINE, open.read_u8()).await;
    assert!(ended.expect("noticed").is_err(), "nothing comes any more");
    say(&format!(
        "lost connection noticed after {:?}",
        killed.elapsed()
    ));
    net.nodes.push(setup.joining(&addresses).start().await);
    let sent = b"again";
    let (tunnel, service) = (&tunnel, &service);
    let before = service.accepted();
    eventually("the next connection works", LOST_DEADLINE, async || {
        let mut stream = tunnel.connect().await;
        stream.write_all(sent).await.ok()?;
        let mut echoed = [0; 5];
        stream.read_exact(&mut echoed).await.ok()?;
        (&echoed == sent).then_some(())
    })
    .await;
    say(&format!("works again after {:?}", killed.elapsed()));
    assert_eq!(service.accepted(), before + 1);
}

#[tokio::test]
async fn what_was_sent_to_the_agents_old_node_reaches_the_new_one_once() {
    let (old, new) = (TcpService::echo().await, TcpService::echo().await);
    let net = Net::of(3).await;
    let [caller, first, second] = &net.nodes[..] else {
        panic!("three nodes");
    };
    let agent = first.api.serving(&old.address).await;
    let path = format!("/tunnel/{}", agent.aid);
    let answer = caller.api.post(&path, json!({})).await;
    let tunnel = Tunnel::opened(caller, &answer);
    for _ in 0..2 {
        assert_eq!(exchange(tunnel.connect().await, b"old").await, b"old");
    }
    let served = old.accepted();

    let moved = second
        .api
        .post("/agents", agent.registration_with(&new.address));
    moved.await.ok();
    second.api.publish(&agent.aid).await;
    first
        .api
        .delete(&format!("/agents/{}", agent.aid))
        .await
        .ok();
    second.api.publish(&agent.aid).await;

    // The caller still knows the old node, whose refusal crosses what the client sends at once.
    let sent = counting(100_000);
    assert!(exchange(tunnel.connect().await, &sent).await == sent);
    assert_eq!(old.accepted(), served);
    let shown = tunnel.shown().await.ok();
    for name in ["bytes_up", "bytes_down"] {
        assert_eq!(shown[name], 100_000 + 6, "{shown}");
    }
}

/// Sends `signal` to a daemon.
fn signal(daemon: &Daemon, signal: &str) {
    let pid = daemon.pid().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-s", signal, &pid])
        .status();
    assert!(sent.expect("kill runs").success());
}

#[tokio::test]
async fn a_transfer_whose_far_end_falls_silent_fails_and_the_next_works() {
    tokio::join!(falls_silent("/udp/"), falls_silent("/tcp/"));
}

async fn falls_silent(transport: &str) {
    let (service, _ends) = endless().await;
    let link = Link::over(transport, service).await;
    let tunnel = link.tunnel().await;
    let mut stream = tunnel.connect().await;
    stream.write_all(b"!").await.expect("open");
    let mut chunk = vec![0; 1 << 20];
    stream.read_exact(&mut chunk).await.expect("it flows");

    signal(link.host(), "STOP");
    let silent = Instant::now();
    let failure = loop {
        let read = timeout(LOST_DEADLINE, stream.read(&mut chunk)).await;
        match read.expect("noticed") {
            Ok(len) => assert!(len > 0, "half a transfer is no whole one"),
            Err(error) => break error,
        }
    };
    let noticed = silent.elapsed();
    assert_eq!(failure.kind(), ErrorKind::ConnectionReset);
    assert!(noticed < LOST_DEADLINE, "{noticed:?}");
    signal(link.host(), "CONT");
    eventually("the next connection works", LOST_DEADLINE, async || {
        let mut stream = tunnel.connect().await;
        stream.write_all(b"!").await.ok()?;
        stream.read_exact(&mut chunk).await.ok().map(drop)
    })
    .await;
    say(&format!(
        "silence noticed after {noticed:?} over {transport}"
    ));
}
