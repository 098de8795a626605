// SPDX-License-Identifier: MPL-2.0
//! As many streams as one node may have to another one's services, and one more.

use std::time::Duration;

use a2al_protocol::limits::MAX_INBOUND_STREAMS_PER_PEER;
use a2al_protocol::network::{AgentStream, CallError, Content, Refusal};
use futures::StreamExt as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::harness::{Daemon, Net, RawCaller, eventually, say};

/// Streams that are opened at one time.
const AT_ONCE: usize = 64;

/// Longest wait for a byte.
const PATIENCE: Duration = Duration::from_secs(30);

/// What one idle stream may cost the daemon, in KiB: sockets, tasks and stream states, but no buffers of 64 KiB.
const MAX_COST: u64 = 40;

/// A service that returns every byte.
async fn returning() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket").to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(give_back(stream));
        }
    });
    address
}

async fn give_back(mut stream: TcpStream) -> std::io::Result<u64> {
    let (mut read, mut write) = stream.split();
    tokio::io::copy(&mut read, &mut write).await
}

/// Lets this process have a socket for each stream.
fn allow_sockets() {
    let most = getrlimit(Resource::Nofile).maximum;
    let all = Rlimit {
        current: most,
        maximum: most,
    };
    setrlimit(Resource::Nofile, all).expect("up to the maximum");
}

/// Resident memory of a daemon, in KiB.
fn resident(daemon: &Daemon) -> u64 {
    let path = format!("/proc/{}/status", daemon.pid());
    let status = std::fs::read_to_string(path).expect("the daemon runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let size = line.and_then(|line| line.split_whitespace().next());
    size.and_then(|size| size.parse().ok()).expect("a size")
}

/// Sends one byte and waits until it comes back.
async fn ping(stream: &mut AgentStream) -> Result<(), Option<Refusal>> {
    let refusal = stream.refusal();
    let exchange = async {
        stream.write_all(b"a").await?;
        stream.read_u8().await
    };
    let answer = timeout(PATIENCE, exchange).await.expect("an answer");
    answer.map(drop).map_err(|_| refusal.get())
}

#[tokio::test]
async fn a_crowd_of_streams_is_served_and_the_surplus_is_told_so() {
    allow_sockets();
    let net = Net::of(1).await;
    let host = &net.nodes[0];
    let agent = host.api.serving(&returning().await).await.aid;
    let caller = RawCaller::over_quic(host).await;
    let endpoint = caller.endpoint(&agent).await;
    let open = async || {
        // A refusal may show at once.
        let called = caller.try_call(&endpoint, Content::Bytes).await;
        let mut stream = match called {
            Err(CallError::Refused(refusal)) => return Err(Some(refusal)),
            called => called.expect("a stream"),
        };
        ping(&mut stream).await.map(|()| stream)
    };
    open().await.expect("the first is served");
    let before = resident(host);
    let mut streams = futures::stream::iter(0..MAX_INBOUND_STREAMS_PER_PEER - 1)
        .map(|_| open())
        .buffer_unordered(AT_ONCE)
        .map(|opened| opened.expect("there is room"))
        .collect::<Vec<_>>()
        .await;
    // The first one ends on its own time.
    let last = eventually("its place is free", PATIENCE, async || open().await.ok()).await;
    streams.push(last);
    let count = u64::try_from(streams.len()).expect("a small number");
    let cost = resident(host).saturating_sub(before) / count;
    say(&format!(
        "crowds: {count} idle streams cost the daemon {cost} KiB each"
    ));
    assert!(cost <= MAX_COST, "{cost} KiB");

    for _ in 0..3 {
        assert_eq!(open().await.err(), Some(Some(Refusal::Busy)));
    }
    for stream in streams.iter_mut().step_by(512) {
        ping(stream).await.expect("those that are open go on");
    }
    streams.truncate(10);
    eventually("there is room again", PATIENCE, async || open().await.ok()).await;
}
