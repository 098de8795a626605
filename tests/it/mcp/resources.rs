// SPDX-License-Identifier: MPL-2.0
//! Resources and prompts, in both lifecycles.

use serde_json::{Value, json};

use crate::harness::{Daemon, Mcp, Setup, stateless};

fn request(id: u32, method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

/// What a resource says.
async fn read(mcp: &mut Mcp, uri: &str) -> Value {
    let answer = mcp
        .ask(request(1, "resources/read", &json!({ "uri": uri })))
        .await;
    let text = answer["result"]["contents"][0]["text"].as_str();
    serde_json::from_str(text.unwrap_or_else(|| panic!("{uri}: {answer}"))).expect("JSON")
}

#[tokio::test]
async fn resources_mirror_the_node() {
    let daemon = Daemon::alone().await;
    let agent = daemon.api.agent().await;
    let mut mcp = Mcp::over_http(&daemon.api);
    mcp.open("2025-11-25").await;
    let listed = mcp.ask(request(1, "resources/list", &json!({}))).await;
    let uris = listed["result"]["resources"]
        .as_array()
        .expect("resources")
        .iter();
    let uris = uris.map(|resource| resource["uri"].as_str().expect("a URI").to_owned());
    for uri in uris {
        read(&mut mcp, &uri).await;
    }
    let status = read(&mut mcp, "a2al://status").await;
    assert_eq!(status["node_aid"], daemon.status().await["node_aid"]);
    let shown = read(&mut mcp, &format!("a2al://agents/{}", agent.aid)).await;
    assert_eq!(shown["aid"], agent.aid);
    let inbox = read(&mut mcp, &format!("a2al://inbox/{}", agent.aid)).await;
    assert_eq!(inbox["messages"], json!([]));
    let templates = mcp
        .ask(request(1, "resources/templates/list", &json!({})))
        .await;
    assert_eq!(
        templates["result"]["resourceTemplates"][1]["uriTemplate"],
        "a2al://inbox/{aid}"
    );
    let missing = mcp
        .ask(request(1, "resources/read", &json!({ "uri": "a2al://x" })))
        .await;
    assert_eq!(missing["error"]["code"], -32002, "{missing}");
    let missing = stateless(
        2,
        "2026-07-28",
        "resources/read",
        json!({ "uri": "a2al://x" }),
    );
    let missing = mcp.ask(missing).await;
    assert!(missing["error"]["code"].is_i64(), "{missing}");
}

#[tokio::test]
async fn a_client_is_told_when_what_it_watches_changes() {
    let setup = Setup::new();
    let mut mcp = Mcp::on_pipes(&setup);
    mcp.open("2025-11-25").await;
    let aid = mcp.done("a2al_identity_generate", json!({})).await["aid"].clone();
    mcp.done("a2al_agent_register", json!({ "aid": aid })).await;
    let inbox = format!("a2al://inbox/{}", aid.as_str().expect("an address"));
    for uri in ["a2al://agents", inbox.as_str()] {
        let subscribed = mcp
            .ask(request(2, "resources/subscribe", &json!({ "uri": uri })))
            .await;
        assert!(subscribed.get("result").is_some(), "{subscribed}");
    }
    mcp.done(
        "a2al_agent_patch",
        json!({ "aid": aid, "service_tcp": "127.0.0.1:9" }),
    )
    .await;
    let is_update = |message: &Value| message["method"] == "notifications/resources/updated";
    let update = mcp.hears(is_update).await;
    assert_eq!(update["params"]["uri"], "a2al://agents");
    mcp.done("a2al_agent_publish", json!({ "aid": aid })).await;
    mcp.done(
        "a2al_mailbox_send",
        json!({ "aid": aid, "recipient": aid, "text": "hi" }),
    )
    .await;
    mcp.hears(|message| is_update(message) && message["params"]["uri"] == inbox.as_str())
        .await;
}

#[tokio::test]
async fn what_there_is_not_is_not_watched() {
    let daemon = Daemon::alone().await;
    let mut mcp = Mcp::over_http(&daemon.api);
    mcp.open("2025-11-25").await;
    let long = format!("a2al://agents/{}", "x".repeat(100_000));
    for uri in ["file:///etc/passwd", "a2al://agents/x", &long] {
        let refused = mcp
            .ask(request(1, "resources/subscribe", &json!({ "uri": uri })))
            .await;
        assert_eq!(refused["error"]["code"], -32002, "{refused}");
    }
    let known = json!({ "uri": "a2al://status" });
    let watched = mcp.ask(request(1, "resources/subscribe", &known)).await;
    assert!(watched.get("result").is_some(), "{watched}");
}

#[tokio::test]
async fn a_stateless_client_listens_in_one_long_request() {
    let setup = Setup::new();
    let mut mcp = Mcp::on_pipes(&setup);
    let call = json!({ "name": "a2al_identity_generate", "arguments": {} });
    let made = mcp
        .ask(stateless(1, "2026-07-28", "tools/call", call))
        .await;
    let aid = &made["result"]["structuredContent"]["aid"];
    let wanted = json!({ "notifications": { "resourceSubscriptions": ["a2al://agents"] } });
    mcp.tell(stateless(2, "2026-07-28", "subscriptions/listen", wanted))
        .await;
    mcp.hears(|message| message["method"] == "notifications/subscriptions/acknowledged")
        .await;
    let call = json!({ "name": "a2al_agent_register", "arguments": { "aid": aid } });
    mcp.tell(stateless(3, "2026-07-28", "tools/call", call))
        .await;
    let update = mcp
        .hears(|message| message["method"] == "notifications/resources/updated")
        .await;
    assert_eq!(update["params"]["uri"], "a2al://agents");
}

#[tokio::test]
async fn prompts_begin_the_first_journeys() {
    let daemon = Daemon::alone().await;
    let mut mcp = Mcp::over_http(&daemon.api);
    mcp.open("2025-11-25").await;
    let listed = mcp.ask(request(1, "prompts/list", &json!({}))).await;
    assert_eq!(
        listed["result"]["prompts"].as_array().map(Vec::len),
        Some(3),
        "{listed}"
    );
    let note = json!({ "name": "leave_a_note", "arguments": { "recipient": "A0x", "text": "hi" } });
    let prompt = mcp.ask(request(2, "prompts/get", &note)).await;
    let text = prompt["result"]["messages"][0]["content"]["text"].as_str();
    assert!(text.is_some_and(|text| text.contains("A0x")), "{prompt}");
    let wrong = mcp
        .ask(request(
            3,
            "prompts/get",
            &json!({ "name": "leave_a_note" }),
        ))
        .await;
    assert_eq!(wrong["error"]["code"], -32602, "{wrong}");
}
