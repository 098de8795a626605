// SPDX-License-Identifier: MPL-2.0
//! MCP servers that are agents: used by hosts through `a2al mcp-connect`.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::harness::{
    MCP_CLIENT, Mcp, Net, Process, Scripted, answer, cli_binary, eventually, free_port, isolated,
};

/// A real MCP server, by the official library, on a port of its own.
fn server(test: &str, port: u16) -> Option<Process> {
    let mut command = MCP_CLIENT.command(test)?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/it/mcp/server.py");
    command.arg(script).arg(port.to_string());
    Some(Process::start(command))
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
    let mut command = isolated(&cli_binary(), Path::new("/nonexistent"));
    command.args(["--api", net.nodes[1].api.base(), "mcp-connect", &agent.aid]);
    let mut mcp = Mcp::running(command);
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
    let Some(_server) = server(test, port) else {
        return;
    };
    let address = format!("127.0.0.1:{port}");
    eventually("the server listens", Duration::from_secs(60), async || {
        TcpStream::connect(&address).await.ok()
    })
    .await;
    let net = Net::of(2).await;
    let agent = net.nodes[0].api.serving(&address).await;
    let caller = &net.nodes[1].api;
    let mut command = isolated(&cli_binary(), Path::new("/nonexistent"));
    command.args(["--api", caller.base(), "mcp-connect", &agent.aid]);

    let mut mcp = Mcp::running(command);
    mcp.open("2025-06-18").await;
    let listed = mcp
        .ask(json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }))
        .await;
    assert_eq!(listed["result"]["tools"][0]["name"], "add", "{listed}");
    let sum = mcp.call("add", json!({ "a": 2, "b": 40 })).await;
    assert!(
        sum["content"][0]["text"]
            .as_str()
            .is_some_and(|text| text.contains("42")),
        "{sum}"
    );
    let (status, heard) = mcp.close().await;
    assert!(status.success(), "{status}");
    for line in heard.lines() {
        serde_json::from_str::<Value>(line).expect("nothing but JSON on stdout");
    }
    let tunnels = caller.get("/tunnel").await.ok();
    assert_eq!(tunnels["tunnels"], json!([]), "its tunnel is closed");
}
