// SPDX-License-Identifier: MPL-2.0
//! Keys that are made for an assistant: it never sees one, and the owner gets the master key once.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Daemon, Mcp, Process, Setup, cli_binary, isolated, stateless};

/// Every text of at least 64 hexadecimal digits in `value`.
fn long_hex(value: &Value) -> Vec<String> {
    let text = value.to_string();
    let words = text.split(|letter: char| !letter.is_ascii_hexdigit());
    words
        .filter(|word| word.len() >= 64)
        .map(ToOwned::to_owned)
        .collect()
}

async fn a2al(daemon: &Daemon, args: &[&str]) -> crate::harness::Ended {
    let mut command = isolated(&cli_binary(), Path::new("/nonexistent"));
    command.args(["--api", daemon.api.base()]).args(args);
    Process::run(command).await
}

#[tokio::test]
async fn an_identity_is_made_used_and_backed_up_without_a_key_in_any_result() {
    let daemon = Daemon::alone().await;
    let mut mcp = Mcp::over_http(&daemon.api);
    mcp.open("2025-11-25").await;
    let made = mcp.call("a2al_identity_generate", json!({})).await;
    assert!(long_hex(&made).is_empty(), "{made}");
    let aid = made["structuredContent"]["aid"]
        .as_str()
        .expect("an address")
        .to_owned();
    let waits = json!({ &aid: { "master_backup": true } });
    assert_eq!(made["structuredContent"]["pending"], waits);
    assert_eq!(daemon.status().await["pending"], waits);

    let registered = mcp.done("a2al_agent_register", json!({ "aid": aid })).await;
    assert_eq!(registered["status"], "registered");
    let published = mcp.done("a2al_agent_publish", json!({ "aid": aid })).await;
    assert_eq!(published["ok"], true);

    // All that is on disk, and neither half says anything alone.
    let share = daemon
        .data_dir()
        .join("keys/masters")
        .join(aid.to_lowercase());
    assert!(share.exists(), "{}", share.display());
    let file = daemon.data_dir().join("master.json");
    let out = file.to_str().expect("a path");
    let saved = a2al(&daemon, &["identity", "backup", &aid, "--out", out]).await;
    assert_eq!(saved.code(), Some(0), "{}", saved.stderr);
    let backup: Value =
        serde_json::from_slice(&std::fs::read(&file).expect("the backup")).expect("JSON");
    assert_eq!(backup["aid"], aid.as_str());
    let key = backup["master_private_key_hex"].as_str().expect("a key");
    assert_eq!(key.len(), 128);
    assert!(!share.exists());
    assert!(daemon.status().await.get("pending").is_none());

    let again = a2al(&daemon, &["identity", "backup", &aid]).await;
    assert_eq!(again.code(), Some(4), "{}", again.stderr);
    let log = daemon.stop_for_log().await;
    assert!(!log.contains(&key[..64]));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_master_key_that_cannot_be_written_stays() {
    let daemon = Daemon::alone().await;
    let mut mcp = Mcp::over_http(&daemon.api);
    mcp.open("2025-11-25").await;
    let made = mcp.done("a2al_identity_generate", json!({})).await;
    let aid = made["aid"].as_str().expect("an address");
    let mut command = isolated(&cli_binary(), Path::new("/nonexistent"));
    command.args(["--api", daemon.api.base(), "identity", "backup", aid]);
    let full = std::fs::File::create("/dev/full").expect("a device that is always full");
    let failed = command.stdout(full).output().expect("the program runs");
    let told = String::from_utf8_lossy(&failed.stderr);
    assert_eq!(failed.status.code(), Some(1), "{told}");
    assert!(told.contains("the daemon keeps it"), "{told}");
    let key = daemon.api.get(&format!("/identity/{aid}/master")).await;
    assert!(key.ok()["master_private_key_hex"].is_string());
}

#[tokio::test]
async fn kept_keys_survive_a_crash_and_both_halves_are_needed() {
    let daemon = Daemon::alone().await;
    let identity = |daemon: &Daemon| Mcp::over_http(&daemon.api);
    let mut mcp = identity(&daemon);
    mcp.open("2025-11-25").await;
    let made = mcp.done("a2al_identity_generate", json!({})).await;
    let aid = made["aid"].as_str().expect("an address").to_owned();
    let daemon = daemon.kill().await.start().await;
    let backup = daemon
        .api
        .get(&format!("/identity/{aid}/master"))
        .await
        .ok();
    let key = backup["master_private_key_hex"]
        .as_str()
        .expect("a key")
        .to_owned();
    let again = daemon
        .api
        .get(&format!("/identity/{aid}/master"))
        .await
        .ok();
    assert_eq!(
        again["master_private_key_hex"], key,
        "it stays until it is wiped"
    );
    let mut mcp = identity(&daemon);
    mcp.open("2025-11-25").await;
    mcp.done("a2al_agent_register", json!({ "aid": aid })).await;
    let kept = daemon.api.get("/identity/kept").await.ok();
    assert_eq!(
        kept["identities"],
        json!([{ "aid": aid, "registered": true, "master_waits": true }])
    );
    let database = std::fs::read(daemon.data_dir().join("state.db")).expect("the state");
    let share = std::fs::read(
        daemon
            .data_dir()
            .join("keys/masters")
            .join(aid.to_lowercase()),
    );
    for place in [database, share.expect("the share")] {
        let found = place.windows(64).any(|part| part == &key.as_bytes()[..64]);
        assert!(!found, "the key is in the clear");
    }
    let path = format!("/identity/{aid}/master");
    daemon.api.delete(&path).await.ok();
    daemon
        .api
        .delete(&path)
        .await
        .refused(404, "no master key waits here for this aid");
}

#[tokio::test]
async fn hosts_that_bring_their_own_keys_are_served_too() {
    let daemon = Daemon::alone().await;
    let identity = daemon.api.identity().await;
    let mut mcp = Mcp::over_http(&daemon.api);
    mcp.open("2025-11-25").await;
    let registered = mcp
        .done("a2al_agent_register", identity.registration())
        .await;
    assert_eq!(registered["aid"], identity.aid);
    for (arguments, code) in [
        (json!({}), "bad_argument"),
        (
            json!({ "operational_private_key_hex": identity.operational }),
            "bad_argument",
        ),
        (json!({ "aid": identity.aid }), "no_kept_key"),
    ] {
        let failed = mcp.fails("a2al_agent_register", arguments).await;
        assert_eq!(failed["code"], code, "{failed}");
        assert!(
            failed["next"]
                .as_str()
                .is_some_and(|next| next.contains("a2al_identity_generate"))
        );
    }
}

#[tokio::test]
async fn a_wallets_keys_stay_with_the_node_as_well() {
    let daemon = Setup::new()
        .with(&["--mcp-toolsets", "core,web3"])
        .start()
        .await;
    let mut mcp = Mcp::over_http(&daemon.api);
    mcp.open("2025-11-25").await;
    let made = mcp.call("a2al_agents_generate_ethereum", json!({})).await;
    assert!(long_hex(&made).is_empty(), "{made}");
    let aid = &made["structuredContent"]["aid"];
    mcp.done("a2al_agent_register", json!({ "aid": aid })).await;
    let key = "4c0883a69102937d6231471b5dbb6204fe512961708279f3e2e8b1e0b5a3b1c2";
    let proof = mcp
        .done(
            "a2al_ethereum_proof",
            json!({ "ethereum_private_key_hex": key }),
        )
        .await;
    assert_eq!(proof["kept"], true);
    assert!(proof.get("operational_private_key_hex").is_none());
    mcp.done("a2al_agent_register", json!({ "aid": proof["aid"] }))
        .await;
}

#[tokio::test]
async fn an_export_asks_the_human_or_wants_to_be_confirmed() {
    let daemon = Setup::new().with(&["--mcp-toolsets", "all"]).start().await;
    let agent = daemon.api.agent().await;
    let mut mcp = Mcp::over_http(&daemon.api);
    mcp.open("2025-11-25").await;
    let refused = mcp
        .fails("a2al_agent_export", json!({ "aid": agent.aid }))
        .await;
    assert_eq!(refused["code"], "confirmation_required", "{refused}");
    assert_eq!(refused["argument"], "confirm");
    let done = mcp
        .call(
            "a2al_agent_export",
            json!({ "aid": agent.aid, "confirm": true }),
        )
        .await;
    assert!(long_hex(&done).is_empty(), "{done}");
    let path = done["structuredContent"]["path"].as_str().expect("a path");
    let export: Value =
        serde_json::from_slice(&std::fs::read(path).expect("the export")).expect("JSON");
    assert_eq!(export["operational_private_key_hex"], agent.operational);
}

#[tokio::test]
async fn a_stateless_host_brings_the_humans_answer_along() {
    let daemon = Setup::new().with(&["--mcp-toolsets", "all"]).start().await;
    let (agent, other) = (daemon.api.agent().await, daemon.api.agent().await);
    let mut mcp = Mcp::over_http(&daemon.api);
    let call = |aid: &str, carried: Value| {
        let mut params = json!({
            "name": "a2al_agent_export", "arguments": { "aid": aid, "confirm": true },
        });
        params
            .as_object_mut()
            .expect("an object")
            .extend(carried.as_object().expect("an object").clone());
        let mut call = stateless(1, "2026-07-28", "tools/call", params);
        call["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
            json!({ "elicitation": { "form": {} } });
        call
    };
    let asked = mcp.ask(call(&agent.aid, json!({}))).await["result"].clone();
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    let question = &asked["inputRequests"]["confirm"];
    let text = question["params"]["message"].as_str().expect("a question");
    assert!(text.contains(&agent.aid), "{text}");

    let answer = |action: &str, state: &Value| json!({ "inputResponses": { "confirm": { "action": action } }, "requestState": state });
    let state = &asked["requestState"];
    let again = mcp.ask(call(&agent.aid, json!({}))).await["result"]["requestState"].clone();
    let forged = json!(format!("{}x", state.as_str().expect("a state")));
    for (aid, carried, code) in [
        (&agent.aid, answer("accept", &forged), "bad_answer"),
        (&other.aid, answer("accept", state), "bad_answer"),
        (&agent.aid, answer("decline", state), "refused_by_user"),
        (&agent.aid, answer("accept", state), "bad_answer"),
    ] {
        let refused = mcp.ask(call(aid, carried)).await["result"].clone();
        assert_eq!(refused["isError"], true, "{refused}");
        assert_eq!(refused["structuredContent"]["code"], code, "{refused}");
    }
    let accepted = call(&agent.aid, answer("accept", &again));
    let done = mcp.ask(accepted.clone()).await["result"].clone();
    assert!(done["structuredContent"]["path"].is_string(), "{done}");
    let twice = mcp.ask(accepted).await["result"].clone();
    assert_eq!(twice["structuredContent"]["code"], "bad_answer", "{twice}");
}
