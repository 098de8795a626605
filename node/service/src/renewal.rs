// SPDX-License-Identifier: MPL-2.0
//! Keeping alive what was published: every 30 minutes, right after a start, and when our addresses
//! change.

use std::sync::Arc;
use std::time::Duration;

use a2al_protocol::{Credential, Endpoint};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::live::Live;
use crate::registry::Agent;
use crate::{Error, Service, clock};

/// How long addresses must stay the same before they are published: one change often comes in
/// several steps.
const SETTLE: Duration = Duration::from_millis(250);

/// Shortest time between two changes that are published.
const QUIET: Duration = Duration::from_secs(1);

/// Publications under way at one time.
const AT_ONCE: usize = 32;

/// Longest sleep; only bounds how long a mistake in the schedule can last.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// Publishes whatever is due, until the service stops.
pub(crate) async fn run(service: Service) {
    let mut state = service.core.client.state();
    let mut changes = Changes::since(service.own_addresses());
    let mut renewals = JoinSet::new();
    loop {
        service.begin_what_is_due(&mut renewals);
        let has_room = renewals.len() < AT_ONCE;
        tokio::select! {
            () = sleep_until(service.next_due()), if has_room => {}
            () = service.core.renewal.notified() => {}
            Some(_) = renewals.join_next() => {}
            () = changes.settled() => {
                let current = service.own_addresses();
                if changes.is_news(&current, Instant::now()) {
                    service.publish_news(&current);
                }
            }
            changed = state.changed() => {
                if changed.is_err() {
                    return;
                }
                changes.noticed(Instant::now());
            }
        }
    }
}

/// What records say of this node, and when it is looked at again.
struct Changes {
    said: Endpoint,
    look_at: Option<Instant>,
    last_news: Option<Instant>,
}

impl Changes {
    fn since(said: Endpoint) -> Self {
        Self {
            said,
            look_at: None,
            last_news: None,
        }
    }

    /// Notes that something changed: it is looked at when it has settled, and not too often.
    fn noticed(&mut self, now: Instant) {
        let settled = now + SETTLE;
        let quiet = self.last_news.map_or(settled, |last| last + QUIET);
        self.look_at.get_or_insert(settled.max(quiet));
    }

    /// Waits until a change is to be looked at.
    async fn settled(&self) {
        match self.look_at {
            Some(look_at) => sleep_until(look_at).await,
            None => std::future::pending().await,
        }
    }

    /// Whether `current` has to be published. Having no address is no news: the old ones are still
    /// the best that is known.
    fn is_news(&mut self, current: &Endpoint, now: Instant) -> bool {
        self.look_at = None;
        if current.is_withdrawn() || *current == self.said {
            return false;
        }
        self.said = current.clone();
        self.last_news = Some(now);
        true
    }
}

/// One address whose publications are kept alive.
#[derive(Clone)]
struct Publisher {
    credential: Arc<Credential>,
    live: Arc<Live>,
    /// The agent, unless it is the node itself.
    agent: Option<Arc<Agent>>,
}

impl Publisher {
    /// Whether its endpoint record is kept alive.
    fn has_endpoint(&self) -> bool {
        self.agent.as_ref().is_none_or(|agent| agent.is_publishing)
    }
}

impl Service {
    /// Everyone who is kept alive; nobody while automatic publishing is off.
    fn publishers(&self) -> Vec<Publisher> {
        if !self.is_auto_publishing() {
            return Vec::new();
        }
        let node = Publisher {
            credential: Arc::clone(&self.core.node),
            live: Arc::clone(&self.core.node_live),
            agent: None,
        };
        let agents = self.core.registry.all().into_iter();
        let agents = agents.filter(|agent| agent.is_publishing || !agent.records.is_empty());
        let agents = agents.map(|agent| Publisher {
            credential: Arc::clone(&agent.credential),
            live: Arc::clone(&agent.live),
            agent: Some(agent),
        });
        std::iter::once(node).chain(agents).collect()
    }

    fn next_due(&self) -> Instant {
        let latest = Instant::now() + LONGEST_SLEEP;
        self.publishers()
            .iter()
            .filter(|each| !each.live.is_under_way())
            .map(|each| each.live.due().unwrap_or_else(Instant::now))
            .fold(latest, Instant::min)
    }

    /// Makes everybody due whose record says something else.
    fn publish_news(&self, current: &Endpoint) {
        for publisher in self.publishers().iter().filter(|each| each.has_endpoint()) {
            publisher.live.make_due_unless_said(current);
        }
    }

    /// Begins what is due, as far as there is room.
    fn begin_what_is_due(&self, renewals: &mut JoinSet<()>) {
        let now = Instant::now();
        let publishers = self.publishers().into_iter();
        let due = publishers.filter(|publisher| publisher.live.is_due(now));
        for publisher in due.take(AT_ONCE.saturating_sub(renewals.len())) {
            if publisher.has_endpoint() {
                publisher.live.begin();
            } else {
                publisher.live.postpone(now);
            }
            let service = self.clone();
            renewals.spawn(async move { service.renew(publisher).await });
        }
    }

    async fn renew(&self, publisher: Publisher) {
        let aid = publisher.credential.aid();
        if publisher.has_endpoint() {
            let Publisher {
                credential, live, ..
            } = &publisher;
            match self
                .publish_endpoint(credential, live, Duration::ZERO)
                .await
            {
                Ok(sent) => tracing::debug!(%aid, replicas = sent.replicas, "renewed"),
                Err(Error::NoAdvertisedAddress) => {
                    tracing::debug!(%aid, "no address to publish yet");
                }
                Err(error) => tracing::warn!(%aid, %error, "not renewed; trying again"),
            }
        }
        let records = publisher
            .agent
            .iter()
            .flat_map(|agent| agent.records.values());
        for record in records {
            self.announce_again(record.clone()).await;
        }
    }

    /// Hands out a record of a free kind again, as it was signed: its end stays where the publisher
    /// put it.
    async fn announce_again(&self, record: a2al_protocol::VerifiedRecord) {
        if record.is_expired(clock::now()) {
            return;
        }
        let (aid, kind) = (record.aid(), record.kind());
        if let Err(error) = self.send(record).await {
            tracing::warn!(%aid, %kind, %error, "record not announced again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> Endpoint {
        Endpoint {
            addresses: vec![address.to_owned()],
            ..Endpoint::default()
        }
    }

    #[test]
    fn a_change_is_looked_at_once_it_has_settled() {
        let (mut changes, start) = (Changes::since(Endpoint::default()), Instant::now());
        changes.noticed(start);
        changes.noticed(start + SETTLE / 2);
        assert_eq!(
            changes.look_at,
            Some(start + SETTLE),
            "further steps do not put it off"
        );
        assert!(changes.is_news(&at("a"), start));
        assert!(!changes.is_news(&at("a"), start));
        let symmetric = Endpoint {
            nat: a2al_protocol::NatType::Symmetric,
            ..at("a")
        };
        assert!(
            changes.is_news(&symmetric, start),
            "another NAT is news too"
        );
    }

    #[test]
    fn what_flaps_is_published_once_a_second() {
        let (mut changes, start) = (Changes::since(Endpoint::default()), Instant::now());
        let (mut now, mut published) = (start, 0);
        while now < start + Duration::from_secs(10) {
            changes.noticed(now);
            now = changes.look_at.unwrap();
            published += u32::from(changes.is_news(&at(&format!("{:?}", now - start)), now));
        }
        assert_eq!(published, 11);
    }

    #[test]
    fn to_lose_every_address_is_no_news() {
        let (mut changes, now) = (Changes::since(at("a")), Instant::now());
        assert!(!changes.is_news(&Endpoint::default(), now));
        assert!(
            !changes.is_news(&at("a"), now),
            "and to get it back neither"
        );
        assert!(changes.is_news(&at("b"), now));
    }
}
