// SPDX-License-Identifier: MPL-2.0
//! What must not leak: keys and tokens into the log, sockets to other machines.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::json;

use crate::harness::{Daemon, Net, Setup, Upstream};

#[tokio::test]
async fn no_secret_is_ever_logged() {
    let config = "api_token = \"canary-token\"\nlog_level = \"trace\"\n";
    let upstream = Upstream::start("secret").await;
    let daemon = Setup::new().with_config(config).start().await;
    let api = &daemon.api;
    let agent = api.serving(&upstream.address).await;
    let wallet = api.post("/agents/generate", json!({})).await.ok();
    let proof = json!({ "ethereum_private_key_hex": wallet["ethereum_private_key_hex"] });
    api.post("/agents/ethereum/proof", proof).await.ok();
    api.get(&format!("/agents/{}/export", agent.aid)).await.ok();
    let secret_body =
        json!({ "path": "/mirror?q=canary-query", "body_base64": "Y2FuYXJ5LWJvZHk=" });
    api.post(&format!("/fetch/{}", agent.aid), secret_body)
        .await
        .ok();
    // Broken requests come closest to being quoted.
    let mut broken = agent.registration();
    broken["delegation_proof_hex"] = json!(&agent.proof[..100]);
    api.post("/agents", broken)
        .await
        .refused(400, "delegation parse");
    api.post_text("/agents", format!("{{\"x\": \"{}\"", agent.operational))
        .await;

    let node = std::fs::read_to_string(daemon.data_dir().join("keys/node.key")).expect("a key");
    let secrets = [
        "canary",
        "Y2FuYXJ5",
        &agent.master[..64],
        &agent.operational[..64],
        wallet["ethereum_private_key_hex"].as_str().expect("a key"),
        &wallet["operational_private_key_hex"]
            .as_str()
            .expect("a key")[..64],
        &node[..64],
    ];
    let log = daemon.stop_for_log().await;
    assert!(log.contains("TRACE"), "the log is on: {log}");
    for secret in secrets {
        let leaked = log.lines().find(|line| line.contains(secret));
        assert!(leaked.is_none(), "{leaked:?}");
    }
}

#[tokio::test]
async fn every_socket_is_where_it_was_told_to_be() {
    let net = Net::of(2).await;
    let agent = net.nodes[0].api.agent().await;
    net.nodes[0].api.publish(&agent.aid).await;
    net.nodes[1].api.resolve(&agent.aid).await;
    for node in &net.nodes {
        let local = local_addresses(node);
        assert!(local.len() >= 2, "API and network: {local:?}");
        // As the kernel writes it: 127.0.0.1, least significant byte first.
        let elsewhere = local
            .iter()
            .filter(|address| !address.starts_with("0100007F:"));
        assert_eq!(elsewhere.count(), 0, "{local:?}");
    }
}

/// The local addresses of every IP socket that the daemon has, as `/proc/net` writes them.
fn local_addresses(daemon: &Daemon) -> BTreeSet<String> {
    let process = Path::new("/proc").join(daemon.pid().to_string());
    let open = std::fs::read_dir(process.join("fd")).expect("our own process");
    let sockets = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    let sockets = sockets
        .map(|target| target.display().to_string())
        .collect::<BTreeSet<_>>();
    let tables = ["tcp", "tcp6", "udp", "udp6"].map(|name| process.join("net").join(name));
    let mut local = BTreeSet::new();
    for table in tables
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
    {
        for row in table.lines().skip(1) {
            let columns = row.split_whitespace().collect::<Vec<_>>();
            if sockets.contains(&format!("socket:[{}]", columns[9])) {
                local.insert(columns[1].to_owned());
            }
        }
    }
    local
}
