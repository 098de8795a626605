// SPDX-License-Identifier: MPL-2.0
//! Hosting agents: register, look at, change, delete.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use a2al_protocol::limits::RESTORABLE;
use a2al_protocol::private_files;
use a2al_protocol::{
    Aid, Credential, Delegation, DelegationProof, Endpoint, RecordKind, SigningKey, UnixSeconds,
};
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::error::Input;
use crate::live::{Live, Publication};
use crate::model::{self, Outcome, Secret};
use crate::registry::Agent;
use crate::service_tcp::ServiceTcp;
use crate::store::{self, Change};
use crate::{Error, Service, clock, offers};

impl Service {
    /// Hosts an agent on this node; nothing is published yet.
    ///
    /// The same credentials again change nothing but the service, if one is given. A newer
    /// delegation takes the place of the old one even if it is for another key: that is how a
    /// stolen key is replaced.
    ///
    /// # Errors
    /// [`Error::Input`]; [`Error::KeyConflict`] if the agent is here with another key whose
    /// delegation is not older.
    pub async fn register(&self, request: model::Register) -> Result<model::Registered, Error> {
        let delegation = verified(&request.delegation_proof_hex)?;
        let key = SigningKey::from_private_hex(request.operational_private_key_hex.expose())
            .map_err(|_| Input::OperationalKey)?;
        self.host(key, delegation, request.service_tcp.as_deref())
            .await
    }

    /// [`register`](Self::register)s by credentials where there are any, else by the address of a
    /// [kept](Self::register_kept) identity.
    ///
    /// # Errors
    /// [`Input::Registration`] if neither is given in full, or as those two.
    pub async fn register_either(
        &self,
        request: model::Registration,
    ) -> Result<model::Registered, Error> {
        let model::Registration {
            aid,
            operational_private_key_hex,
            delegation_proof_hex,
            service_tcp,
        } = request;
        match (operational_private_key_hex, delegation_proof_hex, aid) {
            (Some(operational_private_key_hex), Some(delegation_proof_hex), _) => {
                let credentials = model::Register {
                    operational_private_key_hex,
                    delegation_proof_hex,
                    service_tcp,
                };
                self.register(credentials).await
            }
            (None, None, Some(aid)) => self.register_kept(aid, service_tcp.as_deref()).await,
            _ => Err(Input::Registration.into()),
        }
    }

    /// Registers an agent whose proof was checked.
    pub(crate) async fn host(
        &self,
        key: SigningKey,
        delegation: Delegation,
        service_tcp: Option<&str>,
    ) -> Result<model::Registered, Error> {
        let credential = Credential::agent(key, delegation).map_err(|_| Input::ProofOfOtherKey)?;
        let aid = credential.aid();
        if aid == self.node_aid() {
            return Err(Input::RegisterNode.into());
        }
        let service = self.service_tcp(service_tcp.unwrap_or_default()).await?;
        self.probe_in_background(aid, service.clone());
        let credential = Arc::new(credential);
        self.core
            .store
            .write(Change::Register {
                credential,
                service,
                at: clock::now(),
                mail: Arc::default(),
            })
            .await?;
        let agent = self.agent_here(&aid)?;
        agent.live.beat();
        self.core.renewal.notify_one();
        self.core.upkeep.notify_one();
        tracing::info!(%aid, "registered");
        Ok(model::Registered {
            aid,
            status: Outcome::Registered,
        })
    }

    /// All agents of this node, ordered by address.
    pub fn agents(&self) -> model::AgentList {
        let mut agents = self.core.registry.all();
        agents.sort_by_key(|agent| agent.aid());
        model::AgentList {
            agents: agents.iter().map(|agent| self.describe(agent)).collect(),
            pending: self.pending(),
        }
    }

    /// One agent of this node.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn agent(&self, aid: Aid) -> Result<model::Agent, Error> {
        Ok(self.describe(&*self.agent_here(&aid)?))
    }

    /// Sets or clears an agent's service. Streams to the old one end.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Input`], [`Error::KeyMismatch`] if a key is given that is not
    /// the agent's.
    pub async fn patch(
        &self,
        aid: Aid,
        request: model::PatchAgent,
    ) -> Result<model::Updated, Error> {
        let agent = self.agent_here(&aid)?;
        if let Some(key) = &request.operational_private_key_hex {
            check_key(key, &agent)?;
        }
        agent.live.beat();
        if let Some(service_tcp) = &request.service_tcp {
            let service = self.service_tcp(service_tcp).await?;
            self.probe_in_background(aid, service.clone());
            self.core.store.write(Change::Bind { aid, service }).await?;
        }
        Ok(model::Updated {
            status: Outcome::Updated,
        })
    }

    /// Forgets an agent, ends its streams and takes back what was published for it. One that is not
    /// here counts as deleted.
    ///
    /// Waits up to 6 s until enough nodes know; the agent is gone from this node before that. Goes
    /// on when the future is dropped.
    ///
    /// # Errors
    /// [`Input::DeleteNode`], or [`Error::StorageFull`] or [`Error::Storage`] if the change cannot
    /// be saved.
    pub async fn delete(&self, aid: Aid) -> Result<model::Done, Error> {
        if aid == self.node_aid() {
            return Err(Input::DeleteNode.into());
        }
        let Some(agent) = self.core.registry.get(&aid) else {
            return Ok(model::Done { ok: true });
        };
        let at = clock::now();
        match self.core.store.write(Change::Delete { aid, at }).await {
            // Somebody else deleted it first, and withdraws it.
            Err(store::Error::Missing) => return Ok(model::Done { ok: true }),
            result => result?,
        }
        tracing::info!(%aid, "deleted");
        let service = self.clone();
        let withdrawing = self
            .core
            .tasks
            .spawn(async move { service.withdraw(&agent).await });
        withdrawing.await.map_err(|_| Error::Stopped)?;
        Ok(model::Done { ok: true })
    }

    /// Hosts a deleted agent again, with its service and records; what was published for it is
    /// published again.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it was never here, or was deleted more than 30 days ago;
    /// [`Error::StorageFull`], [`Error::Storage`].
    pub async fn restore(&self, aid: Aid) -> Result<model::Agent, Error> {
        let mail = Arc::default();
        self.core.store.write(Change::Restore { aid, mail }).await?;
        tracing::info!(%aid, "restored");
        let agent = self.agent_here(&aid)?;
        agent.live.beat();
        self.core.renewal.notify_one();
        self.core.upkeep.notify_one();
        let service = self.clone();
        let again = Arc::clone(&agent);
        self.spawn(async move { service.publish_again(&again).await });
        Ok(self.describe(&agent))
    }

    /// The agents that can be restored, the last deleted first.
    pub fn deleted_agents(&self) -> model::DeletedList {
        let mut deleted = self.core.registry.deleted();
        deleted.sort_by_key(|(agent, at)| (std::cmp::Reverse(*at), agent.aid()));
        let outward = |(agent, at): &(Arc<Agent>, UnixSeconds)| model::Deleted {
            aid: agent.aid(),
            service_tcp: service_text(agent),
            deleted_at: clock::rfc3339(*at),
            restorable_until: clock::rfc3339(at.saturating_add(RESTORABLE)),
        };
        model::DeletedList {
            agents: deleted.iter().map(outward).collect(),
        }
    }

    /// Whether an agent's service answers now, and what is published for it.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn probe(&self, aid: Aid) -> Result<model::Probe, Error> {
        let agent = self.agent_here(&aid)?;
        let service_tcp_ok = match &agent.service {
            Some(service) => service.is_open(&self.core.targets).await,
            None => false,
        };
        let record = agent.live.publication().map(|published| published.record);
        let endpoint = record
            .as_ref()
            .and_then(|record| Endpoint::decode(record.payload()).ok());
        let endpoint = endpoint.unwrap_or_default();
        Ok(model::Probe {
            service_tcp_ok,
            published_endpoints: endpoint.addresses,
            published_nat_type: endpoint.nat.code(),
            published_record_seq: record.map_or(0, |record| record.seq().0),
        })
    }

    /// Everything needed to host the agent elsewhere, its private key included.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn export(&self, aid: Aid) -> Result<model::Export, Error> {
        let agent = self.agent_here(&aid)?;
        let credential = &agent.credential;
        let proof = credential
            .delegation()
            .map(Delegation::encoded)
            .unwrap_or_default();
        Ok(model::Export {
            aid,
            operational_private_key_hex: Secret::new(
                credential.signing_key().private_hex().as_str(),
            ),
            delegation_proof_hex: hex::encode(proof),
            service_tcp: service_text(&agent),
        })
    }

    /// Writes what [`export`](Self::export) gives into a file that only its owner can read, and
    /// returns where.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::KeyFile`].
    pub async fn export_to_file(&self, aid: Aid) -> Result<PathBuf, Error> {
        let export = self.export(aid)?;
        let dir = self.core.config.data_dir.join("exports");
        let written = tokio::task::spawn_blocking(move || {
            let path = dir.join(format!("{aid}.json"));
            let text = serde_json::to_vec_pretty(&export).expect("an export is plain values");
            let text = Zeroizing::new(text);
            private_files::ensure_dir(&dir)?;
            private_files::write_atomically(&path, &text)?;
            Ok(path)
        });
        written
            .await
            .map_err(|_| Error::Stopped)?
            .map_err(Error::KeyFile)
    }

    /// Marks an agent as alive.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn heartbeat(&self, aid: Aid) -> Result<model::Heartbeat, Error> {
        self.agent_here(&aid)?.live.beat();
        Ok(model::Heartbeat {
            status: Outcome::Ok,
        })
    }

    /// The agent, if it is on this node.
    pub(crate) fn agent_here(&self, aid: &Aid) -> Result<Arc<Agent>, Error> {
        self.core.registry.get(aid).ok_or(Error::NotFound)
    }

    /// Reads what a client calls a service; empty text is none.
    async fn service_tcp(&self, text: &str) -> Result<Option<ServiceTcp>, Input> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let service: ServiceTcp = text.parse()?;
        self.core.targets.admit(&service).await?;
        Ok(Some(service))
    }

    /// Says in the log when a service does not answer; it may be started later.
    fn probe_in_background(&self, aid: Aid, service: Option<ServiceTcp>) {
        let Some(service) = service else { return };
        let node = self.clone();
        self.spawn(async move {
            if !service.is_open(&node.core.targets).await {
                tracing::warn!(%aid, %service, "service does not answer (yet)");
            }
        });
    }

    fn describe(&self, agent: &Agent) -> model::Agent {
        let published = agent.live.publication();
        let is_held = self.core.client.holds(agent.aid(), RecordKind::ENDPOINT);
        let renewal = agent.is_publishing && self.is_auto_publishing();
        model::Agent {
            aid: agent.aid(),
            service_tcp: service_text(agent),
            registered_at: clock::rfc3339(agent.registered_at),
            seq: published
                .as_ref()
                .map_or(0, |published| published.record.seq().0),
            published_to_dht: published.as_ref().is_some_and(is_valid),
            last_publish_at: published
                .as_ref()
                .map(|published| clock::rfc3339(published.at)),
            next_republish_estimate: renewal.then(|| next_publish_at(&agent.live)),
            dht_record_expires_at: published
                .as_ref()
                .map(|published| clock::rfc3339(published.record.expires_at())),
            dht_active_replicas: published.map_or(0, |published| published.replicas as u64),
            dht_local_replicas: is_held.into(),
            heartbeat_seconds_ago: agent.live.since_heartbeat().map(|age| age.as_secs_f64()),
            services: offers::shown(agent),
            profile: agent.profile.as_ref().map(model::Profile::from),
            // What this version has no means to change, and existing clients look for.
            demo_active: false,
            acl: model::Acl::default(),
        }
    }
}

/// Whether a published record still counts.
pub(crate) fn is_valid(published: &Publication) -> bool {
    !published.record.is_expired(clock::now())
}

/// When the next publication is due, RFC 3339.
pub(crate) fn next_publish_at(live: &Live) -> String {
    let wait = live
        .due()
        .map(|due| due.saturating_duration_since(Instant::now()));
    clock::rfc3339(clock::now().saturating_add(wait.unwrap_or(Duration::ZERO)))
}

fn service_text(agent: &Agent) -> String {
    agent
        .service
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// Reads and checks a proof.
pub(crate) fn verified(proof_hex: &str) -> Result<Delegation, Input> {
    let bytes = crate::hexadecimal::bytes(proof_hex).ok_or(Input::ProofHex)?;
    let proof = DelegationProof::decode(&bytes).map_err(Input::ProofParse)?;
    proof.verify(clock::now()).map_err(Input::ProofVerify)
}

fn check_key(key: &Secret, agent: &Agent) -> Result<(), Error> {
    let key = SigningKey::from_private_hex(key.expose()).map_err(|_| Input::OperationalKey)?;
    if key.public() != agent.credential.public_key() {
        return Err(Error::KeyMismatch);
    }
    Ok(())
}
