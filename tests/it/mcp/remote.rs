// SPDX-License-Identifier: MPL-2.0
//! MCP servers that are agents: used by hosts through `a2al mcp-connect`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::harness::{
    Api, MCP_CLIENT, Mcp, Net, Process, Scripted, answer, cli_binary, eventually, free_port,
    isolated,
};

/// Longest time a host of `host.py` may take, which starts Python a few times.
const HOST_DEADLINE: Duration = Duration::from_secs(180);

/// A real MCP server, by the official library: over HTTP at `port`, or on pipes where that is `stdio`.
pub(super) fn server(test: &str, port: &str) -> Option<Command> {
    let mut command = MCP_CLIENT.command(test)?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/it/mcp/server.py");
    command.arg(script).arg(port);
    Some(command)
}

/// `a2al mcp-connect`, on the node of `caller`.
pub(super) fn connecting(caller: &Api, aid: &str) -> Command {
    let mut command = isolated(&cli_binary(), Path::new("/nonexistent"));
    command.args(["--api", caller.base(), "mcp-connect", aid]);
    command
}

/// Lets a host with the official client use the server of an agent; `each` session may have a process of its own.
pub(super) async fn hosted(test: &str, processes: &str, caller: &Api, aid: &str) {
    let Some(mut command) = MCP_CLIENT.command(test) else {
        return;
    };
    let connecting = connecting(caller, aid);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/it/mcp/host.py");
    command
        .args([script, processes])
        .arg(connecting.get_program())
        .args(connecting.get_args());
    let ended = Process::start(command).ended(HOST_DEADLINE).await;
    assert_eq!(ended.code(), Some(0), "{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.stdout, "done\n");
    let tunnels = caller.get("/tunnel").await.ok();
    assert_eq!(tunnels["tunnels"], json!([]), "its tunnels are closed");
}

/// A server that opens a session and answers everything else with `answer`.
async fn scripted(answer_others: String) -> Scripted {
    Scripted::start(move |request| {
        if !request.contains("\"initialize\"") {
            return answer_others.clone().into_bytes();
        }
        let opened = json!({ "jsonrpc": "2.0", "id": 0, "result": {
            "protocolVersion": "2025-06-18", "capabilities": {},
            "serverInfo": { "name": "s", "version": "1" },
        }});
        answer("Content-Type: application/json\r\n", &opened.to_string()).into_bytes()
    })
    .await
}

#[tokio::test]
async fn a_server_leads_nobody_to_other_ports_of_the_hosts_machine() {
    let trap = Scripted::saying(&answer("", "{}")).await;
    let text = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://{}/agents\r\nContent-Length: 0\r\n\r\n",
        trap.address
    );
    let server = scripted(text).await;
    let net = Net::of(2).await;
    let agent = net.nodes[0].api.serving(&server.address).await;
    let mut mcp = Mcp::running(connecting(&net.nodes[1].api, &agent.aid));
    mcp.open("2025-06-18").await;
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let refused = mcp.ask(list).await;
    let text = refused["error"]["message"].as_str().expect("an error");
    assert!(text.contains("307"), "{text}");
    assert!(trap.asked().is_empty(), "a redirect was followed");
}

#[tokio::test]
async fn a_host_uses_the_mcp_server_of_an_agent_on_another_node() {
    let port = free_port();
    let test = "a_host_uses_the_mcp_server_of_an_agent_on_another_node";
    let Some(server) = server(test, &port.to_string()) else {
        return;
    };
    let _server = Process::start(server);
    let address = format!("127.0.0.1:{port}");
    eventually("the server listens", Duration::from_secs(60), async || {
        TcpStream::connect(&address).await.ok()
    })
    .await;
    let net = Net::of(2).await;
    let agent = net.nodes[0].api.serving(&address).await;
    let caller = &net.nodes[1].api;
    hosted(test, "one", caller, &agent.aid).await;

    let mut mcp = Mcp::running(connecting(caller, &agent.aid));
    mcp.open("2025-06-18").await;
    let sum = mcp.call("add", json!({ "a": 2, "b": 40 })).await;
    assert_eq!(sum["content"][0]["text"], "42", "{sum}");
    let (status, heard) = mcp.close().await;
    assert!(status.success(), "{status}");
    for line in heard.lines() {
        serde_json::from_str::<Value>(line).expect("nothing but JSON on stdout");
    }
}
