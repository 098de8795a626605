// SPDX-License-Identifier: MPL-2.0
//! The tools as a model is shown them: few bytes, everything described, answers of the promised shape.

use std::collections::{BTreeMap, BTreeSet};

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::harness::{Daemon, Mcp, Pair, Setup, eventually, say};

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
    let bytes = result.to_string().len();
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
}

/// Checks answers of tools against what `tools/list` promised.
struct Promises(BTreeMap<String, Validator>);

impl Promises {
    async fn of(daemon: &Daemon) -> (Self, Mcp) {
        let mut mcp = Mcp::over_http(&daemon.api);
        mcp.open("2025-11-25").await;
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
        let result = mcp.ask(request).await["result"].clone();
        let tools = result["tools"].as_array().expect("tools").iter();
        let validators = tools.map(|tool| {
            let name = tool["name"].as_str().expect("a name").to_owned();
            let validator =
                jsonschema::validator_for(&tool["outputSchema"]).expect("a JSON Schema");
            (name, validator)
        });
        (Self(validators.collect()), mcp)
    }

    fn check(&self, tool: &str, content: &Value) {
        let faults = self.0[tool]
            .iter_errors(content)
            .map(|fault| fault.to_string());
        let faults = faults.collect::<Vec<_>>();
        assert!(faults.is_empty(), "{tool}: {faults:?} in {content}");
    }
}

#[tokio::test]
async fn answers_have_the_promised_shape() {
    let pair = Pair::start().await;
    let caller = pair.caller();
    caller
        .api
        .patch("/config", json!({ "mcp_toolsets": "all" }))
        .await
        .ok();
    let (promises, mut mcp) = Promises::of(caller).await;
    let kept = mcp.done("a2al_identity_generate", json!({})).await;
    promises.check("a2al_identity_generate", &kept);
    let aid = kept["aid"].clone();
    let wallet = mcp.done("a2al_agents_generate_ethereum", json!({})).await;
    promises.check("a2al_agents_generate_ethereum", &wallet);
    let key = "4c0883a69102937d6231471b5dbb6204fe512961708279f3e2e8b1e0b5a3b1c2";
    let terms = json!({
        "agent": wallet["aid"], "issued_at": 1_795_468_800_u64, "expires_at": 0,
    });
    let one = json!({ "aid": aid });
    let remote = json!({ "remote_aid": pair.aid });
    let calls = [
        ("a2al_agent_register", one.clone()),
        ("a2al_agents_list", json!({})),
        ("a2al_agent_get", one.clone()),
        (
            "a2al_agent_patch",
            json!({ "aid": aid, "service_tcp": "127.0.0.1:9" }),
        ),
        ("a2al_agent_publish", one.clone()),
        ("a2al_agent_probe", one.clone()),
        ("a2al_agent_heartbeat", one.clone()),
        ("a2al_status", json!({})),
        ("a2al_resolve", json!({ "aid": pair.aid })),
        (
            "a2al_fetch",
            json!({ "remote_aid": pair.aid, "path": "/echo" }),
        ),
        (
            "a2al_fetch",
            json!({ "remote_aid": pair.aid, "path": "/bytes/300" }),
        ),
        ("a2al_connect", remote.clone()),
        ("a2al_tunnel_open", remote.clone()),
        ("a2al_tunnel_list", json!({})),
        (
            "a2al_agent_publish_record",
            json!({ "aid": aid, "rec_type": 3, "payload_base64": "aGk=", "ttl": 60 }),
        ),
        ("a2al_resolve_records", json!({ "aid": aid })),
        ("a2al_ethereum_delegation_message", terms),
        (
            "a2al_ethereum_proof",
            json!({ "ethereum_private_key_hex": key }),
        ),
        ("a2al_peers", json!({})),
        ("a2al_identities_kept", json!({})),
        ("a2al_agent_export", json!({ "aid": aid, "confirm": true })),
        ("a2al_agent_delete", one.clone()),
        ("a2al_agents_deleted", json!({})),
        ("a2al_agent_restore", one),
    ];
    let mut checked = BTreeSet::from(["a2al_identity_generate", "a2al_agents_generate_ethereum"]);
    for (tool, arguments) in calls {
        let content = mcp.done(tool, arguments).await;
        promises.check(tool, &content);
        checked.insert(tool);
        if tool == "a2al_tunnel_open" {
            let closed = mcp
                .done("a2al_tunnel_close", json!({ "tunnel_id": content["id"] }))
                .await;
            promises.check("a2al_tunnel_close", &closed);
            checked.insert("a2al_tunnel_close");
        }
    }
    // The wallet of a test on its own: it needs a signature.
    checked.insert("a2al_ethereum_register");
    let unchecked = promises
        .0
        .keys()
        .filter(|name| !checked.contains(name.as_str()));
    assert_eq!(unchecked.collect::<Vec<_>>(), Vec::<&String>::new());
}
