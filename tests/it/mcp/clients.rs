// SPDX-License-Identifier: MPL-2.0
//! Clients that others wrote: rmcp's, and the official Python one.

use rmcp::RoleClient;
use rmcp::ServiceExt as _;
use rmcp::handler::client::ClientHandler;
use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult,
    ElicitationAction, ErrorData,
};
use rmcp::service::{RequestContext, RunningService};
use rmcp::transport::{StreamableHttpClientTransport, TokioChildProcess};
use serde_json::{Value, json};

use crate::harness::{Daemon, MCP_CLIENT, Net, Process, Setup, Upstream};

/// A client whose human answers every question in the same way.
#[derive(Clone)]
struct Human(ElicitationAction);

impl ClientHandler for Human {
    fn get_info(&self) -> ClientConfig {
        let mut info = ClientConfig::default();
        info.capabilities = ClientCapabilities::builder().enable_elicitation().build();
        info
    }

    async fn create_elicitation(
        &self,
        _: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        Ok(ElicitResult::new(self.0.clone()))
    }
}

async fn connected(daemon: &Daemon, human: Human) -> RunningService<RoleClient, Human> {
    let url = format!("{}/mcp", daemon.api.base());
    let transport = StreamableHttpClientTransport::from_uri(url);
    human.serve(transport).await.expect("a session")
}

async fn called(
    client: &RunningService<RoleClient, Human>,
    tool: &'static str,
    arguments: Value,
) -> Value {
    let arguments = arguments.as_object().expect("an object").clone();
    let params = CallToolRequestParams::new(tool).with_arguments(arguments);
    let result = client.call_tool(params).await.expect("a result");
    result.structured_content.expect("structured content")
}

#[tokio::test]
async fn rmcp_goes_online_and_calls_an_agent() {
    let net = Net::of(2).await;
    let upstream = Upstream::start("remote").await;
    let host = connected(&net.nodes[0], Human(ElicitationAction::Cancel)).await;
    let aid = called(&host, "a2al_identity_generate", json!({})).await["aid"].clone();
    called(
        &host,
        "a2al_agent_register",
        json!({ "aid": aid, "service_tcp": upstream.address }),
    )
    .await;
    called(&host, "a2al_agent_publish", json!({ "aid": aid })).await;
    let caller = connected(&net.nodes[1], Human(ElicitationAction::Cancel)).await;
    let found = called(&caller, "a2al_resolve", json!({ "aid": aid })).await;
    assert_eq!(found["address"], aid);
    let fetched = called(
        &caller,
        "a2al_fetch",
        json!({ "remote_aid": aid, "path": "/name" }),
    )
    .await;
    assert_eq!(fetched["untrusted"]["text"], "remote", "{fetched}");
    let tools = caller.list_all_tools().await.expect("tools");
    assert!(tools.iter().any(|tool| tool.name == "a2al_fetch"));
    caller.cancel().await.expect("an end");
}

#[tokio::test]
async fn rmcp_starts_a_node_of_its_own() {
    let mut command = tokio::process::Command::from(Setup::new().command());
    command.arg("--mcp-stdio");
    let transport = TokioChildProcess::new(command).expect("a process");
    let client = Human(ElicitationAction::Cancel)
        .serve(transport)
        .await
        .expect("a session");
    let status = called(&client, "a2al_status", json!({})).await;
    assert!(status["node_aid"].is_string());
    client.cancel().await.expect("an end");
}

#[tokio::test]
async fn the_human_decides_about_an_export() {
    let daemon = Setup::new().with(&["--mcp-toolsets", "all"]).start().await;
    let aid = daemon.api.agent().await.aid;
    for (action, path) in [
        (ElicitationAction::Accept, true),
        (ElicitationAction::Decline, false),
    ] {
        let client = connected(&daemon, Human(action)).await;
        let answered = called(
            &client,
            "a2al_agent_export",
            json!({ "aid": aid, "confirm": true }),
        )
        .await;
        assert_eq!(answered["path"].is_string(), path, "{answered}");
        assert_eq!(answered["code"] == "refused_by_user", !path, "{answered}");
        client.cancel().await.expect("an end");
    }
}

/// Runs `client.py` against a daemon, which it is told how to reach.
async fn python(test: &str, args: &[&str]) {
    let Some(mut command) = MCP_CLIENT.command(test) else {
        return;
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/it/mcp/client.py");
    command.arg(script).args(args);
    let ended = Process::run(command).await;
    assert_eq!(
        ended.code(),
        Some(0),
        "{test}:\n{}\n{}",
        ended.stdout,
        ended.stderr
    );
    assert!(ended.stdout.ends_with("done\n"), "{}", ended.stdout);
}

#[tokio::test]
async fn the_python_client_works_over_http() {
    let net = Net::of(2).await;
    let upstream = Upstream::start("remote").await;
    let (first, second) = (net.nodes[0].api.base(), net.nodes[1].api.base());
    let args = ["http", &upstream.address, first, second];
    python("the_python_client_works_over_http", &args).await;
}

#[tokio::test]
async fn the_python_client_works_over_pipes() {
    let (first, second) = (Setup::new(), Daemon::alone().await);
    let upstream = Upstream::start("remote").await;
    let first = first.joining(&second.addresses().await).command();
    let mut args = vec!["stdio", &upstream.address, second.api.base()];
    let program = first.get_program().to_str().expect("a path");
    let own = first.get_args().map(|arg| arg.to_str().expect("text"));
    args.push(program);
    args.extend(own);
    args.push("--mcp-stdio");
    python("the_python_client_works_over_pipes", &args).await;
}
