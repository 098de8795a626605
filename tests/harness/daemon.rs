// SPDX-License-Identifier: MPL-2.0
//! Real daemons on loopback, each in a data directory of its own.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::{Api, Ended, Process};

/// Longest wait for a ready line. A debug build on a busy machine needs a part of it.
const READY_DEADLINE: Duration = Duration::from_secs(20);

/// Longest wait for a daemon to end after SIGTERM.
const STOP_DEADLINE: Duration = Duration::from_secs(15);

/// How a daemon is started: everything that outlives one run of it.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    directory: Arc<TempDir>,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

/// A running daemon whose API answers. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Daemon {
    setup: Setup,
    process: Process,
    pub(crate) api: Api,
    pub(crate) peer_id: String,
}

/// The daemon under test.
pub(crate) fn daemon_binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_a2ald"))
}

/// The command line under test.
pub(crate) fn cli_binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_a2al"))
}

/// The bootstrap node. It belongs to another package, so Cargo builds it only together with the whole workspace.
pub(crate) fn bootstrap_binary() -> PathBuf {
    let binary = daemon_binary().with_file_name("a2al-bootstrap");
    assert!(
        binary.exists(),
        "{} is missing: run cargo test --workspace",
        binary.display()
    );
    binary
}

/// A command that sees nothing of this machine's own settings.
pub(crate) fn isolated(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("A2AL_")) {
        command.env_remove(name);
    }
    command
        .env("HOME", home)
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("RUST_LOG");
    command
}

impl Setup {
    /// An empty directory, free ports on loopback, nobody to join.
    pub(crate) fn new() -> Self {
        let directory = TempDir::with_prefix("a2al-test-").expect("a temporary directory");
        let args = [
            "--api-addr",
            "127.0.0.1:0",
            "--listen",
            "127.0.0.1:0",
            "--no-open-browser",
        ];
        let args = args.map(str::to_owned).to_vec();
        Self {
            directory: Arc::new(directory),
            args,
            env: Vec::new(),
        }
    }

    /// An empty directory and only the flags that are added.
    pub(crate) fn bare() -> Self {
        Self {
            args: Vec::new(),
            ..Self::new()
        }
    }

    /// Like [`Setup::new`], but the API is at the same port in every run.
    pub(crate) fn fixed() -> Self {
        let mut setup = Self::new();
        setup.args[1] = format!("127.0.0.1:{}", super::free_port());
        setup
    }

    /// Adds flags.
    pub(crate) fn with(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|&arg| arg.to_owned()));
        self
    }

    /// Adds an environment variable.
    pub(crate) fn with_env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Joins the network through `addresses`.
    pub(crate) fn joining(self, addresses: &[String]) -> Self {
        self.with(&["--bootstrap", &addresses.join(",")])
    }

    /// Puts `text` into the configuration file.
    pub(crate) fn with_config(self, text: &str) -> Self {
        let directory = self.data_dir();
        let mut private = std::fs::DirBuilder::new();
        private
            .mode(0o700)
            .create(&directory)
            .expect("the data directory");
        let mut private = std::fs::File::options();
        let file = private.write(true).create(true).truncate(true).mode(0o600);
        let mut file = file
            .open(directory.join("config.toml"))
            .expect("the configuration");
        file.write_all(text.as_bytes()).expect("the configuration");
        self
    }

    /// The data directory. The daemon makes it.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// The command line that starts this daemon.
    pub(crate) fn command(&self) -> Command {
        let mut command = isolated(&daemon_binary(), self.directory.path());
        command
            .arg("--data-dir")
            .arg(self.data_dir())
            .args(&self.args);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts the daemon and waits until it says that it is ready.
    pub(crate) async fn start(self) -> Daemon {
        let command = self.command();
        self.start_as(command).await
    }

    /// Starts the daemon as the last arguments of `command`.
    pub(crate) async fn start_through(self, mut command: Command) -> Daemon {
        let own = self.command();
        command.arg(own.get_program()).args(own.get_args());
        self.start_as(command).await
    }

    async fn start_as(self, command: Command) -> Daemon {
        self.started(Process::start(command)).await
    }

    /// Waits until `process`, which runs this setup's command, says that it is ready.
    pub(crate) async fn started(self, mut process: Process) -> Daemon {
        let ready = process
            .line("the ready line", READY_DEADLINE, ready_line)
            .await;
        Daemon {
            setup: self,
            process,
            api: Api::new(&ready.api),
            peer_id: ready.peer_id,
        }
    }

    /// Starts a daemon that must not come up, and returns how it ended.
    pub(crate) async fn start_fails(&self) -> Ended {
        Process::run(self.command()).await
    }
}

struct Ready {
    api: String,
    peer_id: String,
}

/// Reads `a2ald <version> ready: api http://127.0.0.1:PORT peer <PEERID>`.
fn ready_line(line: &str) -> Option<Ready> {
    let (_, told) = line.split_once(" ready: ")?;
    let words = told.split_whitespace().collect::<Vec<_>>();
    let ["api", api, "peer", peer_id] = words[..] else {
        panic!("not a ready line: {line}");
    };
    Some(Ready {
        api: api.to_owned(),
        peer_id: peer_id.to_owned(),
    })
}

impl Daemon {
    /// A daemon that knows nobody.
    pub(crate) async fn alone() -> Self {
        Setup::new().start().await
    }

    /// How the daemon was started.
    pub(crate) fn setup(&self) -> Setup {
        self.setup.clone()
    }

    /// The data directory.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.setup.data_dir()
    }

    /// What the daemon wrote to standard error so far.
    pub(crate) fn stderr(&self) -> String {
        self.process.stderr()
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The answer of `GET /status`.
    pub(crate) async fn status(&self) -> Value {
        self.api.get("/status").await.ok()
    }

    /// The addresses that another daemon on this machine joins through.
    pub(crate) async fn addresses(&self) -> Vec<String> {
        let status = self.status().await;
        let addresses = status["bootstrap_addrs"]
            .as_array()
            .expect("bootstrap_addrs is a list");
        assert!(!addresses.is_empty(), "nobody can join: {status}");
        addresses
            .iter()
            .map(|addr| addr.as_str().expect("addresses are text").to_owned())
            .collect()
    }

    /// Sends it `signal` (`STOP`, `CONT`, …).
    pub(crate) fn signal(&self, signal: &str) {
        self.process.signal(signal);
    }

    /// Kills the daemon (SIGKILL) and returns what its next run starts from.
    pub(crate) async fn kill(self) -> Setup {
        self.process.kill().await;
        self.setup
    }

    /// Asks the daemon to stop (SIGTERM), checks that it does, and returns what its next run starts from.
    pub(crate) async fn stop(self) -> Setup {
        self.process.signal("TERM");
        let ended = self.process.ended(STOP_DEADLINE).await;
        assert_eq!(
            ended.code(),
            Some(0),
            "after SIGTERM; stderr:\n{}",
            ended.stderr
        );
        self.setup
    }
    /// Stops the daemon and returns everything that it wrote to standard error.
    pub(crate) async fn stop_for_log(self) -> String {
        self.process.signal("TERM");
        self.process.ended(STOP_DEADLINE).await.stderr
    }
}
