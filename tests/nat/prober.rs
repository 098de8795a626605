// SPDX-License-Identifier: MPL-2.0
//! Measures what the laboratory does to bare UDP, so that nothing of ours takes part in the proof.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::{Instant, timeout, timeout_at};

use crate::lab::{Host, Namespace};

/// Pause between two packets to the same address.
const INTERVAL: Duration = Duration::from_millis(50);

/// Packets sent to an address before it counts as silent.
const ATTEMPTS: u32 = 20;

/// What a peer sends; anything else is of the observer.
const PUNCH: &[u8] = b"punch";

/// Where an [`Observer`] listens, over UDP and TCP.
const OBSERVER_PORT: u16 = 3478;

/// Tells everybody who asks, over UDP and TCP, where the question came from.
#[derive(Debug)]
pub(crate) struct Observer {
    pub(crate) address: SocketAddr,
}

impl Observer {
    /// Listens on `host` for as long as its namespace lives.
    pub(crate) async fn start(host: &Host) -> Self {
        let address = SocketAddr::new(host.address.into(), OBSERVER_PORT);
        Self::listen(&host.namespace, address).await
    }

    /// The same over IPv6.
    pub(crate) async fn start6(host: &Host) -> Self {
        let address = host.address6.expect("a host with IPv6");
        Self::listen(
            &host.namespace,
            SocketAddr::new(address.into(), OBSERVER_PORT),
        )
        .await
    }

    async fn listen(namespace: &Namespace, address: SocketAddr) -> Self {
        let start = async move {
            let udp = UdpSocket::bind(address).await.expect("a free port");
            let tcp = TcpListener::bind(address).await.expect("a free port");
            tokio::spawn(answer_udp(udp));
            tokio::spawn(answer_tcp(tcp));
        };
        namespace.run(start).await;
        Self { address }
    }
}

async fn answer_udp(socket: UdpSocket) {
    let mut question = [0; 64];
    while let Ok((_, asker)) = socket.recv_from(&mut question).await {
        let _unreachable = socket.send_to(asker.to_string().as_bytes(), asker).await;
    }
}

async fn answer_tcp(listener: TcpListener) {
    while let Ok((mut stream, asker)) = listener.accept().await {
        let _gone = stream.write_all(asker.to_string().as_bytes()).await;
    }
}

/// A UDP socket on a host.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    namespace: Arc<Namespace>,
    socket: Arc<UdpSocket>,
}

impl Probe {
    /// A socket on `host` with any port.
    pub(crate) async fn on(host: &Host) -> Self {
        Self::bound(host, Ipv4Addr::UNSPECIFIED.into()).await
    }

    /// The same over IPv6.
    pub(crate) async fn on6(host: &Host) -> Self {
        Self::bound(host, Ipv6Addr::UNSPECIFIED.into()).await
    }

    async fn bound(host: &Host, ip: IpAddr) -> Self {
        let namespace = Arc::clone(&host.namespace);
        let bind = UdpSocket::bind(SocketAddr::new(ip, 0));
        let socket = namespace.run(bind).await.expect("a free port");
        Self {
            namespace,
            socket: Arc::new(socket),
        }
    }

    /// The port on the host itself.
    pub(crate) fn port(&self) -> u16 {
        self.socket.local_addr().expect("a bound socket").port()
    }

    /// The address from which `observer` sees this socket's packets, or `None` if it does not answer.
    pub(crate) async fn observed(&self, observer: SocketAddr) -> Option<SocketAddr> {
        for _ in 0..ATTEMPTS {
            if let Some(address) = self.asked_once(observer).await {
                return Some(address);
            }
        }
        None
    }

    /// The same, with one question only.
    pub(crate) async fn asked_once(&self, observer: SocketAddr) -> Option<SocketAddr> {
        let socket = Arc::clone(&self.socket);
        let ask = async move {
            let _unreachable = socket.send_to(b"?", observer).await;
            let mut answer = [0; 64];
            let received = timeout(INTERVAL * 10, socket.recv_from(&mut answer));
            let (len, _) = received.await.ok()?.ok()?;
            std::str::from_utf8(&answer[..len]).ok()?.parse().ok()
        };
        self.namespace.run(ask).await
    }

    /// Sends to `peer`, and to whoever answers, until both have had time; says whether anything came.
    async fn heard(&self, peer: SocketAddr) -> bool {
        let socket = Arc::clone(&self.socket);
        self.namespace.run(hear(socket, peer)).await
    }
}

async fn hear(socket: Arc<UdpSocket>, peer: SocketAddr) -> bool {
    let mut peer = peer;
    let mut has_heard = false;
    for _ in 0..ATTEMPTS {
        let _unreachable = socket.send_to(PUNCH, peer).await;
        let next = Instant::now() + INTERVAL;
        let mut packet = [0; 64];
        while let Ok(received) = timeout_at(next, socket.recv_from(&mut packet)).await {
            // An error here is a peer's refusal that a packet met on its way.
            let Ok((len, from)) = received else { continue };
            if &packet[..len] == PUNCH {
                has_heard = true;
                peer = from;
            }
        }
    }
    has_heard
}

/// Whether a fresh socket on each of two hosts hears the other, when each knows where `observer` sees the other.
pub(crate) async fn punch(one: &Host, other: &Host, observer: SocketAddr) -> bool {
    let (one, other) = (Probe::on(one).await, Probe::on(other).await);
    punch_with(&one, &other, observer).await
}

/// The same for two sockets that are there already.
pub(crate) async fn punch_with(one: &Probe, other: &Probe, observer: SocketAddr) -> bool {
    let seen = tokio::join!(one.observed(observer), other.observed(observer));
    let (Some(one_seen), Some(other_seen)) = seen else {
        return false;
    };
    let heard = tokio::join!(one.heard(other_seen), other.heard(one_seen));
    heard == (true, true)
}

/// Where `observer` sees a TCP connection of `host` come from, or `None` if there is none within a second.
pub(crate) async fn observed_over_tcp(host: &Host, observer: SocketAddr) -> Option<SocketAddr> {
    let ask = async move {
        let mut stream = TcpStream::connect(observer).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        answer.parse().ok()
    };
    let asked = timeout(Duration::from_secs(1), ask);
    host.namespace
        .run(async { asked.await.ok().flatten() })
        .await
}
