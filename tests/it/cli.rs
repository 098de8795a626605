// SPDX-License-Identifier: MPL-2.0
//! The command line against a running daemon.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Daemon, Ended, Net, Process, Setup, Upstream, cli_binary, isolated};

/// A home directory for the command line, and the daemon that it talks to.
pub(crate) struct Cli {
    home: TempDir,
    api: String,
}

impl Cli {
    pub(crate) fn of(daemon: &Daemon) -> Self {
        Self::at(daemon.api.base())
    }

    pub(crate) fn at(api: &str) -> Self {
        Self {
            home: tempfile::tempdir().expect("a temporary directory"),
            api: api.to_owned(),
        }
    }

    /// The directory in which it runs.
    pub(crate) fn home(&self) -> &std::path::Path {
        self.home.path()
    }

    pub(crate) async fn run(&self, args: &[&str]) -> Ended {
        let mut command = isolated(&cli_binary(), self.home.path());
        command
            .args(["--api", &self.api])
            .args(args)
            .current_dir(self.home.path());
        Process::run(command).await
    }

    /// Runs a command that has to succeed, and returns what it printed.
    pub(crate) async fn done(&self, args: &[&str]) -> String {
        let ended = self.run(args).await;
        assert_eq!(ended.code(), Some(0), "a2al {args:?}: {}", ended.stderr);
        ended.stdout
    }

    /// The same with `--json`.
    pub(crate) async fn json(&self, args: &[&str]) -> Value {
        let printed = self.done(&[args, &["--json"]].concat()).await;
        serde_json::from_str(&printed)
            .unwrap_or_else(|error| panic!("a2al {args:?}: {error} in {printed}"))
    }

    /// Runs a command that has to fail with `code`, and returns what it said.
    pub(crate) async fn fails(&self, code: i32, args: &[&str]) -> String {
        let ended = self.run(args).await;
        assert_eq!(ended.code(), Some(code), "a2al {args:?}: {}", ended.stderr);
        assert!(
            ended.stdout.is_empty(),
            "a2al {args:?} prints on failure: {}",
            ended.stdout
        );
        assert!(
            !ended.stderr.trim().is_empty(),
            "a2al {args:?} fails without a word"
        );
        ended.stderr
    }
}

#[tokio::test]
async fn an_agent_is_registered_published_and_called() {
    let upstream = Upstream::start("behind the agent").await;
    let net = Net::of(2).await;
    let (host, caller) = (Cli::of(&net.nodes[0]), Cli::of(&net.nodes[1]));
    let args = [
        "register",
        "--service-tcp",
        &upstream.address,
        "--save-master",
        "master.key",
    ];
    let registered = host.json(&args).await;
    let aid = registered["aid"].as_str().expect("an address");
    assert!(
        !registered.to_string().contains("master_private"),
        "saved, so not shown: {registered}"
    );

    let found = caller.json(&["resolve", aid]).await;
    assert_eq!(found["address"], aid);
    assert!(caller.done(&["resolve", aid]).await.contains("/p2p/"));
    assert_eq!(
        caller.done(&["get", aid, "/name"]).await,
        "behind the agent"
    );
    assert_eq!(
        caller.done(&["post", aid, "/mirror", "-d", "a body"]).await,
        "a body"
    );
    assert!(caller.done(&["info", aid]).await.contains("0x01"));
    assert!(host.done(&["agents", "list"]).await.contains(aid));
    assert!(host.done(&["agents", "probe", aid]).await.contains("/p2p/"));
    host.done(&["agents", "heartbeat", aid]).await;
    host.done(&["publish", aid]).await;
    host.done(&["agents", "publish", aid]).await;

    host.done(&["agents", "update", aid, "--service-tcp", ""])
        .await;
    let told = caller.fails(5, &["get", aid, "/name"]).await;
    assert!(
        told.contains("no inbound") && told.contains("a2al doctor"),
        "{told}"
    );
    host.done(&["agents", "del", aid]).await;
    host.fails(4, &["agents", "get", aid]).await;
}

#[tokio::test]
async fn an_agent_moves_in_a_private_file() {
    let from = Daemon::alone().await;
    let to = Daemon::alone().await;
    let cli = Cli::of(&from);
    let made = cli
        .json(&["agents", "new", "--service-tcp", "127.0.0.1:8000"])
        .await;
    let aid = made["aid"].as_str().expect("an address");
    assert!(
        made["master_private_key_hex"].is_string(),
        "shown once: {made}"
    );
    cli.done(&["agents", "export", aid, "--out", "agent.json"])
        .await;
    let file = cli.home.path().join("agent.json");
    let mode = std::fs::metadata(&file)
        .expect("the export")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let told = cli
        .fails(1, &["agents", "export", aid, "--out", "agent.json"])
        .await;
    assert!(
        told.contains("agent.json"),
        "an export is never overwritten: {told}"
    );

    let file = file.display().to_string();
    Cli::of(&to).done(&["agents", "import", &file]).await;
    assert_eq!(to.api.shown(aid).await["service_tcp"], "127.0.0.1:8000");
    assert_eq!(cli.json(&["agents", "export", aid]).await["aid"], aid);
}

#[tokio::test]
async fn wallets_are_made_and_used() {
    let daemon = Daemon::alone().await;
    let cli = Cli::of(&daemon);
    let made = cli.json(&["identity", "new-eth"]).await;
    let wallet = made["aid"].as_str().expect("an address");
    assert!(wallet.starts_with("0x"), "{made}");
    let key = made["ethereum_private_key_hex"].as_str().expect("a key");
    let registered = cli
        .json(&["register", "--ethereum", "--eth-key", key])
        .await;
    assert_eq!(registered["aid"], wallet);
    assert!(cli.json(&["identity", "new"]).await["master_private_key_hex"].is_string());
    let listed = cli.json(&["agents", "list"]).await;
    assert_eq!(
        listed["agents"].as_array().map(Vec::len),
        Some(1),
        "{listed}"
    );
}

#[tokio::test]
async fn status_and_settings_are_shown_and_changed() {
    let daemon = Daemon::alone().await;
    let cli = Cli::of(&daemon);
    let status = cli.json(&["status"]).await;
    assert_eq!(status["peer_id"], daemon.peer_id.as_str());
    assert!(cli.done(&["status"]).await.contains(&daemon.peer_id));
    assert!(
        cli.done(&["version"])
            .await
            .contains(env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(
        cli.done(&["config", "get", "auto_publish"]).await.trim(),
        "true"
    );
    cli.done(&["config", "set", "auto_publish", "false"]).await;
    assert_eq!(
        cli.json(&["config", "get"]).await["auto_publish"],
        json!(false)
    );
    let told = cli.fails(2, &["config", "get", "no_such_setting"]).await;
    assert!(told.contains("no_such_setting"), "{told}");
    cli.fails(2, &["config", "set", "auto_publish", "perhaps"])
        .await;
}

#[tokio::test]
async fn every_failure_has_its_exit_code() {
    let net = Net::of(2).await;
    let cli = Cli::of(&net.nodes[0]);
    let stranger = net.nodes[1].api.identity().await.aid;
    cli.fails(4, &["resolve", &stranger]).await;
    cli.fails(4, &["get", &stranger, "/"]).await;
    cli.fails(4, &["agents", "publish", &stranger]).await;
    cli.fails(2, &["resolve", "nonsense"]).await;
    cli.fails(2, &["no-such-command"]).await;
    cli.fails(2, &[]).await;
    let idle = net.nodes[1].api.agent().await.aid;
    net.nodes[1].api.publish(&idle).await;
    let told = cli.fails(5, &["get", &idle, "/"]).await;
    assert!(told.contains("no inbound"), "{told}");

    let nobody = Cli::at("http://127.0.0.1:1");
    let told = nobody.fails(3, &["status"]).await;
    assert!(
        told.contains("http://127.0.0.1:1") && told.contains("a2ald"),
        "{told}"
    );
}

#[tokio::test]
async fn a_token_is_shown_where_it_is_needed() {
    let config = "api_token = \"canary-token\"\nrequire_local_token = true\n";
    let daemon = Setup::new().with_config(config).start().await;
    let cli = Cli::of(&daemon);
    let told = cli.fails(7, &["status"]).await;
    assert!(told.contains("--token"), "{told}");
    cli.fails(7, &["status", "--token", "wrong"]).await;
    cli.done(&["status", "--token", "canary-token"]).await;
    let mut command = isolated(&cli_binary(), cli.home.path());
    command
        .args(["status"])
        .env("A2AL_API", &cli.api)
        .env("A2AL_TOKEN", "canary-token");
    assert_eq!(Process::run(command).await.code(), Some(0));
}

#[tokio::test]
async fn data_goes_to_stdout_and_talk_to_stderr() {
    let daemon = Daemon::alone().await;
    let cli = Cli::of(&daemon);
    let loud = cli.run(&["agents", "new"]).await;
    assert!(!loud.stdout.is_empty());
    let quiet = cli.run(&["agents", "new", "--quiet"]).await;
    assert_eq!((quiet.code(), quiet.stderr.as_str()), (Some(0), ""));
    let plain = cli.run(&["agents", "list", "--json"]).await;
    assert_eq!(plain.stderr, "");
    assert!(!plain.stdout.contains('\u{1b}'), "no colours in data");
}

#[tokio::test]
async fn completions_are_made_for_every_shell() {
    let cli = Cli::at("http://127.0.0.1:1");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = cli.done(&["completions", shell]).await;
        assert!(
            script.contains("a2al") && script.contains("resolve"),
            "{shell}"
        );
    }
}
