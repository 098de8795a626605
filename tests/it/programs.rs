// SPDX-License-Identifier: MPL-2.0
//! Programs that others wrote, through tunnels.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;

use crate::harness::{Foreign, Net, REDIS, SSH, SSHD, Tunnel, cli_binary, counting, isolated};

/// Bytes that are sent through ssh.
const SSH_LEN: usize = 3 << 20;

/// Runs `command` with `input` on its stdin, and returns what it printed.
async fn printed(command: Command, input: &[u8]) -> String {
    let mut command = tokio::process::Command::from(command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let feeding = async {
        // A program that ends before it has read everything says why on stderr.
        let _fed = stdin.write_all(input).await;
        drop(stdin);
    };
    let ((), output) = tokio::join!(feeding, child.wait_with_output());
    let output = output.expect("it ends");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {told}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

async fn run(command: Command) -> String {
    printed(command, b"").await
}

/// A key pair of ssh in `dir`; returns the public half.
async fn key_pair(dir: &Path, name: &str) -> String {
    let path = dir.join(name);
    let mut keygen = Command::new("ssh-keygen");
    keygen
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&path);
    run(keygen).await;
    std::fs::read_to_string(path.with_extension("pub")).expect("the public key")
}

/// A server of its own in `dir`, with a host key and one user's key.
async fn sshd(mut command: Command, dir: &Path) -> Foreign {
    let user = key_pair(dir, "user").await;
    let host = key_pair(dir, "host").await;
    std::fs::write(dir.join("authorized"), user).expect("a file");
    std::fs::write(dir.join("known"), format!("agent {host}")).expect("a file");
    let dir = dir.display();
    let mut config = String::new();
    for line in [
        format!("HostKey {dir}/host"),
        format!("AuthorizedKeysFile {dir}/authorized"),
        "StrictModes no".to_owned(),
        "UsePAM no".to_owned(),
        "PidFile none".to_owned(),
        "PasswordAuthentication no".to_owned(),
        "PermitRootLogin prohibit-password".to_owned(),
    ] {
        writeln!(config, "{line}").expect("text grows");
    }
    let file = format!("{dir}/config");
    std::fs::write(&file, config).expect("a file");
    // Where sshd locks itself in before a user is known; root's alone.
    let _exists = std::fs::create_dir_all("/run/sshd");
    command.args(["-D", "-e", "-f", &file]);
    Foreign::start(command, |command, port| {
        command.args(["-o", &format!("ListenAddress=127.0.0.1:{port}")]);
    })
    .await
}

/// `ssh` to the agent by way of `a2al nc`.
fn ssh(mut command: Command, dir: &Path, api: &str, aid: &str, user: &str) -> Command {
    let a2al = cli_binary();
    let proxy = format!("ProxyCommand={} --api {api} nc {aid}", a2al.display());
    let known = format!("UserKnownHostsFile={}", dir.join("known").display());
    command.args([
        "-F",
        "none",
        "-o",
        "BatchMode=yes",
        "-o",
        "IdentitiesOnly=yes",
    ]);
    command.args(["-o", &proxy, "-o", &known, "-i"]);
    command.arg(dir.join("user"));
    command.arg(format!("{user}@agent"));
    command
}

#[tokio::test]
async fn ssh_logs_in_through_nc() {
    let test = "ssh through a2al nc";
    let (Some(server), Some(client)) = (SSHD.command(test), SSH.command(test)) else {
        return;
    };
    let dir = TempDir::with_prefix("a2al-ssh-").expect("a temporary directory");
    let dir = dir.path();
    let service = sshd(server, dir).await;
    let net = Net::of(2).await;
    let aid = net.nodes[1].api.serving(&service.address).await.aid;
    let mut id = Command::new("id");
    id.arg("-un");
    let user = run(id).await;
    let (user, api) = (user.trim(), net.nodes[0].api.base());

    let mut hello = ssh(client, dir, api, &aid, user);
    hello.arg("echo hello from $(id -un)");
    assert_eq!(run(hello).await, format!("hello from {user}\n"));

    let client = SSH.command(test).expect("it was there");
    let mut counted = ssh(client, dir, api, &aid, user);
    counted.arg("tee /dev/stderr 2> /dev/null | wc -c");
    let told = printed(counted, &counting(SSH_LEN)).await;
    assert_eq!(told.trim(), SSH_LEN.to_string());
}

#[tokio::test]
async fn redis_is_used_through_a_tunnel() {
    let Some(mut server) = REDIS.command("redis-cli through a tunnel") else {
        return;
    };
    let dir = TempDir::with_prefix("a2al-redis-").expect("a temporary directory");
    server.args([
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
        "--dir",
    ]);
    server.arg(dir.path());
    let service = Foreign::start(server, |command, port| {
        command.args(["--port", &port.to_string()]);
    });
    let service = service.await;
    let net = Net::of(2).await;
    let aid = net.nodes[1].api.serving(&service.address).await.aid;
    let path = format!("/tunnel/{aid}");
    let opened = net.nodes[0].api.post(&path, json!({})).await;
    let tunnel = Tunnel::opened(&net.nodes[0], &opened);
    let (_, port) = tunnel.listen.rsplit_once(':').expect("a port");
    let redis = |args: &[&str]| {
        let mut command = isolated(Path::new("redis-cli"), dir.path());
        command.args(["-h", "127.0.0.1", "-p", port]).args(args);
        command
    };

    assert_eq!(run(redis(&["ping"])).await, "PONG\n");
    let big = "v".repeat(1 << 20);
    assert_eq!(
        printed(redis(&["-x", "set", "big"]), big.as_bytes()).await,
        "OK\n"
    );
    assert_eq!(
        run(redis(&["strlen", "big"])).await,
        format!("{}\n", 1 << 20)
    );
    assert!(run(redis(&["get", "big"])).await.trim_end() == big);
    let commands = "incr counter\n".repeat(1000);
    let answers = printed(redis(&[]), commands.as_bytes()).await;
    assert!(answers.ends_with("1000\n"), "{answers}");
    assert_eq!(run(redis(&["get", "counter"])).await, "1000\n");
}
