// SPDX-License-Identifier: MPL-2.0
//! Nodes to test with, and services to call.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use a2al_protocol::Aid;
use a2al_protocol::network::parse_listen;
use a2al_service::model::{self, GeneratedIdentity};
use a2al_service::{Config, Service};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};
use tokio_rustls::TlsAcceptor;

/// A node, and the directory that goes with it.
pub(crate) struct Node {
    pub(crate) service: Service,
    dir: TempDir,
    bootstrap: Vec<String>,
}

impl Node {
    /// The first of a network.
    pub(crate) async fn first() -> Self {
        Self::joining(&[]).await
    }

    /// One that joins through another.
    pub(crate) async fn beside(other: &Self) -> Self {
        let node = Self::joining(&other.service.status().bootstrap_addrs).await;
        eventually("the nodes know each other", || {
            node.service.status().dht_peers > 0
        })
        .await;
        node
    }

    /// The first of a network, with other settings.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(dir.path().to_owned(), &[]);
        change(&mut config);
        Self {
            service: Service::start(config).await.unwrap(),
            dir,
            bootstrap: Vec::new(),
        }
    }

    async fn joining(bootstrap: &[String]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let service = start(dir.path().to_owned(), bootstrap).await;
        Self {
            service,
            dir,
            bootstrap: bootstrap.to_owned(),
        }
    }

    /// Stops the node and starts it again with the same files.
    pub(crate) async fn restart(self) -> Self {
        self.service.shutdown().await;
        let service = start(self.dir.path().to_owned(), &self.bootstrap).await;
        Self { service, ..self }
    }

    /// Registers a new agent.
    pub(crate) async fn agent(&self, service_tcp: &str) -> Aid {
        let identity = self.service.generate_identity();
        self.service
            .register(credentials(&identity, service_tcp))
            .await
            .unwrap()
            .aid
    }

    /// Registers and publishes a new agent.
    pub(crate) async fn published(&self, service_tcp: &str) -> Aid {
        let aid = self.agent(service_tcp).await;
        self.service.publish(aid).await.unwrap();
        aid
    }
}

async fn start(dir: PathBuf, bootstrap: &[String]) -> Service {
    Service::start(config(dir, bootstrap)).await.unwrap()
}

fn config(dir: PathBuf, bootstrap: &[String]) -> Config {
    let mut config = Config::new(dir);
    config.network.listen = parse_listen("127.0.0.1:0").unwrap();
    config.network.bootstrap = bootstrap.iter().map(|node| node.parse().unwrap()).collect();
    config
}

/// What registers `identity`.
pub(crate) fn credentials(identity: &GeneratedIdentity, service_tcp: &str) -> model::Register {
    model::Register {
        operational_private_key_hex: identity.operational_private_key_hex.clone(),
        delegation_proof_hex: identity.delegation_proof_hex.clone(),
        service_tcp: Some(service_tcp.to_owned()),
    }
}

/// Waits for `condition`; fails after 10 s.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "not reached: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// An HTTP service that tells what it was asked.
pub(crate) struct Echo {
    pub(crate) address: String,
    connections: Arc<AtomicUsize>,
}

impl Echo {
    pub(crate) async fn start() -> Self {
        Self::serving(None).await
    }

    /// One that speaks TLS, with a certificate nobody vouches for.
    pub(crate) async fn start_tls() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["elsewhere".to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .unwrap();
        Self::serving(Some(Arc::new(config).into())).await
    }

    async fn serving(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let counter = Arc::clone(&counter);
                match tls.clone() {
                    Some(tls) => {
                        tokio::spawn(
                            async move { serve(tls.accept(stream).await.ok()?, counter).await },
                        )
                    }
                    None => tokio::spawn(serve(stream, counter)),
                };
            }
        });
        Self {
            address,
            connections,
        }
    }

    /// Connections that brought a request so far; probes do not.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// Answers with the head of the request, or as the path asks: `/big/N` with N bytes, `/close` by
/// closing afterwards.
async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    connections: Arc<AtomicUsize>,
) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut is_counted = false;
    loop {
        let (mut head, mut body_len) = (String::new(), 0);
        while !head.ends_with("\r\n\r\n") {
            let start = head.len();
            if stream.read_line(&mut head).await.ok()? == 0 {
                return None;
            }
            let line = head[start..].to_ascii_lowercase();
            if let Some(len) = line.strip_prefix("content-length:") {
                body_len = len.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; body_len];
        stream.read_exact(&mut body).await.ok()?;
        if !std::mem::replace(&mut is_counted, true) {
            connections.fetch_add(1, Ordering::Relaxed);
        }
        let path = head.split(' ').nth(1)?.to_owned();
        let answer = match path.strip_prefix("/big/") {
            Some(len) => vec![b'x'; len.parse().ok()?],
            None => [head.as_bytes(), &body].concat(),
        };
        let start = format!(
            "HTTP/1.1 207 Fine\r\nx-kind: echo\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        stream.write_all(start.as_bytes()).await.ok()?;
        stream.write_all(&answer).await.ok()?;
        if path == "/close" {
            return None;
        }
    }
}
