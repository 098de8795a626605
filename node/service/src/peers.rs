// SPDX-License-Identifier: MPL-2.0
//! The connected peers, and how an agent's node is reached.

use std::time::Duration;

use a2al_protocol::network::{self, Content};
use a2al_protocol::{Aid, Endpoint};
use tokio::time::{Instant, timeout};

use crate::model::{Path, Peer, PeerList, Reached, Transport};
use crate::text::{self, MAX_NAME_CHARS};
use crate::{Error, Service, clock, resolve};

/// Longest time for reaching an agent's node, lookup included.
const REACH_TIMEOUT: Duration = Duration::from_secs(30);

impl Service {
    /// The connected peers, ordered by peer id.
    pub async fn peers(&self) -> PeerList {
        let mut peers: Vec<Peer> = self.core.client.peers().await.iter().map(peer).collect();
        peers.sort_by(|one, other| one.peer_id.cmp(&other.peer_id));
        PeerList { peers }
    }

    /// Opens a stream to `aid` as this node and closes it again: nothing is sent to the agent's
    /// service, which sees at most a connection that closes. Takes at most 30 s.
    ///
    /// # Errors
    /// Those of a call: [`Error::TargetUnresolved`], [`Error::Connect`] and the like.
    pub async fn reach(&self, aid: Aid) -> Result<Reached, Error> {
        let started = Instant::now();
        let is_own = self.live(&aid).is_some();
        let (record, is_relayed) = if is_own {
            (self.endpoint_to_call(aid).await?, false)
        } else {
            let call = self.call(self.node_aid(), aid, self.paths(), Content::Bytes);
            let (record, stream) = timeout(REACH_TIMEOUT, call)
                .await
                .map_err(|_| Error::Connect(network::CallError::Timeout))??;
            (record, stream.path().is_relayed())
        };
        let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let endpoint = Endpoint::decode(record.payload()).unwrap_or_default();
        let node = resolve::peer(&record).map(|peer| peer.to_string());
        let mut peers = self.peers().await.peers.into_iter();
        Ok(Reached {
            address: aid,
            endpoints: resolve::shown(endpoint.addresses),
            nat_type: endpoint.nat.code(),
            took_ms,
            is_relayed,
            peer: peers.find(|peer| Some(&peer.peer_id) == node.as_ref()),
        })
    }
}

fn peer(peer: &network::Peer) -> Peer {
    Peer {
        peer_id: peer.peer.to_string(),
        path: match peer.path {
            network::Path::Direct => Path::Direct,
            network::Path::Relay => Path::Relay,
            network::Path::Lan => Path::Lan,
        },
        transport: match peer.transport {
            network::Transport::Quic => Transport::Quic,
            network::Transport::Tcp => Transport::Tcp,
        },
        addr: peer.address.to_string(),
        rtt_ms: peer.rtt.map(milliseconds),
        since: clock::rfc3339(peer.since),
        streams: peer.streams as u64,
        connections: peer.connections as u64,
        agent_version: text::line(&peer.agent_version, MAX_NAME_CHARS),
    }
}

/// To the microsecond: more digits would be noise.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
