// SPDX-License-Identifier: MPL-2.0
//! The node as a whole: running, connected, reachable.

use a2al_service::model::{Nat, Path, Reachability, Status, Udp};

use super::{Facts, Finding, behind, open_up, port};
use crate::config::Relaying;

/// Everything about this node.
pub(super) fn examine(facts: &Facts) -> Vec<Finding> {
    let known = |check, found: Finding| match facts.status.connected_peers {
        0 => Finding::note(check, "not known yet"),
        _ => found,
    };
    vec![
        daemon(&facts.status),
        peers(facts),
        known("udp", udp(&facts.status)),
        known("nat", nat(facts)),
        reachable(facts),
        known("relays", relays(facts)),
        relaying(facts),
    ]
}

fn daemon(status: &Status) -> Finding {
    let (version, up) = (&status.version, status.uptime_seconds);
    Finding::ok("daemon", format!("a2ald {version} runs, for {up} s"))
}

fn peers(facts: &Facts) -> Finding {
    let (status, bootstrap) = (&facts.status, &facts.settings.bootstrap);
    if status.connected_peers > 0 {
        let of = |path| facts.peers.iter().filter(|peer| peer.path == path).count();
        let (direct, lan, relay) = (of(Path::Direct), of(Path::Lan), of(Path::Relay));
        return Finding::ok(
            "peers",
            format!(
                "{} connected ({direct} direct, {lan} in the LAN, {relay} through a relay), {} in the DHT",
                status.connected_peers, status.dht_peers
            ),
        );
    }
    if bootstrap.is_empty() {
        return Finding::problem(
            "peers",
            "connected to nobody, and told of no node to join through",
        )
        .with_help([
            "name one that runs: `a2al config set bootstrap HOST:PORT`, then restart a2ald"
                .to_owned(),
        ]);
    }
    let count = bootstrap.len();
    Finding::problem(
        "peers",
        format!("connected to nobody: none of the {count} node(s) to join through answers"),
    )
    .with_help([
        "check that this machine is online, and the addresses: `a2al config get bootstrap`"
            .to_owned(),
        "let UDP and TCP to their ports out of this network".to_owned(),
    ])
}

fn udp(status: &Status) -> Finding {
    match status.udp {
        Udp::Open => Finding::ok("udp", "UDP gets through to the public network"),
        Udp::Unknown => Finding::ok("udp", "not known: nobody on the public network was called"),
        Udp::Blocked => Finding::note(
            "udp",
            "UDP is blocked: others are reached over TCP only, and no hole can be punched for them",
        )
        .with_help(["let UDP out of this network".to_owned()]),
    }
}

fn nat(facts: &Facts) -> Finding {
    let nat = facts.status.nat;
    let text = format!("this node is behind {}", behind(nat));
    match nat {
        Nat::Public => Finding::ok("nat", text),
        Nat::Unknown => Finding::ok(
            "nat",
            "not known: it takes two nodes on the public network to see it",
        ),
        Nat::Restricted => Finding::ok("nat", format!("{text}; direct connections work with all")),
        Nat::PortRestricted => Finding::ok(
            "nat",
            format!("{text}; direct connections work with all but symmetric NATs"),
        ),
        Nat::Symmetric => Finding::note(
            "nat",
            format!(
                "{text}; direct connections work only with nodes that are reachable from everywhere, \
                 or nearly so"
            ),
        )
        .with_help(open_up(facts)),
    }
}

fn reachable(facts: &Facts) -> Finding {
    let status = &facts.status;
    match (status.reachability, status.relays.len()) {
        (Reachability::Public, _) => Finding::ok(
            "reachable",
            format!("directly, at {}", status.external_addrs.join(" ")),
        ),
        (Reachability::Unknown, _) if status.connected_peers == 0 => {
            Finding::note("reachable", "not known: nobody was met")
        }
        (Reachability::Unknown, _) => {
            Finding::ok("reachable", "by nodes of its own network, which is private")
        }
        (Reachability::Private, 0) => Finding::problem(
            "reachable",
            "not from outside: it has no public address, and no relay keeps a place for it",
        )
        .with_help(open_up(facts)),
        (Reachability::Private, count) if status.udp == Udp::Blocked => {
            Finding::ok("reachable", format!("through {count} relay(s) only"))
        }
        (Reachability::Private, count) => Finding::ok(
            "reachable",
            format!("through {count} relay(s), and directly where a hole can be punched"),
        ),
    }
}

fn relays(facts: &Facts) -> Finding {
    let (status, is_off) = (&facts.status, facts.settings.disable_relay);
    let places = status.relays.iter();
    let places: Vec<String> = places
        .map(|relay| format!("{} since {}", relay.peer_id, relay.since))
        .collect();
    match (status.reachability, places.len()) {
        (Reachability::Private, 0) if is_off => {
            Finding::problem("relays", "none: relayed paths are switched off").with_help([
                "`a2al config set disable_relay false`, then restart a2ald".to_owned(),
            ])
        }
        (Reachability::Private, 0) => Finding::problem("relays", "none keeps a place for this node")
            .with_help([
                "join through a node that relays: a2al-bootstrap does, and a2ald at a public address"
                    .to_owned(),
            ]),
        (_, 0) => Finding::ok("relays", "none needed"),
        (_, 1) => Finding::note(
            "relays",
            format!("one keeps a place for this node: {}", places.join(", ")),
        )
        .with_help([
            "a second one in another network is looked for all the time: join more nodes that relay"
                .to_owned(),
        ]),
        (_, count) => Finding::ok(
            "relays",
            format!("{count} keep a place for this node: {}", places.join(", ")),
        ),
    }
}

fn relaying(facts: &Facts) -> Finding {
    let status = &facts.status;
    let relaying = &status.relaying;
    let is_hidden =
        status.reachability == Reachability::Private && status.external_addrs.is_empty();
    if is_hidden && facts.settings.relay_server == Relaying::Always {
        let port = port(&status.listen_addrs);
        return Finding::note("relaying", "nobody can reach it as a relay")
            .with_help([format!("forward port {port}, UDP and TCP, to this machine")]);
    }
    if !relaying.offered {
        return Finding::ok("relaying", "this node does not relay for others");
    }
    let (places, circuits) = (relaying.reservations, relaying.circuits);
    let carried = relaying.carried_bytes / (1024 * 1024);
    let text = format!(
        "this node relays for others: {places} place(s), {circuits} circuit(s), {carried} MiB carried"
    );
    if relaying.exhausted {
        return Finding::note("relaying", format!("{text}; today's bytes are used up"));
    }
    Finding::ok("relaying", text)
}
