// SPDX-License-Identifier: MPL-2.0
//! A network of real programs in the laboratory: a bootstrap node on each public host, daemons at home.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{
    Answer, Daemon, Identity, Process, Scripted, Setup, Upstream, answer, bootstrap_binary,
    eventually, isolated,
};
use crate::lab::{Home, Host, Lab, Namespace, Quality};

/// Longest wait until a node knows how it is reached and has its places on relays.
const SETTLE_DEADLINE: Duration = Duration::from_secs(60);

/// Longest wait for the ready line of a bootstrap node.
const READY_DEADLINE: Duration = Duration::from_secs(20);

/// Names a directory for what the daemons say, at the level of `LOG_LEVEL`.
const LOGS: &str = "A2AL_NAT_LOGS";

/// Names how much they say, as the setting `log_level` does.
const LOG_LEVEL: &str = "A2AL_NAT_LOG_LEVEL";

/// Where every node listens, on all interfaces.
const LISTEN: &str = ":4121";

/// A laboratory with a bootstrap node on each of its public hosts.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) bootstraps: Vec<BootstrapNode>,
    pub(crate) lab: Lab,
}

impl World {
    /// Builds the laboratory and starts the bootstrap nodes, or says why `test` is skipped.
    pub(crate) async fn start(test: &str, homes: &[Home], quality: Quality) -> Option<Self> {
        Self::start_with(test, homes, quality, &[]).await
    }

    /// The same, with further arguments for the bootstrap nodes.
    pub(crate) async fn start_with(
        test: &str,
        homes: &[Home],
        quality: Quality,
        args: &[&str],
    ) -> Option<Self> {
        let lab = Lab::start(test, homes, quality).await?;
        let mut bootstraps: Vec<BootstrapNode> = Vec::new();
        for host in &lab.public {
            let known = bootstraps.iter().flat_map(|node| node.addresses.clone());
            let known = known.collect::<Vec<_>>();
            bootstraps.push(BootstrapNode::start(host, &known, args).await);
        }
        // A node that comes back may ask any of the others.
        let all = bootstraps.iter().flat_map(|node| node.addresses.clone());
        let all = all.collect::<Vec<_>>();
        for node in &mut bootstraps {
            node.known.clone_from(&all);
        }
        Some(Self { bootstraps, lab })
    }

    /// How a daemon in this network is started.
    pub(crate) fn setup(&self) -> Setup {
        let known = self
            .bootstraps
            .iter()
            .flat_map(|node| node.addresses.clone());
        let setup = match std::env::var(LOG_LEVEL) {
            Ok(level) => Setup::bare().with_config(&format!("log_level = {level:?}\n")),
            Err(_) => Setup::bare(),
        };
        setup
            .with(&["--api-addr", "127.0.0.1:0", "--listen", LISTEN])
            .with(&["--no-open-browser"])
            .joining(&known.collect::<Vec<_>>())
    }

    /// A daemon at each of the homes `sites`, all of them settled.
    pub(crate) async fn seats(&self, sites: std::ops::Range<usize>) -> Vec<Arc<Seat>> {
        let hosts = self.lab.sites[sites].iter().map(|site| &site.host);
        let starting = hosts.map(|host| Seat::start(host, self.setup()));
        let seats = futures::future::join_all(starting).await;
        let seats = seats.into_iter().map(Arc::new).collect::<Vec<_>>();
        for seat in &seats {
            seat.settled().await;
        }
        seats
    }
}

/// A bootstrap node on a public host, that can be killed and come back.
#[derive(Debug)]
pub(crate) struct BootstrapNode {
    pub(crate) addresses: Vec<String>,
    namespace: Arc<Namespace>,
    home: TempDir,
    known: Vec<String>,
    args: Vec<String>,
    process: Option<Process>,
}

impl BootstrapNode {
    async fn start(host: &Host, known: &[String], args: &[&str]) -> Self {
        let mut node = Self {
            addresses: Vec::new(),
            namespace: Arc::clone(&host.namespace),
            home: TempDir::with_prefix("a2al-test-").expect("a temporary directory"),
            known: known.to_vec(),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            process: None,
        };
        node.run().await;
        node
    }

    /// Starts the program, with the key of its last run if there was one.
    pub(crate) async fn run(&mut self) {
        let mut command = command(self.home.path(), &self.known);
        command.args(&self.args);
        let start = async move { Process::start(command) };
        let mut process = self.namespace.run(start).await;
        let ready = process.line("the ready line", READY_DEADLINE, announced);
        self.addresses = ready.await;
        self.process = Some(process);
    }

    /// The peer id at the end of every address.
    pub(crate) fn peer_id(&self) -> &str {
        let (_, peer_id) = self.addresses[0]
            .rsplit_once("/p2p/")
            .expect("an address ends in it");
        peer_id
    }

    /// Kills the program (SIGKILL).
    pub(crate) async fn kill(&mut self) {
        let process = self.process.take().expect("the node is running");
        process.kill().await;
    }
}

fn command(home: &Path, known: &[String]) -> std::process::Command {
    let mut command = isolated(&bootstrap_binary(), home);
    command
        .arg("--data-dir")
        .arg(home.join("data"))
        .args(["--listen", LISTEN]);
    if !known.is_empty() {
        command.args(["--bootstrap", &known.join(",")]);
    }
    command
}

/// Reads `a2al-bootstrap <version> ready: <multiaddr> …`.
fn announced(line: &str) -> Option<Vec<String>> {
    let (_, addresses) = line.split_once(" ready: ")?;
    Some(addresses.split_whitespace().map(str::to_owned).collect())
}

/// A running daemon on a host, driven over the loopback of the host's namespace.
#[derive(Debug)]
pub(crate) struct Seat {
    namespace: Arc<Namespace>,
    daemon: Option<Daemon>,
}

impl Seat {
    pub(crate) async fn start(host: &Host, setup: Setup) -> Self {
        let namespace = Arc::clone(&host.namespace);
        let command = setup.command();
        let start = async move { Process::start(command) };
        let daemon = setup.started(namespace.run(start).await).await;
        Self {
            namespace,
            daemon: Some(daemon),
        }
    }

    fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().expect("only stopping takes it away")
    }

    /// Asks the daemon to stop, and returns what its next run starts from.
    pub(crate) async fn stop(mut self) -> Setup {
        self.keep_log();
        let daemon = self.daemon.take().expect("only stopping takes it away");
        daemon.stop().await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let (api, path) = (self.daemon().api.clone(), path.to_owned());
        self.namespace
            .run(async move { api.get(&path).await })
            .await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        let (api, path) = (self.daemon().api.clone(), path.to_owned());
        self.namespace
            .run(async move { api.post(&path, body).await })
            .await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        let (api, path) = (self.daemon().api.clone(), path.to_owned());
        self.namespace
            .run(async move { api.delete(&path).await })
            .await
    }

    pub(crate) async fn status(&self) -> Value {
        self.get("/status").await.ok()
    }

    /// Waits until the daemon knows how it is reached; where nobody can dial it, until relays keep a place for it.
    pub(crate) async fn settled(&self) {
        let mut last = Value::Null;
        let settling = eventually("the node settles", SETTLE_DEADLINE * 2, async || {
            last = self.status().await;
            is_settled(&last).then_some(())
        });
        let settled = tokio::time::timeout(SETTLE_DEADLINE, settling).await;
        let name = self.namespace.name();
        assert!(settled.is_ok(), "{name} does not settle: {last:#}");
    }

    /// A new agent in front of `upstream`; not published yet.
    pub(crate) async fn agent(&self, upstream: &Upstream) -> Identity {
        self.agent_at(&upstream.address).await
    }

    /// A new agent in front of the service at `address`; not published yet.
    pub(crate) async fn agent_at(&self, address: &str) -> Identity {
        let identity = Identity::read(&self.post("/identity/generate", json!({})).await.ok());
        let registration = identity.registration_with(address);
        self.post("/agents", registration).await.ok();
        identity
    }

    /// Publishes the endpoint of `aid`.
    pub(crate) async fn publish(&self, aid: &str) -> Answer {
        self.post(&format!("/agents/{aid}/publish"), json!({}))
            .await
    }

    /// A service on this host.
    pub(crate) async fn upstream(&self, name: &str) -> Upstream {
        let name = name.to_owned();
        let start = async move { Upstream::start(&name).await };
        self.namespace.run(start).await
    }

    /// A service on this host that says `name`, keeps what it was asked, and takes `pause` for each answer.
    pub(crate) async fn scripted(&self, name: &'static str, pause: Duration) -> Scripted {
        let says = move |_: &str| answer("", name).into_bytes();
        let start = async move { Scripted::start_slow(pause, says).await };
        self.namespace.run(start).await
    }

    /// Fetches `path` from the service behind `aid`.
    pub(crate) async fn fetch(&self, aid: &str, path: &str) -> Answer {
        self.post(&format!("/fetch/{aid}"), json!({ "path": path }))
            .await
    }

    /// The entry of `peer` in `GET /peers`.
    pub(crate) async fn peer(&self, peer: &Self) -> Option<Value> {
        let peers = self.get("/peers").await.ok();
        let mut peers = peers["peers"].as_array().expect("a list").iter();
        let id = peer.daemon().peer_id.as_str();
        peers.find(|entry| entry["peer_id"] == id).cloned()
    }

    /// Writes what the daemon said to a file, if the environment names a directory for it.
    fn keep_log(&self) {
        let (Ok(directory), Some(daemon)) = (std::env::var(LOGS), &self.daemon) else {
            return;
        };
        let file = Path::new(&directory).join(format!("{}.log", self.namespace.name()));
        let text = format!("peer {}\n{}", daemon.peer_id, daemon.stderr());
        // This may run while a test fails, which has said enough.
        let _unwritten = std::fs::write(file, text);
    }

    /// The way to `peer`: `direct`, `relay` or `lan`.
    pub(crate) async fn path(&self, peer: &Self) -> Option<String> {
        let entry = self.peer(peer).await?;
        Some(entry["path"].as_str().expect("a path is text").to_owned())
    }

    /// Since when there is the connection to `peer` that streams take.
    pub(crate) async fn connected_since(&self, peer: &Self) -> String {
        let entry = self.peer(peer).await.expect("the peer is connected");
        entry["since"].as_str().expect("a time is text").to_owned()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.keep_log();
    }
}

fn is_settled(status: &Value) -> bool {
    match status["reachability"].as_str() {
        Some("public") => true,
        Some("private") => status["relays"]
            .as_array()
            .is_some_and(|all| all.len() >= 2),
        _ => false,
    }
}
