// SPDX-License-Identifier: MPL-2.0
//! The same work without any daemon: bare QUIC to another process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn::{
    ClientConfig, Connection, Endpoint, RecvStream, SendStream, ServerConfig, TransportConfig,
};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::{TcpListener, TcpStream};

use crate::peer::Peer;

/// Bytes of a question and of an answer in [`Echo`]: about a request for a record, and the record.
const MESSAGE_LEN: usize = 512;

/// How often an idle connection says that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// A connection to a process that answers each QUIC stream with what came in.
#[derive(Debug)]
pub(crate) struct Echo {
    client: Client,
    _peer: Peer,
}

/// Bytes copied at a time, as daemons do.
const BUFFER_LEN: usize = 64 * 1024;

/// TCP to one QUIC stream of another process to TCP: the shape of a fetch or a tunnel through two daemons.
#[derive(Debug)]
pub(crate) struct Relay {
    entrance: Peer,
    exit: Peer,
}

impl Echo {
    pub(crate) async fn start() -> Self {
        let peer = Peer::start("echo", "").await;
        let client = Client::connect(&peer.address).await;
        Self {
            client,
            _peer: peer,
        }
    }

    /// The median time of a round trip on a new stream, in milliseconds.
    pub(crate) async fn round_trips(&self, count: usize) -> f64 {
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let started = Instant::now();
            let (mut send, mut receive) = self.client.open().await;
            send.write_all(&[7; MESSAGE_LEN])
                .await
                .expect("the other side is there");
            send.finish().expect("finished once");
            let answer = receive.read_to_end(MESSAGE_LEN).await;
            assert_eq!(answer.expect("a short answer").len(), MESSAGE_LEN);
            times.push(started.elapsed());
        }
        crate::report::median_millis(times)
    }
}

impl Relay {
    /// Relays to `target`.
    pub(crate) async fn start(target: &str) -> Self {
        let exit = Peer::start("relay", target).await;
        let entrance = Peer::start("entrance", &exit.address).await;
        Self { entrance, exit }
    }

    /// Where it listens, as `host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.entrance.address
    }

    /// Its two processes.
    pub(crate) fn pids(&self) -> [u32; 2] {
        [self.entrance.pid(), self.exit.pid()]
    }
}

/// What the entrance of a relay does: a stream to the `exit` for each TCP connection.
pub(crate) async fn enter(exit: &str) {
    let client = Client::connect(exit).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    Peer::announce(&listener.local_addr().expect("a bound socket").to_string());
    while let Ok((caller, _)) = listener.accept().await {
        let (send, receive) = client.open().await;
        tokio::spawn(join(caller, send, receive));
    }
}

/// What the other process does: echoes each stream, or carries it on to `target` if there is one.
pub(crate) async fn serve(target: Option<String>) {
    let (endpoint, certificate) = server();
    let address = endpoint.local_addr().expect("a bound socket");
    Peer::announce(&format!("{address} {}", hex::encode(certificate)));
    let incoming = endpoint.accept().await.expect("a client");
    let connection = incoming.await.expect("a handshake between equals");
    while let Ok((send, receive)) = connection.accept_bi().await {
        tokio::spawn(answer(send, receive, target.clone()));
    }
}

async fn answer(mut send: SendStream, mut receive: RecvStream, target: Option<String>) {
    if let Some(target) = target {
        let service = TcpStream::connect(target).await;
        return join(service.expect("the service listens"), send, receive).await;
    }
    let question = receive.read_to_end(MESSAGE_LEN).await;
    let question = question.expect("a short question");
    send.write_all(&question)
        .await
        .expect("the other side is there");
    send.finish().expect("finished once");
}

/// Copies both ways until both ends are done.
async fn join(mut tcp: TcpStream, send: SendStream, receive: RecvStream) {
    tcp.set_nodelay(true).expect("a TCP socket");
    let mut quic = tokio::io::join(receive, send);
    // The end of a benchmark cuts connections; nothing is lost by that.
    let _cut = copy_bidirectional_with_sizes(&mut tcp, &mut quic, BUFFER_LEN, BUFFER_LEN).await;
}

fn server() -> (Endpoint, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
    let made = made.expect("a certificate");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let certificate = made.cert.der().clone();
    let config = ServerConfig::with_single_cert(vec![certificate.clone()], key);
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let endpoint = Endpoint::server(config.expect("a key pair"), loopback).expect("a free port");
    (endpoint, certificate)
}

/// A QUIC connection to another process.
#[derive(Debug)]
struct Client {
    connection: Connection,
    _endpoint: Endpoint,
}

impl Client {
    /// Connects to the process that announced `peer`.
    async fn connect(peer: &str) -> Self {
        let (address, certificate) = peer.split_once(' ').expect("what it announced");
        let certificate = hex::decode(certificate).expect("hexadecimal");
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from(certificate))
            .expect("a valid certificate");
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut endpoint = Endpoint::client(loopback).expect("a free port");
        let mut config =
            ClientConfig::with_root_certificates(Arc::new(roots)).expect("a valid root");
        // One that waits while others are measured is not to time out.
        let mut transport = TransportConfig::default();
        transport.keep_alive_interval(Some(KEEP_ALIVE));
        config.transport_config(Arc::new(transport));
        endpoint.set_default_client_config(config);
        let address = address.parse().expect("an address");
        let connecting = endpoint
            .connect(address, "localhost")
            .expect("a valid name");
        let connection = connecting.await.expect("the server answers");
        Self {
            connection,
            _endpoint: endpoint,
        }
    }

    /// A new stream.
    async fn open(&self) -> (SendStream, RecvStream) {
        self.connection.open_bi().await.expect("a stream")
    }
}
