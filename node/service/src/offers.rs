// SPDX-License-Identifier: MPL-2.0
//! The services that agents are found by: registered, published, kept alive, taken back.
//!
//! An agent has one entry for each service, a topic record. Entries and the profile that follows
//! from them are signed anew for each publication, at half of their life, as long as the node runs;
//! so a node that stops is not found any longer than its entries live.

mod naming;
mod renewal;
mod upkeep;

use std::collections::BTreeSet;
use std::sync::Arc;

use a2al_protocol::limits::{
    DEFAULT_RECORD_TTL, MAX_TOPIC_BRIEF_CHARS, MAX_TOPIC_LEN, MAX_TOPIC_TTL,
};
use a2al_protocol::record::PayloadError;
use a2al_protocol::{Aid, Credential, Draft, RecordKind, Topic};
use futures::future::join_all;
use tokio::time::Instant;

pub(crate) use renewal::run;
pub(crate) use upkeep::Upkeep;

use crate::error::Input;
use crate::live::Publication;
use crate::publish::{ADDRESS_PATIENCE, Withdrawal, sign};
use crate::registry::Agent;
use crate::store::Change;
use crate::{Error, Service, clock, model};

/// What an agent says about itself as the provider of a service.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    /// Its entry.
    pub(crate) entry: Arc<Topic>,
    /// How long the entry lives, in seconds.
    pub(crate) ttl_secs: u32,
    /// When it is published next.
    pub(crate) upkeep: Arc<Upkeep>,
}

impl Service {
    /// Registers an agent as a provider of services, and publishes that; what it was registered with
    /// before under the same names is replaced. From now on its entries and its endpoint are kept
    /// alive, across restarts too.
    ///
    /// Answers when enough nodes stored the entries, or after 5 s with as many as did. Goes on when
    /// the future is dropped. An endpoint that cannot be published yet is no failure: the answer says
    /// so.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Input`], [`Error::DelegationExpired`], [`Error::StorageFull`] or
    /// [`Error::Storage`], and [`Error::Publish`] or [`Error::Superseded`], after which the services are
    /// registered and the node goes on trying.
    pub async fn register_services(
        &self,
        aid: Aid,
        request: model::RegisterServices,
    ) -> Result<model::ServicesRegistered, Error> {
        let agent = self.agent_here(&aid)?;
        agent.live.beat();
        let asked_ttl = request.ttl.unwrap_or_default();
        let ttl_secs = ttl(asked_ttl);
        let entries = entries(request)?;
        let names = entries.iter().map(|entry| entry.topic.clone());
        let names: Vec<String> = names.collect();
        let change = Change::PutOffers {
            aid,
            entries,
            ttl_secs,
        };
        self.core.store.write(change).await?;
        let mut warnings: Vec<String> = names.iter().flat_map(|n| naming::remarks(n)).collect();
        if asked_ttl > ttl_secs {
            warnings.push(format!("ttl is {ttl_secs} s, the longest life of an entry"));
        }
        let service = self.clone();
        let publishing = self
            .core
            .tasks
            .spawn(async move { service.publish_registration(aid, &names).await });
        warnings.extend(publishing.await.map_err(|_| Error::Stopped)??);
        Ok(model::ServicesRegistered { ok: true, warnings })
    }

    /// Publishes new entries, and the endpoint where that was not done before; what is wrong with the
    /// endpoint is returned.
    async fn publish_registration(
        &self,
        aid: Aid,
        names: &[String],
    ) -> Result<Option<String>, Error> {
        let agent = self.agent_here(&aid)?;
        let offers: Vec<&Offer> = names
            .iter()
            .filter_map(|name| agent.offers.get(name))
            .collect();
        for offer in &offers {
            offer.upkeep.begin();
        }
        let entries = join_all(offers.iter().map(|offer| self.publish_offer(&agent, offer)));
        let (entries, endpoint) = tokio::join!(entries, self.publish_first_endpoint(&agent));
        self.core.renewal.notify_one();
        self.core.upkeep.notify_one();
        let entries = entries.into_iter();
        // Taken back in the meantime.
        let mut entries = entries.filter(|entry| !matches!(entry, Err(Error::NotFound)));
        entries.try_for_each(|entry| entry.map(drop))?;
        let remark = |error| format!("the agent cannot be called yet: {error}");
        Ok(endpoint.err().map(remark))
    }

    /// Publishes where the agent is reached, unless that was done since the start.
    async fn publish_first_endpoint(&self, agent: &Agent) -> Result<(), Error> {
        let live = &agent.live;
        if live.publication().is_some() || live.is_under_way() {
            return Ok(());
        }
        live.begin();
        let publishing = self.publish_endpoint(&agent.credential, live, ADDRESS_PATIENCE);
        publishing.await.map(drop)
    }

    /// Signs and publishes the entry of an offer as it is then. Ends what [`Upkeep::begin`] began.
    async fn publish_offer(&self, agent: &Agent, offer: &Offer) -> Result<Publication, Error> {
        let (aid, name) = (agent.aid(), &offer.entry.topic);
        let published = self
            .publish_above(&agent.credential, |seq| {
                // Looked at for each attempt: one that was taken back meanwhile stays so.
                let agent = self.agent_here(&aid)?;
                let offer = agent.offers.get(name).ok_or(Error::NotFound)?;
                let draft = Draft {
                    kind: RecordKind::TOPIC,
                    payload: offer.entry.encode().map_err(|_| Error::NotFound)?,
                    seq,
                    timestamp: clock::now(),
                    ttl_secs: offer.ttl_secs,
                };
                sign(&agent.credential, draft)
            })
            .await;
        let publication = published.as_ref().ok();
        let (upkeep, ttl_secs) = (&offer.upkeep, offer.ttl_secs);
        upkeep.ended(publication, ttl_secs, Instant::now());
        published
    }

    /// Takes back the registration of an agent for a service, here and in the network. One that was
    /// never registered counts as taken back.
    ///
    /// Waits up to 6 s until enough nodes know; what they do not hear ends with its lifetime. Goes on
    /// when the future is dropped.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::StorageFull`] or [`Error::Storage`].
    pub async fn unregister_service(
        &self,
        aid: Aid,
        service: String,
    ) -> Result<model::Done, Error> {
        let agent = self.agent_here(&aid)?;
        agent.live.beat();
        let Some(offer) = agent.offers.get(&service).cloned() else {
            return Ok(model::Done { ok: true });
        };
        let change = Change::RemoveOffer { aid, service };
        self.core.store.write(change).await?;
        self.core.upkeep.notify_one();
        let service = self.clone();
        let withdrawing = async move { service.withdraw_offer(agent, offer).await };
        let withdrawing = self.core.tasks.spawn(withdrawing);
        withdrawing.await.map_err(|_| Error::Stopped)?;
        Ok(model::Done { ok: true })
    }

    async fn withdraw_offer(&self, agent: Arc<Agent>, offer: Offer) {
        let entry = self.publish_entry_withdrawal(&agent.credential, &offer);
        let both = async { tokio::join!(entry, self.withdraw_profile_if_empty(agent.aid())) };
        self.withdrawing(agent.aid(), async move {
            let (entry, profile) = both.await;
            entry.and(profile)
        })
        .await;
    }

    /// Publishes that an entry is not there any more.
    pub(crate) async fn publish_entry_withdrawal(
        &self,
        credential: &Credential,
        offer: &Offer,
    ) -> Result<(), Error> {
        let service = &offer.entry.topic;
        let withdrawal = withdrawal(service)?;
        let is_back = |agent: &Agent| agent.offers.contains_key(service);
        self.send_withdrawal(credential, withdrawal, is_back).await
    }
}

/// What takes an entry back: for the longest time that one can live, since one with a longer life may
/// have been published before the last.
fn withdrawal(service: &str) -> Result<Withdrawal, Error> {
    let payload = Topic::new(service).encode();
    Ok(Withdrawal {
        kind: RecordKind::TOPIC_WITHDRAWN,
        payload: payload.map_err(|_| Error::NotFound)?,
        ttl_secs: ttl(u32::MAX),
    })
}

/// An agent's services as its view shows them; none is `None`.
pub(crate) fn shown(agent: &Agent) -> Option<Vec<model::Offered>> {
    let offered = agent.offers.values().map(|offer| {
        let Topic {
            topic,
            name,
            protocols,
            tags,
            brief,
            meta,
            ..
        } = (*offer.entry).clone();
        model::Offered {
            topic,
            name,
            protocols,
            tags,
            brief,
            meta: Some(meta).filter(|meta| !meta.is_empty()),
            ttl: offer.ttl_secs,
        }
    });
    let offered: Vec<_> = offered.collect();
    Some(offered).filter(|offered| !offered.is_empty())
}

/// The lifetime of entries for which `asked` was asked, in seconds.
fn ttl(asked: u32) -> u32 {
    let secs = |limit: std::time::Duration| u32::try_from(limit.as_secs()).unwrap_or(u32::MAX);
    match asked {
        0 => secs(DEFAULT_RECORD_TTL),
        asked => asked.min(secs(MAX_TOPIC_TTL)),
    }
}

/// The entries that a request is about, each of which fits into a record.
fn entries(request: model::RegisterServices) -> Result<Vec<Topic>, Input> {
    let names: BTreeSet<String> = request.services.unwrap_or_default().into_iter().collect();
    if names.is_empty() {
        return Err(Input::NoServices);
    }
    // URLs drop these, so nobody could take such a name back by its path.
    if names.contains(".") || names.contains("..") {
        return Err(Input::ServiceName);
    }
    let named = |list: Vec<String>| list.into_iter().filter(|text| !text.is_empty()).collect();
    let entry = Topic {
        name: request.name.unwrap_or_default(),
        protocols: request.protocols.map(named),
        tags: request.tags.map(named),
        brief: request.brief.unwrap_or_default(),
        meta: request.meta.unwrap_or_default(),
        ..Topic::new("")
    };
    let entries = names.into_iter().map(|topic| Topic {
        topic,
        ..entry.clone()
    });
    entries.map(checked).collect()
}

/// The entry, if a record takes it.
fn checked(entry: Topic) -> Result<Topic, Input> {
    naming::check(&entry.topic)?;
    // Read again: what others refuse must not be kept either.
    match entry.encode().and_then(|entry| Topic::decode(&entry)) {
        Ok(_) => Ok(entry),
        Err(PayloadError::Malformed(_)) => Err(Input::MetaDepth),
        Err(PayloadError::NoTopic) => Err(Input::ServiceName),
        Err(PayloadError::Brief) => Err(Input::BriefTooLong {
            len: entry.brief.chars().count(),
            max: MAX_TOPIC_BRIEF_CHARS,
        }),
        Err(_) => {
            let (longest, len) = longest(&entry);
            Err(Input::EntryTooLong {
                longest,
                len,
                max: MAX_TOPIC_LEN,
            })
        }
    }
}

/// The part of an entry that takes up most, and its length in bytes.
fn longest(entry: &Topic) -> (&'static str, usize) {
    let texts = |texts: &Option<Vec<String>>| texts.iter().flatten().map(String::len).sum();
    let meta = serde_json::to_string(&entry.meta).map_or(0, |meta| meta.len());
    let parts = [
        ("the name of the service", entry.topic.len()),
        ("name", entry.name.len()),
        ("protocols", texts(&entry.protocols)),
        ("tags", texts(&entry.tags)),
        ("brief", entry.brief.len()),
        ("meta", meta),
    ];
    let longest = parts.into_iter().max_by_key(|(_, len)| *len);
    longest.unwrap_or(("meta", 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(json: &str) -> Result<Vec<Topic>, Input> {
        entries(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn lifetimes_have_a_default_and_a_limit() {
        for (asked, given) in [
            (0, 3600),
            (1, 1),
            (7200, 7200),
            (7201, 7200),
            (u32::MAX, 7200),
        ] {
            assert_eq!(ttl(asked), given);
        }
    }

    #[test]
    fn a_withdrawal_outlives_every_entry() {
        assert_eq!(withdrawal("a").unwrap().ttl_secs, 7200);
    }

    #[test]
    fn every_named_service_gets_the_same_entry_once() {
        let entries = request(r#"{"services":["b","a","b"],"name":"N","tags":[],"meta":null}"#);
        let entries = entries.unwrap();
        let names: Vec<_> = entries.iter().map(|entry| &*entry.topic).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!((&*entries[1].name, &entries[1].tags), ("N", &Some(vec![])));
        assert_eq!(entries[0].protocols, None, "written differently from []");
        let entries = request(r#"{"services":["a"],"tags":["","de"],"protocols":[""]}"#).unwrap();
        assert_eq!(entries[0].tags, Some(vec!["de".to_owned()]));
        assert_eq!(entries[0].protocols, Some(vec![]));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let long = "x".repeat(600);
        for (json, text) in [
            ("{}".to_owned(), "services required"),
            (
                format!(
                    r#"{{"services":["a"],"meta":{{"k":{}{}}}}}"#,
                    "[".repeat(7),
                    "]".repeat(7)
                ),
                "meta is nested too deeply",
            ),
            (r#"{"services":[]}"#.to_owned(), "services required"),
            (
                r#"{"services":["a",""]}"#.to_owned(),
                "service register failed: a name is empty, \".\" or \"..\"",
            ),
            (
                r#"{"services":["a",".."]}"#.to_owned(),
                "service register failed: a name is empty, \".\" or \"..\"",
            ),
            (
                format!(r#"{{"services":["a"],"brief":"{}"}}"#, "é".repeat(141)),
                "service register failed: brief has 141 characters, at most 140",
            ),
            (
                format!(r#"{{"services":["a"],"name":"{long}"}}"#),
                "service register failed: the entry is too long for its 512 bytes; name alone has 600",
            ),
            (
                format!(r#"{{"services":["a"],"meta":{{"k":{{"n":"{long}"}}}}}}"#),
                "service register failed: the entry is too long for its 512 bytes; meta alone has 614",
            ),
        ] {
            assert_eq!(request(&json).unwrap_err().to_string(), text);
        }
    }
}
