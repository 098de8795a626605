// SPDX-License-Identifier: MPL-2.0
//! `a2al expose --mcp`: MCP servers on pipes as agents.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use reqwest::Client;
use reqwest::header::{HOST, ORIGIN};
use serde_json::{Value, json};

use super::remote::{connecting, hosted, server};
use crate::harness::{
    Api, Daemon, Mcp, Net, Process, cli_binary, eventually, free_port, initialize, isolated,
    stateless,
};

/// Longest time until a server is exposed, or is so no longer.
const DEADLINE: Duration = Duration::from_secs(90);

/// `a2al expose --mcp` with these options, for a program.
fn exposing(api: &Api, options: &[&str], program: &Command) -> Command {
    let mut command = isolated(&cli_binary(), Path::new("/nonexistent"));
    command
        .args(["--api", api.base(), "expose", "--mcp"])
        .args(options)
        .arg("--")
        .arg(program.get_program())
        .args(program.get_args());
    command
}

/// The same, once the server can be used.
async fn exposed(command: Command) -> Process {
    let mut process = Process::start(command);
    let ready = |line: &str| line.contains("Ctrl-C ends it").then_some(());
    process.line("it is exposed", DEADLINE, ready).await;
    process
}

/// A session through `a2al mcp-connect`.
async fn session(caller: &Api, aid: &str) -> Mcp {
    let mut mcp = Mcp::running(connecting(caller, aid));
    let opened = mcp.open("2025-06-18").await;
    assert_eq!(opened["result"]["serverInfo"]["name"], "adder", "{opened}");
    mcp
}

/// The process that serves a session.
async fn process_of(mcp: &mut Mcp) -> u64 {
    let done = mcp.done("process", json!({})).await;
    done["result"].as_u64().expect("a number")
}

/// Sends a signal, 0 for none, and tells whether the process was there.
fn signal(process: u64, name: &str) -> bool {
    let sent = Command::new("kill")
        .args(["-s", name, &process.to_string()])
        .output();
    sent.expect("kill runs").status.success()
}

async fn service_of(api: &Api, aid: &str) -> Value {
    api.get(&format!("/agents/{aid}")).await.ok()["service_tcp"].clone()
}

#[tokio::test]
async fn the_python_client_uses_an_exposed_server() {
    let test = "the_python_client_uses_an_exposed_server";
    let Some(server) = server(test, "stdio") else {
        return;
    };
    let net = Net::of(2).await;
    let (host, caller) = (&net.nodes[0].api, &net.nodes[1].api);
    let before = format!("127.0.0.1:{}", free_port());
    let aid = host.serving(&before).await.aid;
    let running = exposed(exposing(host, &["--aid", &aid], &server)).await;
    assert_ne!(service_of(host, &aid).await, before);
    hosted(test, "each", caller, &aid).await;

    let mut mcp = session(caller, &aid).await;
    let process = process_of(&mut mcp).await;
    assert!(signal(process, "0"));
    running.signal("INT");
    let ended = running.ended(DEADLINE).await;
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    assert_eq!(
        ended.stdout,
        format!("aid {aid}\nconnect a2al mcp-connect {aid}\n")
    );
    assert!(
        ended.stderr.contains("mcp server: serving"),
        "{}",
        ended.stderr
    );
    assert!(!signal(process, "0"), "the process ends with its session");
    assert_eq!(service_of(host, &aid).await, before, "it is put back");
}

#[tokio::test]
async fn a_process_that_dies_ends_its_session_and_no_other() {
    let test = "a_process_that_dies_ends_its_session_and_no_other";
    let Some(server) = server(test, "stdio") else {
        return;
    };
    let daemon = Daemon::alone().await;
    let aid = daemon.api.agent().await.aid;
    let _running = exposed(exposing(&daemon.api, &["--aid", &aid], &server)).await;
    let mut one = session(&daemon.api, &aid).await;
    let mut other = session(&daemon.api, &aid).await;
    let (first, second) = (process_of(&mut one).await, process_of(&mut other).await);
    assert_ne!(first, second);

    let meta = json!({ "progressToken": "t" });
    let params = json!({ "name": "wait", "arguments": {}, "_meta": meta });
    one.tell(json!({ "jsonrpc": "2.0", "id": 8, "method": "tools/call", "params": params }))
        .await;
    let begun = one
        .hears(|message| message["method"] == "notifications/progress")
        .await;
    assert_eq!(begun["params"]["progressToken"], "t", "{begun}");
    assert!(signal(first, "KILL"));
    let told = one.hears(|message| message["id"] == 8).await;
    let text = told["error"]["message"].as_str().expect("an error");
    assert!(text.contains("has ended"), "{told}");

    let again = process_of(&mut one).await;
    assert_ne!(again, first, "a new session has a process of its own");
    assert_eq!(process_of(&mut other).await, second);
    one.close().await;
    eventually("the process ends with its session", DEADLINE, async || {
        (!signal(again, "0")).then_some(())
    })
    .await;
    assert!(signal(second, "0"));
}

#[tokio::test]
async fn a_server_gets_an_address_of_its_own() {
    let test = "a_server_gets_an_address_of_its_own";
    let Some(server) = server(test, "stdio") else {
        return;
    };
    let net = Net::of(2).await;
    let (host, caller) = (&net.nodes[0].api, &net.nodes[1].api);
    let options = ["--json", "--name", "Adder", "--service", "test.exposed"];
    let running = exposed(exposing(host, &options, &server)).await;
    let asked = json!({ "services": ["test.exposed"] });
    let found = caller.post("/discover", asked).await.ok();
    let entry = &found["entries"][0];
    assert_eq!(entry["name"], "Adder", "{found}");
    assert_eq!(entry["protocols"], json!(["mcp"]), "{found}");
    let aid = entry["aid"].as_str().expect("an address").to_owned();
    let mut mcp = session(caller, &aid).await;
    let sum = mcp.done("add", json!({ "a": 2, "b": 40 })).await;
    assert_eq!(sum["result"], 42);
    let kept = host.get("/identity/kept").await.ok();
    assert_eq!(kept["identities"][0]["aid"], aid.as_str(), "{kept}");

    running.signal("TERM");
    let ended = running.ended(DEADLINE).await;
    assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
    let said: Value = serde_json::from_str(&ended.stdout).expect("stdout is JSON");
    assert_eq!(said["aid"], aid.as_str());
    assert_eq!(said["connect"], format!("a2al mcp-connect {aid}"));
    let backup = said["backup_command"].as_str().expect("a command");
    assert!(ended.stderr.contains(backup), "{}", ended.stderr);
    let agent = host.get(&format!("/agents/{aid}")).await.ok();
    assert_eq!(
        agent["service_tcp"], "",
        "nobody is led to a port that is free"
    );
    assert_eq!(agent["services"], json!(null), "{agent}");
}

#[tokio::test]
async fn what_is_no_mcp_server_is_not_exposed() {
    let daemon = Daemon::alone().await;
    let dead = Command::new("false");
    let ended = Process::run(exposing(&daemon.api, &[], &dead)).await;
    ended.failed_clearly(1, &["false does not speak MCP", "exit status: 1"]);
    let missing = Command::new("/nonexistent/server");
    let ended = Process::run(exposing(&daemon.api, &[], &missing)).await;
    ended.failed_clearly(1, &["/nonexistent/server cannot be started"]);
    let agents = daemon.api.get("/agents").await.ok();
    assert_eq!(agents["agents"], json!([]), "no agent was made");
    let nobody = Api::new(&format!("http://127.0.0.1:{}", free_port()));
    let ended = Process::run(exposing(&nobody, &[], &dead)).await;
    assert_eq!(ended.code(), Some(3), "{}", ended.stderr);
}

#[tokio::test]
async fn callers_are_told_what_they_do_wrong() {
    let test = "callers_are_told_what_they_do_wrong";
    let Some(server) = server(test, "stdio") else {
        return;
    };
    let daemon = Daemon::alone().await;
    let aid = daemon.api.agent().await.aid;
    let _running = exposed(exposing(&daemon.api, &["--aid", &aid], &server)).await;
    let service = service_of(&daemon.api, &aid).await;
    let url = format!("http://{}/mcp", service.as_str().expect("an address"));
    let client = Client::new();
    let opening = initialize("2025-06-18").to_string();
    let post = |body: String| client.post(&url).body(body);
    let call = stateless(1, "2026-07-28", "tools/list", json!({})).to_string();
    let plain = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }).to_string();
    let batch = format!("[{plain}]");
    let long = "x".repeat(4 * 1024 * 1024 + 1);
    for (request, status) in [
        (post(opening.clone()), 200),
        (
            post(opening.clone()).header(ORIGIN, "http://localhost:1"),
            200,
        ),
        (post(call), 200),
        (
            post(opening.clone()).header(ORIGIN, "https://a.example"),
            403,
        ),
        (post(opening.clone()).header(HOST, "a.example"), 403),
        (post(plain.clone()), 400),
        (post(plain.clone()).header("mcp-session-id", "x"), 404),
        (client.delete(&url).header("mcp-session-id", "x"), 404),
        (client.get(&url), 405),
        (client.put(&url), 405),
        (post(batch), 400),
        (post("{".to_owned()), 400),
        (post(long), 413),
    ] {
        let shown = format!("{request:?}").chars().take(300).collect::<String>();
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), status, "{shown}");
    }
    let gateway = format!("{}/aid/{aid}/mcp", daemon.api.base());
    let answer = client.post(gateway).body(opening).send().await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert!(answer.headers().contains_key("mcp-session-id"));
    let text = answer.text().await.expect("a whole answer");
    assert!(text.contains("\"adder\""), "{text}");
}
