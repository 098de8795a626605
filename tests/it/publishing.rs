// SPDX-License-Identifier: MPL-2.0
//! What a daemon tells about its agents' publications, and that it keeps them up.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Daemon, Identity, Setup, eventually, free_port};

/// Every member of an agent's description.
const SHOWN: [&str; 10] = [
    "aid",
    "service_tcp",
    "seq",
    "published_to_dht",
    "last_publish_at",
    "next_republish_estimate",
    "dht_record_expires_at",
    "dht_active_replicas",
    "dht_local_replicas",
    "heartbeat_seconds_ago",
];

fn path(identity: &Identity) -> String {
    format!("/agents/{}", identity.aid)
}

#[tokio::test]
async fn an_agent_is_described_in_full() {
    let daemon = Daemon::alone().await;
    let agent = daemon.api.agent().await;
    let shown = daemon.api.shown(&agent.aid).await;
    for name in SHOWN {
        assert!(shown.get(name).is_some(), "{name} is missing: {shown}");
    }
    assert_eq!(shown["published_to_dht"], false);
    assert_eq!(shown["last_publish_at"], Value::Null);
    let published = daemon.api.publish(&agent.aid).await;
    let shown = daemon.api.shown(&agent.aid).await;
    assert_eq!(shown["published_to_dht"], true);
    assert_eq!(shown["seq"], published["seq"]);
    for name in [
        "last_publish_at",
        "next_republish_estimate",
        "dht_record_expires_at",
    ] {
        let time = shown[name]
            .as_str()
            .unwrap_or_else(|| panic!("{name} of {shown}"));
        assert!(
            time.len() >= 20 && time.as_bytes()[10] == b'T',
            "{name} {time} is not RFC 3339"
        );
    }
    assert!(shown["heartbeat_seconds_ago"].is_number(), "{shown}");
    let listed = daemon.api.get("/agents").await.ok();
    assert_eq!(listed["agents"][0]["aid"], agent.aid.as_str());
    assert_eq!(listed["agents"][0]["seq"], published["seq"]);
}

#[tokio::test]
async fn a_probe_tells_what_the_network_holds() {
    let daemon = Daemon::alone().await;
    let agent = daemon.api.agent().await;
    let probe = format!("{}/probe", path(&agent));
    let before = daemon.api.get(&probe).await.ok();
    assert_eq!(before["published_endpoints"], json!([]), "{before}");
    let published = daemon.api.publish(&agent.aid).await;
    let after = daemon.api.get(&probe).await.ok();
    assert_eq!(after["published_record_seq"], published["seq"], "{after}");
    assert!(after["published_nat_type"].is_u64(), "{after}");
    let endpoints = after["published_endpoints"].as_array().expect("a list");
    assert!(!endpoints.is_empty(), "{after}");
    let stranger = daemon.api.identity().await;
    daemon
        .api
        .get(&format!("{}/probe", path(&stranger)))
        .await
        .refused(404, "not found");
}

#[tokio::test]
async fn a_heartbeat_is_taken_and_shown() {
    let daemon = Daemon::alone().await;
    let agent = daemon.api.agent().await;
    let beat = format!("{}/heartbeat", path(&agent));
    assert_eq!(
        daemon.api.post(&beat, json!({})).await.ok(),
        json!({ "status": "ok" })
    );
    let ago = daemon.api.shown(&agent.aid).await["heartbeat_seconds_ago"].as_f64();
    assert!(ago.is_some_and(|ago| (0.0..10.0).contains(&ago)), "{ago:?}");
    let stranger = daemon.api.identity().await;
    let unknown = daemon
        .api
        .post(&format!("{}/heartbeat", path(&stranger)), json!({}))
        .await;
    unknown.refused(404, "not found");
}

#[tokio::test]
async fn publishing_counts_up_and_survives_a_restart() {
    let daemon = Daemon::alone().await;
    let agent = daemon.api.agent().await;
    let mut last = 0;
    let mut daemon = daemon;
    for _ in 0..3 {
        for _ in 0..3 {
            let seq = daemon.api.publish(&agent.aid).await["seq"]
                .as_u64()
                .expect("a number");
            assert!(seq > last, "{seq} after {last}");
            last = seq;
        }
        daemon = daemon.kill().await.start().await;
    }
    let stranger = daemon.api.identity().await;
    let unknown = daemon
        .api
        .post(&format!("{}/publish", path(&stranger)), json!({}))
        .await;
    unknown.refused(404, "not found");
}

#[tokio::test]
async fn what_was_published_is_renewed_after_a_restart() {
    let daemon = Daemon::alone().await;
    let published = daemon.api.agent().await;
    let silent = daemon.api.agent().await;
    daemon.api.publish(&published.aid).await;
    let daemon = daemon.stop().await.start().await;
    eventually(
        "the agent is published again",
        Duration::from_secs(10),
        async || {
            let shown = daemon.api.shown(&published.aid).await;
            let is_back = shown["published_to_dht"] == true && shown["last_publish_at"].is_string();
            is_back.then_some(())
        },
    )
    .await;
    daemon.api.resolve(&published.aid).await;
    // Registering publishes nothing, and neither does a restart.
    assert_eq!(
        daemon.api.shown(&silent.aid).await["published_to_dht"],
        false
    );
}

/// A daemon that others join at `port`.
async fn daemon_at(port: u16) -> Daemon {
    let listen = format!("127.0.0.1:{port}");
    let setup = Setup::bare().with(&["--api-addr", "127.0.0.1:0", "--listen", &listen]);
    setup.start().await
}

/// How a daemon is started that is told a name to join through, too: that might be anywhere, so it does not know its
/// address before it has met somebody.
fn not_knowing_its_address(port: u16) -> Setup {
    let named = "localhost:1".to_owned();
    Setup::new().joining(&[named, format!("127.0.0.1:{port}")])
}

#[tokio::test]
async fn publishing_right_after_the_start_waits_for_an_address() {
    let port = free_port();
    let first = daemon_at(port).await;
    let second = not_knowing_its_address(port).start().await;
    let agent = second.api.agent().await;
    let published = second.api.publish(&agent.aid).await;
    // It may have been published again since, with a further address.
    let found = first.api.resolve(&agent.aid).await;
    assert!(
        found["seq"].as_u64() >= published["seq"].as_u64(),
        "{found}"
    );
}

#[tokio::test]
async fn what_could_not_be_published_is_as_soon_as_there_is_an_address() {
    let port = free_port();
    let daemon = not_knowing_its_address(port).start().await;
    let agent = daemon.api.agent().await;
    let publish = format!("{}/publish", path(&agent));
    let refused = daemon.api.post(&publish, json!({})).await;
    refused.refused(500, "publish failed");
    let first = daemon_at(port).await;
    eventually(
        "the agent is published",
        Duration::from_secs(15),
        async || {
            let shown = daemon.api.shown(&agent.aid).await;
            (shown["published_to_dht"] == true).then_some(())
        },
    )
    .await;
    first.api.resolve(&agent.aid).await;
}
