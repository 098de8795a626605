// SPDX-License-Identifier: MPL-2.0
//! The agents of this node, in memory.
//!
//! Only the writer of the store changes who is registered, right after each commit, so what is read
//! here is on disk. What only matters while the process runs ([`Live`]) hangs on an agent and
//! survives such a change.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use a2al_protocol::record::RecordKind;
use a2al_protocol::time::UnixSeconds;
use a2al_protocol::{Aid, Credential, Profile, Topic, VerifiedRecord};
use tokio_util::sync::CancellationToken;

use crate::live::Live;
use crate::offers::{Offer, Upkeep};
use crate::service_tcp::ServiceTcp;
use crate::store::{Change, Saved, SavedAgent, SavedOffer};

/// One agent, as of its last change.
#[derive(Clone, Debug)]
pub(crate) struct Agent {
    /// Its keys.
    pub(crate) credential: Arc<Credential>,
    /// Its service.
    pub(crate) service: Option<ServiceTcp>,
    /// Whether its endpoint record is renewed.
    pub(crate) is_publishing: bool,
    /// Its published records of free kinds.
    pub(crate) records: BTreeMap<RecordKind, VerifiedRecord>,
    /// The services it is registered for, by name.
    pub(crate) offers: BTreeMap<String, Offer>,
    /// What it says about itself; what is left open is filled in from its services.
    pub(crate) profile: Option<Profile>,
    /// When its profile is published next.
    pub(crate) profile_upkeep: Arc<Upkeep>,
    /// When it was registered first.
    pub(crate) registered_at: UnixSeconds,
    /// What is only known while running.
    pub(crate) live: Arc<Live>,
    /// Ends the streams to this service when the service changes or the agent goes.
    pub(crate) bridges: CancellationToken,
}

impl Agent {
    fn new(saved: SavedAgent) -> Self {
        Self {
            credential: saved.credential,
            service: saved.service,
            is_publishing: saved.is_publishing,
            records: BTreeMap::new(),
            offers: BTreeMap::new(),
            profile: None,
            profile_upkeep: Arc::default(),
            registered_at: saved.registered_at,
            live: Arc::default(),
            bridges: CancellationToken::new(),
        }
    }

    /// The same agent as if it had just been started.
    fn as_new(&self) -> Self {
        let offers = self.offers.iter().map(|(service, offer)| {
            let offer = Offer {
                upkeep: Arc::default(),
                ..offer.clone()
            };
            (service.clone(), offer)
        });
        Self {
            offers: offers.collect(),
            profile_upkeep: Arc::default(),
            live: Arc::default(),
            bridges: CancellationToken::new(),
            ..self.clone()
        }
    }

    /// The agent's address.
    pub(crate) fn aid(&self) -> Aid {
        self.credential.aid()
    }

    fn bind(&mut self, service: Option<ServiceTcp>) {
        if self.service != service {
            self.service = service;
            self.bridges.cancel();
            self.bridges = CancellationToken::new();
        }
    }

    /// Takes a newer delegation; an older or equal one changes nothing.
    fn delegate(&mut self, credential: Arc<Credential>) {
        if credential.issued_at() > self.credential.issued_at() {
            self.credential = credential;
            self.live.make_due();
            self.profile_upkeep.make_due();
            for offer in self.offers.values() {
                offer.upkeep.make_due();
            }
        }
    }

    fn offer(&mut self, entry: Topic, ttl_secs: u32) {
        let known = self.offers.get(&entry.topic);
        let upkeep = known.map_or_else(Arc::default, |offer| Arc::clone(&offer.upkeep));
        upkeep.make_due();
        let offer = Offer {
            entry: Arc::new(entry),
            ttl_secs,
            upkeep,
        };
        self.offers.insert(offer.entry.topic.clone(), offer);
        self.profile_upkeep.make_due();
    }

    fn stop_offering(&mut self, service: &str) {
        if self.offers.remove(service).is_some() {
            self.profile_upkeep.make_due();
        }
    }

    fn describe(&mut self, profile: Option<Profile>) {
        if profile.is_some() {
            self.records.remove(&RecordKind::PROFILE);
        }
        self.profile = profile;
        self.profile_upkeep.make_due();
    }

    fn put(&mut self, record: VerifiedRecord) {
        if record.kind() == RecordKind::PROFILE {
            self.profile = None;
        }
        match self.records.get(&record.kind()) {
            Some(held) if !record.is_newer_than(held) => {}
            _ => drop(self.records.insert(record.kind(), record)),
        }
    }
}

/// All agents of this node.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    agents: RwLock<Agents>,
}

#[derive(Debug, Default)]
struct Agents {
    hosted: HashMap<Aid, Arc<Agent>>,
    /// Agents that can be restored, and when they were deleted.
    deleted: HashMap<Aid, (Arc<Agent>, UnixSeconds)>,
}

impl Agents {
    /// Moves an agent to those that can be restored.
    fn put_aside(&mut self, aid: Aid, at: UnixSeconds) -> Option<Arc<Agent>> {
        let agent = self.hosted.remove(&aid)?;
        self.deleted.insert(aid, (Arc::clone(&agent), at));
        Some(agent)
    }
}

impl Registry {
    /// The agents as they were saved.
    pub(crate) fn new(saved: Saved) -> Self {
        let registry = Self::default();
        {
            let mut agents = registry.write();
            let mut deleted = Vec::new();
            for saved in saved.agents {
                let deleted_at = saved.deleted_at;
                let agent = Agent::new(saved);
                deleted.extend(deleted_at.map(|at| (agent.aid(), at)));
                agents.hosted.insert(agent.aid(), Arc::new(agent));
            }
            for record in saved.records {
                edit(&mut agents, record.aid(), |agent| agent.put(record));
            }
            for (aid, profile) in saved.profiles {
                edit(&mut agents, aid, |agent| agent.describe(Some(profile)));
            }
            for offer in saved.offers {
                let SavedOffer {
                    aid,
                    entry,
                    ttl_secs,
                } = offer;
                edit(&mut agents, aid, |agent| agent.offer(entry, ttl_secs));
            }
            for (aid, at) in deleted {
                agents.put_aside(aid, at);
            }
        }
        registry
    }

    /// One agent.
    pub(crate) fn get(&self, aid: &Aid) -> Option<Arc<Agent>> {
        self.read().hosted.get(aid).cloned()
    }

    /// All agents, in no order.
    pub(crate) fn all(&self) -> Vec<Arc<Agent>> {
        self.read().hosted.values().cloned().collect()
    }

    /// The agents that can be restored, and when each was deleted.
    pub(crate) fn deleted(&self) -> Vec<(Arc<Agent>, UnixSeconds)> {
        self.read().deleted.values().cloned().collect()
    }

    /// Follows a change that was committed.
    pub(crate) fn apply(&self, change: Change) {
        let mut agents = self.write();
        match change {
            Change::Register {
                credential,
                service,
                at,
                ..
            } => {
                register(&mut agents, credential, service, at);
            }
            Change::Bind { aid, service } => edit(&mut agents, aid, |agent| agent.bind(service)),
            Change::StartPublishing { aid } => {
                edit(&mut agents, aid, |agent| agent.is_publishing = true);
            }
            Change::PutRecord { record } => {
                edit(&mut agents, record.aid(), |agent| agent.put(record));
            }
            Change::PutOffers {
                aid,
                entries,
                ttl_secs,
            } => edit(&mut agents, aid, |agent| {
                agent.is_publishing = true;
                for entry in entries {
                    agent.offer(entry, ttl_secs);
                }
            }),
            Change::RemoveOffer { aid, service } => {
                edit(&mut agents, aid, |agent| agent.stop_offering(&service));
            }
            Change::PutProfile { aid, profile } => {
                edit(&mut agents, aid, |agent| agent.describe(Some(*profile)));
            }
            Change::RemoveProfile { aid } => edit(&mut agents, aid, |agent| agent.describe(None)),
            Change::Delete { aid, at } => {
                if let Some(agent) = agents.put_aside(aid, at) {
                    agent.bridges.cancel();
                }
            }
            Change::Restore { aid, .. } => {
                if let Some((agent, _)) = agents.deleted.remove(&aid) {
                    agents.hosted.insert(aid, Arc::new(agent.as_new()));
                }
            }
            Change::Purge { until } => agents.deleted.retain(|_, (_, at)| *at > until),
            Change::ReserveSequence { .. }
            | Change::Relayed
            | Change::Mail(_)
            | Change::Keep { .. }
            | Change::WipeMaster { .. } => {}
        }
    }

    // Nothing panics while the lock is held; a poisoned map is still whole.
    fn read(&self) -> RwLockReadGuard<'_, Agents> {
        self.agents.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Agents> {
        self.agents.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn register(
    agents: &mut Agents,
    credential: Arc<Credential>,
    service: Option<ServiceTcp>,
    at: UnixSeconds,
) {
    agents.deleted.remove(&credential.aid());
    match agents.hosted.entry(credential.aid()) {
        Entry::Occupied(mut agent) => {
            let agent = Arc::make_mut(agent.get_mut());
            agent.delegate(credential);
            if service.is_some() {
                agent.bind(service);
            }
        }
        Entry::Vacant(place) => {
            let saved = SavedAgent {
                credential,
                service,
                is_publishing: false,
                registered_at: at,
                deleted_at: None,
            };
            place.insert(Arc::new(Agent::new(saved)));
        }
    }
}

fn edit(agents: &mut Agents, aid: Aid, change: impl FnOnce(&mut Agent)) {
    if let Some(agent) = agents.hosted.get_mut(&aid) {
        change(Arc::make_mut(agent));
    }
}

#[cfg(test)]
mod tests {
    use a2al_protocol::delegation::Terms;
    use a2al_protocol::{DelegationProof, SigningKey};

    use super::*;

    fn credential(master: &SigningKey, issued_at: u64) -> Arc<Credential> {
        let key = SigningKey::generate();
        let terms = Terms::new(master.public().aid(), key.public(), UnixSeconds(issued_at));
        let proof = DelegationProof::by_master(master, terms).unwrap();
        Arc::new(Credential::agent(key, proof.verify(UnixSeconds(issued_at)).unwrap()).unwrap())
    }

    fn register(credential: &Arc<Credential>, service: Option<&str>) -> Change {
        Change::Register {
            credential: Arc::clone(credential),
            service: service.map(|text| text.parse().unwrap()),
            at: UnixSeconds(1),
            mail: Arc::default(),
        }
    }

    #[test]
    fn a_changed_service_ends_the_streams_to_the_old_one() {
        let (registry, agent) = (Registry::default(), credential(&SigningKey::generate(), 1));
        let aid = agent.aid();
        registry.apply(register(&agent, Some("localhost:1")));
        let first = registry.get(&aid).unwrap().bridges.clone();
        registry.apply(register(&agent, None));
        registry.apply(Change::Bind {
            aid,
            service: Some("localhost:1".parse().unwrap()),
        });
        assert!(!first.is_cancelled());
        registry.apply(Change::Bind { aid, service: None });
        assert!(first.is_cancelled());
        let second = registry.get(&aid).unwrap().bridges.clone();
        registry.apply(Change::Delete {
            aid,
            at: UnixSeconds(5),
        });
        assert!(second.is_cancelled());
        assert!(registry.get(&aid).is_none());
    }

    #[test]
    fn a_deleted_agent_can_be_restored_until_it_is_purged() {
        let (registry, agent) = (Registry::default(), credential(&SigningKey::generate(), 1));
        let aid = agent.aid();
        registry.apply(register(&agent, Some("localhost:1")));
        let delete = |at| Change::Delete {
            aid,
            at: UnixSeconds(at),
        };
        registry.apply(delete(5));
        registry.apply(Change::Purge {
            until: UnixSeconds(4),
        });
        registry.apply(Change::Restore {
            aid,
            mail: Arc::default(),
        });
        let restored = registry.get(&aid).unwrap();
        assert!(restored.service.is_some() && !restored.bridges.is_cancelled());
        registry.apply(delete(6));
        registry.apply(Change::Purge {
            until: UnixSeconds(6),
        });
        registry.apply(Change::Restore {
            aid,
            mail: Arc::default(),
        });
        assert!(registry.get(&aid).is_none() && registry.deleted().is_empty());
    }

    #[test]
    fn what_only_runs_survives_registering_again() {
        let (registry, master) = (Registry::default(), SigningKey::generate());
        let (old, new) = (credential(&master, 1), credential(&master, 2));
        registry.apply(register(&old, None));
        let live = Arc::clone(&registry.get(&old.aid()).unwrap().live);
        live.postpone(tokio::time::Instant::now());
        registry.apply(register(&old, None));
        assert!(live.due().is_some());
        registry.apply(register(&new, None));
        let agent = registry.get(&old.aid()).unwrap();
        assert!(Arc::ptr_eq(&agent.live, &live));
        assert_eq!(agent.credential.public_key(), new.public_key());
        assert!(
            live.due().is_none(),
            "a new key has to be published at once"
        );
    }
}
