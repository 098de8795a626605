// SPDX-License-Identifier: MPL-2.0
//! The handle to everything a node can do: how it starts, what it shares, how it ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{io, mem};

use a2al_protocol::network::{self, Client, IncomingCall, Network, Paths};
use a2al_protocol::node_key::{self, NodeKeyError};
use a2al_protocol::private_files::{self, FileError};
use a2al_protocol::{Aid, Credential, SigningKey};
use rusqlite::Connection;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::discover::{Order, Searches};
use crate::events::Events;
use crate::fetch::Pool;
use crate::inbound::Inbound;
use crate::keystore::Keystore;
use crate::live::Live;
use crate::mailbox::{self, Mail};
use crate::providers::Providers;
use crate::registry::Registry;
use crate::resolve::cache::Cache;
use crate::sequence::Sequence;
use crate::service_tcp::{OwnListener, Targets};
use crate::store::cache::{CacheDb, Cached};
use crate::store::mail::SavedMail;
use crate::store::{self, Change, OpenError, Saved, Store};
use crate::tunnels::Tunnels;
use crate::{Config, NetworkConfig, clock, housekeeping, inbound, offers, relaying, renewal};

/// Longest wait for running tasks at the end.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(2100);

/// Longest time for collecting what goes into the cache.
const COLLECT_TIMEOUT: Duration = Duration::from_millis(500);

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The data directory cannot be made or protected.
    #[error(transparent)]
    Directory(#[from] FileError),
    /// There is no node key.
    #[error(transparent)]
    NodeKey(#[from] NodeKeyError),
    /// `state.db` cannot be used.
    #[error(transparent)]
    State(#[from] OpenError),
    /// The system gives no thread to write the state.
    #[error("no thread to write the state")]
    Writer(#[source] io::Error),
    /// The network does not start.
    #[error(transparent)]
    Network(#[from] network::StartError),
}

/// A running node. Cheap to clone; every clone is the same node, which runs until
/// [`shutdown`](Self::shutdown).
#[derive(Clone, Debug)]
pub struct Service {
    pub(crate) core: Arc<Core>,
}

/// What the use cases share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) started: Instant,
    /// The node's own address and key.
    pub(crate) node: Arc<Credential>,
    pub(crate) node_live: Arc<Live>,
    pub(crate) client: Client,
    pub(crate) registry: Arc<Registry>,
    /// Keys that were made here.
    pub(crate) keystore: Arc<Keystore>,
    pub(crate) store: Store,
    pub(crate) cache_db: CacheDb,
    pub(crate) sequence: Sequence,
    /// Endpoint records found lately.
    pub(crate) found: Cache,
    /// Connections to services that wait for a request.
    pub(crate) pool: Pool,
    pub(crate) tunnels: Tunnels,
    /// Notes of the agents.
    pub(crate) mail: Arc<Mail>,
    /// What happens to the agents.
    pub(crate) events: Arc<Events>,
    /// Where services may be.
    pub(crate) targets: Targets,
    /// Streams to services.
    pub(crate) inbound: Inbound,
    pub(crate) auto_publish: AtomicBool,
    use_relays: AtomicBool,
    /// Wakes the renewal when somebody may have become due.
    pub(crate) renewal: Notify,
    /// The same for entries and profiles.
    pub(crate) upkeep: Notify,
    /// Searches that may go on.
    pub(crate) searches: Searches,
    /// The order in which this node lists what it finds.
    pub(crate) order: Order,
    /// Who offers what, and how they did lately.
    pub(crate) providers: Providers,
    /// Every task of this node.
    pub(crate) tasks: TaskTracker,
    stop: CancellationToken,
}

/// What a service is made of that its start brings about.
struct Parts {
    node: Arc<Credential>,
    client: Client,
    registry: Arc<Registry>,
    keystore: Arc<Keystore>,
    store: Store,
    cache_db: CacheDb,
    sequence: Sequence,
    mail: Arc<Mail>,
    events: Arc<Events>,
    order: Order,
    config: Config,
}

impl Core {
    fn new(parts: Parts) -> Self {
        let Parts { client, config, .. } = parts;
        Self {
            started: Instant::now(),
            node: parts.node,
            node_live: Arc::default(),
            registry: parts.registry,
            keystore: parts.keystore,
            store: parts.store,
            cache_db: parts.cache_db,
            sequence: parts.sequence,
            found: Cache::default(),
            pool: Pool::default(),
            tunnels: Tunnels::default(),
            mail: parts.mail,
            events: parts.events,
            targets: Targets::new(config.api_addr, config.allow_lan_services, client.state()),
            inbound: Inbound::new(config.inbound),
            auto_publish: AtomicBool::new(config.auto_publish),
            use_relays: AtomicBool::new(config.network.use_relays),
            renewal: Notify::new(),
            upkeep: Notify::new(),
            searches: Searches::default(),
            order: parts.order,
            providers: Providers::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            client,
            config,
        }
    }
}

/// What is on disk at a start.
struct Opened {
    key: SigningKey,
    connection: Connection,
    saved: Saved,
    cache_db: CacheDb,
    cached: Cached,
}

impl Service {
    /// Opens the state, joins the network, and renews what was published before. The caller holds
    /// the lock of the data directory.
    ///
    /// Returns once the network listens.
    ///
    /// # Errors
    /// [`StartError`]. A damaged state is never replaced by an empty one.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let from = config.clone();
        let opened = tokio::task::spawn_blocking(move || open(&from)).await;
        let opened = opened.expect("opening files does not panic")?;
        let (key, saved) = (opened.key, opened.saved);
        let order = Order::new(&key);
        let node = Arc::new(Credential::node(key.clone()));
        let Network { client, calls } =
            network::start(network_config(&config, key, opened.cached)).await?;
        let sequence = Sequence::new(saved.sequence_ceiling);
        let has_relayed = saved.has_relayed;
        let followers = Followers::new(saved, client.clone());
        let Followers {
            registry,
            keystore,
            mail,
            events,
            ..
        } = followers.clone();
        let store = Store::start(opened.connection, move |change| followers.follow(change))
            .map_err(StartError::Writer)?;
        let core = Core::new(Parts {
            node,
            client,
            registry,
            keystore,
            store,
            cache_db: opened.cache_db,
            sequence,
            mail,
            events,
            order,
            config,
        });
        let service = Self {
            core: Arc::new(core),
        };
        service.run(calls);
        if !has_relayed {
            service.spawn(relaying::announce_first(service.clone()));
        }
        Ok(service)
    }

    /// Begins answering calls and renewing.
    fn run(&self, calls: mpsc::Receiver<IncomingCall>) {
        for agent in self.core.registry.all() {
            self.core.client.host(Arc::clone(&agent.credential));
        }
        self.spawn(inbound::run(self.clone(), calls));
        self.spawn(renewal::run(self.clone()));
        self.spawn(mailbox::run(self.clone()));
        self.spawn(offers::run(self.clone()));
        self.spawn(housekeeping::run(self.clone()));
    }

    /// Ends all work, saves what is worth keeping and leaves the network; takes at most 3 s. Later
    /// calls fail with [`Error::Stopped`](crate::Error::Stopped).
    pub async fn shutdown(&self) {
        self.save_cache().await;
        self.core.stop.cancel();
        self.core.tasks.close();
        let ending = async {
            self.core.client.shutdown().await;
            self.core.tasks.wait().await;
        };
        if timeout(DRAIN_TIMEOUT, ending).await.is_err() {
            tracing::warn!("some tasks did not end in time");
        }
        let cache_db = self.core.cache_db.clone();
        // Fails only where there is no cache any more.
        let _ = tokio::task::spawn_blocking(move || cache_db.close()).await;
        self.core.store.close().await;
    }

    /// Switches the renewal of published records on or off, at once.
    pub fn set_auto_publish(&self, on: bool) {
        self.core.auto_publish.store(on, Ordering::Relaxed);
        self.core.renewal.notify_one();
        self.core.upkeep.notify_one();
    }

    /// Whether published records are renewed by themselves.
    pub(crate) fn is_auto_publishing(&self) -> bool {
        self.core.auto_publish.load(Ordering::Relaxed)
    }

    /// Lets calls take relayed paths or not, at once. Places that are reserved on relays stay until
    /// the next start.
    pub fn set_use_relays(&self, on: bool) {
        self.core.use_relays.store(on, Ordering::Relaxed);
    }

    /// The paths that a call may take.
    pub(crate) fn paths(&self) -> Paths {
        if self.core.use_relays.load(Ordering::Relaxed) {
            Paths::Any
        } else {
            Paths::Direct
        }
    }

    /// Keeps a listener of this daemon from being any agent's service, until what is returned is
    /// dropped. The API and the network need not be named.
    pub fn own_listener(&self, at: SocketAddr) -> OwnListener {
        self.core.targets.own(at)
    }

    /// The node's own address.
    pub fn node_aid(&self) -> Aid {
        self.core.node.aid()
    }

    /// What is known of one of this node's addresses while it runs.
    pub(crate) fn live(&self, aid: &Aid) -> Option<Arc<Live>> {
        if *aid == self.node_aid() {
            return Some(Arc::clone(&self.core.node_live));
        }
        self.core
            .registry
            .get(aid)
            .map(|agent| Arc::clone(&agent.live))
    }

    /// Runs `task` until it ends or the node stops.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.core.stop.clone();
        self.core.tasks.spawn(async move {
            // A stop in the middle is how these tasks end; none of them has to finish anything.
            let _ = stop.run_until_cancelled(task).await;
        });
    }

    /// Waits so long; false if the node stops meanwhile, which ends the wait.
    pub(crate) async fn rest(&self, wait: Duration) -> bool {
        self.until_stopped(tokio::time::sleep(wait)).await.is_some()
    }

    /// What comes of `work`; `None` if the node stops before.
    pub(crate) async fn until_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.core.stop.run_until_cancelled(work).await
    }

    /// Saves peers and records of others for the next start. Returns how many records there are.
    pub(crate) async fn save_cache(&self) -> usize {
        let client = &self.core.client;
        let peers = timeout(COLLECT_TIMEOUT, client.known_peers())
            .await
            .unwrap_or_default();
        let cached = Cached {
            peers,
            held: client.held(),
        };
        let held = cached.held.len();
        let cache_db = self.core.cache_db.clone();
        if tokio::task::spawn_blocking(move || cache_db.save(&cached))
            .await
            .is_err()
        {
            tracing::warn!("cache not saved");
        }
        held
    }
}

/// Those who are told of each change once it is committed, in the order of commits.
#[derive(Clone)]
struct Followers {
    registry: Arc<Registry>,
    keystore: Arc<Keystore>,
    client: Client,
    mail: Arc<Mail>,
    events: Arc<Events>,
}

impl Followers {
    /// Everybody as of what was saved.
    fn new(mut saved: Saved, client: Client) -> Self {
        let (kept, masters) = (mem::take(&mut saved.kept), mem::take(&mut saved.masters));
        let mail = Mail::new(&saved.mail);
        let first = clock::now_millis().max(saved.sequence_ceiling);
        let registry = Registry::new(saved);
        for (agent, _) in registry.deleted() {
            mail.forget(&agent.aid());
        }
        Self {
            registry: Arc::new(registry),
            keystore: Arc::new(Keystore::new(kept, masters)),
            client,
            mail: Arc::new(mail),
            events: Arc::new(Events::new(first)),
        }
    }

    /// Follows a change: who is registered, who answers and calls from here, and what waits for whom.
    fn follow(&self, change: Change) {
        let mut before = None;
        let hosted = match &change {
            Change::Register {
                credential, mail, ..
            } => {
                if let Some(mail) = mail.get() {
                    self.mail.restore(mail);
                }
                let aid = credential.aid();
                before = self.registry.get(&aid);
                Some(aid)
            }
            Change::Delete { aid, .. } => Some(*aid),
            Change::Restore { aid, mail } => {
                self.mail.restore(mail.get_or_init(SavedMail::default));
                Some(*aid)
            }
            Change::Mail(change) => {
                self.mail.apply(change);
                None
            }
            _ => None,
        };
        self.keystore.apply(&change);
        self.registry.apply(change);
        let Some(aid) = hosted else { return };
        if let Some(agent) = self.registry.get(&aid) {
            self.client.host(Arc::clone(&agent.credential));
            self.mail.hosted(aid);
            let issued_at = agent.credential.issued_at();
            if before.is_some_and(|before| before.credential.issued_at() < issued_at) {
                self.mail.renewed(&aid);
            }
        } else {
            self.client.unhost(&aid);
            self.mail.forget(&aid);
            self.events.forget(&aid);
        }
    }
}

/// Opens everything that is on disk.
fn open(config: &Config) -> Result<Opened, StartError> {
    private_files::ensure_dir(&config.data_dir)?;
    let key = node_key::load_or_create(&config.key_dir)?;
    let (mut connection, mut saved) = store::open(&config.data_dir.join("state.db"))?;
    let cache_db = CacheDb::open(&config.data_dir.join("cache.db"));
    remove_handed(&mut connection, &mut saved, &cache_db);
    let cached = cache_db.load(clock::now());
    Ok(Opened {
        key,
        connection,
        saved,
        cache_db,
        cached,
    })
}

/// Finishes what an earlier run had no time for. Where that fails the notes are given out again.
fn remove_handed(connection: &mut Connection, saved: &mut Saved, cache_db: &CacheDb) {
    let handed = cache_db.handed();
    match store::take_handed(connection, saved, &handed) {
        Ok(()) if handed.is_empty() => {}
        Ok(()) => cache_db.forget_handed(&handed),
        Err(error) => tracing::warn!(%error, "notes that were read come again"),
    }
}

fn network_config(config: &Config, key: SigningKey, cached: Cached) -> network::Config {
    let defaults = network::Config::new(key);
    let NetworkConfig {
        listen,
        bootstrap,
        advertise,
        use_relays,
        relay_server,
        upnp,
        mdns,
    } = config.network.clone();
    network::Config {
        agent_version: concat!("a2ald/", env!("CARGO_PKG_VERSION")).to_owned(),
        listen: if listen.is_empty() {
            defaults.listen
        } else {
            listen
        },
        bootstrap,
        advertise,
        use_relays,
        relay_server,
        upnp,
        mdns,
        known_peers: cached.peers,
        held: cached.held,
        ..defaults
    }
}
