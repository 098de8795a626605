// SPDX-License-Identifier: MPL-2.0
//! Passing entries on that lost their place at a full key, to the next key on their path.

use std::collections::HashMap;

use libp2p::PeerId;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Source;
use super::hand_over::{HandOver, Load, send};
use super::store::Displaced;
use crate::clock;
use crate::limits::{DISPLACED_QUEUE, HAND_OVER_RANK, REPLICATION};
use crate::network::Route;

/// Stores what is displaced at the next key until `stop`, if this node is among the [`HAND_OVER_RANK`] closest to the key above.
///
/// One load after the other is sent, once: an entry that does not arrive is written by its publisher at the next renewal.
pub(crate) async fn hand_down(
    this: HandOver,
    mut displaced: mpsc::Receiver<Displaced>,
    stop: CancellationToken,
) {
    let mut waiting = Vec::new();
    let handing = async {
        while displaced.recv_many(&mut waiting, DISPLACED_QUEUE).await > 0 {
            let mut loads: HashMap<PeerId, Load> = HashMap::new();
            for entry in waiting.drain(..) {
                this.place_below(&entry, &mut loads);
            }
            for (peer, load) in loads {
                let failed = send(&this.exchange, &Route::direct(peer, Vec::new()), load).await;
                tracing::debug!(%peer, failed = failed.len(), "entries handed down");
            }
        }
    };
    stop.run_until_cancelled(handing).await;
}

impl HandOver {
    fn place_below(&self, entry: &Displaced, loads: &mut HashMap<PeerId, Load>) {
        let routing = self.routing.borrow().clone();
        if routing.closer_to(&entry.key, &self.local) >= HAND_OVER_RANK {
            return;
        }
        let branch = entry.record.branch_at(&entry.key);
        let Some(next) = branch.and_then(|branch| branch.towards(&entry.record.aid())) else {
            return;
        };
        let (key, record) = (next.key(), &entry.record);
        if routing.closer_to(&key, &self.local) < REPLICATION {
            self.store
                .put(key, record.clone(), Source::Kept, clock::now());
        }
        for holder in routing.closest(&key, REPLICATION) {
            let load = loads.entry(holder.peer).or_default();
            load.push((key, record.clone()).into());
        }
    }
}
