// SPDX-License-Identifier: MPL-2.0
//! The agents of this node, in memory.
//!
//! Only the writer of the store changes who is registered, right after each commit, so what is read here is on disk. What
//! only matters while the process runs ([`Live`]) hangs on an agent and survives such a change.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use a2al_protocol::record::RecordKind;
use a2al_protocol::time::UnixSeconds;
use a2al_protocol::{Aid, Credential, VerifiedRecord};
use tokio_util::sync::CancellationToken;

use crate::live::Live;
use crate::service_tcp::ServiceTcp;
use crate::store::{Change, Saved, SavedAgent};

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
            registered_at: saved.registered_at,
            live: Arc::default(),
            bridges: CancellationToken::new(),
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
        }
    }

    fn put(&mut self, record: VerifiedRecord) {
        match self.records.get(&record.kind()) {
            Some(held) if !record.is_newer_than(held) => {}
            _ => drop(self.records.insert(record.kind(), record)),
        }
    }
}

/// All agents of this node.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    agents: RwLock<HashMap<Aid, Arc<Agent>>>,
}

impl Registry {
    /// The agents as they were saved.
    pub(crate) fn new(saved: Saved) -> Self {
        let registry = Self::default();
        {
            let mut agents = registry.write();
            for agent in saved.agents.into_iter().map(Agent::new) {
                agents.insert(agent.aid(), Arc::new(agent));
            }
            for record in saved.records {
                edit(&mut agents, record.aid(), |agent| agent.put(record));
            }
        }
        registry
    }

    /// One agent.
    pub(crate) fn get(&self, aid: &Aid) -> Option<Arc<Agent>> {
        self.read().get(aid).cloned()
    }

    /// All agents, in no order.
    pub(crate) fn all(&self) -> Vec<Arc<Agent>> {
        self.read().values().cloned().collect()
    }

    /// Follows a change that was committed.
    pub(crate) fn apply(&self, change: Change) {
        let mut agents = self.write();
        match change {
            Change::Register {
                credential,
                service,
                at,
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
            Change::Delete { aid } => {
                if let Some(agent) = agents.remove(&aid) {
                    agent.bridges.cancel();
                }
            }
            Change::ReserveSequence { .. } => {}
        }
    }

    // Nothing panics while the lock is held; a poisoned map is still whole.
    fn read(&self) -> RwLockReadGuard<'_, HashMap<Aid, Arc<Agent>>> {
        self.agents.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<Aid, Arc<Agent>>> {
        self.agents.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn register(
    agents: &mut HashMap<Aid, Arc<Agent>>,
    credential: Arc<Credential>,
    service: Option<ServiceTcp>,
    at: UnixSeconds,
) {
    match agents.entry(credential.aid()) {
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
            };
            place.insert(Arc::new(Agent::new(saved)));
        }
    }
}

fn edit(agents: &mut HashMap<Aid, Arc<Agent>>, aid: Aid, change: impl FnOnce(&mut Agent)) {
    if let Some(agent) = agents.get_mut(&aid) {
        change(Arc::make_mut(agent));
    }
}
