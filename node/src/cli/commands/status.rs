// SPDX-License-Identifier: MPL-2.0
//! The node as a whole.

use std::fmt::Display;

use a2al_service::model::{Reachability, Status, Udp};
use serde::Serialize;

use crate::cli::print::fields;
use crate::cli::{Context, Failure};
use crate::invitation::invitation;

pub(super) async fn show(context: &Context) -> Result<(), Failure> {
    let status: Status = context.client.get("/status").await?;
    context.print.data(&status, text);
    if status.connected_peers == 0 {
        context.print.note("the node knows no peers yet");
        if let Some(line) = invitation(&status.bootstrap_addrs) {
            context.print.note(line);
        }
    }
    Ok(())
}

fn text(status: &Status) -> String {
    let join_with = status.bootstrap_addrs.join(" ");
    let peers = format!(
        "{} connected, {} in the DHT",
        status.connected_peers, status.dht_peers
    );
    let (up, reachable) = (format!("{} s", status.uptime_seconds), reachability(status));
    let (udp, listening) = (udp(status.udp), status.listen_addrs.join(" "));
    let mut all: Vec<(&str, &dyn Display)> = vec![
        ("version", &status.version),
        ("node", &status.node_aid),
        ("peer", &status.peer_id),
        ("data", &status.data_dir),
        ("up", &up),
        ("peers", &peers),
        ("reachable", &reachable),
        ("udp", &udp),
        ("listening", &listening),
    ];
    let unread: u64 = status.pending.values().map(|pending| pending.mailbox).sum();
    let unread = format!("{unread} note(s); `a2al agents list` says whose");
    if !unread.starts_with('0') {
        all.push(("unread", &unread));
    }
    if !join_with.is_empty() {
        all.push(("join with", &join_with));
    }
    fields(&all)
}

fn reachability(status: &Status) -> String {
    match (status.reachability, status.relays.len()) {
        (Reachability::Unknown, _) => "not known yet".to_owned(),
        (Reachability::Public, _) => "directly".to_owned(),
        (Reachability::Private, 0) => "from its own network".to_owned(),
        (Reachability::Private, count) => format!("through {count} relay(s)"),
    }
}

fn udp(udp: Udp) -> &'static str {
    match udp {
        Udp::Unknown => "not known yet",
        Udp::Open => "open",
        Udp::Blocked => "blocked",
    }
}

/// The two versions.
#[derive(Serialize)]
struct Versions {
    a2al: &'static str,
    a2ald: Option<String>,
}

pub(super) async fn version(context: &Context) -> Result<(), Failure> {
    let status: Option<Status> = context.client.get("/status").await.ok();
    let versions = Versions {
        a2al: env!("CARGO_PKG_VERSION"),
        a2ald: status.map(|status| status.version),
    };
    context.print.data(&versions, |versions| {
        let daemon = versions.a2ald.as_deref().unwrap_or("not running");
        fields(&[("a2al", &versions.a2al), ("a2ald", &daemon)])
    });
    Ok(())
}
