// SPDX-License-Identifier: MPL-2.0
//! The handle through which everybody uses the network.

use std::sync::Arc;

use libp2p::PeerId;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::address;
use super::config::{HeldRecord, KnownPeer};
use super::dialer::Dialer;
use super::error::Error;
use super::notes::Solver;
use super::peer::Peer;
use super::relaying::{RelayMeter, Relaying};
use super::state::State;
use crate::aid::Aid;
use crate::behaviour::agents::{AgentStream, CallError, Caller, Content, Hosted, Target};
use crate::behaviour::records::{
    Depositor, Publication, Query, Reader, Search, Store, WorkCheck, Writer,
};
use crate::behaviour::streams::Paths;
use crate::clock;
use crate::credential::Credential;
use crate::limits::SHUTDOWN_TIMEOUT;
use crate::record::{Endpoint, RecordKind, VerifiedRecord};

/// A handle to a running network. Cheap to clone; the network runs until [`Client::shutdown`], whatever becomes of the handles.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) peer_id: PeerId,
    pub(super) state: watch::Receiver<Arc<State>>,
    pub(super) hosted: Hosted,
    pub(super) caller: Caller,
    pub(super) reader: Reader,
    pub(super) writer: Writer,
    pub(super) store: Store,
    pub(super) dialer: Dialer,
    pub(super) depositor: Depositor,
    pub(super) solver: Solver,
    pub(super) work: WorkCheck,
    pub(super) relaying: RelayMeter,
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
}

impl Client {
    /// This node's identity.
    pub fn peer_id(&self) -> PeerId {
        self.peer_id
    }

    /// What the network tells about itself, now and whenever it changes.
    pub fn state(&self) -> watch::Receiver<Arc<State>> {
        self.state.clone()
    }

    /// Lets an agent answer and call from this node, or renews its credential.
    pub fn host(&self, credential: Arc<Credential>) {
        self.hosted.insert(credential);
    }

    /// Ends what [`Client::host`] began. Streams that are open stay open.
    pub fn unhost(&self, aid: &Aid) {
        self.hosted.remove(aid);
    }

    /// Publishes a record at its publisher's own key: this node keeps it, answers for it, and stores it at the closest nodes.
    ///
    /// Answers when five of them, or all that are known, have stored it, and after five seconds in any case; the rest goes on in the
    /// background. Without any peer it answers at once, and the record is handed on as peers appear.
    ///
    /// # Errors
    /// [`Error::Superseded`] if a newer record of the publisher is found, [`Error::Refused`] if no node accepts it.
    pub async fn publish(&self, record: VerifiedRecord) -> Result<Publication, Error> {
        self.writer.publish(record.aid().key(), record).await
    }

    /// Finds the newest endpoint record of an agent. Ends within ten seconds; safe to drop.
    ///
    /// # Errors
    /// [`Error::NotFound`] if nobody holds one, or the agent has withdrawn it; [`Error::Timeout`].
    pub async fn endpoint(&self, aid: Aid) -> Result<VerifiedRecord, Error> {
        self.reader.endpoint(aid).await
    }

    /// Collects the records that an agent publishes under its own key, of one kind or of all; empty if there are none.
    ///
    /// Ends within ten seconds; safe to drop.
    ///
    /// # Errors
    /// [`Error::Timeout`] if nobody answered in time.
    pub async fn records(
        &self,
        aid: Aid,
        kind: Option<RecordKind>,
    ) -> Result<Vec<VerifiedRecord>, Error> {
        let mut records = self.reader.set(Query::of_agent(aid, kind)).await?.records;
        records.retain(|record| !record.is_withdrawn());
        Ok(records)
    }

    /// Publishes an agent's entry for a service, or its withdrawal, wherever it is looked for: at the service's own key and, for a
    /// name like `lang.translate`, at the key of its category. Where there is no room for it the keys that it overflows to are used.
    ///
    /// The record is of kind [`RecordKind::TOPIC`]. The withdrawal is a newer one by the same key of kind
    /// [`RecordKind::TOPIC_WITHDRAWN`], with the payload of [`Topic::new`](crate::record::Topic::new), that lives as long as the entry
    /// would have. Answers like [`Self::publish`]: what it tells is what became of the record at the service's own key.
    ///
    /// # Errors
    /// [`Error::NoEntry`] for any other record, [`Error::Superseded`] if a newer record of the same slot is found, [`Error::Refused`]
    /// if no node accepts it.
    pub async fn publish_entry(&self, record: VerifiedRecord) -> Result<Publication, Error> {
        self.writer.publish_entry(record).await
    }

    /// Begins a search for everybody who offers a service, by its name (`lang.translate`) or its category (`lang.*`).
    ///
    /// Nothing is asked before [`Search::next`]; the first batch comes from the service's own key.
    pub fn search(&self, topic: &str) -> Search {
        Search::new(self.reader.clone(), topic)
    }

    /// Opens an authenticated stream from `caller`, an agent on this node, to the agent of an endpoint record.
    ///
    /// The node that answers must prove that it speaks for the agent, with the key that signed the record or under a newer
    /// delegation. User bytes may be written at once; whether the agent's service takes them shows at the first read, see
    /// [`AgentStream`]. With [`Paths::Direct`] no relay is used; [`Content`] says what the stream will carry.
    ///
    /// # Errors
    /// [`CallError`], which says whose fault it is.
    pub async fn call(
        &self,
        caller: Aid,
        endpoint: &VerifiedRecord,
        paths: Paths,
        content: Content,
    ) -> Result<AgentStream, CallError> {
        let target = self.target(endpoint).ok_or(CallError::NoAddress)?;
        self.caller.call(caller, &target, paths, content).await
    }

    /// The connected peers, and how they are connected.
    pub async fn peers(&self) -> Vec<Peer> {
        self.dialer.peers().await
    }

    /// What this node relays for others.
    pub fn relaying(&self) -> Relaying {
        self.relaying.relaying()
    }

    fn target(&self, record: &VerifiedRecord) -> Option<Target> {
        let endpoint = Endpoint::decode(record.payload()).ok()?;
        let state = self.state.borrow();
        let routes = address::routes(
            &endpoint.addresses,
            self.peer_id,
            &state.listen_addrs,
            state.is_private_network,
        );
        Some(Target {
            agent: record.aid(),
            key: record.public_key(),
            issued_at: record.issued_at(),
            routes,
        })
    }

    /// Whether a node that an endpoint record leads to is connected now, so that a call needs no dialling.
    pub fn is_connected(&self, endpoint: &VerifiedRecord) -> bool {
        self.target(endpoint).is_some_and(|target| {
            let mut routes = target.routes.iter();
            routes.any(|route| self.caller.links.is_connected(&route.peer, Paths::Any))
        })
    }

    /// The record of that publisher and kind which this node holds for the network, if it does. Asks nobody.
    pub fn held_record(&self, aid: Aid, kind: RecordKind) -> Option<VerifiedRecord> {
        let held = self
            .store
            .get(&Query::of_agent(aid, Some(kind)), clock::now());
        held.into_iter().max_by_key(VerifiedRecord::rank)
    }

    /// Whether this node holds a record of that publisher and kind for the network.
    pub fn holds(&self, aid: Aid, kind: RecordKind) -> bool {
        !self
            .store
            .get(&Query::of_agent(aid, Some(kind)), clock::now())
            .is_empty()
    }

    /// The records that this node holds for others, to be given to [`Config::held`](super::Config::held) after a restart.
    pub fn held(&self) -> Vec<HeldRecord> {
        let held = self.store.all(clock::now()).into_iter();
        let of_others = held.filter(|held| !held.is_own);
        of_others
            .map(|held| HeldRecord {
                key: held.key,
                record: held.record,
            })
            .collect()
    }

    /// A number that rises whenever this node keeps or drops a note for others, and may rise otherwise.
    pub fn held_notes_version(&self) -> u64 {
        self.store.notes_version()
    }

    /// The peers of the routing table, to be given to [`Config::known_peers`](super::Config::known_peers) after a restart.
    pub async fn known_peers(&self) -> Vec<KnownPeer> {
        self.dialer.known_peers().await
    }

    /// Closes every connection and ends the network's tasks, within two seconds.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.close();
        if timeout(SHUTDOWN_TIMEOUT, self.tasks.wait()).await.is_err() {
            tracing::warn!("some network tasks did not end in time");
        }
    }
}
