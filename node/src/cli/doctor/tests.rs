// SPDX-License-Identifier: MPL-2.0
//! What is said of which facts.

use serde_json::{Value, json};

use super::*;
use crate::config::Relaying;

const AID: &str = "A0eB165E6D5d1dE7C44e0228E8efE48E4D05F6479A";
const RELAYED: &str = "/ip4/203.0.113.9/udp/4121/quic-v1/p2p/R/p2p-circuit/p2p/P";
const DIRECT: &str = "/ip4/203.0.113.7/udp/4121/quic-v1/p2p/P";
const KINDS: [(u8, Nat); 5] = [
    (0, Nat::Unknown),
    (1, Nat::Public),
    (2, Nat::Restricted),
    (3, Nat::PortRestricted),
    (4, Nat::Symmetric),
];

fn status(changes: &Value) -> Status {
    let mut status = json!({
        "node_aid": AID, "version": "0.1.0", "commit": "", "data_dir": "/data",
        "auto_publish": true, "node_published": true, "node_seq": 1,
        "node_last_publish_at": null, "node_next_republish_estimate": null,
        "republish_interval_s": 1800, "endpoint_ttl_s": 3600, "dht_peers": 3,
        "network_ready": true, "uptime_seconds": 60, "peer_id": "P",
        "listen_addrs": ["/ip4/0.0.0.0/tcp/5000", "/ip4/0.0.0.0/udp/5001/quic-v1"],
        "external_addrs": [], "bootstrap_addrs": [], "reachability": "private",
        "nat_type": 3, "nat": "port_restricted", "udp": "open", "relays": [relay("R"), relay("S")],
        "connected_peers": 3,
        "tunnel_active_count": 0, "tunnel_bytes_up_total": 0, "tunnel_bytes_down_total": 0,
        "relaying": {
            "offered": false, "reservations": 0, "circuits": 0, "carried_bytes": 0, "exhausted": false,
        },
    });
    let (all, changes) = (status.as_object_mut(), changes.as_object().cloned());
    all.unwrap().extend(changes.unwrap());
    serde_json::from_value(status).unwrap()
}

fn relay(peer: &str) -> Value {
    json!({ "peer_id": peer, "addrs": [RELAYED], "since": "2026-11-24T00:00:00Z" })
}

fn behind_nat(nat: Nat) -> Status {
    let (nat_type, _) = KINDS.iter().find(|(_, kind)| *kind == nat).unwrap();
    status(&json!({ "nat": nat, "nat_type": nat_type }))
}

fn facts(status: Status) -> Facts {
    Facts {
        status,
        settings: Settings::default(),
        peers: Vec::new(),
        agents: Vec::new(),
        target: None,
    }
}

fn peer(path: &str) -> Peer {
    let peer = json!({
        "peer_id": "P", "path": path, "transport": "quic", "addr": "/ip4/203.0.113.7/udp/4121",
        "rtt_ms": 12.34, "since": "2026-11-24T00:00:00Z", "streams": 1, "connections": 1,
        "agent_version": "a2ald/0.1.0",
    });
    serde_json::from_value(peer).unwrap()
}

/// What is said of a path from behind `here` to an agent behind `there`.
fn path_between(here: Nat, there: Nat, path: &str, endpoints: &[&str]) -> Finding {
    let (nat_type, _) = KINDS.iter().find(|(_, kind)| *kind == there).unwrap();
    let reached = Reached {
        address: AID.parse().unwrap(),
        endpoints: endpoints.iter().map(|&text| text.to_owned()).collect(),
        nat_type: *nat_type,
        took_ms: 80,
        is_relayed: path == "relay",
        peer: Some(peer(path)),
    };
    let facts = facts(behind_nat(here));
    found(path::examine(&facts, &Target::Reached(reached)), "path")
}

fn found(findings: Vec<Finding>, check: &str) -> Finding {
    let mut findings = findings.into_iter();
    findings.find(|found| found.check == check).unwrap()
}

#[test]
fn a_node_that_is_reached_through_two_relays_is_well() {
    let report = examine(&facts(status(&json!({}))));
    assert!(report.ok, "{report:?}");
    assert!(
        report.findings.iter().all(|found| found.level == Level::Ok),
        "{report:?}"
    );
}

#[test]
fn nodes_meet_as_hole_punching_was_measured_to_work() {
    // The measured table of kinds, for those that records tell apart; what is not known may work.
    let fails = [
        (Nat::PortRestricted, Nat::Symmetric),
        (Nat::Symmetric, Nat::PortRestricted),
        (Nat::Symmetric, Nat::Symmetric),
    ];
    for (_, one) in KINDS {
        for (_, other) in KINDS {
            let expected = !fails.contains(&(one, other));
            assert_eq!(may_meet(one, other), expected, "{one:?} {other:?}");
        }
    }
}

#[test]
fn a_relayed_path_is_explained_for_every_pair_of_nats() {
    for (_, here) in KINDS {
        for (_, there) in KINDS {
            let finding = path_between(here, there, "relay", &[RELAYED]);
            let stays = finding.text.contains("the relay stays");
            assert_eq!(
                stays,
                !may_meet(here, there),
                "{here:?} {there:?}: {finding:?}"
            );
            assert_eq!(finding.level, Level::Note, "it works: {finding:?}");
            assert!(!finding.help.is_empty(), "{finding:?}");
            let is_unknown = here == Nat::Unknown || there == Nat::Unknown;
            assert_eq!(
                finding.text.contains("not known"),
                is_unknown,
                "{finding:?}"
            );
        }
    }
    let both = path_between(Nat::Symmetric, Nat::Symmetric, "relay", &[RELAYED]);
    assert!(both.text.contains("both sides are behind symmetric NATs"));
    let help = both.help.join("\n");
    for word in [
        "port 5001",
        "UPnP",
        "public address",
        "IPv6",
        "agent's side",
    ] {
        assert!(help.contains(word), "{word} in {help}");
    }
}

#[test]
fn a_direct_path_is_explained() {
    for (here, there, path, expected) in [
        (
            Nat::PortRestricted,
            Nat::Public,
            "direct",
            "its node can be dialled",
        ),
        (
            Nat::Public,
            Nat::Symmetric,
            "direct",
            "this node can be dialled",
        ),
        (
            Nat::PortRestricted,
            Nat::PortRestricted,
            "direct",
            "a hole that both sides punched",
        ),
        (Nat::Unknown, Nat::Unknown, "lan", "within this network"),
    ] {
        let finding = path_between(here, there, path, &[DIRECT, RELAYED]);
        assert_eq!(
            (finding.level, finding.help.len()),
            (Level::Ok, 0),
            "{finding:?}"
        );
        assert!(finding.text.contains(expected), "{finding:?}");
        assert!(
            finding.text.contains("over QUIC, round trip 12.3 ms"),
            "{finding:?}"
        );
    }
    let closed = path_between(
        Nat::PortRestricted,
        Nat::Public,
        "relay",
        &[DIRECT, RELAYED],
    );
    assert!(
        closed.text.contains("none of the direct addresses"),
        "{closed:?}"
    );
}

#[test]
fn blocked_udp_is_named_as_the_reason() {
    let mut facts = facts(status(
        &json!({ "udp": "blocked", "nat": "unknown", "nat_type": 0 }),
    ));
    let reached = Reached {
        address: AID.parse().unwrap(),
        endpoints: vec![RELAYED.to_owned()],
        nat_type: 3,
        took_ms: 80,
        is_relayed: true,
        peer: None,
    };
    facts.target = Some(Target::Reached(reached));
    let report = examine(&facts);
    assert!(report.ok, "it works: {report:?}");
    assert_eq!(report.findings[2].level, Level::Note);
    let reachable = &report.findings[4].text;
    assert_eq!(reachable, "through 2 relay(s) only");
    let path = found(report.findings, "path");
    assert!(path.text.contains("UDP does not get out"), "{path:?}");
    assert_eq!(path.help[0], "let UDP out on this network");
}

#[test]
fn an_agent_that_is_not_reached_is_a_problem() {
    let mut facts = facts(status(&json!({})));
    facts.target = Some(Target::Unknown(
        "resolve failed: no endpoint record found".to_owned(),
    ));
    assert!(!examine(&facts).ok);
    let resolution = Resolution {
        address: AID.parse().unwrap(),
        endpoints: vec![RELAYED.to_owned()],
        nat_type: 4,
        seq: 1,
        timestamp: 1,
        ttl: 3600,
    };
    facts.target = Some(Target::Unreached(
        resolution,
        "relay_required: …".to_owned(),
    ));
    facts.settings.disable_relay = true;
    let report = examine(&facts);
    assert!(!report.ok);
    let help = found(report.findings, "path").help.join("\n");
    assert!(help.contains("disable_relay false"), "{help}");
    facts.target = Some(Target::Own);
    assert!(examine(&facts).ok);
}

#[test]
fn nobody_to_talk_to_is_a_problem() {
    let mut facts = facts(status(
        &json!({ "connected_peers": 0, "reachability": "unknown" }),
    ));
    let alone = found(examine(&facts).findings, "peers");
    assert_eq!(alone.level, Level::Problem);
    assert!(alone.help[0].contains("bootstrap"), "{alone:?}");
    for check in ["udp", "nat", "relays"] {
        let unknown = found(examine(&facts).findings, check);
        assert_eq!(unknown, Finding::note(check, "not known yet"));
    }
    facts.settings.bootstrap = vec!["192.0.2.1:4121".to_owned()];
    let cut_off = found(examine(&facts).findings, "peers");
    assert!(cut_off.text.contains("none of the 1"), "{cut_off:?}");
}

#[test]
fn to_be_reached_by_nobody_is_a_problem_that_names_its_cause() {
    let mut facts = facts(status(&json!({ "relays": [] })));
    let report = examine(&facts);
    assert!(!report.ok);
    let help = found(report.findings, "relays").help.join("\n");
    assert!(help.contains("a2al-bootstrap"), "{help}");
    facts.settings.disable_relay = true;
    facts.settings.disable_upnp = true;
    let findings = examine(&facts).findings;
    let help: Vec<String> = findings.into_iter().flat_map(|found| found.help).collect();
    for setting in ["disable_relay false", "disable_upnp false"] {
        assert!(help.iter().any(|help| help.contains(setting)), "{help:?}");
    }
    facts.status = status(&json!({ "relays": [relay("R")] }));
    let one = found(examine(&facts).findings, "relays");
    assert_eq!(one.level, Level::Note, "{one:?}");
    facts.status = status(&json!({ "relays": [], "reachability": "public", "nat": "public" }));
    assert!(examine(&facts).ok);
}

#[test]
fn a_relay_that_nobody_can_reach_is_told() {
    let mut facts = facts(status(&json!({})));
    facts.settings.relay_server = Relaying::Always;
    let relaying = found(examine(&facts).findings, "relaying");
    assert_eq!(relaying.level, Level::Note, "{relaying:?}");
    assert!(relaying.help[0].contains("port 5001"), "{relaying:?}");
    facts.status = status(&json!({ "external_addrs": [DIRECT], "reachability": "public" }));
    let relaying = found(examine(&facts).findings, "relaying");
    assert_eq!(relaying.level, Level::Ok, "{relaying:?}");
    let reachable = found(examine(&facts).findings, "reachable");
    assert_eq!(reachable.text, format!("directly, at {DIRECT}"));
}

fn agent(changes: &Value) -> Agent {
    let mut agent = json!({
        "aid": AID, "service_tcp": "127.0.0.1:8000", "registered_at": "2026-11-24T00:00:00Z",
        "seq": 1, "published_to_dht": true, "last_publish_at": "2026-11-24T00:00:00Z",
        "next_republish_estimate": "2026-11-24T00:30:00Z",
        "dht_record_expires_at": "2026-11-24T01:00:00Z", "dht_active_replicas": 3,
        "dht_local_replicas": 1, "heartbeat_seconds_ago": null, "services": null,
        "demo_active": false, "acl": { "default": "public", "allow": [], "deny": [], "paid": [] },
    });
    let (all, changes) = (agent.as_object_mut(), changes.as_object().cloned());
    all.unwrap().extend(changes.unwrap());
    serde_json::from_value(agent).unwrap()
}

fn probe(is_open: bool, endpoints: &[&str]) -> Probe {
    Probe {
        service_tcp_ok: is_open,
        published_endpoints: endpoints.iter().map(|&text| text.to_owned()).collect(),
        published_nat_type: 3,
        published_record_seq: 1,
    }
}

#[test]
fn records_and_services_of_own_agents_are_looked_at() {
    let silent = json!({ "published_to_dht": false, "next_republish_estimate": null });
    let gone = "/ip4/203.0.113.8/tcp/4121/p2p/Q/p2p-circuit/p2p/P";
    for (changes, probe, check, level) in [
        (json!({}), probe(true, &[RELAYED]), "record", Level::Ok),
        (silent, probe(true, &[]), "record", Level::Note),
        (
            json!({ "published_to_dht": false }),
            probe(true, &[]),
            "record",
            Level::Problem,
        ),
        (
            json!({}),
            probe(true, &[RELAYED, gone]),
            "record",
            Level::Problem,
        ),
        (
            json!({}),
            probe(false, &[RELAYED]),
            "service",
            Level::Problem,
        ),
    ] {
        let mut facts = facts(status(&json!({})));
        facts.agents = vec![(agent(&changes), probe)];
        let report = examine(&facts);
        assert_eq!(report.ok, level != Level::Problem, "{changes}: {report:?}");
        assert_eq!(found(report.findings, check).level, level, "{changes}");
    }
    let mut hidden = facts(status(&json!({ "relays": [] })));
    hidden.settings.disable_relay = true;
    hidden.agents = vec![(
        agent(&json!({ "published_to_dht": false })),
        probe(true, &[]),
    )];
    let record = found(examine(&hidden).findings, "record");
    assert!(record.text.contains("disable_relay is on"), "{record:?}");
    assert!(record.help[0].contains("restart a2ald"), "{record:?}");
    let off = facts(status(&json!({ "auto_publish": false })));
    assert_eq!(found(examine(&off).findings, "renewal").level, Level::Note);
}

#[test]
fn the_port_to_forward_is_the_one_of_udp() {
    let addresses = |texts: &[&str]| {
        texts
            .iter()
            .map(|&text| text.to_owned())
            .collect::<Vec<_>>()
    };
    let both = addresses(&["/ip4/0.0.0.0/tcp/1", "/ip4/0.0.0.0/udp/2/quic-v1"]);
    assert_eq!(port(&both), "2");
    assert_eq!(port(&addresses(&["/ip4/0.0.0.0/tcp/1"])), "1");
    assert_eq!(port(&[]), "4121");
}
