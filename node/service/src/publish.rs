// SPDX-License-Identifier: MPL-2.0
//! Publishing endpoint records, and taking them back.

use std::time::Duration;

use a2al_protocol::limits::{
    DEFAULT_RECORD_TTL, MAX_ENDPOINT_ADDRESS_LEN, MAX_ENDPOINT_ADDRESSES, MAX_RECORD_LEN,
};
use a2al_protocol::network::Reachability;
use a2al_protocol::record::{Category, SignError};
use a2al_protocol::{Aid, Credential, Draft, Endpoint, RecordKind, Seq, VerifiedRecord, network};
use futures::future::join_all;
use tokio::time::{Instant, timeout};

use crate::live::{Live, Publication};
use crate::registry::Agent;
use crate::store::Change;
use crate::{Error, Service, clock, model, profiles, resolve};

/// Longest time for a publication. The network answers after 5 s by itself; this one only guards
/// against a bug there.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a publication that somebody asked for waits for an address to publish.
///
/// A node that has just started needs a moment to meet others and to learn how they reach it.
pub(crate) const ADDRESS_PATIENCE: Duration = Duration::from_secs(5);

/// How long after its start a node also waits for others to publish to: a record that nobody else
/// holds is not found by the first who asks.
pub(crate) const JOINING: Duration = Duration::from_secs(10);

/// How long a withdrawal may keep the caller of `delete` waiting.
const WITHDRAW_TIMEOUT: Duration = Duration::from_secs(6);

impl Service {
    /// Publishes where `aid` is reached, and from the first time on keeps that record alive, across
    /// restarts too.
    ///
    /// Answers when enough nodes stored it, or after 5 s with as many as did; a node that has just
    /// started, or does not know how it is reached, waits up to 5 s before that. Goes on when the future is dropped.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::DelegationExpired`], [`Error::NoAdvertisedAddress`],
    /// [`Error::NoAddressWithoutRelays`], [`Error::Publish`]. After the last three the node goes on trying by itself.
    pub async fn publish(&self, aid: Aid) -> Result<model::Published, Error> {
        let agent = self.agent_here(&aid)?;
        agent.live.beat();
        let service = self.clone();
        let publishing = self.core.tasks.spawn(async move {
            agent.live.begin();
            // Both at once: neither needs the other, and the first publication of an agent has to
            // wait for the disk.
            let (saved, published) = tokio::join!(
                service.keep_publishing(&agent),
                service.publish_endpoint(&agent.credential, &agent.live, ADDRESS_PATIENCE)
            );
            service.core.renewal.notify_one();
            saved.and(published)
        });
        let publication = publishing.await.map_err(|_| Error::Stopped)??;
        Ok(model::Published {
            ok: true,
            seq: publication.record.seq().0,
            replicas: publication.replicas as u64,
        })
    }

    async fn keep_publishing(&self, agent: &Agent) -> Result<(), Error> {
        if agent.is_publishing {
            return Ok(());
        }
        Ok(self
            .core
            .store
            .write(Change::StartPublishing { aid: agent.aid() })
            .await?)
    }

    /// Signs and publishes a fresh endpoint record, once there is something to say in it.
    ///
    /// Ends what [`Live::begin`] began. Waits for `patience` while the node is finding out how it is
    /// reached.
    pub(crate) async fn publish_endpoint(
        &self,
        credential: &Credential,
        live: &Live,
        patience: Duration,
    ) -> Result<Publication, Error> {
        self.is_ready_within(patience).await;
        let published = self.publish_addresses(credential, live).await;
        match &published {
            Ok(publication) => live.published(publication.clone(), Instant::now()),
            Err(_) => live.failed(Instant::now()),
        }
        published
    }

    /// Waits for an address, and soon after the start for a peer, unless this node has nobody to
    /// join.
    async fn is_ready_within(&self, patience: Duration) {
        if self.core.config.network.bootstrap.is_empty() {
            return;
        }
        let mut state = self.core.client.state();
        let is_joining = self.core.started.elapsed() < JOINING;
        let ready = state
            .wait_for(|state| !state.advertised.is_empty() && (state.dht_peers > 0 || !is_joining));
        // Without an address publishing fails by itself; without a peer the record is handed on.
        let _ = timeout(patience, ready).await;
    }

    /// Publishes an endpoint record with the addresses of this moment.
    async fn publish_addresses(
        &self,
        credential: &Credential,
        live: &Live,
    ) -> Result<Publication, Error> {
        self.publish_above(credential, |seq| {
            // Looked at for each attempt: what supersedes the first may be our own, and say more.
            let endpoint = self.own_addresses();
            if endpoint.is_withdrawn() {
                return Err(self.no_address());
            }
            let record = sign(credential, endpoint_draft(&endpoint, seq))?;
            live.says(endpoint);
            // Deleted meanwhile: its withdrawal must stay the newest record.
            self.live(&record.aid())
                .map(|_| record)
                .ok_or(Error::NotFound)
        })
        .await
    }

    /// Why there is no address to publish.
    fn no_address(&self) -> Error {
        let reachability = self.core.client.state().borrow().reachability;
        if !self.core.config.network.use_relays && reachability == Reachability::Private {
            return Error::NoAddressWithoutRelays;
        }
        Error::NoAdvertisedAddress
    }

    /// Publishes what `signed` makes of a sequence number, and once more with a larger one where
    /// another node has published for the same agent in the meantime.
    pub(crate) async fn publish_above(
        &self,
        credential: &Credential,
        signed: impl Fn(Seq) -> Result<VerifiedRecord, Error>,
    ) -> Result<Publication, Error> {
        match self.send(signed(self.next_seq(Seq(0)))?).await {
            Err(Error::Publish(network::Error::Superseded(newer))) => {
                if newer.issued_at() > credential.issued_at() {
                    return Err(Error::Superseded);
                }
                self.send(signed(self.next_seq(newer.seq()))?).await
            }
            result => result,
        }
    }

    /// What endpoint records say now.
    pub(crate) fn own_addresses(&self) -> Endpoint {
        let state = self.core.client.state().borrow().clone();
        let addresses = state.advertised.iter().map(ToString::to_string);
        let addresses = addresses.filter(|address| address.len() <= MAX_ENDPOINT_ADDRESS_LEN);
        Endpoint {
            addresses: addresses.take(MAX_ENDPOINT_ADDRESSES).collect(),
            nat: state.nat,
        }
    }

    /// The next sequence number, above `floor`.
    pub(crate) fn next_seq(&self, floor: Seq) -> Seq {
        let issued = self.core.sequence.next(clock::now_millis(), floor.0);
        if let Some(ceiling) = issued.ceiling {
            let store = self.core.store.clone();
            self.spawn(async move {
                // A failure is logged by the writer; the clock alone then keeps numbers rising.
                let _ = store.write(Change::ReserveSequence { ceiling }).await;
            });
        }
        Seq(issued.seq)
    }

    /// Hands a record to the network.
    pub(crate) async fn send(&self, record: VerifiedRecord) -> Result<Publication, Error> {
        let (client, sent) = (&self.core.client, record.clone());
        let sending = async {
            match record.kind().category() {
                Category::Topic => client.publish_entry(sent).await,
                Category::Sovereign | Category::Mailbox | Category::NotePart => {
                    client.publish(sent).await
                }
            }
        };
        let sent = timeout(PUBLISH_TIMEOUT, sending).await;
        match sent.unwrap_or(Err(network::Error::Timeout)) {
            Ok(network::Publication {
                replicas,
                is_complete,
            }) => Ok(Publication {
                record,
                at: clock::now(),
                replicas,
                is_complete,
            }),
            Err(error) => Err(Error::Publish(error)),
        }
    }

    /// Takes back what was published for an agent that is gone, as far as that is possible now.
    ///
    /// The agent may have been published by another node since; that record is left alone.
    pub(crate) async fn withdraw(&self, agent: &Agent) {
        self.withdrawing(agent.aid(), self.publish_withdrawals(agent))
            .await;
    }

    /// Waits for a withdrawal, which is repeated by nobody.
    pub(crate) async fn withdrawing(
        &self,
        aid: Aid,
        withdrawal: impl Future<Output = Result<(), Error>>,
    ) {
        match timeout(WITHDRAW_TIMEOUT, withdrawal).await {
            Ok(Ok(())) => tracing::info!(%aid, "withdrawn"),
            Ok(Err(error)) => {
                tracing::warn!(%aid, %error, "not withdrawn; its record ends by itself");
            }
            Err(_) => tracing::warn!(%aid, "withdrawal still under way; its record ends by itself"),
        }
    }

    async fn publish_withdrawals(&self, agent: &Agent) -> Result<(), Error> {
        let credential = &agent.credential;
        let records = agent.records.values();
        let records = records.map(|record| self.publish_record_withdrawal(credential, record));
        let (records, renewed) =
            tokio::join!(join_all(records), self.publish_renewed_withdrawals(agent));
        records.into_iter().chain([renewed]).collect()
    }

    /// Takes back what this node signs anew again and again, unless another node does so by now.
    async fn publish_renewed_withdrawals(&self, agent: &Agent) -> Result<(), Error> {
        let credential = &agent.credential;
        if agent.is_publishing && !self.is_published_here(agent).await {
            return Ok(());
        }
        let offers = agent.offers.values();
        let entries = offers.map(|offer| self.publish_entry_withdrawal(credential, offer));
        let profile = async {
            if profiles::is_kept(agent) {
                self.publish_profile_withdrawal(agent).await?;
            }
            Ok(())
        };
        let endpoint = async {
            if agent.is_publishing {
                let draft = endpoint_draft(&Endpoint::default(), self.next_seq(Seq(0)));
                self.send(sign(credential, draft)?).await?;
            }
            Ok(())
        };
        let (entries, profile, endpoint) = tokio::join!(join_all(entries), profile, endpoint);
        entries.into_iter().chain([profile, endpoint]).collect()
    }

    /// Sends a withdrawal of what this node has published before, unless it `is_back`. It is newer than
    /// that; what supersedes it was published by somebody else, or since, and is left alone.
    pub(crate) async fn send_withdrawal(
        &self,
        credential: &Credential,
        withdrawal: Withdrawal,
        is_back: impl FnOnce(&Agent) -> bool,
    ) -> Result<(), Error> {
        let Withdrawal {
            kind,
            payload,
            ttl_secs,
        } = withdrawal;
        let seq = self.next_seq(Seq(0));
        // In this order: what comes back after the look is signed with a larger number.
        let agent = self.core.registry.get(&credential.aid());
        if agent.is_some_and(|agent| is_back(&agent)) {
            return Ok(());
        }
        let draft = Draft {
            kind,
            payload,
            seq,
            timestamp: clock::now(),
            ttl_secs,
        };
        match self.send(sign(credential, draft)?).await {
            Err(Error::Publish(network::Error::Superseded(_))) => Ok(()),
            sent => sent.map(drop),
        }
    }

    async fn publish_record_withdrawal(
        &self,
        credential: &Credential,
        record: &VerifiedRecord,
    ) -> Result<(), Error> {
        let draft = Draft {
            kind: record.kind(),
            payload: Vec::new(),
            seq: self.next_seq(record.seq()),
            timestamp: clock::now(),
            ttl_secs: record.ttl_secs(),
        };
        self.send(sign(credential, draft)?).await.map(drop)
    }

    /// Whether the newest record of an agent leads to this node.
    async fn is_published_here(&self, agent: &Agent) -> bool {
        // Several holders are asked: our own copy alone would always say yes.
        let endpoints = self
            .core
            .client
            .records(agent.aid(), Some(RecordKind::ENDPOINT))
            .await;
        let newest = endpoints
            .unwrap_or_default()
            .into_iter()
            .max_by_key(VerifiedRecord::rank);
        newest.is_none_or(|record| resolve::peer(&record) == Some(self.core.client.peer_id()))
    }
}

/// What a withdrawal says.
pub(crate) struct Withdrawal {
    /// Its kind of record.
    pub(crate) kind: RecordKind,
    /// Its content.
    pub(crate) payload: Vec<u8>,
    /// How long what it withdraws may live, in seconds.
    pub(crate) ttl_secs: u32,
}

fn endpoint_draft(endpoint: &Endpoint, seq: Seq) -> Draft {
    Draft {
        kind: RecordKind::ENDPOINT,
        payload: endpoint
            .encode()
            .expect("cut to the limits of an endpoint record"),
        seq,
        timestamp: clock::now(),
        ttl_secs: u32::try_from(DEFAULT_RECORD_TTL.as_secs()).expect("an hour fits"),
    }
}

/// Signs a record whose kind and lifetime are in order.
pub(crate) fn sign(credential: &Credential, draft: Draft) -> Result<VerifiedRecord, Error> {
    let len = draft.payload.len();
    draft.sign(credential).map_err(|error| match error {
        SignError::DelegationExpired => Error::DelegationExpired,
        _ => Error::RecordTooLarge {
            len,
            max: MAX_RECORD_LEN,
        },
    })
}
