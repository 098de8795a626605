// SPDX-License-Identifier: MPL-2.0
//! Hosts that can open a page are led to the one on which the owner saves a new identity's master key.

use std::time::Duration;

use rmcp::handler::client::ClientHandler;
use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, CustomNotification,
    ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationCapability, ErrorData,
    UrlElicitationCapability,
};
use rmcp::service::{NotificationContext, RequestContext};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::{RoleClient, ServiceExt as _};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::harness::{Api, Daemon, Mcp, Setup, eventually, initialize, stateless};

const TOOL: &str = "a2al_identity_generate";

/// Longest wait for a notice.
const DEADLINE: Duration = Duration::from_secs(30);

/// The API of a daemon on pipes.
async fn api_of(setup: &Setup) -> Api {
    let note = setup.data_dir().join("daemon.api");
    let api = eventually("the daemon says where it is", DEADLINE, async || {
        std::fs::read_to_string(&note)
            .ok()
            .filter(|text| text.ends_with('\n'))
    });
    Api::new(&format!("http://{}", api.await.trim()))
}

async fn open_with(mcp: &mut Mcp, elicitation: Value) {
    let mut opening = initialize("2025-11-25");
    opening["params"]["capabilities"] = json!({ "elicitation": elicitation });
    mcp.ask(opening).await;
    mcp.tell(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
        .await;
}

async fn identities(api: &Api) -> usize {
    let kept = api.get("/identity/kept").await.ok();
    kept["identities"].as_array().expect("a list").len()
}

/// Checks a question for a page of `api`, and returns the address that it is about.
fn assert_asked(question: &Value, api: &Api) -> String {
    assert_eq!(question["mode"], "url", "{question}");
    let aid = question["elicitationId"].as_str().expect("an id");
    let page = format!("{}/backup/{aid}", api.base());
    assert_eq!(question["url"], page, "{question}");
    let message = question["message"].as_str().expect("a text");
    assert!(message.contains(aid), "{message}");
    aid.to_owned()
}

/// Checks that `result` is the identity of `aid`, and that the same API has no other.
async fn assert_made(result: &Value, aid: &str, api: &Api) {
    assert_ne!(result["isError"], true, "{result}");
    let made = &result["structuredContent"];
    assert_eq!(made["aid"], aid, "{result}");
    assert_eq!(made["backup_url"], format!("{}/backup/{aid}", api.base()));
    let command = made["backup_command"].as_str().expect("a command");
    assert!(command.contains(aid), "{command}");
    assert_eq!(made["pending"][aid]["master_backup"], true, "{result}");
    let texts = result["content"].to_string();
    assert!(texts.contains("/backup/"), "{texts}");
    assert_eq!(identities(api).await, 1, "one call makes one identity");
}

/// Makes an identity over pipes whose host answers the question in this way, and has it wiped.
async fn made_over_pipes(mcp: &mut Mcp, api: &Api, answer: Value) {
    open_with(mcp, json!({ "url": {} })).await;
    let params = json!({ "name": TOOL, "arguments": {} });
    mcp.tell(json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params }))
        .await;
    let question = mcp
        .hears(|message| message["method"] == "elicitation/create")
        .await;
    let aid = assert_asked(&question["params"], api);
    let mut message = json!({ "jsonrpc": "2.0", "id": question["id"] });
    let fields = message.as_object_mut().expect("an object");
    fields.extend(answer.as_object().expect("an object").clone());
    mcp.tell(message).await;
    let done = mcp.hears(|message| message["id"] == 7).await;
    assert_made(&done["result"], &aid, api).await;
    let path = format!("/identity/{aid}/master");
    api.delete(&path).await.ok();
    let complete = mcp
        .hears(|message| message["method"] == "notifications/elicitation/complete")
        .await;
    assert_eq!(complete["params"], json!({ "elicitationId": aid }));
}

#[tokio::test]
async fn whatever_the_host_answers_the_identity_is_made_once() {
    for answer in [
        json!({ "result": { "action": "accept" } }),
        json!({ "result": { "action": "decline" } }),
        json!({ "result": { "action": "cancel" } }),
        json!({ "error": { "code": -32603, "message": "no browser" } }),
    ] {
        let setup = Setup::new();
        let mut mcp = Mcp::on_pipes(&setup);
        let api = api_of(&setup).await;
        made_over_pipes(&mut mcp, &api, answer).await;
        let (status, _) = mcp.close().await;
        assert!(status.success(), "{status}");
    }
}

#[tokio::test]
async fn a_bridge_passes_question_answer_and_notice() {
    let daemon = Daemon::alone().await;
    let mut mcp = Mcp::on_pipes(&daemon.setup());
    let answer = json!({ "result": { "action": "accept" } });
    made_over_pipes(&mut mcp, &daemon.api, answer).await;
    let (status, _) = mcp.close().await;
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn a_host_that_says_nothing_holds_up_no_call() {
    let setup = Setup::new();
    let mut mcp = Mcp::on_pipes(&setup);
    let api = api_of(&setup).await;
    open_with(&mut mcp, json!({ "form": {}, "url": {} })).await;
    let asked = std::time::Instant::now();
    let result = mcp.call(TOOL, json!({})).await;
    assert!(asked.elapsed() < Duration::from_secs(25));
    let aid = result["structuredContent"]["aid"].as_str();
    let aid = aid.expect("an address").to_owned();
    assert_made(&result, &aid, &api).await;
}

#[tokio::test]
async fn hosts_without_pages_are_asked_nothing() {
    for elicitation in [json!({}), json!({ "form": {} })] {
        let setup = Setup::new();
        let mut mcp = Mcp::on_pipes(&setup);
        let api = api_of(&setup).await;
        open_with(&mut mcp, elicitation).await;
        let result = mcp.call(TOOL, json!({})).await;
        let aid = result["structuredContent"]["aid"].as_str();
        let aid = aid.expect("an address").to_owned();
        assert_made(&result, &aid, &api).await;
        let (_, heard) = mcp.close().await;
        assert!(!heard.contains("elicitation/create"), "{heard}");
    }
}

/// A client that notes what it is to open, and which of it is done.
struct Opener(mpsc::Sender<Value>);

impl ClientHandler for Opener {
    fn get_info(&self) -> ClientConfig {
        let pages = ElicitationCapability::new().with_url(UrlElicitationCapability::new());
        let mut info = ClientConfig::default();
        info.capabilities = ClientCapabilities::builder()
            .enable_elicitation_with(pages)
            .build();
        info
    }

    async fn create_elicitation(
        &self,
        question: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let question = serde_json::to_value(question).expect("JSON");
        self.0.send(question).await.expect("the test listens");
        Ok(ElicitResult::new(ElicitationAction::Accept))
    }

    async fn on_custom_notification(
        &self,
        notice: CustomNotification,
        _: NotificationContext<RoleClient>,
    ) {
        assert_eq!(notice.method, "notifications/elicitation/complete");
        let params = notice.params.expect("an id");
        self.0.send(params).await.expect("the test listens");
    }
}

#[tokio::test]
async fn a_session_over_http_is_led_to_the_page() {
    let daemon = Daemon::alone().await;
    let (opened, mut noted) = mpsc::channel(4);
    let url = format!("{}/mcp", daemon.api.base());
    let transport = StreamableHttpClientTransport::from_uri(url);
    let client = Opener(opened).serve(transport).await.expect("a session");
    let called = client.call_tool(CallToolRequestParams::new(TOOL)).await;
    let result = serde_json::to_value(called.expect("a result")).expect("JSON");
    let mut next = async || {
        let next = timeout(DEADLINE, noted.recv()).await;
        next.expect("in time").expect("a client")
    };
    let aid = assert_asked(&next().await, &daemon.api);
    assert_made(&result, &aid, &daemon.api).await;
    let path = format!("/identity/{aid}/master");
    daemon.api.delete(&path).await.ok();
    assert_eq!(next().await, json!({ "elicitationId": aid }));
    client.cancel().await.expect("an end");
}

/// A call of a stateless host that can open pages.
fn stateless_call(tool: &str, carried: &Value) -> Value {
    let mut params = json!({ "name": tool, "arguments": {} });
    let fields = params.as_object_mut().expect("an object");
    fields.extend(carried.as_object().expect("an object").clone());
    let mut call = stateless(1, "2026-07-28", "tools/call", params);
    call["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
        json!({ "elicitation": { "url": {} } });
    call
}

async fn made_without_a_session(mcp: &mut Mcp, api: &Api) {
    let asked = mcp.ask(stateless_call(TOOL, &json!({}))).await["result"].clone();
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    let question = &asked["inputRequests"]["backup"];
    assert_eq!(question["method"], "elicitation/create", "{asked}");
    let aid = assert_asked(&question["params"], api);
    let state = &asked["requestState"];
    for action in ["accept", "decline", "cancel", "accept"] {
        let answers = json!({ "backup": { "action": action } });
        let carried = json!({ "inputResponses": answers, "requestState": state });
        let done = mcp.ask(stateless_call(TOOL, &carried)).await["result"].clone();
        assert_eq!(done["resultType"], "complete", "{done}");
        assert_made(&done, &aid, api).await;
    }
    let forged = json!(format!("{}x", state.as_str().expect("a state")));
    for (tool, state) in [(TOOL, &forged), ("a2al_agents_generate_ethereum", state)] {
        let answers = json!({ "backup": { "action": "accept" } });
        let carried = json!({ "inputResponses": answers, "requestState": state });
        let refused = mcp.ask(stateless_call(tool, &carried)).await["result"].clone();
        assert_eq!(
            refused["structuredContent"]["code"], "bad_answer",
            "{refused}"
        );
    }
    assert_eq!(identities(api).await, 1);
}

#[tokio::test]
async fn a_stateless_host_calls_again_and_gets_the_same_identity() {
    let daemon = Setup::new()
        .with(&["--mcp-toolsets", "core,web3"])
        .start()
        .await;
    made_without_a_session(&mut Mcp::over_http(&daemon.api), &daemon.api).await;
    let setup = Setup::new().with(&["--mcp-toolsets", "core,web3"]);
    let mut pipes = Mcp::on_pipes(&setup);
    let api = api_of(&setup).await;
    made_without_a_session(&mut pipes, &api).await;
}
