// SPDX-License-Identifier: MPL-2.0
//! Starting, and saying clearly why not.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tokio::net::{TcpListener, UdpSocket};

use crate::harness::{
    Daemon, Process, Setup, UNSHARE, bootstrap_binary, cli_binary, daemon_binary, free_port,
    isolated,
};

fn mode(path: &Path) -> u32 {
    let metadata =
        std::fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    metadata.permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("our own file");
}

/// Every regular file and directory below `root`, and `root` itself.
fn everything_below(root: &Path) -> Vec<std::path::PathBuf> {
    let mut found = vec![root.to_owned()];
    let mut next = 0;
    while let Some(path) = found.get(next).cloned() {
        next += 1;
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).expect("our own directory");
            found.extend(entries.map(|entry| entry.expect("our own directory").path()));
        }
    }
    found
}

#[tokio::test]
async fn an_empty_configuration_is_a_configuration() {
    let daemon = Setup::new().with_config("").start().await;
    daemon.api.get("/health").await.ok();
    let config = daemon.api.get("/config").await.ok();
    assert_eq!(config["auto_publish"], true, "{config}");
}

#[tokio::test]
async fn the_first_start_writes_its_flags_down() {
    let daemon = Daemon::alone().await;
    let file = daemon.data_dir().join("config.toml");
    let written = std::fs::read_to_string(file).expect("a configuration file");
    assert!(written.contains("api_addr = \"127.0.0.1:0\""), "{written}");
    assert!(
        written.contains("listen_addr = \"127.0.0.1:0\""),
        "{written}"
    );
}

#[tokio::test]
async fn a_wrong_configuration_is_named_with_file_and_line() {
    for wrong in [
        "\n\nauto_publish = \"yes\"\n",
        "\n\nbootstrap = [\n",
        "\n\nlog_format = \"loud\"\n",
    ] {
        let setup = Setup::new().with_config(wrong);
        let ended = setup.start_fails().await;
        assert_eq!(ended.code(), Some(1), "{wrong:?}: {}", ended.stderr);
        assert_eq!(
            ended.stderr.trim().lines().count(),
            1,
            "{wrong:?}: {}",
            ended.stderr
        );
        assert!(
            ended.stderr.contains("config.toml"),
            "{wrong:?}: {}",
            ended.stderr
        );
        let line = [":3", "line 3", ":4", "line 4"];
        assert!(
            line.iter().any(|line| ended.stderr.contains(line)),
            "{wrong:?}: {}",
            ended.stderr
        );
    }
}

#[tokio::test]
async fn a_configuration_that_is_not_there_is_named() {
    let setup = Setup::new().with(&["--config", "/nonexistent/a2al.toml"]);
    setup
        .start_fails()
        .await
        .failed_clearly(1, &["/nonexistent/a2al.toml"]);
}

#[tokio::test]
async fn a_taken_api_port_is_a_failed_start() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = taken.local_addr().expect("a bound socket").to_string();
    let setup = Setup::bare().with(&["--api-addr", &address, "--listen", "127.0.0.1:0"]);
    setup.start_fails().await.failed_clearly(1, &[&address]);
}

#[tokio::test]
async fn a_taken_network_port_is_a_failed_start() {
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let udp = UdpSocket::bind(&listen).await.expect("a free port");
    let setup = Setup::bare();
    let setup = setup.with(&["--api-addr", "127.0.0.1:0", "--listen", &listen]);
    setup
        .start_fails()
        .await
        .failed_clearly(1, &[&port.to_string()]);
    drop(udp);
    let _tcp = TcpListener::bind(&listen).await.expect("free again");
    setup
        .start_fails()
        .await
        .failed_clearly(1, &[&port.to_string()]);
}

#[tokio::test]
async fn addresses_that_cannot_be_read_are_refused() {
    for args in [
        ["--api-addr", "nowhere"],
        ["--listen", "/ip4/x"],
        ["--listen", "127.0.0.1:99999"],
    ] {
        let ended = Setup::bare().with(&args).start_fails().await;
        assert!(
            matches!(ended.code(), Some(1 | 2)),
            "{args:?}: {}",
            ended.stderr
        );
        assert!(ended.stderr.contains(args[0]), "{args:?}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn a_second_process_on_the_same_directory_is_refused() {
    let daemon = Daemon::alone().await;
    let directory = daemon.data_dir().display().to_string();
    let second = Setup::bare().with(&["--data-dir", &directory, "--api-addr", "127.0.0.1:0"]);
    let ended = second.start_fails().await;
    ended.failed_clearly(1, &[&directory]);
    daemon.api.get("/health").await.ok();
}

#[tokio::test]
async fn a_directory_of_another_user_is_refused() {
    if UNSHARE
        .command("a_directory_of_another_user_is_refused")
        .is_none()
    {
        return;
    }
    let setup = Setup::new().with_config("");
    chown(setup.data_dir(), Some(65_534), None).expect("root may");
    let directory = setup.data_dir().display().to_string();
    setup.start_fails().await.failed_clearly(1, &[&directory]);
}

#[tokio::test]
async fn a_flag_with_a_value_that_it_does_not_take_is_wrong_usage() {
    for flag in ["--api-addr", "--listen", "--mcp-toolsets"] {
        let setup = Setup::bare().with(&[flag, "no such value"]);
        setup.start_fails().await.failed_clearly(2, &[flag]);
    }
}

#[tokio::test]
async fn an_api_for_everyone_needs_a_token() {
    let setup = Setup::bare().with(&["--api-addr", "0.0.0.0:0", "--listen", "127.0.0.1:0"]);
    setup.start_fails().await.failed_clearly(1, &["api_token"]);
    let daemon = setup
        .with_env("A2AL_API_TOKEN", "canary-token")
        .start()
        .await;
    let written = std::fs::read_to_string(daemon.data_dir().join("config.toml"));
    assert!(
        written.is_ok_and(|text| text.contains("canary-token")),
        "clients find the token there"
    );
    assert!(
        !daemon.stderr().contains("canary-token"),
        "{}",
        daemon.stderr()
    );
}

#[tokio::test]
async fn everything_is_private_whatever_the_umask() {
    let setup = Setup::new();
    let command = setup.command();
    let mut shell = isolated(Path::new("/bin/sh"), &setup.data_dir());
    shell
        .args(["-c", "umask 000; exec \"$0\" \"$@\""])
        .arg(command.get_program())
        .args(command.get_args());
    let mut process = Process::start(shell);
    let is_ready = |line: &str| line.contains(" ready: ").then_some(());
    process
        .line("the ready line", Duration::from_secs(20), is_ready)
        .await;
    for path in everything_below(&setup.data_dir()) {
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), expected, "{}", path.display());
    }
}

#[tokio::test]
async fn loose_permissions_are_tightened_with_a_warning() {
    let setup = Daemon::alone().await.stop().await;
    let key = setup.data_dir().join("keys/node.key");
    set_mode(&setup.data_dir(), 0o755);
    set_mode(&key, 0o644);
    let daemon = setup.start().await;
    assert_eq!(mode(&daemon.data_dir()), 0o700);
    assert_eq!(mode(&key), 0o600);
    assert!(
        daemon.stderr().contains("node.key"),
        "no warning names the key: {}",
        daemon.stderr()
    );
}

#[tokio::test]
async fn a_broken_node_key_is_named_and_kept() {
    let setup = Daemon::alone().await.stop().await;
    let key = setup.data_dir().join("keys/node.key");
    std::fs::write(&key, "garbage").expect("our own file");
    setup.start_fails().await.failed_clearly(1, &["node.key"]);
    assert_eq!(
        std::fs::read_to_string(&key).expect("our own file"),
        "garbage"
    );
}

#[tokio::test]
async fn a_broken_state_file_is_named_and_never_replaced() {
    let daemon = Daemon::alone().await;
    daemon.api.agent().await;
    let setup = daemon.stop().await;
    let state = setup.data_dir().join("state.db");
    let garbage = vec![7; 8192];
    std::fs::write(&state, &garbage).expect("our own file");
    setup.start_fails().await.failed_clearly(1, &["state.db"]);
    assert!(
        std::fs::read(&state).expect("our own file") == garbage,
        "the evidence is gone"
    );
}

#[tokio::test]
async fn a_broken_or_missing_cache_is_no_loss() {
    let daemon = Daemon::alone().await;
    let agent = daemon.api.agent().await;
    let mut setup = daemon.stop().await;
    let cache = setup.data_dir().join("cache.db");
    for broken in [true, false] {
        if broken {
            std::fs::write(&cache, vec![7; 8192]).expect("our own file");
        } else {
            std::fs::remove_file(&cache).expect("our own file");
        }
        let daemon = setup.start().await;
        daemon.api.shown(&agent.aid).await;
        setup = daemon.stop().await;
    }
}

#[tokio::test]
async fn the_node_stays_itself_across_restarts() {
    let daemon = Daemon::alone().await;
    let before = (
        daemon.peer_id.clone(),
        daemon.status().await["node_aid"].clone(),
    );
    let key = std::fs::read_to_string(daemon.data_dir().join("keys/node.key")).expect("a key file");
    assert_eq!(key.len(), 128, "hex digits without a line end");
    let daemon = daemon.stop().await.start().await;
    assert_eq!(
        (
            daemon.peer_id.clone(),
            daemon.status().await["node_aid"].clone()
        ),
        before
    );
}

#[tokio::test]
async fn stdout_is_for_data() {
    let setup = Setup::new();
    let mut process = Process::start(setup.command());
    let is_ready = |line: &str| line.contains(" ready: ").then_some(());
    process
        .line("the ready line", Duration::from_secs(20), is_ready)
        .await;
    process.signal("INT");
    let ended = process.ended(Duration::from_secs(15)).await;
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn every_program_tells_its_version_and_its_flags() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let programs = [
        ("a2ald", daemon_binary()),
        ("a2al", cli_binary()),
        ("a2al-bootstrap", bootstrap_binary()),
    ];
    for (name, program) in programs {
        let run = async |args: &[&str]| {
            let mut command = isolated(&program, home.path());
            command.args(args);
            Process::run(command).await
        };
        let version = run(&["--version"]).await;
        assert_eq!(version.code(), Some(0), "{name}: {}", version.stderr);
        assert_eq!(
            version.stdout.trim(),
            format!("{name} {}", env!("CARGO_PKG_VERSION"))
        );
        let help = run(&["--help"]).await;
        assert_eq!(help.code(), Some(0), "{name}: {}", help.stderr);
        assert!(help.stdout.contains("Usage"), "{name}: {}", help.stdout);
        let unknown = run(&["--no-such-flag"]).await;
        assert_eq!(unknown.code(), Some(2), "{name}: {}", unknown.stderr);
        assert!(
            unknown.stderr.contains("--no-such-flag"),
            "{name}: {}",
            unknown.stderr
        );
        assert!(unknown.stdout.is_empty(), "{name}: {}", unknown.stdout);
    }
    let missing = Setup::bare().with(&["--listen"]).start_fails().await;
    assert_eq!(missing.code(), Some(2), "{}", missing.stderr);
}

#[tokio::test]
async fn flags_are_read_in_every_form_that_scripts_use() {
    let forms = [
        ["-api-addr", "127.0.0.1:0", "-listen=127.0.0.1:0"],
        ["--api-addr=127.0.0.1:0", "--listen", "127.0.0.1:0"],
    ];
    for form in forms {
        let daemon = Setup::bare().with(&form).start().await;
        assert_eq!(
            daemon.api.get("/health").await.ok(),
            json!({ "status": "ok" }),
            "{form:?}"
        );
    }
}
