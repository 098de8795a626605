// SPDX-License-Identifier: MPL-2.0
//! A node without agents: others start from it, and it holds records and relays for the network.
//!
//! It is the network core of `a2ald` with no API, no agents and no database. Its key makes its address, so it is kept in the
//! data directory; everything else it learns again.

use std::fs::{File, TryLockError};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use a2al_protocol::limits::{MAX_BOOTSTRAP_CONNECTIONS, MAX_BOOTSTRAP_MEMORY_BYTES};
use a2al_protocol::network::{
    self, Bootstrap, Client, Config, Multiaddr, Network, Refusal, RelayLimits, RelayServer,
};
use a2al_protocol::{node_key, private_files};
use anyhow::{Context, bail};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tracing_subscriber::EnvFilter;

/// A node without agents that others start from.
#[derive(Debug, Parser)]
#[command(name = "a2al-bootstrap", version)]
struct Args {
    /// Where to listen: HOST:PORT for QUIC and TCP on one port number, or a comma list of multiaddrs
    #[arg(long, default_value = ":4121")]
    listen: String,
    /// Another bootstrap node, as HOST:PORT or multiaddr; may be repeated, or a comma list
    #[arg(long, value_delimiter = ',')]
    bootstrap: Vec<Bootstrap>,
    /// A further address under which others reach this node, as multiaddr; may be repeated
    #[arg(long)]
    advertise: Vec<Multiaddr>,
    /// Directory of the node's key [default: a2al-bootstrap in the user's configuration directory]
    #[arg(long)]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    relaying: Relaying,
}

/// What others may use of this node as a relay.
#[derive(Clone, Copy, Debug, clap::Args)]
struct Relaying {
    /// How long one circuit may last
    #[arg(long, value_name = "DURATION", default_value = "12h")]
    circuit_duration: humantime::Duration,
    /// Bytes that one circuit may carry, both directions together
    #[arg(long, value_name = "BYTES", default_value_t = RelayLimits::bootstrap().circuit_bytes)]
    circuit_bytes: u64,
    /// Megabits per second that the circuits of one node may carry
    #[arg(long, value_name = "MBIT", default_value_t = RelayLimits::bootstrap().peer_rate / MEGABIT)]
    relay_peer_rate: u64,
    /// Megabits per second that all circuits may carry
    #[arg(long, value_name = "MBIT", default_value_t = RelayLimits::bootstrap().total_rate / MEGABIT)]
    relay_rate: u64,
    /// Bytes that all circuits may carry in 24 hours
    #[arg(long, value_name = "BYTES", default_value_t = RelayLimits::bootstrap().daily_bytes)]
    relay_daily_bytes: u64,
}

/// Bits in the unit of the rates.
const MEGABIT: u64 = 1_000_000;

impl Relaying {
    fn limits(self) -> RelayLimits {
        RelayLimits {
            circuit_duration: self.circuit_duration.into(),
            circuit_bytes: self.circuit_bytes,
            peer_rate: self.relay_peer_rate.saturating_mul(MEGABIT),
            total_rate: self.relay_rate.saturating_mul(MEGABIT),
            daily_bytes: self.relay_daily_bytes,
            ..RelayLimits::bootstrap()
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(log_filter())
        .init();
    match run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("a2al-bootstrap: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// What is logged: what `RUST_LOG` says, else this program's own lines and the network's warnings.
fn log_filter() -> EnvFilter {
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,libp2p=warn"))
}

async fn run(args: Args) -> anyhow::Result<()> {
    let data_dir = args.data_dir.clone().or_else(default_dir);
    let data_dir = data_dir.context("no home directory: give --data-dir")?;
    let _lock = lock(&data_dir)?;
    let config = config(args, &data_dir)?;
    tracing::info!("{}", offer(&config.relay_limits));
    let Network { client, calls } = network::start(config).await.context("cannot start")?;
    announce(&client);
    refuse_calls(calls);
    stopped().await?;
    client.shutdown().await;
    Ok(())
}

fn default_dir() -> Option<PathBuf> {
    Some(
        directories::BaseDirs::new()?
            .config_dir()
            .join("a2al-bootstrap"),
    )
}

/// Two processes with one key would answer for each other's connections.
fn lock(data_dir: &Path) -> anyhow::Result<File> {
    private_files::ensure_dir(data_dir)?;
    let path = data_dir.join("daemon.lock");
    private_files::ensure_file(&path)?;
    let file = File::options()
        .write(true)
        .open(&path)
        .with_context(|| path.display().to_string())?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("{} is in use by another process", data_dir.display())
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| path.display().to_string()),
    }
}

fn config(args: Args, data_dir: &Path) -> anyhow::Result<Config> {
    let key = node_key::load_or_create(&data_dir.join("keys"))?;
    Ok(Config {
        agent_version: concat!("a2al-bootstrap/", env!("CARGO_PKG_VERSION")).to_owned(),
        listen: network::parse_listen(&args.listen)
            .with_context(|| format!("--listen {}", args.listen))?,
        bootstrap: args.bootstrap,
        advertise: args.advertise,
        // It stands at a public address of its own, for those who have none.
        use_relays: false,
        relay_server: RelayServer::Always,
        relay_limits: args.relaying.limits(),
        max_connections: MAX_BOOTSTRAP_CONNECTIONS,
        max_memory_bytes: MAX_BOOTSTRAP_MEMORY_BYTES,
        upnp: false,
        ..Config::new(key)
    })
}

/// What others may use of this node as a relay, on one line.
fn offer(limits: &RelayLimits) -> String {
    let (places, circuits) = (limits.reservations, limits.circuits);
    let (each, bytes) = (limits.circuits_per_peer, limits.circuit_bytes);
    let duration = humantime::format_duration(limits.circuit_duration);
    let (one, all) = (limits.peer_rate / MEGABIT, limits.total_rate / MEGABIT);
    let daily = limits.daily_bytes;
    format!(
        "relays for others: {places} places; {circuits} circuits, {each} for one node, each up to {duration} and \
         {bytes} bytes; {one} Mbit/s for one node, {all} in all; {daily} bytes in 24 hours"
    )
}

/// Says where others find this node, for people and for whoever reads the first line.
fn announce(client: &Client) {
    let addresses = client.state().borrow().bootstrap_addrs.clone();
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let version = env!("CARGO_PKG_VERSION");
    say(&format!(
        "a2al-bootstrap {version} ready: {}",
        addresses.join(" ")
    ));
}

#[expect(
    clippy::print_stderr,
    reason = "the terminal is the whole interface of this program"
)]
fn say(line: &str) {
    eprintln!("{line}");
}

/// No agent lives here but the node itself, and that offers no service.
fn refuse_calls(mut calls: mpsc::Receiver<network::IncomingCall>) {
    tokio::spawn(async move {
        while let Some(call) = calls.recv().await {
            call.refuse(Refusal::NoService).await;
        }
    });
}

/// Waits for an interrupt or a request to terminate.
async fn stopped() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
