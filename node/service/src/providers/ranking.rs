// SPDX-License-Identifier: MPL-2.0
//! Which provider is tried first.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use a2al_protocol::network::{self, PeerId};
use a2al_protocol::{Aid, Endpoint};
use futures::future::join_all;
use tokio::time::timeout;

use crate::{Service, resolve};

/// Providers whose endpoint is looked up for a call, where it is not known. Ours.
const LOOKED_UP: usize = 8;

/// How long these lookups may take; whoever is not found by then counts as unknown.
const LOOKUP_PATIENCE: Duration = Duration::from_millis(300);

/// A provider, and what speaks for it. The smallest is the best.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Candidate {
    has_failed: bool,
    way: Way,
    rtt: Option<Duration>,
    rank: [u8; 32],
    pub(super) aid: Aid,
}

/// How a provider is reached, as far as that is known; the first is the best.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Way {
    /// It is on this node.
    Here,
    /// There is a connection that leads straight to its node.
    Connected,
    /// There is none, but there are addresses to dial.
    Dialled,
    /// There is a connection through a relay.
    Relayed,
    /// It is to be reached through a relay.
    ThroughRelay,
    /// Nothing is known of it.
    Unknown,
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.way {
            Way::Here => "on this node",
            Way::Connected => "connected directly",
            Way::Dialled => "not connected before",
            Way::Relayed => "connected through a relay",
            Way::ThroughRelay => "behind a relay",
            Way::Unknown => "found just now",
        })?;
        match self.rtt {
            Some(rtt) => write!(f, ", {:.1} ms", rtt.as_secs_f64() * 1e3),
            None => Ok(()),
        }
    }
}

impl Service {
    /// The providers of a call by `caller`, best first. The caller itself is none.
    pub(super) async fn ranked(&self, aids: &[Aid], caller: Aid) -> Vec<Candidate> {
        let aids: Vec<Aid> = aids.iter().copied().filter(|aid| *aid != caller).collect();
        self.look_up_some(&aids).await;
        let peers = self.core.client.peers().await;
        let peers: HashMap<PeerId, network::Peer> =
            peers.into_iter().map(|peer| (peer.peer, peer)).collect();
        let candidates = aids.into_iter().map(|aid| self.candidate(aid, &peers));
        let mut candidates: Vec<_> = candidates.collect();
        candidates.sort_unstable();
        candidates
    }

    /// Looks up where some of those are reached of whom that is not known.
    async fn look_up_some(&self, aids: &[Aid]) {
        let is_unknown = |aid: &&Aid| {
            self.core.registry.get(aid).is_none()
                && self.core.found.newest(aid).is_none()
                && !self.core.providers.has_failed(aid)
        };
        let unknown = aids.iter().filter(is_unknown).take(LOOKED_UP);
        let lookups = join_all(unknown.map(|&aid| timeout(LOOKUP_PATIENCE, self.endpoint(aid))));
        // What was found is in the cache; who was not found ranks last.
        let _ = lookups.await;
    }

    fn candidate(&self, aid: Aid, peers: &HashMap<PeerId, network::Peer>) -> Candidate {
        let own = self.core.registry.get(&aid);
        let (way, rtt) = match &own {
            Some(_) => (Way::Here, None),
            None => self.way(&aid, peers),
        };
        let is_closed = own.is_some_and(|agent| agent.service.is_none());
        Candidate {
            has_failed: is_closed || self.core.providers.has_failed(&aid),
            way,
            rtt,
            rank: self.core.order.rank(&aid),
            aid,
        }
    }

    fn way(&self, aid: &Aid, peers: &HashMap<PeerId, network::Peer>) -> (Way, Option<Duration>) {
        let Some(record) = self.core.found.newest(aid) else {
            return (Way::Unknown, None);
        };
        if let Some(peer) = resolve::peer(&record).and_then(|peer| peers.get(&peer)) {
            let way = match peer.path {
                network::Path::Relay => Way::Relayed,
                network::Path::Direct | network::Path::Lan => Way::Connected,
            };
            return (way, peer.rtt);
        }
        let endpoint = Endpoint::decode(record.payload()).unwrap_or_default();
        let mut addresses = endpoint.addresses.iter();
        let has_direct = addresses.any(|address| !address.contains("/p2p-circuit"));
        let way = if has_direct {
            Way::Dialled
        } else {
            Way::ThroughRelay
        };
        (way, None)
    }
}

#[cfg(test)]
mod tests {
    use a2al_protocol::SigningKey;

    use super::*;

    fn candidate(has_failed: bool, way: Way, rtt: Option<u64>) -> Candidate {
        Candidate {
            has_failed,
            way,
            rtt: rtt.map(Duration::from_millis),
            rank: [0; 32],
            aid: SigningKey::from_seed(&[1; 32]).public().aid(),
        }
    }

    #[test]
    fn near_and_well_comes_first() {
        let ranked = [
            candidate(false, Way::Here, None),
            candidate(false, Way::Connected, Some(1)),
            candidate(false, Way::Connected, Some(20)),
            candidate(false, Way::Dialled, None),
            candidate(false, Way::Relayed, Some(1)),
            candidate(false, Way::ThroughRelay, None),
            candidate(false, Way::Unknown, None),
            candidate(true, Way::Here, None),
            candidate(true, Way::Connected, Some(1)),
        ];
        assert!(ranked.is_sorted());
    }

    #[test]
    fn the_reason_is_told_in_a_few_words() {
        let near = candidate(false, Way::Connected, Some(2));
        assert_eq!(near.to_string(), "connected directly, 2.0 ms");
        assert_eq!(candidate(true, Way::Here, None).to_string(), "on this node");
    }
}
