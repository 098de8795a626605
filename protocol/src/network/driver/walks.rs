// SPDX-License-Identifier: MPL-2.0
//! Walks of the DHT that somebody waits for.

use std::collections::HashMap;

use libp2p::kad::{GetClosestPeersError, GetClosestPeersOk, GetClosestPeersResult, QueryId};
use libp2p::{Multiaddr, Swarm};
use tokio::sync::oneshot;

use crate::behaviour::Behaviour;
use crate::behaviour::streams::is_relayed;
use crate::dht_key::DhtKey;
use crate::limits::MAX_DIALLED_ADDRESSES;
use crate::network::address;
use crate::network::routing::Route;

type Reply = oneshot::Sender<Vec<Route>>;

/// Walks under way.
#[derive(Debug, Default)]
pub(super) struct Walks {
    pending: HashMap<QueryId, (DhtKey, Vec<Reply>)>,
}

impl Walks {
    /// Finds the nodes closest to a key; whoever asks for the same key meanwhile shares the walk.
    pub(super) fn start(&mut self, swarm: &mut Swarm<Behaviour>, key: DhtKey, reply: Reply) {
        let same_key = self
            .pending
            .values_mut()
            .find(|(pending, _)| *pending == key);
        if let Some((_, replies)) = same_key {
            return replies.push(reply);
        }
        let id = swarm
            .behaviour_mut()
            .kad
            .get_closest_peers(key.as_bytes().to_vec());
        self.pending.insert(id, (key, vec![reply]));
    }

    pub(super) fn on_progress(
        &mut self,
        id: QueryId,
        result: GetClosestPeersResult,
        is_last: bool,
    ) {
        if !is_last {
            return;
        }
        let Some((_, replies)) = self.pending.remove(&id) else {
            return;
        };
        let (Ok(GetClosestPeersOk { peers, .. })
        | Err(GetClosestPeersError::Timeout { peers, .. })) = result;
        let routes: Vec<Route> = peers
            .into_iter()
            .map(|info| Route::direct(info.peer_id, dialable(info.addrs)))
            .collect();
        for reply in replies {
            // Whoever has left does not mind.
            drop(reply.send(routes.clone()));
        }
    }
}

/// Other nodes name these addresses: a bounded number is tried, and only IP ones.
fn dialable(addresses: Vec<Multiaddr>) -> Vec<Multiaddr> {
    let of_ip = addresses
        .into_iter()
        .filter(|address| address::ip(address).is_some() && !is_relayed(address));
    of_ip.take(MAX_DIALLED_ADDRESSES).collect()
}
