// SPDX-License-Identifier: MPL-2.0
//! The connected peers.

use a2al_service::model::{Path, Peer, PeerList, Transport};

use crate::cli::print::table;
use crate::cli::{Context, Failure};

pub(super) async fn list(context: &Context) -> Result<(), Failure> {
    let list: PeerList = context.client.get("/peers").await?;
    context.print.data(&list, |list| {
        let heading = [
            "PEER",
            "PATH",
            "TRANSPORT",
            "RTT",
            "SINCE",
            "STREAMS",
            "VERSION",
        ];
        table(heading, &list.peers.iter().map(row).collect::<Vec<_>>())
    });
    if list.peers.is_empty() {
        context.print.note("connected to nobody");
    }
    Ok(())
}

fn row(peer: &Peer) -> [String; 7] {
    let path = match peer.path {
        Path::Direct => "direct",
        Path::Relay => "relay",
        Path::Lan => "lan",
    };
    let transport = match peer.transport {
        Transport::Quic => "quic",
        Transport::Tcp => "tcp",
    };
    let rtt = peer.rtt_ms.map(|rtt| format!("{rtt:.1} ms"));
    [
        peer.peer_id.clone(),
        path.to_owned(),
        transport.to_owned(),
        rtt.unwrap_or_else(|| "-".to_owned()),
        peer.since.clone(),
        peer.streams.to_string(),
        peer.agent_version.clone(),
    ]
}
