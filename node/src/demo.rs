// SPDX-License-Identifier: MPL-2.0
//! `a2ald demo`: two nodes in one process, real sockets, one agent found and called.
//!
//! Nothing of it is a mock: both nodes are whole [`Service`]s with a directory of their own, they
//! meet over QUIC on loopback, and the agent's service is an HTTP server.

mod steps;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use a2al_protocol::Aid;
use a2al_protocol::network::{AddressError, parse_listen};
use a2al_service::model::{Fetch, Register, Resolution};
use a2al_service::{Service, StartError};
use axum::Router;
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use steps::Steps;

/// How long two nodes on one machine may take to meet.
const JOIN_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a node is asked whether it has met the other.
const JOIN_POLL: Duration = Duration::from_millis(5);

/// What the agent says to whoever calls it.
const GREETING: &str = "Hello from an agent without a public address.\n";

/// Why the demo did not work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The machine refuses a directory or a socket.
    #[error("no directory or socket to work with")]
    Io(#[from] io::Error),
    /// A node names an address the other cannot read.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A node did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The nodes did not meet.
    #[error("the nodes did not meet on loopback within {} s", JOIN_TIMEOUT.as_secs())]
    NotMet,
    /// A call failed.
    #[error(transparent)]
    Call(#[from] a2al_service::Error),
    /// The wrong answer came back.
    #[error("the agent answered something else than its service said")]
    WrongAnswer,
}

/// Runs the demo and prints each step with the time it took.
///
/// # Errors
/// When a step fails; see [`Error`].
pub async fn run() -> Result<(), Error> {
    let dir = tempfile::Builder::new().prefix("a2ald-demo-").tempdir()?;
    let mut steps = Steps::start();

    let a = node(&dir.path().join("a"), &[]).await?;
    let at = a.status().bootstrap_addrs;
    steps.done(format_args!(
        "node A runs: {}",
        at.first().map_or("", String::as_str)
    ));

    let b = node(&dir.path().join("b"), &at).await?;
    let met = async { tokio::join!(met(&a), met(&b)) };
    timeout(JOIN_TIMEOUT, met)
        .await
        .map_err(|_| Error::NotMet)?;
    steps.done(format_args!(
        "node B runs and has joined A: peer {}",
        b.status().peer_id
    ));

    let ended = calls(&a, &b, &mut steps).await;
    tokio::join!(a.shutdown(), b.shutdown());
    if ended.is_ok() {
        steps.end();
    }
    ended
}

/// What the two nodes do with each other once they have met.
async fn calls(a: &Service, b: &Service, steps: &mut Steps) -> Result<(), Error> {
    let service = greeter().await?;
    steps.done(format_args!("an HTTP service listens on {service}"));

    let aid = registered(a, service).await?;
    steps.done(format_args!("node A hosts the agent {aid}"));

    let published = a.publish(aid).await?;
    steps.done(format_args!(
        "published, held by {} other node(s)",
        published.replicas
    ));

    let Resolution { endpoints, .. } = b.resolve(aid).await?;
    steps.done(format_args!("node B found it at {}", endpoints.join(" ")));

    let text = fetched(b, aid).await?;
    steps.done(format_args!(
        "node B called it and was answered: {}",
        text.trim_end()
    ));

    fetched(b, aid).await?;
    steps.done("and once more, over the connection that was already there");
    Ok(())
}

/// A node on a free loopback port, with its files in `dir`.
async fn node(dir: &Path, peers: &[String]) -> Result<Service, Error> {
    let mut config = a2al_service::Config::new(dir.to_owned());
    config.network.listen = parse_listen("127.0.0.1:0")?;
    config.network.bootstrap = peers
        .iter()
        .map(|peer| peer.parse())
        .collect::<Result<_, _>>()?;
    Ok(Service::start(config).await?)
}

/// Waits until `node` has another one in its routing table.
async fn met(node: &Service) {
    while node.status().dht_peers == 0 {
        sleep(JOIN_POLL).await;
    }
}

/// Starts the agent's HTTP service, which lives as long as this process.
async fn greeter() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    let router = Router::new().route("/", get(|| async { GREETING }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(addr)
}

async fn registered(node: &Service, service: SocketAddr) -> Result<Aid, Error> {
    let identity = node.generate_identity();
    let register = Register {
        operational_private_key_hex: identity.operational_private_key_hex,
        delegation_proof_hex: identity.delegation_proof_hex,
        service_tcp: Some(service.to_string()),
    };
    Ok(node.register(register).await?.aid)
}

async fn fetched(node: &Service, aid: Aid) -> Result<String, Error> {
    let answer = node.fetch(aid, Fetch::default()).await?;
    let body = BASE64.decode(answer.body).map_err(|_| Error::WrongAnswer)?;
    match String::from_utf8(body) {
        Ok(text) if text == GREETING => Ok(text),
        _ => Err(Error::WrongAnswer),
    }
}
