// SPDX-License-Identifier: MPL-2.0
//! Keeping entries and profiles alive.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::{Offer, Upkeep};
use crate::registry::Agent;
use crate::{Error, Service, profiles};

/// Publications under way at one time.
const AT_ONCE: usize = 32;

/// Longest sleep; only bounds how long a mistake in the schedule can last.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// Publishes whatever is due, until the service stops.
pub(crate) async fn run(service: Service) {
    let mut renewals = JoinSet::new();
    loop {
        let due = service.begin_due_renewals(AT_ONCE.saturating_sub(renewals.len()));
        for renewal in due {
            let service = service.clone();
            renewals.spawn(async move { service.renew_one(renewal).await });
        }
        let has_room = renewals.len() < AT_ONCE;
        tokio::select! {
            () = sleep_until(service.next_renewal()), if has_room => {}
            () = service.core.upkeep.notified() => {}
            Some(_) = renewals.join_next() => {
                // Each look costs as much as there are entries.
                while renewals.try_join_next().is_some() {}
            }
        }
    }
}

/// One record to be published again.
struct Renewal {
    agent: Arc<Agent>,
    what: What,
}

enum What {
    Offer(Offer),
    Profile,
}

impl Service {
    /// The agents that have entries or a profile; nobody while automatic publishing is off.
    fn described(&self) -> Vec<Arc<Agent>> {
        if !self.is_auto_publishing() {
            return Vec::new();
        }
        let agents = self.core.registry.all().into_iter();
        agents
            .filter(|agent| !agent.offers.is_empty() || agent.profile.is_some())
            .collect()
    }

    fn next_renewal(&self) -> Instant {
        let (now, agents) = (Instant::now(), self.described());
        let due = agents.iter().flat_map(|agent| upkeeps(agent));
        due.filter_map(|upkeep| upkeep.next(now))
            .fold(now + LONGEST_SLEEP, Instant::min)
    }

    /// Begins at most `room` renewals that are due.
    fn begin_due_renewals(&self, room: usize) -> Vec<Renewal> {
        let now = Instant::now();
        let agents = self.described().into_iter();
        let due = agents.flat_map(|agent| {
            let offers = agent.offers.values();
            let offers = offers.filter(|offer| offer.upkeep.is_due(now));
            let mut due: Vec<_> = offers.cloned().map(What::Offer).collect();
            if profiles::is_kept(&agent) && agent.profile_upkeep.is_due(now) {
                due.push(What::Profile);
            }
            due.into_iter().map(move |what| Renewal {
                agent: Arc::clone(&agent),
                what,
            })
        });
        let begun = due.take(room).inspect(|renewal| match &renewal.what {
            What::Offer(offer) => offer.upkeep.begin(),
            What::Profile => renewal.agent.profile_upkeep.begin(),
        });
        begun.collect()
    }

    async fn renew_one(&self, renewal: Renewal) {
        let Renewal { agent, what } = renewal;
        let renewed = match &what {
            What::Offer(offer) => self.publish_offer(&agent, offer).await,
            What::Profile => self.publish_profile(&agent).await,
        };
        let (aid, what) = (agent.aid(), what.name());
        match renewed {
            Ok(sent) => tracing::debug!(%aid, what, replicas = sent.replicas, "renewed"),
            // Taken back in the meantime.
            Err(Error::NotFound) => {}
            Err(error) => tracing::warn!(%aid, what, %error, "not renewed; trying again"),
        }
    }
}

impl What {
    fn name(&self) -> &str {
        match self {
            Self::Offer(offer) => &offer.entry.topic,
            Self::Profile => "profile",
        }
    }
}

fn upkeeps(agent: &Agent) -> impl Iterator<Item = &Upkeep> {
    let offers = agent.offers.values().map(|offer| &*offer.upkeep);
    let profile = profiles::is_kept(agent).then_some(&*agent.profile_upkeep);
    offers.chain(profile)
}
