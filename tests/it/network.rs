// SPDX-License-Identifier: MPL-2.0
//! What one node publishes, every other node finds.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{
    Daemon, Dice, Net, Process, Setup, bootstrap_binary, eventually, isolated, say,
};

/// Publishes agents from random nodes, and resolves each at another node as soon as the answer is there.
async fn publish_and_find_at_once(net: &Net, publishes: usize, what: &str) {
    let mut dice = Dice::new(what);
    let mut missed = Vec::new();
    let started = Instant::now();
    for round in 0..publishes {
        let (publisher, reader) = dice.two_below(net.nodes.len());
        let agent = net.nodes[publisher].api.agent().await;
        let published = net.nodes[publisher].api.publish(&agent.aid).await;
        let path = format!("/resolve/{}", agent.aid);
        let found = net.nodes[reader].api.post(&path, json!({})).await;
        if found.status != 200 || found.json()["seq"] != published["seq"] {
            let answer = format!("{} {}", found.status, found.text.trim());
            missed.push(format!(
                "round {round}, {publisher} to {reader}: {published} {answer}"
            ));
        }
    }
    let found = publishes - missed.len();
    say(&format!(
        "{what}: {found}/{publishes} found at the first try in {:?}",
        started.elapsed()
    ));
    missed.truncate(5);
    assert!(
        missed.is_empty(),
        "the first of them:\n{}",
        missed.join("\n")
    );
}

#[tokio::test]
async fn three_nodes_find_every_publish_at_the_first_try() {
    let net = Net::of(3).await;
    publish_and_find_at_once(&net, 200, "3 nodes").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_nodes_find_every_publish_at_the_first_try() {
    let net = Net::of(20).await;
    publish_and_find_at_once(&net, 200, "20 nodes").await;
}

#[tokio::test]
async fn an_update_is_found_at_once_instead_of_its_predecessor() {
    let net = Net::of(3).await;
    let agent = net.nodes[0].api.agent().await;
    for _ in 0..20 {
        let published = net.nodes[0].api.publish(&agent.aid).await;
        // Node 2 has not asked before, so no cache of its own may answer with an older record.
        assert_eq!(
            net.nodes[2].api.resolve(&agent.aid).await["address"],
            agent.aid.as_str()
        );
        assert!(published["seq"].is_u64(), "{published}");
    }
}

#[tokio::test]
async fn a_resolution_tells_how_to_reach_the_publisher() {
    let net = Net::of(2).await;
    let agent = net.nodes[0].api.agent().await;
    let published = net.nodes[0].api.publish(&agent.aid).await;
    let found = net.nodes[1].api.resolve(&agent.aid).await;
    assert_eq!(found["seq"], published["seq"]);
    assert_eq!(found["ttl"], 3600);
    assert!(
        found["timestamp"].is_u64() && found["nat_type"].is_u64(),
        "{found}"
    );
    let endpoints = found["endpoints"].as_array().expect("endpoints is a list");
    assert!(!endpoints.is_empty(), "{found}");
    let peer = format!("/p2p/{}", net.nodes[0].peer_id);
    for endpoint in endpoints {
        let endpoint = endpoint.as_str().expect("endpoints are text");
        assert!(
            endpoint.starts_with("/ip4/127.0.0.1/") && endpoint.ends_with(&peer),
            "{endpoint}"
        );
    }
}

#[tokio::test]
async fn a_lone_node_publishes_and_hands_on_to_a_node_that_joins_later() {
    let alone = Daemon::alone().await;
    let agent = alone.api.agent().await;
    let published = alone.api.publish(&agent.aid).await;
    assert_eq!(published["replicas"], 0, "{published}");
    assert_eq!(alone.api.resolve(&agent.aid).await["seq"], published["seq"]);

    let later = Setup::new().joining(&alone.addresses().await).start().await;
    let path = format!("/resolve/{}", agent.aid);
    let found = eventually(
        "the later node finds it",
        Duration::from_secs(10),
        async || {
            let answer = later.api.post(&path, json!({})).await;
            (answer.status == 200).then(|| answer.json())
        },
    )
    .await;
    assert_eq!(found["seq"], published["seq"]);
}

#[tokio::test]
async fn a_record_outlives_its_publisher() {
    let mut net = Net::of(4).await;
    let agent = net.nodes[3].api.agent().await;
    net.nodes[3].api.publish(&agent.aid).await;
    net.nodes.pop().expect("four nodes").kill().await;
    for node in &net.nodes {
        node.api.resolve(&agent.aid).await;
    }
}

#[tokio::test]
async fn a_deleted_agent_is_no_longer_found() {
    let net = Net::of(3).await;
    let agent = net.nodes[0].api.agent().await;
    net.nodes[0].api.publish(&agent.aid).await;
    net.nodes[1].api.resolve(&agent.aid).await;
    net.nodes[0]
        .api
        .delete(&format!("/agents/{}", agent.aid))
        .await
        .ok();
    let path = format!("/resolve/{}", agent.aid);
    // A node that has just resolved it may answer from its cache for a while; the others must not find it.
    net.nodes[2]
        .api
        .post(&path, json!({}))
        .await
        .refused(404, "resolve failed");
    net.nodes[0]
        .api
        .post(&path, json!({}))
        .await
        .refused(404, "resolve failed");
}

#[tokio::test]
async fn nodes_meet_through_a_bootstrap_node() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let mut command = isolated(&bootstrap_binary(), home.path());
    command
        .arg("--data-dir")
        .arg(home.path().join("data"))
        .args(["--listen", "127.0.0.1:0"]);
    let mut bootstrap = Process::start(command);
    let addresses = bootstrap
        .line("the ready line", Duration::from_secs(20), announced)
        .await;

    let mut net = Net { nodes: Vec::new() };
    net.join(3, &addresses).await;
    net.formed().await;
    publish_and_find_at_once(&net, 30, "3 nodes and a bootstrap node").await;

    bootstrap.signal("TERM");
    assert_eq!(
        bootstrap.ended(Duration::from_secs(15)).await.code(),
        Some(0)
    );
    publish_and_find_at_once(&net, 10, "the bootstrap node gone").await;
}

/// Reads `a2al-bootstrap <version> ready: <multiaddr> …`.
fn announced(line: &str) -> Option<Vec<String>> {
    let (program, addresses) = line.split_once(" ready: ")?;
    assert!(program.starts_with("a2al-bootstrap "), "{line}");
    Some(addresses.split_whitespace().map(str::to_owned).collect())
}

#[tokio::test]
async fn a_plain_host_and_port_is_enough_to_join() {
    let first = Daemon::alone().await;
    let addresses = first.addresses().await;
    let port = addresses[0]
        .split('/')
        .nth(4)
        .expect("/ip4/ADDRESS/udp/PORT/…")
        .to_owned();
    let second = Setup::new()
        .joining(&[format!("127.0.0.1:{port}")])
        .start()
        .await;
    eventually("the nodes meet", Duration::from_secs(20), async || {
        (second.status().await["dht_peers"] == 1).then_some(())
    })
    .await;
    let agent = first.api.agent().await;
    first.api.publish(&agent.aid).await;
    second.api.resolve(&agent.aid).await;
}

#[tokio::test]
async fn a_dead_bootstrap_address_does_not_stop_the_start() {
    let setup = Setup::new().joining(&["127.0.0.1:1".to_owned(), "not an address".to_owned()]);
    let daemon = setup.start().await;
    daemon.api.get("/health").await.ok();
}

#[tokio::test]
async fn an_unknown_agent_is_not_found() {
    let net = Net::of(2).await;
    let stranger = net.nodes[0].api.identity().await;
    let path = format!("/resolve/{}", stranger.aid);
    net.nodes[1]
        .api
        .post(&path, json!({}))
        .await
        .refused(404, "resolve failed");
    net.nodes[1]
        .api
        .post("/resolve/a0", json!({}))
        .await
        .refused(400, "bad aid");
    let records = net.nodes[1].api.get(&format!("{path}/records")).await.ok();
    assert_eq!(records, json!({ "records": [] }));
    net.nodes[1]
        .api
        .get(&format!("{path}/records?type=x"))
        .await
        .refused(400, "bad type");
}
