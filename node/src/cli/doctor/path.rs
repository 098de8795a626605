// SPDX-License-Identifier: MPL-2.0
//! The path to one agent: which it is, why, and what would make it a better one.

use a2al_service::model::{Nat, Path, Peer, Reached, Transport, Udp};

use super::{Facts, Finding, Target, behind, may_meet, open_up};

/// Everything about reaching one agent.
pub(super) fn examine(facts: &Facts, target: &Target) -> Vec<Finding> {
    match target {
        Target::Own => vec![Finding::ok(
            "record",
            "the agent is on this node: its service is called directly",
        )],
        Target::Unknown(reason) => vec![
            Finding::problem("record", reason.clone()).with_help([
                "its owner publishes it with `a2al publish`; a record ends an hour after the last time"
                    .to_owned(),
            ]),
        ],
        Target::Unreached(found, reason) => vec![
            record(&found.endpoints, found.nat_type),
            unreached(facts, &found.endpoints, reason),
        ],
        Target::Reached(reached) => vec![
            record(&reached.endpoints, reached.nat_type),
            path(facts, reached),
        ],
    }
}

fn record(endpoints: &[String], nat_type: u8) -> Finding {
    let relayed = endpoints.iter().filter(|address| is_relayed(address));
    let (all, relayed) = (endpoints.len(), relayed.count());
    let nat = match Nat::of_type(nat_type) {
        Nat::Unknown => String::new(),
        nat => format!("; its node is behind {}", behind(nat)),
    };
    let (direct, endpoints) = (all - relayed, endpoints.join(" "));
    Finding::ok(
        "record",
        format!("found: {direct} direct and {relayed} relayed address(es){nat}: {endpoints}"),
    )
}

fn unreached(facts: &Facts, endpoints: &[String], reason: &str) -> Finding {
    let finding = Finding::problem("path", reason);
    let is_relayed_only = endpoints.iter().all(|address| is_relayed(address));
    if is_relayed_only && facts.settings.disable_relay {
        return finding.with_help([
            "it is reached through relays only: `a2al config set disable_relay false`".to_owned(),
        ]);
    }
    finding.with_help([
        "its node may be down, or may have moved and not said so yet: try again in a minute"
            .to_owned(),
    ])
}

fn path(facts: &Facts, reached: &Reached) -> Finding {
    let took = reached.took_ms;
    let way = reached.peer.as_ref().map(Way::of);
    let way = way.unwrap_or(if reached.is_relayed {
        Way::Relay
    } else {
        Way::Direct
    });
    let over = reached.peer.as_ref().map(over).unwrap_or_default();
    let there = Nat::of_type(reached.nat_type);
    match way {
        Way::Lan => Finding::ok(
            "path",
            format!("within this network{over}; reached in {took} ms"),
        ),
        Way::Direct => Finding::ok(
            "path",
            format!(
                "direct{over}, {}; reached in {took} ms",
                why_direct(facts.status.nat, there)
            ),
        ),
        Way::Relay => {
            let (why, is_for_good) = why_relayed(facts, there, has_direct(&reached.endpoints));
            let finding = Finding::note("path", format!("through a relay{over}: {why}"));
            if is_for_good {
                let here = (facts.status.nat != Nat::Public).then(|| open_up(facts));
                let udp = (facts.status.udp == Udp::Blocked)
                    .then(|| "let UDP out on this network".to_owned());
                finding
                    .with_help(udp)
                    .with_help(here.into_iter().flatten())
                    .with_help(["or the same at the agent's side".to_owned()])
            } else {
                finding.with_help(["ask again in some seconds".to_owned()])
            }
        }
    }
}

/// The way that bytes take.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Direct,
    Lan,
    Relay,
}

impl Way {
    fn of(peer: &Peer) -> Self {
        match peer.path {
            Path::Direct => Self::Direct,
            Path::Lan => Self::Lan,
            Path::Relay => Self::Relay,
        }
    }
}

fn over(peer: &Peer) -> String {
    let transport = match peer.transport {
        Transport::Quic => "QUIC",
        Transport::Tcp => "TCP",
    };
    match peer.rtt_ms {
        Some(rtt) => format!(" over {transport}, round trip {rtt:.1} ms"),
        None => format!(" over {transport}"),
    }
}

fn why_direct(here: Nat, there: Nat) -> &'static str {
    match (here, there) {
        (_, Nat::Public) => "as its node can be dialled",
        (Nat::Public, _) => "as this node can be dialled",
        _ => "through a hole that both sides punched",
    }
}

/// Why the path leads through a relay, and whether it will stay so.
fn why_relayed(facts: &Facts, there: Nat, is_dialable: bool) -> (String, bool) {
    let here = facts.status.nat;
    let both = match (here, there) {
        (Nat::Symmetric, Nat::Symmetric) => Some("both sides are behind symmetric NATs".to_owned()),
        (here, there) if !may_meet(here, there) => Some(format!(
            "this node is behind {}, and the agent's is behind {}",
            behind(here),
            behind(there)
        )),
        _ => None,
    };
    if let Some(both) = both {
        return (
            format!("{both}: no hole can be punched; the relay stays"),
            true,
        );
    }
    let is_public = here == Nat::Public || there == Nat::Public;
    if facts.status.udp == Udp::Blocked && !is_public {
        let text = "UDP does not get out of this network: no hole can be punched; the relay stays";
        return (text.to_owned(), true);
    }
    if is_dialable {
        let text = "none of the direct addresses in its record has answered so far; a firewall may be in the way";
        return (text.to_owned(), false);
    }
    if here == Nat::Unknown || there == Nat::Unknown {
        let side = if here == Nat::Unknown {
            "this"
        } else {
            "the agent's"
        };
        let text = format!(
            "what NAT is at {side} side is not known (yet), and no direct path was found so far"
        );
        return (text, false);
    }
    let text = "a direct path is possible between these NATs, and has not come about so far; a firewall that drops UDP may be in the way";
    (text.to_owned(), false)
}

fn has_direct(endpoints: &[String]) -> bool {
    endpoints.iter().any(|address| !is_relayed(address))
}

fn is_relayed(address: &str) -> bool {
    address.contains("/p2p-circuit")
}
