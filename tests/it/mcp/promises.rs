// SPDX-License-Identifier: MPL-2.0
//! Answers of tools have the shape that `tools/list` promises.

use std::collections::{BTreeMap, BTreeSet};

use a2al_protocol::WalletKey;
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::harness::{Daemon, Mcp, Pair, unix_now};

/// A client that checks every answer.
struct Checking {
    mcp: Mcp,
    promised: BTreeMap<String, Validator>,
    checked: BTreeSet<String>,
}

impl Checking {
    async fn of(daemon: &Daemon) -> Self {
        let mut mcp = Mcp::over_http(&daemon.api);
        mcp.open("2025-11-25").await;
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
        let result = mcp.ask(request).await["result"].clone();
        let tools = result["tools"].as_array().expect("tools").iter();
        let promised = tools.map(|tool| {
            let name = tool["name"].as_str().expect("a name").to_owned();
            let schema = &tool["outputSchema"];
            (
                name,
                jsonschema::validator_for(schema).expect("a JSON Schema"),
            )
        });
        Self {
            mcp,
            promised: promised.collect(),
            checked: BTreeSet::new(),
        }
    }

    async fn done(&mut self, tool: &str, arguments: Value) -> Value {
        let content = self.mcp.done(tool, arguments).await;
        let faults = self.promised[tool].iter_errors(&content);
        let faults = faults.map(|fault| fault.to_string()).collect::<Vec<_>>();
        assert!(faults.is_empty(), "{tool}: {faults:?} in {content}");
        self.checked.insert(tool.to_owned());
        content
    }

    async fn all_done(&mut self, calls: &[(&str, &Value)]) {
        for (tool, arguments) in calls {
            self.done(tool, (*arguments).clone()).await;
        }
    }
}

#[tokio::test]
async fn answers_have_the_promised_shape() {
    let pair = Pair::start().await;
    let caller = pair.caller();
    let all = json!({ "mcp_toolsets": "all" });
    caller.api.patch("/config", all).await.ok();
    let offer =
        json!({ "services": ["test.echo"], "brief": "Says it again", "meta": { "a": [1] } });
    let path = format!("/agents/{}/services", pair.aid);
    pair.host().api.post(&path, offer).await.ok();
    let mut tools = Checking::of(caller).await;
    an_agents_life(&mut tools).await;
    calls(&mut tools, &pair.aid).await;
    wallets(&mut tools).await;
    let unchecked = tools
        .promised
        .keys()
        .filter(|name| !tools.checked.contains(*name));
    assert_eq!(unchecked.collect::<Vec<_>>(), Vec::<&String>::new());
}

async fn an_agents_life(tools: &mut Checking) {
    let nothing = json!({});
    let aid = tools.done("a2al_identity_generate", json!({})).await["aid"].clone();
    let one = json!({ "aid": aid });
    let bound = json!({ "aid": aid, "service_tcp": "127.0.0.1:9" });
    let record = json!({ "aid": aid, "rec_type": 3, "payload_base64": "aGk=", "ttl": 60 });
    let confirmed = json!({ "aid": aid, "confirm": true });
    tools
        .all_done(&[
            ("a2al_identities_kept", &nothing),
            ("a2al_agent_register", &one),
            ("a2al_agents_list", &nothing),
            ("a2al_agent_get", &one),
            ("a2al_agent_patch", &bound),
            ("a2al_agent_publish", &one),
            ("a2al_agent_probe", &one),
            ("a2al_agent_heartbeat", &one),
            ("a2al_agent_publish_record", &record),
            ("a2al_resolve_records", &one),
            ("a2al_agent_export", &confirmed),
            (
                "a2al_agent_profile_set",
                &json!({ "aid": aid, "name": "Tester", "skills": ["a.b"] }),
            ),
            ("a2al_agent_profile_clear", &one),
            (
                "a2al_service_register",
                &json!({ "aid": aid, "services": ["test.shape"], "tags": ["x"] }),
            ),
            (
                "a2al_service_unregister",
                &json!({ "aid": aid, "service": "test.shape" }),
            ),
            (
                "a2al_mailbox_send",
                &json!({ "aid": aid, "recipient": aid, "text": "hi" }),
            ),
            ("a2al_mailbox_list", &one),
            ("a2al_mailbox_poll", &one),
            ("a2al_events_poll", &one),
            ("a2al_agent_delete", &one),
            ("a2al_agents_deleted", &nothing),
            ("a2al_agent_restore", &one),
        ])
        .await;
}

async fn calls(tools: &mut Checking, remote: &str) {
    let nothing = json!({});
    let aid = json!({ "aid": remote });
    let to = json!({ "remote_aid": remote });
    let echo = json!({ "remote_aid": remote, "path": "/echo" });
    let bytes = json!({ "remote_aid": remote, "path": "/bytes/300" });
    tools
        .all_done(&[
            ("a2al_status", &nothing),
            ("a2al_peers", &nothing),
            ("a2al_resolve", &aid),
            ("a2al_fetch", &echo),
            ("a2al_fetch", &bytes),
            (
                "a2al_discover",
                &json!({ "services": ["test.*"], "probe": 1 }),
            ),
            ("a2al_connect", &to),
        ])
        .await;
    let tunnel = tools.done("a2al_tunnel_open", to).await;
    tools.done("a2al_tunnel_list", json!({})).await;
    let id = json!({ "tunnel_id": tunnel["id"] });
    tools.done("a2al_tunnel_close", id).await;
}

async fn wallets(tools: &mut Checking) {
    tools.done("a2al_agents_generate_ethereum", json!({})).await;
    let key = WalletKey::generate().to_hex();
    let proof = json!({ "ethereum_private_key_hex": key.as_str() });
    tools.done("a2al_ethereum_proof", proof).await;
    // An owner who signs what the node asks for, with a key that the node keeps to itself.
    let wallet = WalletKey::generate();
    let aid = wallet.ethereum_aid().to_string();
    let mut terms = json!({ "agent": aid, "issued_at": unix_now(), "expires_at": 0 });
    let asked = tools
        .done("a2al_ethereum_delegation_message", terms.clone())
        .await;
    let message = asked["message"].as_str().expect("a text");
    terms["eth_signature_hex"] = json!(hex::encode(wallet.sign_ethereum(message)));
    let registered = tools.done("a2al_ethereum_register", terms).await;
    assert_eq!(registered["aid"], aid);
}
