// SPDX-License-Identifier: MPL-2.0
//! Where agents are reached: their newest endpoint records.

pub(crate) mod cache;

use std::time::Duration;

use a2al_protocol::limits::{MAX_ENDPOINT_ADDRESS_LEN, MAX_ENDPOINT_ADDRESSES};
use a2al_protocol::network::{self, Multiaddr, PeerId};
use a2al_protocol::{Aid, Endpoint, VerifiedRecord};
use tokio::time::{Instant, timeout};

use self::cache::{Known, Now};
use crate::publish::JOINING;
use crate::{Error, Service, clock, model};

/// How long a lookup right after the start waits for somebody to ask.
const JOINING_PATIENCE: Duration = Duration::from_secs(5);

/// Longest time for a lookup. The network gives up earlier by itself; this one only guards against
/// a bug there.
pub(crate) const LOOKUP_TIMEOUT: Duration = Duration::from_secs(20);

impl Service {
    /// Where `aid` is reached, by its newest endpoint record.
    ///
    /// A record found in the last 15 s is answered at once, one up to 5 min old too, while it is
    /// looked up again. Agents of this node are answered from what it published itself. Dropping
    /// the future ends the lookup.
    ///
    /// # Errors
    /// [`Error::Unresolved`] if there is none, [`Error::NotConnected`] if nobody could be asked,
    /// [`Error::Lookup`] if nobody answered.
    pub async fn resolve(&self, aid: Aid) -> Result<model::Resolution, Error> {
        let record = self.endpoint(aid).await?;
        let endpoint = Endpoint::decode(record.payload()).map_err(|_| Error::Unresolved)?;
        Ok(model::Resolution {
            address: aid,
            endpoints: shown(endpoint.addresses),
            nat_type: endpoint.nat.code(),
            seq: record.seq().0,
            timestamp: record.timestamp().0,
            ttl: record.ttl_secs(),
        })
    }

    /// The endpoint record of `aid`, which is neither expired nor withdrawn.
    pub(crate) async fn endpoint(&self, aid: Aid) -> Result<VerifiedRecord, Error> {
        if let Some(own) = self.own_endpoint(&aid) {
            return Ok(own);
        }
        let record = match self.core.found.look_up(&aid, now()) {
            Known::Fresh(record) => record,
            Known::Refresh(record) => {
                self.refresh(aid);
                record
            }
            Known::Nothing => self.ask(aid).await?,
        };
        if record.is_withdrawn() {
            return Err(Error::Unresolved);
        }
        Ok(record)
    }

    /// What this node published for one of its own addresses, while it is valid.
    fn own_endpoint(&self, aid: &Aid) -> Option<VerifiedRecord> {
        let record = self.live(aid)?.publication()?.record;
        (!record.is_expired(clock::now())).then_some(record)
    }

    /// Asks the network and keeps the answer.
    async fn ask(&self, aid: Aid) -> Result<VerifiedRecord, Error> {
        self.joined().await;
        let found = timeout(LOOKUP_TIMEOUT, self.core.client.endpoint(aid)).await;
        match found.unwrap_or(Err(network::Error::Timeout)) {
            Ok(record) => Ok(self.core.found.put(record, now())),
            Err(_) if self.is_cut_off() => Err(Error::NotConnected),
            Err(network::Error::NotFound) => Err(Error::Unresolved),
            Err(error) => Err(Error::Lookup(error)),
        }
    }

    /// Waits, right after the start of a node that is to join others, until there is somebody to ask.
    pub(crate) async fn joined(&self) {
        let is_joining =
            self.core.started.elapsed() < JOINING && !self.core.config.network.bootstrap.is_empty();
        if is_joining && self.is_cut_off() {
            let mut state = self.core.client.state();
            let joined = state.wait_for(|state| state.connected_peers > 0 && state.dht_peers > 0);
            // Too late or never: the lookup says what is the matter.
            let _ = timeout(JOINING_PATIENCE, joined).await;
        }
    }

    /// Whether a lookup has nobody to ask, so that finding nothing says nothing.
    pub(crate) fn is_cut_off(&self) -> bool {
        let state = self.core.client.state();
        let state = state.borrow();
        state.connected_peers == 0 || state.dht_peers == 0
    }

    fn refresh(&self, aid: Aid) {
        let service = self.clone();
        self.spawn(async move {
            if let Err(error) = service.ask(aid).await {
                tracing::debug!(%aid, %error, "endpoint not refreshed");
                if matches!(error, Error::Unresolved) {
                    service.distrust_endpoint(&aid);
                }
                service.core.found.refreshed(&aid);
            }
        });
    }
}

/// The node an endpoint record leads to: the last part of its best address.
pub(crate) fn peer(record: &VerifiedRecord) -> Option<PeerId> {
    let endpoint = Endpoint::decode(record.payload()).ok()?;
    let (_, peer) = endpoint.addresses.first()?.rsplit_once("/p2p/")?;
    peer.parse().ok()
}

/// Those of a record's addresses that are addresses. A record may hold any text in their place,
/// signed though it is.
pub(crate) fn shown(addresses: Vec<String>) -> Vec<String> {
    let is_address = |text: &String| {
        (1..=MAX_ENDPOINT_ADDRESS_LEN).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic())
            && text.parse::<Multiaddr>().is_ok()
    };
    let addresses = addresses.into_iter().filter(is_address);
    addresses.take(MAX_ENDPOINT_ADDRESSES).collect()
}

/// The present, for [`cache`].
pub(crate) fn now() -> Now {
    Now {
        instant: Instant::now(),
        wall: clock::now(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_not_shown() {
        let good = ["/ip4/192.0.2.1/tcp/1", "/dns4/node.example/udp/1/quic-v1"];
        let long = format!("/dns4/{}/tcp/1", "x".repeat(MAX_ENDPOINT_ADDRESS_LEN));
        let bad = [
            "",
            "IGNORE all",
            "/dns4/IGNORE all/tcp/1",
            "/dns4/a\u{202e}/tcp/1",
            &long,
        ];
        let all = good.iter().chain(&bad).map(|text| (*text).to_owned());
        assert_eq!(shown(all.collect()), good);
        let many = vec![good[0].to_owned(); MAX_ENDPOINT_ADDRESSES + 1];
        assert_eq!(shown(many).len(), MAX_ENDPOINT_ADDRESSES);
    }
}
