// SPDX-License-Identifier: MPL-2.0
//! The tools as a model is shown them: few bytes, everything described, answers of the promised shape.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::harness::{Mcp, Setup, eventually, say, stateless};

/// Most tools that are shown by default.
const MOST_CORE_TOOLS: usize = 20;

/// Longest `tools/list` by default, in bytes.
const MOST_CORE_BYTES: usize = 20 * 1024;

/// Longest `tools/list` of all tools, in bytes.
const MOST_BYTES: usize = 40 * 1024;

async fn listed(toolsets: &str) -> (Vec<Value>, usize) {
    let daemon = Setup::new()
        .with(&["--mcp-toolsets", toolsets])
        .start()
        .await;
    let mut mcp = Mcp::over_http(&daemon.api);
    mcp.open("2025-11-25").await;
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let result = mcp.ask(request).await["result"].clone();
    // The stateless revision says a little more with every result.
    let request = stateless(1, "2026-07-28", "tools/list", json!({}));
    let stateless = Mcp::over_http(&daemon.api).ask(request).await["result"].clone();
    assert_eq!(stateless["tools"], result["tools"]);
    let bytes = stateless.to_string().len();
    (result["tools"].as_array().expect("tools").clone(), bytes)
}

/// How much of a list is as it should be.
#[derive(Debug, Default)]
struct Share {
    good: usize,
    all: usize,
}

impl Share {
    fn count(&mut self, is_good: bool) {
        self.all += 1;
        self.good += usize::from(is_good);
    }

    fn is_whole(&self) -> bool {
        self.good == self.all && self.all > 0
    }
}

#[tokio::test]
async fn the_lists_are_short_and_everything_in_them_is_described() {
    for (toolsets, most_bytes) in [("core", MOST_CORE_BYTES), ("all", MOST_BYTES)] {
        let (tools, bytes) = listed(toolsets).await;
        let mut shares = BTreeMap::<&str, Share>::new();
        for tool in &tools {
            let has_text = |value: &Value| value.as_str().is_some_and(|text| text.len() > 4);
            let mut count = |what, is_good| shares.entry(what).or_default().count(is_good);
            count("titles", has_text(&tool["title"]));
            count("descriptions", has_text(&tool["description"]));
            count(
                "output schemas",
                tool["outputSchema"]["properties"].is_object(),
            );
            for hint in [
                "readOnlyHint",
                "destructiveHint",
                "idempotentHint",
                "openWorldHint",
            ] {
                count("annotations", tool["annotations"][hint].is_boolean());
            }
            let input = &tool["inputSchema"];
            count(
                "closed input schemas",
                input["additionalProperties"] == false,
            );
            for (name, argument) in input["properties"].as_object().expect("arguments") {
                count("arguments described", has_text(&argument["description"]));
                let kinds = &argument["type"];
                assert!(kinds.is_string(), "{} {name}: {argument}", tool["name"]);
            }
        }
        say(&format!(
            "mcp tools {toolsets:5} {:3} tools {bytes:6} bytes {shares:?}",
            tools.len()
        ));
        for (what, share) in &shares {
            assert!(share.is_whole(), "{toolsets}: {what}: {share:?}");
        }
        assert!(bytes <= most_bytes, "{toolsets}: {bytes} bytes");
        assert!(toolsets != "core" || tools.len() <= MOST_CORE_TOOLS);
    }
}

#[tokio::test]
async fn every_core_tool_of_the_reference_is_there() {
    let (tools, _) = listed("all").await;
    let names = tools
        .iter()
        .map(|tool| tool["name"].as_str().expect("a name"));
    let names = names.collect::<BTreeSet<_>>();
    let expected = [
        "a2al_identity_generate",
        "a2al_agents_list",
        "a2al_status",
        "a2al_tunnel_list",
        "a2al_agents_generate_ethereum",
        "a2al_ethereum_delegation_message",
        "a2al_ethereum_register",
        "a2al_ethereum_proof",
        "a2al_agent_register",
        "a2al_agent_get",
        "a2al_agent_probe",
        "a2al_agent_publish",
        "a2al_agent_heartbeat",
        "a2al_agent_delete",
        "a2al_agent_patch",
        "a2al_agent_publish_record",
        "a2al_resolve",
        "a2al_resolve_records",
        "a2al_fetch",
        "a2al_connect",
        "a2al_tunnel_open",
        "a2al_tunnel_close",
        "a2al_service_register",
        "a2al_service_unregister",
        "a2al_discover",
        "a2al_mailbox_send",
        "a2al_mailbox_poll",
        "a2al_mailbox_list",
        "a2al_events_poll",
    ];
    for name in expected {
        assert!(names.contains(name), "{name} is missing");
    }
}

#[tokio::test]
async fn tools_come_and_go_while_clients_are_connected() {
    let setup = Setup::new();
    let mut mcp = Mcp::on_pipes(&setup);
    mcp.open("2025-06-18").await;
    // A client that says again that it is ready is told no more often.
    for _ in 0..3 {
        mcp.tell(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
            .await;
    }
    let note = setup.data_dir().join("daemon.api");
    let api = eventually(
        "the daemon says where it is",
        std::time::Duration::from_secs(20),
        async || {
            std::fs::read_to_string(&note)
                .ok()
                .filter(|text| text.ends_with('\n'))
        },
    )
    .await;
    let api = crate::harness::Api::new(&format!("http://{}", api.trim()));
    let request = json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": { "name": "a2al_peers" }});
    let hidden = mcp.ask(request).await;
    assert_eq!(hidden["error"]["code"], -32602, "{hidden}");
    let message = hidden["error"]["message"].as_str().expect("a text");
    assert!(message.contains("mcp_toolsets core,admin"), "{message}");

    let changed = api
        .patch("/config", json!({ "mcp_toolsets": "core,admin" }))
        .await
        .ok();
    assert_eq!(changed["restart_required"], json!([]));
    mcp.hears(|message| message["method"] == "notifications/tools/list_changed")
        .await;
    mcp.done("a2al_peers", json!({})).await;
    api.patch("/config", json!({ "mcp_toolsets": "cor" }))
        .await
        .refused(400, "invalid config");
    let (_, heard) = mcp.close().await;
    let told = heard.matches("notifications/tools/list_changed").count();
    assert_eq!(told, 1, "{heard}");
}
