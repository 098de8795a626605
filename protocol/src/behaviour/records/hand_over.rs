// SPDX-License-Identifier: MPL-2.0
//! Passing records on when other nodes come to be among the closest.

use std::collections::{HashMap, HashSet};

use a2al_proto::v1::{Verdict, remove};
use libp2p::PeerId;
use tokio::sync::watch;
use tokio::time::{Duration, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::exchange::{ExchangeError, Placed, Stored};
use super::{Exchange, Store};
use crate::clock;
use crate::dht_key::DhtKey;
use crate::limits::{
    HAND_OVER_ATTEMPTS, HAND_OVER_DEBOUNCE, HAND_OVER_RANK, RECORDS_PER_PUT, REPLICATION,
};
use crate::mailbox::Removal;
use crate::network::{Route, Routing};

/// What handing over needs.
#[derive(Clone, Debug)]
pub(crate) struct HandOver {
    pub(crate) local: PeerId,
    pub(crate) store: Store,
    pub(crate) exchange: Exchange,
    pub(crate) routing: watch::Receiver<Routing>,
}

pub(super) type Load = Vec<Placed>;

/// What one newcomer gets.
#[derive(Default)]
struct Inheritance {
    /// Told first, so that nothing is taken that was removed.
    removals: Vec<Removal>,
    /// Notes that show work come last, the easiest first: so a newcomer asks each for what holders asked when it was written. What
    /// this node published itself does not wait behind what it passes on.
    records: Load,
}

/// Watches the neighbourhood until `stop`, and sends every node that comes to be among the [`REPLICATION`] closest to a key what is
/// held there.
///
/// The publisher always sends its own records; of the other holders, the [`HAND_OVER_RANK`] closest to the key do.
pub(crate) async fn hand_over(mut this: HandOver, stop: CancellationToken) {
    let tasks = TaskTracker::new();
    let watching = async {
        let mut before = Routing::default();
        while this.routing.changed().await.is_ok() {
            sleep(HAND_OVER_DEBOUNCE).await;
            let after = this.routing.borrow_and_update().clone();
            for (peer, load) in this.plan(&before, &after).await {
                tasks.spawn(deliver(this.exchange.clone(), peer, load));
            }
            before = after;
        }
    };
    stop.run_until_cancelled(watching).await;
}

impl HandOver {
    /// Who gets what, now that the neighbourhood has changed.
    async fn plan(&self, before: &Routing, after: &Routing) -> HashMap<PeerId, Inheritance> {
        if after.has_same_peers(before) {
            return HashMap::new();
        }
        let (this, before, after) = (self.clone(), before.clone(), after.clone());
        // With many records and neighbours this is real work, so it is kept off the network's threads.
        let planning = tokio::task::spawn_blocking(move || {
            let mut loads: HashMap<PeerId, Inheritance> = HashMap::new();
            for held in this.store.all(clock::now()) {
                for peer in this.newcomers(&held.key, held.is_own, &before, &after) {
                    let load = loads.entry(peer).or_default();
                    load.records.push(held.clone().into());
                }
            }
            for removal in this.store.removals() {
                for peer in this.newcomers(&removal.place(), false, &before, &after) {
                    let load = loads.entry(peer).or_default();
                    load.removals.push(removal.clone());
                }
            }
            for inherited in loads.values_mut() {
                let records = &mut inherited.records;
                records.sort_by_key(|placed| {
                    let bits = placed.beside.work.map(|work| work.bits);
                    (bits, placed.is_forwarded)
                });
            }
            loads
        });
        planning.await.unwrap_or_default()
    }

    fn newcomers(
        &self,
        key: &DhtKey,
        is_own: bool,
        before: &Routing,
        after: &Routing,
    ) -> Vec<PeerId> {
        let closest = after.closest(key, REPLICATION);
        let known: HashSet<PeerId> = peers(before.closest(key, REPLICATION));
        let is_old = |peer: &PeerId| known.contains(peer);
        let rank = closest.iter().filter(|holder| is_old(&holder.peer));
        let closer = rank.filter(|holder| Routing::is_closer(key, &holder.peer, &self.local));
        if !is_own && closer.count() >= HAND_OVER_RANK {
            return Vec::new();
        }
        let peers = closest.into_iter().map(|holder| holder.peer);
        peers.filter(|peer| !is_old(peer)).collect()
    }
}

fn peers(routes: Vec<Route>) -> HashSet<PeerId> {
    routes.into_iter().map(|route| route.peer).collect()
}

/// Sends one newcomer its records; what it could not take yet is tried again, ever more slowly.
async fn deliver(exchange: Exchange, peer: PeerId, inherited: Inheritance) {
    let holder = Route::direct(peer, Vec::new());
    let Inheritance {
        mut removals,
        records: mut load,
    } = inherited;
    for attempt in 0..HAND_OVER_ATTEMPTS {
        removals = tell(&exchange, &holder, removals).await;
        // In the last attempt the records go without them: whoever fetches a note that was taken knows it.
        if removals.is_empty() || attempt + 1 == HAND_OVER_ATTEMPTS {
            load = send(&exchange, &holder, load).await;
        }
        if removals.is_empty() && load.is_empty() {
            return;
        }
        sleep(Duration::from_secs(1 << attempt)).await;
    }
    tracing::debug!(%peer, records = load.len(), removals = removals.len(), "not handed on");
}

/// Returns the removals that are worth telling again.
async fn tell(exchange: &Exchange, holder: &Route, removals: Vec<Removal>) -> Vec<Removal> {
    let (mut again, mut removals) = (Vec::new(), removals.into_iter());
    while let Some(removal) = removals.next() {
        let body = remove::Body::Removal(removal.encode());
        match exchange.remove(holder, body).await {
            Ok(Verdict::Quota) => again.push(removal),
            Ok(_) | Err(ExchangeError::OtherAnswer) => {}
            Err(error) => {
                tracing::debug!(peer = %holder.peer, %error, "removal not handed on");
                again.push(removal);
                again.extend(removals);
                break;
            }
        }
    }
    again
}

/// Returns what is worth sending again.
async fn send(exchange: &Exchange, holder: &Route, load: Load) -> Load {
    let mut again = Load::new();
    for batch in load.chunks(RECORDS_PER_PUT) {
        match exchange.put(holder, batch).await {
            Ok(outcomes) => {
                let outcomes = batch.iter().zip(outcomes);
                let busy = outcomes.filter(|(_, stored)| is_temporary(stored));
                again.extend(busy.map(|(placed, _)| placed.clone()));
            }
            Err(ExchangeError::OtherAnswer) => {}
            Err(error) => {
                tracing::debug!(peer = %holder.peer, %error, "hand-over interrupted");
                again.extend_from_slice(batch);
            }
        }
    }
    again
}

fn is_temporary(stored: &Stored) -> bool {
    matches!(stored, Stored::No(Verdict::Quota))
}
