// SPDX-License-Identifier: MPL-2.0
//! Tunnels and connections from the command line.

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::cli::Cli;
use crate::harness::{Link, TcpService, cli_binary, connect, counting, eventually};

const DEADLINE: Duration = Duration::from_secs(20);

/// Sends `bytes` to `address`, and returns what comes back.
async fn echoed(address: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(address).await;
    stream.write_all(bytes).await.expect("open");
    stream.shutdown().await.expect("open");
    let mut echoed = Vec::new();
    let read = timeout(DEADLINE, stream.read_to_end(&mut echoed)).await;
    read.expect("in time").expect("to its end");
    echoed
}

/// A command with pipes to and from the test.
fn piped(link: &Link, args: &[&str]) -> Child {
    let mut command = Command::new(cli_binary());
    command.args(["--api", link.caller().api.base()]).args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.stderr(Stdio::piped()).kill_on_drop(true);
    command.spawn().expect("it starts")
}

#[tokio::test]
async fn a_tunnel_is_opened_watched_and_closed() {
    let link = Link::to(TcpService::echo().await).await;
    let cli = Cli::of(link.caller());
    let opened = cli.json(&["tunnel", "open", &link.aid]).await;
    let id = opened["id"].as_str().expect("an id");
    let listen = opened["listen"].as_str().expect("an address");
    assert_eq!(echoed(listen, b"through it").await, b"through it");
    let again = cli.done(&["tunnel", "open", &link.aid]).await;
    assert!(again.contains(id) && again.contains(listen), "{again}");

    let listed = cli.done(&["tunnel", "list"]).await;
    assert!(
        listed.contains(id) && listed.contains(&link.aid),
        "{listed}"
    );
    let shown = cli.done(&["tunnel", "status", id]).await;
    assert!(
        shown.contains("10 B") && shown.contains("direct"),
        "{shown}"
    );
    assert_eq!(cli.json(&["tunnel", "status", id]).await["bytes_up"], 10);

    let mut watching = piped(&link, &["tunnel", "status", id, "--watch"]);
    let mut line = vec![0; 16];
    let mut stdout = watching.stdout.take().expect("a pipe");
    let read = timeout(DEADLINE, stdout.read_exact(&mut line)).await;
    read.expect("in time").expect("it shows something");
    cli.done(&["tunnel", "close", id]).await;
    let ended = timeout(DEADLINE, watching.wait()).await.expect("in time");
    assert_eq!(ended.expect("waited for").code(), Some(0));

    let told = cli.fails(4, &["tunnel", "close", id]).await;
    assert!(told.contains("tunnel not found"), "{told}");
    cli.fails(4, &["tunnel", "reset", id]).await;
    cli.fails(4, &["tunnel", "status", id]).await;
    cli.fails(4, &["tunnel", "status", id, "--watch"]).await;
    cli.fails(2, &["tunnel", "close", "../agents"]).await;
    let opened = cli.json(&["tunnel", "open", &link.aid]).await;
    cli.done(&["tunnel", "reset", opened["id"].as_str().expect("an id")])
        .await;
    assert_eq!(
        cli.json(&["tunnel", "list"]).await,
        json!({ "tunnels": [] })
    );
}

#[tokio::test]
async fn failures_have_their_exit_codes() {
    let link = Link::to(TcpService::echo().await).await;
    let cli = Cli::of(link.caller());
    let aid = link.aid.as_str();
    let nobody = link.caller().api.identity().await.aid;
    let idle = link.host().api.agent().await.aid;
    link.host().api.publish(&idle).await;
    for command in [&["connect"][..], &["tunnel", "open"], &["nc"]] {
        let with = |aid: &str| -> Vec<String> {
            command
                .iter()
                .copied()
                .chain([aid])
                .map(str::to_owned)
                .collect()
        };
        for (aid, code) in [(&nobody, 4), (&idle, 5)] {
            let args = with(aid);
            let args: Vec<_> = args.iter().map(String::as_str).collect();
            cli.fails(code, &args).await;
        }
    }
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let taken = taken.expect("a free port");
    let port = taken.local_addr().expect("bound").port().to_string();
    let args = ["tunnel", "open", aid, "--local-port", &port];
    let told = cli.fails(8, &args).await;
    assert!(told.contains("--local-port"), "{told}");
    cli.fails(2, &["tunnel", "open", aid, "--local-port", "65536"])
        .await;
    cli.fails(2, &["tunnel", "open", aid, "--idle-timeout", "-2"])
        .await;
    cli.done(&["tunnel", "open", aid, "--idle-timeout", "-1"])
        .await;
    let args = ["tunnel", "open", aid, "--local-aid", &nobody];
    let told = cli.fails(1, &args).await;
    assert!(told.contains("local_aid"), "{told}");
    Cli::at("http://127.0.0.1:1").fails(3, &["nc", aid]).await;
}

#[tokio::test]
async fn connect_prints_where_and_nc_connects() {
    let link = Link::to(TcpService::echo().await).await;
    let cli = Cli::of(link.caller());
    let address = cli.done(&["connect", &link.aid]).await;
    assert_eq!(echoed(address.trim(), b"once").await, b"once");
    let told = cli.json(&["connect", &link.aid, "--disable-relay"]).await;
    assert_eq!(told["allowed"], true);

    let mut nc = piped(&link, &["nc", &link.aid]);
    let (mut stdin, mut stdout) = (nc.stdin.take().unwrap(), nc.stdout.take().unwrap());
    stdin.write_all(b"x").await.expect("open");
    let byte = timeout(DEADLINE, stdout.read_u8()).await.expect("in time");
    assert_eq!(byte.expect("echoed"), b'x', "before stdin ends");
    let sent = counting(1 << 20);
    stdin.write_all(&sent).await.expect("open");
    drop(stdin);
    let mut received = Vec::new();
    let read = timeout(DEADLINE, stdout.read_to_end(&mut received)).await;
    read.expect("in time").expect("to its end");
    assert!(received == sent, "echoed after the end of stdin");
    let ended = timeout(DEADLINE, nc.wait()).await.expect("in time");
    assert_eq!(ended.expect("waited for").code(), Some(0));
}

#[tokio::test]
async fn nc_ends_with_the_service_though_stdin_stays_open() {
    let service = TcpService::start(async |mut stream: TcpStream| {
        stream.write_all(b"bye\n").await.expect("open");
        stream.shutdown().await.expect("open");
    });
    let link = Link::to(service.await).await;
    let mut nc = piped(&link, &["nc", &link.aid]);
    let _open = nc.stdin.take().expect("a pipe");
    let output = timeout(DEADLINE, nc.wait_with_output()).await;
    let output = output.expect("in time").expect("waited for");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(output.stdout, b"bye\n");
    assert_eq!(output.stderr, b"");
}

#[tokio::test]
async fn a_service_is_bound_to_the_only_agent_or_a_named_one() {
    let link = Link::to(TcpService::echo().await).await;
    let (host, service) = (Cli::of(link.host()), TcpService::echo().await);
    host.done(&["inbound", "bind", "--addr", &service.address])
        .await;
    let shown = link.host().api.shown(&link.aid).await;
    assert_eq!(shown["service_tcp"], service.address.as_str());
    let tunnel = link.tunnel().await;
    assert_eq!(echoed(&tunnel.listen, b"bound").await, b"bound");
    eventually("the new service is used", DEADLINE, async || {
        (service.accepted() > 0).then_some(())
    })
    .await;

    let second = link.host().api.agent().await.aid;
    let args = ["inbound", "bind", "--addr", &service.address];
    let told = host.fails(2, &args).await;
    assert!(told.contains(&second) && told.contains(&link.aid), "{told}");
    host.done(&[&args[..], &[second.as_str()]].concat()).await;
    let shown = link.host().api.shown(&second).await;
    assert_eq!(shown["service_tcp"], service.address.as_str());
    let none = Cli::of(link.caller());
    let told = none.fails(2, &args).await;
    assert!(told.contains("no agent"), "{told}");
}
