// SPDX-License-Identifier: MPL-2.0
//! Keeping alive what was published: every 30 minutes, right after a start, and when our addresses
//! change.

use std::sync::Arc;
use std::time::Duration;

use a2al_protocol::Credential;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::live::Live;
use crate::registry::Agent;
use crate::{Service, clock};

/// How long addresses must stay the same before they are published: one change often comes in
/// several steps.
const SETTLE: Duration = Duration::from_millis(250);

/// Publications under way at one time.
const AT_ONCE: usize = 32;

/// Longest sleep; only bounds how long a mistake in the schedule can last.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// Publishes whatever is due, until the service stops.
pub(crate) async fn run(service: Service) {
    let mut state = service.core.client.state();
    let mut published = service.own_addresses();
    loop {
        service.renew_what_is_due().await;
        tokio::select! {
            () = sleep_until(service.next_due()) => {}
            () = service.core.renewal.notified() => {}
            changed = state.changed() => {
                if changed.is_err() {
                    return;
                }
                sleep(SETTLE).await;
                state.mark_unchanged();
                let now = service.own_addresses();
                if now != published {
                    published = now;
                    service.make_all_due();
                }
            }
        }
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
            .filter_map(|each| each.live.due())
            .fold(latest, Instant::min)
    }

    fn make_all_due(&self) {
        for publisher in self.publishers() {
            publisher.live.make_due();
        }
    }

    async fn renew_what_is_due(&self) {
        let mut running = JoinSet::new();
        let now = Instant::now();
        let due = self
            .publishers()
            .into_iter()
            .filter(|publisher| publisher.live.is_due(now));
        for publisher in due {
            if running.len() >= AT_ONCE {
                running.join_next().await;
            }
            let service = self.clone();
            running.spawn(async move { service.renew(publisher).await });
        }
        while running.join_next().await.is_some() {}
    }

    async fn renew(&self, publisher: Publisher) {
        let aid = publisher.credential.aid();
        let agent = publisher.agent.as_deref();
        if agent.is_none_or(|agent| agent.is_publishing) {
            match self
                .publish_endpoint(&publisher.credential, &publisher.live)
                .await
            {
                Ok(sent) => tracing::debug!(%aid, replicas = sent.replicas, "renewed"),
                Err(error) => tracing::warn!(%aid, %error, "not renewed; trying again"),
            }
        } else {
            publisher.live.postpone(Instant::now());
        }
        for record in agent.iter().flat_map(|agent| agent.records.values()) {
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
