// SPDX-License-Identifier: MPL-2.0
//! From what the daemon tells to what a person wants to know: does it work, and why not.
//!
//! Everything here is computed from [`Facts`]; `commands::doctor` gathers them.

mod agents;
mod node;
mod path;

use a2al_service::model::{Agent, Nat, Peer, Probe, Reached, Resolution, Status};
use serde::Serialize;

use crate::config::Settings;

/// What the daemon tells of itself and of the network.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) status: Status,
    pub(super) settings: Settings,
    pub(super) peers: Vec<Peer>,
    pub(super) agents: Vec<(Agent, Probe)>,
    pub(super) target: Option<Target>,
}

/// What came of reaching an agent.
#[derive(Debug)]
pub(super) enum Target {
    /// It is one of this node's own.
    Own,
    /// No record of it was found, for this reason.
    Unknown(String),
    /// Its record was found, and its node was not reached, for this reason.
    Unreached(Resolution, String),
    /// Its node was reached.
    Reached(Reached),
}

/// What was found out, in the order it is told.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Whether nothing needs attention.
    pub(super) ok: bool,
    pub(super) findings: Vec<Finding>,
}

/// One thing that was looked at.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What was looked at.
    pub(super) check: &'static str,
    pub(super) level: Level,
    /// How it is.
    pub(super) text: String,
    /// What would make it better.
    pub(super) help: Vec<String>,
}

/// How a finding is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// It works, and could be better.
    Note,
    /// It needs attention.
    Problem,
}

impl Finding {
    fn new(check: &'static str, level: Level, text: impl Into<String>) -> Self {
        Self {
            check,
            level,
            text: text.into(),
            help: Vec::new(),
        }
    }

    fn ok(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(check, Level::Ok, text)
    }

    fn note(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(check, Level::Note, text)
    }

    fn problem(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(check, Level::Problem, text)
    }

    fn with_help(mut self, help: impl IntoIterator<Item = String>) -> Self {
        self.help.extend(help);
        self
    }
}

/// Examines the facts.
pub(super) fn examine(facts: &Facts) -> Report {
    let mut findings = node::examine(facts);
    match &facts.target {
        Some(target) => findings.extend(path::examine(facts, target)),
        None => findings.extend(agents::examine(facts)),
    }
    Report {
        ok: findings.iter().all(|found| found.level != Level::Problem),
        findings,
    }
}

/// Whether nodes behind these two kinds of NAT may come to a direct connection if both send at the
/// same time; unknown kinds may.
pub(super) fn may_meet(one: Nat, other: Nat) -> bool {
    use Nat::{PortRestricted, Symmetric};
    !matches!(
        (one, other),
        (Symmetric, Symmetric | PortRestricted) | (PortRestricted, Symmetric)
    )
}

/// A kind of NAT, in words that follow "behind".
fn behind(nat: Nat) -> &'static str {
    match nat {
        Nat::Unknown => "an unknown kind of NAT",
        Nat::Public => "no NAT, or one that lets everybody in",
        Nat::Restricted => "a NAT that lets in hosts it has sent to",
        Nat::PortRestricted => {
            "a NAT or firewall that lets in only whom it has sent to, port by port"
        }
        Nat::Symmetric => "a symmetric NAT, which uses another port for every destination",
    }
}

/// What makes a node reachable directly.
fn open_up(facts: &Facts) -> Vec<String> {
    let port = port(&facts.status.listen_addrs);
    let mut help = vec![format!(
        "forward port {port}, UDP and TCP, from the router to this machine"
    )];
    help.push(if facts.settings.disable_upnp {
        "or let a2ald ask the router for it: `a2al config set disable_upnp false`".to_owned()
    } else {
        "or switch on UPnP in the router: a2ald then asks for the port itself".to_owned()
    });
    help.push(
        "or give this machine a public address; IPv6 will do if both sides have it".to_owned(),
    );
    help
}

/// The port that the first UDP address names, else that of the first address.
fn port(listening: &[String]) -> &str {
    let of = |kind: &str| {
        let mut ports = listening.iter().filter_map(|address| {
            let (_, rest) = address.split_once(kind)?;
            rest.split('/').next()
        });
        ports.next()
    };
    of("/udp/").or_else(|| of("/tcp/")).unwrap_or("4121")
}

#[cfg(test)]
mod tests;
