// SPDX-License-Identifier: MPL-2.0
//! What a node dials because others ask it to: their own public addresses, a few times, and nobody else's expense.

use std::net::{IpAddr, Ipv4Addr};

use libp2p::StreamProtocol;
use prost::Message;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, UdpSocket};

use super::raw::{Raw, read, write};
use super::*;
use crate::behaviour::dial_back;
use crate::behaviour::streams::Stream;
use crate::limits::{DIAL_BACK_TIMEOUT, MAX_DIAL_BACKS_PER_MINUTE, MAX_DIAL_BACKS_PER_PEER};

const DIAL_REQUEST: StreamProtocol = StreamProtocol::new("/libp2p/autonat/2/dial-request");
const DIAL_BACK: StreamProtocol = StreamProtocol::new("/libp2p/autonat/2/dial-back");

/// What a server found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Reachable,
    Unreachable,
    /// Nothing; the client asks again.
    Undecided,
}

/// A server that takes no address for private, so that loopback can stand for the Internet.
async fn open_minded() -> Server {
    serve(roomy(), |behaviour| {
        behaviour.reachability_server = dial_back::Behaviour::new(|_| false);
        behaviour.reachability_server.set_enabled(true);
    })
    .await
}

/// A node as it is.
async fn enabled() -> Server {
    serve(roomy(), |behaviour| {
        behaviour.reachability_server.set_enabled(true);
    })
    .await
}

async fn client(server: &Server) -> Raw {
    let client = Raw::speaking(DIAL_REQUEST, DIAL_BACK).await;
    client.connect(server.peer, &server.tcp).await;
    client
}

/// Has an address checked; returns the outcome, and how many bytes that took.
async fn check(client: &Raw, server: &Server, address: &Multiaddr) -> (Verdict, u64) {
    let mut stream = client.first.open(server.peer).await.unwrap();
    let request = DialRequest {
        addresses: vec![address.to_vec()],
        nonce: 7,
    };
    let mut sent = say(&mut stream, Said::Request(request)).await;
    loop {
        let heard: Envelope = read(&mut stream).await.unwrap();
        match heard.said.unwrap() {
            Said::DataRequest(wanted) => {
                assert!((30_000..=100_000).contains(&wanted.bytes));
                for _ in 0..wanted.bytes.div_ceil(4000) {
                    let data = vec![0; 4000];
                    sent += say(&mut stream, Said::Filler(Filler { data })).await;
                }
            }
            Said::Response(response) => return (response.verdict(), sent),
            other => panic!("{other:?}"),
        }
    }
}

async fn say(stream: &mut Stream, said: Said) -> u64 {
    let message = Envelope { said: Some(said) };
    write(stream, &message).await;
    message.encoded_len() as u64
}

/// Answers the dials back.
fn answering(mut client: Raw) -> Raw {
    let (_, empty) = tokio::sync::mpsc::channel(1);
    let mut incoming = std::mem::replace(&mut client.second.incoming, empty);
    tokio::spawn(async move {
        while let Some(mut incoming) = incoming.recv().await {
            let dial_back: DialBack = read(&mut incoming.stream).await.unwrap();
            assert_eq!(dial_back.nonce, 7);
            write(&mut incoming.stream, &DialBackResponse { status: 0 }).await;
            incoming.stream.shutdown().await.unwrap();
        }
    });
    client
}

/// A listener that accepts connections, says nothing and counts.
async fn silent(ip: Ipv4Addr) -> (Multiaddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((ip, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepted = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&accepted);
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            open.push(connection);
        }
    });
    let address = format!("/ip4/{ip}/tcp/{port}").parse().unwrap();
    (address, accepted)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_can_be_dialled_is_told_so_and_the_connection_is_closed() {
    let server = open_minded().await;
    let client = answering(client(&server).await);
    for checks in 1..=MAX_DIAL_BACKS_PER_MINUTE {
        let (verdict, _) = check(&client, &server, &client.address).await;
        assert_eq!(verdict, Verdict::Reachable);
        assert_eq!(server.dials.load(Ordering::Relaxed), checks);
    }
    eventually(|| async { server.connections.load(Ordering::Relaxed) == 1 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn private_addresses_and_odd_ports_are_never_dialled() {
    let (server, open_minded) = (enabled().await, open_minded().await);
    let (private, of_private) = silent(Ipv4Addr::LOCALHOST).await;
    let client = answering(client(&server).await);
    client.connect(open_minded.peer, &open_minded.tcp).await;
    let peer = PeerId::random();
    for _ in 0..3 {
        for target in [
            private.to_string(),
            "/ip4/10.0.0.1/udp/4121/quic-v1".to_owned(),
            "/ip6/::1/tcp/4121".to_owned(),
            "/ip6/::ffff:127.0.0.1/tcp/4121".to_owned(),
            "/dns4/localhost/tcp/4121".to_owned(),
            format!("/ip4/198.51.100.1/tcp/4121/p2p/{peer}/p2p-circuit"),
        ] {
            let (verdict, _) = check(&client, &server, &target.parse().unwrap()).await;
            assert_eq!(verdict, Verdict::Unreachable, "{target}");
        }
    }
    assert_eq!(server.dials.load(Ordering::Relaxed), 0);
    assert_eq!(of_private.load(Ordering::Relaxed), 0);
    for port in [0, 22, 53, 80, 1023] {
        let target = format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap();
        let (verdict, _) = check(&client, &open_minded, &target).await;
        assert_eq!(verdict, Verdict::Unreachable, "{target}");
    }
    assert_eq!(open_minded.dials.load(Ordering::Relaxed), 0);
    // The same server does dial what it may.
    check(&client, &open_minded, &client.address).await;
    assert_eq!(open_minded.dials.load(Ordering::Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_dialled_twelve_times_a_minute_whoever_asks() {
    let server = open_minded().await;
    let closed = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 3), 0))
        .await
        .unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    let target = format!("/ip4/127.0.0.3/tcp/{port}").parse().unwrap();
    let clients = [client(&server).await, client(&server).await];
    let mut verdicts = Vec::new();
    for turn in 0..40 {
        let (verdict, _) = check(&clients[turn % 2], &server, &target).await;
        verdicts.push(verdict);
    }
    let (dialled, beyond) = verdicts.split_at(MAX_DIAL_BACKS_PER_MINUTE);
    assert!(dialled.iter().all(|one| *one == Verdict::Unreachable));
    assert!(beyond.iter().all(|one| *one == Verdict::Undecided));
    let dials = server.dials.load(Ordering::Relaxed);
    assert_eq!(dials, MAX_DIAL_BACKS_PER_MINUTE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_has_two_dials_at_once_and_a_silent_target_ends_them() {
    let server = open_minded().await;
    let client = client(&server).await;
    let (target, accepted) = silent(Ipv4Addr::new(127, 0, 0, 4)).await;
    let begun = Instant::now();
    let checks = (0..6).map(|_| check(&client, &server, &target));
    let verdicts = within(futures::future::join_all(checks)).await;
    let count = |verdict| verdicts.iter().filter(|one| one.0 == verdict).count();
    assert_eq!(count(Verdict::Unreachable), MAX_DIAL_BACKS_PER_PEER);
    assert_eq!(count(Verdict::Undecided), 6 - MAX_DIAL_BACKS_PER_PEER);
    assert_eq!(accepted.load(Ordering::Relaxed), MAX_DIAL_BACKS_PER_PEER);
    let took = begun.elapsed();
    assert!(
        (DIAL_BACK_TIMEOUT..DIAL_BACK_TIMEOUT * 2).contains(&took),
        "{took:?}"
    );
}

/// Whoever has a node dial somebody else has sent more than arrives there.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_amplified() {
    let server = open_minded().await;
    let victim = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 5), 0))
        .await
        .unwrap();
    let at = victim.local_addr().unwrap();
    let target = format!("/ip4/{}/udp/{}/quic-v1", at.ip(), at.port())
        .parse()
        .unwrap();
    let received = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&received);
    tokio::spawn(async move {
        let mut packet = [0; 2048];
        while let Ok((len, from)) = victim.recv_from(&mut packet).await {
            assert_eq!(from.ip(), IpAddr::from(Ipv4Addr::LOCALHOST));
            counted.fetch_add(len, Ordering::Relaxed);
        }
    });
    let client = client(&server).await;
    let (verdict, sent) = within(check(&client, &server, &target)).await;
    assert_eq!(verdict, Verdict::Unreachable);
    let received = received.load(Ordering::Relaxed) as u64;
    println!("{sent} bytes in, {received} bytes out");
    assert!(received > 0, "the dial was made");
    assert!(received <= sent, "{received} of {sent}");
}

#[derive(Clone, PartialEq, Message)]
struct Envelope {
    #[prost(oneof = "Said", tags = "1, 2, 3, 4")]
    said: Option<Said>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Said {
    #[prost(message, tag = "1")]
    Request(DialRequest),
    #[prost(message, tag = "2")]
    Response(DialResponse),
    #[prost(message, tag = "3")]
    DataRequest(DataRequest),
    #[prost(message, tag = "4")]
    Filler(Filler),
}

#[derive(Clone, PartialEq, Message)]
struct DialRequest {
    #[prost(bytes = "vec", repeated, tag = "1")]
    addresses: Vec<Vec<u8>>,
    #[prost(fixed64, tag = "2")]
    nonce: u64,
}

#[derive(Clone, PartialEq, Message)]
struct DialResponse {
    #[prost(int32, tag = "1")]
    status: i32,
    #[prost(int32, tag = "3")]
    dial_status: i32,
}

#[derive(Clone, PartialEq, Message)]
struct DataRequest {
    #[prost(uint64, tag = "2")]
    bytes: u64,
}

#[derive(Clone, PartialEq, Message)]
struct Filler {
    #[prost(bytes = "vec", tag = "1")]
    data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct DialBack {
    #[prost(fixed64, tag = "1")]
    nonce: u64,
}

#[derive(Clone, PartialEq, Message)]
struct DialBackResponse {
    #[prost(int32, tag = "1")]
    status: i32,
}

impl DialResponse {
    /// As libp2p's client takes it: whatever is not a verdict on the address is tried again.
    fn verdict(&self) -> Verdict {
        match (self.status, self.dial_status) {
            (200, 200) => Verdict::Reachable,
            (200, 100 | 101) => Verdict::Unreachable,
            _ => Verdict::Undecided,
        }
    }
}
