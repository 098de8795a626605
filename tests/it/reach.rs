// SPDX-License-Identifier: MPL-2.0
//! How nodes reach each other, and what they tell about it.

use std::time::{Duration, Instant};

use a2al_protocol::network::{Client, PeerId};
use a2al_protocol::{Credential, Endpoint, NatType, RecordKind, SigningKey, VerifiedRecord};
use serde_json::{Value, json};

use crate::cli::Cli;
use crate::harness::{Daemon, Net, Pair, Setup, beside, eventually, signed};

const DEADLINE: Duration = Duration::from_secs(20);

/// The only peer of `daemon`, once a round trip to it was measured.
async fn measured_peer(daemon: &Daemon) -> Value {
    eventually("a round trip is measured", DEADLINE, async || {
        let list = daemon.api.get("/peers").await.ok();
        let [peer] = &list["peers"].as_array().expect("a list")[..] else {
            return None;
        };
        // What the peer calls itself may come after its first answer to a ping.
        let is_known = peer["rtt_ms"].is_number() && peer["agent_version"] != "";
        is_known.then(|| peer.clone())
    })
    .await
}

#[tokio::test]
async fn peers_on_one_machine_are_in_the_lan() {
    let first = Daemon::alone().await;
    assert_eq!(first.api.get("/peers").await.ok(), json!({ "peers": [] }));
    for (transport, part) in [("quic", "/udp/"), ("tcp", "/tcp/")] {
        let mut addresses = first.addresses().await;
        addresses.retain(|address| address.contains(part));
        let second = Setup::new().joining(&addresses).start().await;
        let peer = measured_peer(&second).await;
        assert_eq!(peer["peer_id"], first.peer_id.as_str());
        assert_eq!(peer["path"], "lan");
        assert_eq!(peer["transport"], transport);
        assert_eq!(peer["connections"], 1, "{peer}");
        let version = format!("a2ald/{}", env!("CARGO_PKG_VERSION"));
        assert_eq!(peer["agent_version"], version);
        let rtt = peer["rtt_ms"].as_f64();
        assert!(rtt.is_some_and(|rtt| rtt > 0.0 && rtt < 1000.0), "{peer}");
        let remote = format!("/ip4/127.0.0.1{part}");
        for (name, start) in [("addr", remote.as_str()), ("since", "20")] {
            let text = peer[name].as_str();
            assert!(
                text.is_some_and(|text| text.starts_with(start)),
                "{name} of {peer}"
            );
        }
        assert!(peer["streams"].is_u64(), "{peer}");
        second.stop().await;
    }
}

#[tokio::test]
async fn an_agents_node_is_reached_without_a_word_to_its_service() {
    let pair = Pair::start().await;
    let path = format!("/reach/{}", pair.aid);
    let reached = pair.caller().api.post(&path, json!({})).await.ok();
    assert_eq!(reached["address"], pair.aid.as_str());
    assert_eq!(reached["is_relayed"], false);
    assert_eq!(
        reached["peer"]["peer_id"],
        pair.host().peer_id.as_str(),
        "{reached}"
    );
    assert_eq!(pair.upstream.served(), 0);
    let own = pair.host().api.post(&path, json!({})).await.ok();
    assert!(
        own.get("peer").is_none(),
        "an agent of the node itself: {own}"
    );
    let nobody = pair.caller().api.identity().await.aid;
    let unknown = pair
        .caller()
        .api
        .post(&format!("/reach/{nobody}"), json!({}))
        .await;
    unknown.refused(502, "resolve failed");
}

/// A record of the agent with `key` whose node is reached through `relay` only, where it has no place.
pub(crate) fn behind_relay(relay: &str, key: &SigningKey) -> VerifiedRecord {
    let endpoint = Endpoint {
        addresses: vec![format!("{relay}/p2p-circuit/p2p/{}", PeerId::random())],
        nat: NatType::Symmetric,
    };
    let payload = endpoint.encode().expect("one address");
    let credential = Credential::node(key.clone());
    signed(&credential, RecordKind::ENDPOINT, payload, 1)
}

async fn published(client: &Client, record: VerifiedRecord) -> String {
    let aid = record.aid().to_string();
    client.publish(record).await.expect("honest holders");
    aid
}

#[tokio::test]
async fn a_call_without_relays_says_when_it_would_need_one() {
    let net = Net::of(2).await;
    let (relay, caller) = (&net.nodes[0], &net.nodes[1]);
    let node = beside(relay).await;
    let record = behind_relay(&relay.addresses().await[0], &SigningKey::generate());
    let aid = published(&node.client, record).await;
    let fetch = format!("/fetch/{aid}");

    let started = Instant::now();
    let refused = caller
        .api
        .post(&fetch, json!({ "disable_relay": true }))
        .await;
    let told = refused.json();
    assert_eq!(
        (&told["code"], &told["retryable"]),
        (&json!("relay_required"), &json!(false))
    );
    refused.refused(412, "relay_required");
    assert!(started.elapsed() < Duration::from_secs(5), "said at once");

    // The relay has no place for it, but might soon: that is worth some tries, and not a hang.
    let unreached = caller.api.post(&fetch, json!({})).await;
    unreached.refused(502, "connect failed");
    assert!(started.elapsed() < DEADLINE, "{:?}", started.elapsed());

    let off = json!({ "disable_relay": true });
    let changed = caller.api.patch("/config", off).await.ok();
    assert_eq!(
        changed["restart_required"],
        json!(["disable_relay"]),
        "places on relays heed it with the next start"
    );
    caller
        .api
        .post(&fetch, json!({}))
        .await
        .refused(412, "relay_required");
    let reach = caller.api.post(&format!("/reach/{aid}"), json!({})).await;
    reach.refused(412, "relay_required");

    let cli = Cli::of(caller);
    let told = cli.fails(5, &["get", &aid, "/"]).await;
    assert!(told.contains("disable_relay"), "{told}");
    let ended = cli.run(&["doctor", &aid]).await;
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(ended.stdout.contains("0 direct and 1 relayed"), "{ended:?}");
    assert!(ended.stdout.contains("symmetric NAT"), "{ended:?}");
    assert!(ended.stdout.contains("disable_relay false"), "{ended:?}");
    node.client.shutdown().await;
}

#[tokio::test]
async fn a_tunnel_without_relays_says_when_it_would_need_one() {
    let net = Net::of(2).await;
    let (relay, caller) = (&net.nodes[0], &net.nodes[1]);
    let node = beside(relay).await;
    let record = behind_relay(&relay.addresses().await[0], &SigningKey::generate());
    let aid = published(&node.client, record).await;
    for route in ["connect", "tunnel"] {
        let path = format!("/{route}/{aid}");
        let direct = json!({ "disable_relay": true });
        let refused = caller.api.post(&path, direct).await;
        refused.refused(412, "relay_required");
    }
    let path = format!("/tunnel/{aid}");
    let unreached = caller.api.post(&path, json!({})).await;
    unreached.refused(502, "quic connect failed");
    let cli = Cli::of(caller);
    let args = ["tunnel", "open", &aid, "--disable-relay"];
    let told = cli.fails(5, &args).await;
    assert!(told.contains("without --disable-relay"), "{told}");
    node.client.shutdown().await;
}

#[tokio::test]
async fn a_path_without_a_relay_is_not_called_one() {
    let pair = Pair::start().await;
    let direct = pair.get("/name").await;
    assert!(direct.get("is_relayed").is_none(), "{direct}");
    let asked = json!({ "path": "/name", "disable_relay": true });
    assert_eq!(pair.fetch(asked).await.ok()["status"], 200);
}

#[tokio::test]
async fn status_tells_how_the_node_is_reached() {
    let daemon = Daemon::alone().await;
    let status = daemon.status().await;
    assert_eq!(status["relays"], json!([]), "{status}");
    assert_eq!(
        (&status["nat_type"], &status["nat"]),
        (&json!(0), &json!("unknown"))
    );
    assert_eq!(
        (&status["udp"], &status["reachability"]),
        (&json!("unknown"), &json!("unknown"))
    );
    let relaying = json!({
        "offered": false, "reservations": 0, "circuits": 0, "carried_bytes": 0, "exhausted": false,
    });
    assert_eq!(status["relaying"], relaying);
    assert_eq!(
        status["external_addrs"],
        json!([]),
        "loopback is no address of others"
    );
}

#[tokio::test]
async fn who_may_relay_is_the_operators_choice() {
    let daemon = Setup::new()
        .with_config("relay_server = false\n")
        .start()
        .await;
    let cli = Cli::of(&daemon);
    assert_eq!(
        cli.done(&["config", "get", "relay_server"]).await.trim(),
        "never"
    );
    assert_eq!(
        cli.done(&["config", "get", "disable_relay"]).await.trim(),
        "false"
    );
    for (said, shown) in [("true", "always"), ("auto", "auto"), ("never", "never")] {
        cli.done(&["config", "set", "relay_server", said]).await;
        assert_eq!(daemon.api.get("/config").await.ok()["relay_server"], shown);
    }
    cli.done(&["config", "set", "disable_relay", "true"]).await;
    cli.fails(1, &["config", "set", "relay_server", "perhaps"])
        .await;
    let switch = json!({ "relay_server": true, "mdns": false });
    let changed = daemon.api.patch("/config", switch).await.ok();
    assert_eq!(changed["restart_required"], json!(["relay_server", "mdns"]));
    let daemon = daemon.stop().await.start().await;
    let config = daemon.api.get("/config").await.ok();
    assert_eq!(
        (&config["relay_server"], &config["disable_relay"]),
        (&json!("always"), &json!(true))
    );
    let wrong = Setup::new().with_env("A2AL_RELAY_SERVER", "perhaps");
    wrong
        .start_fails()
        .await
        .failed_clearly(1, &["A2AL_RELAY_SERVER", "never"]);
}

#[tokio::test]
async fn a_node_says_once_that_it_relays() {
    let said = |daemon: &Daemon| daemon.stderr().matches("this node relays").count();
    let daemon = Setup::new()
        .with_config("relay_server = true\n")
        .start()
        .await;
    eventually("the node says that it relays", DEADLINE, async || {
        (said(&daemon) > 0).then_some(())
    })
    .await;
    assert!(daemon.stderr().contains("relay_server"), "and how not to");
    assert_eq!(daemon.status().await["relaying"]["offered"], true);
    let stopped = daemon.stop().await;
    let daemon = stopped.start().await;
    // A daemon that answers calls has long decided whether it relays.
    daemon.api.agent().await;
    assert_eq!(said(&daemon), 0, "{}", daemon.stderr());
    assert_eq!(
        said(&Daemon::alone().await),
        0,
        "no public address, no relay"
    );
}

#[tokio::test]
async fn the_doctor_says_what_is_wrong() {
    let alone = Daemon::alone().await;
    let cli = Cli::of(&alone);
    let ended = cli.run(&["doctor"]).await;
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(ended.stdout.contains("PROBLEM  peers"), "{ended:?}");
    assert!(
        ended.stdout.contains("bootstrap"),
        "and what to do: {ended:?}"
    );
    let told = cli.run(&["doctor", "--json"]).await;
    let report: Value = serde_json::from_str(&told.stdout).expect("JSON on stdout");
    assert_eq!(report["ok"], false, "{report}");

    let pair = Pair::start().await;
    let (host, caller) = (Cli::of(pair.host()), Cli::of(pair.caller()));
    let told = host.done(&["doctor"]).await;
    assert!(
        told.contains(&pair.aid) && !told.contains("PROBLEM"),
        "{told}"
    );
    let told = caller.done(&["doctor", &pair.aid]).await;
    assert!(told.contains("within this network over "), "{told}");
    let own = host.done(&["doctor", &pair.aid]).await;
    assert!(own.contains("on this node"), "{own}");
    let listed = caller.done(&["peers"]).await;
    assert!(
        listed.contains(&pair.host().peer_id) && listed.contains("lan"),
        "{listed}"
    );

    let nobody = pair.caller().api.identity().await.aid;
    assert_eq!(caller.run(&["doctor", &nobody]).await.code(), Some(1));
    pair.upstream.stop().await;
    let ended = host.run(&["doctor"]).await;
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(ended.stdout.contains("PROBLEM  service"), "{ended:?}");
    Cli::at("http://127.0.0.1:1").fails(3, &["doctor"]).await;
}
