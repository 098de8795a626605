// SPDX-License-Identifier: MPL-2.0
//! The same work without any daemon: bare QUIC between two endpoints of this process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use quinn::{ClientConfig, Connection, Endpoint, RecvStream, SendStream, ServerConfig};
use rustls::RootCertStore;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};

/// Bytes of a question and of an answer in [`Echo`]: about a request for a record, and the record.
const MESSAGE_LEN: usize = 512;

/// A QUIC server that answers each stream with what came in, and a connection to it.
#[derive(Debug)]
pub(crate) struct Echo {
    connection: Connection,
    _client: Endpoint,
}

/// TCP to one QUIC stream to TCP: the shape of a fetch through two daemons.
#[derive(Debug)]
pub(crate) struct Relay {
    /// Where it listens, as `host:port`.
    pub(crate) address: String,
}

impl Echo {
    pub(crate) async fn start() -> Self {
        let (client, connection) = connected(|mut send, mut receive| async move {
            let question = receive
                .read_to_end(MESSAGE_LEN)
                .await
                .expect("a short question");
            send.write_all(&question)
                .await
                .expect("the other side is there");
            send.finish().expect("finished once");
        })
        .await;
        Self {
            connection,
            _client: client,
        }
    }

    /// The median time of a round trip on a new stream, in milliseconds.
    pub(crate) async fn round_trips(&self, count: usize) -> f64 {
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let started = Instant::now();
            let (mut send, mut receive) = self.connection.open_bi().await.expect("a stream");
            send.write_all(&[7; MESSAGE_LEN])
                .await
                .expect("the other side is there");
            send.finish().expect("finished once");
            receive
                .read_to_end(MESSAGE_LEN)
                .await
                .expect("a short answer");
            times.push(started.elapsed());
        }
        super::report::median_millis(times)
    }
}

impl Relay {
    /// Relays to `target`.
    pub(crate) async fn start(target: &str) -> Self {
        let target = target.to_owned();
        let (client, connection) = connected(move |send, receive| {
            let target = target.clone();
            async move {
                let service = TcpStream::connect(&target)
                    .await
                    .expect("the service listens");
                join(service, send, receive).await;
            }
        })
        .await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket").to_string();
        tokio::spawn(async move {
            let _kept_open = client;
            while let Ok((caller, _)) = listener.accept().await {
                let connection = connection.clone();
                tokio::spawn(async move {
                    let (send, receive) = connection.open_bi().await.expect("a stream");
                    join(caller, send, receive).await;
                });
            }
        });
        Self { address }
    }
}

/// Copies both ways until both ends are done.
async fn join(tcp: TcpStream, send: SendStream, receive: RecvStream) {
    tcp.set_nodelay(true).expect("a TCP socket");
    let mut tcp = tcp;
    let mut quic = tokio::io::join(receive, send);
    // The end of a benchmark cuts connections; nothing is lost by that.
    let _cut = tokio::io::copy_bidirectional(&mut tcp, &mut quic).await;
}

/// A client with a connection to a server that calls `serve` for each stream.
async fn connected<F>(
    serve: impl Fn(SendStream, RecvStream) -> F + Send + 'static,
) -> (Endpoint, Connection)
where
    F: Future<Output = ()> + Send + 'static,
{
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let certificate = made.cert.der().clone();
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let config =
        ServerConfig::with_single_cert(vec![certificate.clone()], key).expect("a key pair");
    let server = Endpoint::server(config, loopback).expect("a free port");
    let address = server.local_addr().expect("a bound socket");
    tokio::spawn(async move {
        let incoming = server.accept().await.expect("the client below");
        let connection = incoming.await.expect("a handshake between equals");
        while let Ok((send, receive)) = connection.accept_bi().await {
            tokio::spawn(serve(send, receive));
        }
    });
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("a valid certificate");
    let mut client = Endpoint::client(loopback).expect("a free port");
    let config = ClientConfig::with_root_certificates(Arc::new(roots)).expect("a valid root");
    client.set_default_client_config(config);
    let connecting = client
        .connect(address, "localhost")
        .expect("a valid address");
    (client, connecting.await.expect("the server answers"))
}
