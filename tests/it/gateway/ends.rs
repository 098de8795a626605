// SPDX-License-Identifier: MPL-2.0
//! How long a request lasts: as long as both ends want it, and no more at once than there is room for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Door, agent_of};
use crate::harness::{Net, Pair, eventually};

/// Longest wait for what is told at the other end.
const DEADLINE: Duration = Duration::from_secs(20);

/// How long nothing moves before a connection counts as held up.
const STALL: Duration = Duration::from_secs(2);

/// Most bytes that may be on their way to a client that does not read: the window of the stream (8 MiB) and the
/// sockets' buffers on both sides.
const MAX_UNDER_WAY: u64 = 48 * 1024 * 1024;

/// Requests that the gateway takes at a time.
const MAX_OPEN: usize = 320;

/// What became of a connection, and how many bytes it had taken.
#[derive(Debug)]
enum Told {
    HeldUp(u64),
    Gone,
}

/// A service that, after `head`, says more and more for as long as somebody takes it.
async fn endless(head: &'static str) -> (String, mpsc::Receiver<Told>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket").to_string();
    let (sender, told) = mpsc::channel(16);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream, head, sender.clone()));
        }
    });
    (address, told)
}

async fn talk(mut stream: TcpStream, head: &str, told: mpsc::Sender<Told>) -> Option<()> {
    let mut request = [0; 4096];
    // A connection without a request is the daemon's probe.
    if stream.read(&mut request).await.ok()? == 0 {
        return None;
    }
    stream.write_all(head.as_bytes()).await.ok()?;
    let (mut taken, mut is_held_up) = (0, false);
    let zeros = vec![0; 65_536];
    loop {
        match timeout(STALL, stream.write(&zeros)).await {
            Ok(Ok(len)) => taken += len as u64,
            Ok(Err(_)) => return told.send(Told::Gone).await.ok(),
            Err(_) if !is_held_up => {
                is_held_up = true;
                told.send(Told::HeldUp(taken)).await.ok()?;
            }
            Err(_) => {}
        }
    }
}

/// Opens a connection to the API and sends the head of a request.
async fn sent(door: &Door, headers: &str) -> TcpStream {
    let stream = TcpStream::connect(door.api.authority()).await;
    let mut stream = stream.expect("the API listens");
    let head = door.head("GET", "/", &format!("{headers}\r\n"));
    stream.write_all(head.as_bytes()).await.expect("sent");
    stream
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_the_service_up_and_one_that_goes_ends_it() {
    let answers = [
        ("HTTP/1.1 200 OK\r\n\r\n", ""),
        (
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: zeros\r\n\r\n",
            "Connection: Upgrade\r\nUpgrade: zeros\r\n",
        ),
    ];
    for (answer, headers) in answers {
        let (address, mut told) = endless(answer).await;
        let (net, aid) = agent_of(&address).await;
        let mut client = sent(&Door::by_path(&net.nodes[0].api, &aid), headers).await;
        let first = timeout(DEADLINE, client.read_u8()).await;
        assert_eq!(first.expect("in time").expect("an answer"), b'H');
        let held_up = timeout(DEADLINE, told.recv()).await.expect("held up");
        let Some(Told::HeldUp(taken)) = held_up else {
            panic!("{held_up:?}");
        };
        assert!(taken < MAX_UNDER_WAY, "{taken} bytes were taken");
        drop(client);
        let gone = timeout(DEADLINE, told.recv()).await;
        assert!(
            matches!(gone, Ok(Some(Told::Gone))),
            "{gone:?} after {answer}"
        );
    }
}

/// A service that hears requests and says nothing; also how many it has heard.
async fn silent() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket").to_string();
    let heard = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let mut request = [0; 4096];
                // A connection without a request is the daemon's probe, and a request may come in pieces.
                if let Ok(1..) = stream.read(&mut request).await {
                    count.fetch_add(1, Ordering::SeqCst);
                    while let Ok(1..) = stream.read(&mut request).await {}
                }
            });
        }
    });
    (address, heard)
}

#[tokio::test]
async fn requests_of_clients_that_wait_leave_room_for_the_api() {
    let (address, heard) = silent().await;
    let (net, aid) = agent_of(&address).await;
    let api = &net.nodes[0].api;
    let door = Door::by_path(api, &aid);
    let waiting = (0..MAX_OPEN).map(|_| sent(&door, ""));
    let mut waiting = futures::future::join_all(waiting).await;
    eventually("all are heard", DEADLINE, async || {
        (heard.load(Ordering::SeqCst) == MAX_OPEN).then_some(())
    })
    .await;
    let busy = door.ask("GET", "/", "").await;
    assert_eq!(busy.status, 503, "{}", busy.body);
    assert!(
        busy.body.contains("\"busy\",\"retryable\":true"),
        "{}",
        busy.body
    );
    api.get("/status").await.ok();
    drop(waiting.pop());
    eventually("there is room again", DEADLINE, async || {
        let mut further = sent(&door, "").await;
        let refused = timeout(STALL, further.read_u8()).await.is_ok();
        (!refused).then_some(())
    })
    .await;
    assert_eq!(heard.load(Ordering::SeqCst), MAX_OPEN + 1);
}

#[tokio::test]
async fn a_short_body_is_said_again_to_a_node_that_has_started_anew() {
    let pair = Pair::start().await;
    let door = Door::by_path(&pair.caller().api, &pair.aid);
    let post = async || {
        let request = door.request(&Method::POST, "/mirror").body("short");
        let answer = request.send().await.expect("an answer");
        (answer.status(), answer.text().await.expect("a body"))
    };
    assert_eq!(post().await, (reqwest::StatusCode::OK, "short".to_owned()));
    let Pair { net, upstream, aid } = pair;
    let Net { mut nodes } = net;
    let host = nodes.pop().expect("two nodes").stop().await.start().await;
    eventually("the agent is found again", DEADLINE, async || {
        let probe = host.api.get(&format!("/agents/{aid}")).await.ok();
        probe["last_publish_at"].is_string().then_some(())
    })
    .await;
    assert_eq!(post().await, (reqwest::StatusCode::OK, "short".to_owned()));
    assert_eq!(upstream.served(), 2, "each was heard once");
}
