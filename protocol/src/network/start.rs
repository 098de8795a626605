// SPDX-License-Identifier: MPL-2.0
//! Starting a network: build the parts, join them, listen, spawn the tasks.

use std::sync::Arc;

use libp2p::PeerId;
use libp2p::identity::Keypair;
use tokio::sync::{mpsc, watch};
use tokio::time::interval;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client::Client;
use super::config::Config;
use super::dialer::{Command, Dialer};
use super::driver::Driver;
use super::error::StartError;
use super::notes::Solver;
use super::relaying::RelayMeter;
use super::routing::Routing;
use super::state::State;
use super::swarm;
use crate::behaviour::agents::{self, Bindings, Callee, Caller, Hosted, IncomingCall, Newest};
use crate::behaviour::records::{
    self, Depositor, Exchange, HandOver, Holder, Reader, Source, Store, Verifier, WorkCheck, Writer,
};
use crate::behaviour::streams::{Incoming, Links};
use crate::clock;
use crate::credential::Credential;
use crate::key::SigningKey;
use crate::limits::{CALL_QUEUE, COMMAND_QUEUE, UPKEEP_INTERVAL};

/// A running network.
#[derive(Debug)]
pub struct Network {
    /// The handle for everything that goes out.
    pub client: Client,
    /// Verified calls to agents on this node. While nobody takes them, callers are told that the node is busy.
    pub calls: mpsc::Receiver<IncomingCall>,
}

/// Starts a network: returns once it listens; joining others goes on in the background.
///
/// The node's own AID is hosted from the start.
///
/// # Errors
/// [`StartError`] if an address is taken or the transports cannot be set up.
pub async fn start(config: Config) -> Result<Network, StartError> {
    start_serving(config, records::serve).await
}

/// The same, where `serve` answers other nodes' requests for records.
pub(super) async fn start_serving<F: Future<Output = ()> + Send + 'static>(
    config: Config,
    serve: impl FnOnce(Holder, mpsc::Receiver<Incoming>, CancellationToken) -> F,
) -> Result<Network, StartError> {
    let keypair = keypair(&config.key)?;
    let local = keypair.public().to_peer_id();
    let (commands, inbox) = mpsc::channel(COMMAND_QUEUE);
    let bindings = Bindings::default();
    let (records, records_links, records_incoming) = records::Behaviour::new();
    let (agents, agents_links, agents_incoming) = agents::Behaviour::new(bindings.clone());
    let (agents_table, records_table) = (agents_links.clone(), records_links.clone());
    let relaying = RelayMeter::new(config.relay_limits);
    let swarm = swarm::build(&keypair, &config, &relaying, records, agents)?;
    let (driver, state, routing) = Box::pin(Driver::listening(
        swarm,
        inbox,
        &config,
        agents_table,
        records_table,
    ))
    .await?;

    let (store, displaced) = Store::new();
    for held in &config.held {
        store.put(held.key, held.record.clone(), Source::Kept, clock::now());
    }
    let parts = Parts::new(local, commands, &config, bindings, store, state, routing);
    let (dialer, verifier) = (parts.dialer.clone(), parts.verifier.clone());
    let exchange = Exchange::new(records_links, dialer, verifier);
    let (calls, accepted) = mpsc::channel(CALL_QUEUE);
    let Parts { stop, tasks, .. } = &parts;
    tasks.spawn(driver.run(stop.clone()));
    tasks.spawn(serve(parts.holder(), records_incoming, stop.clone()));
    tasks.spawn(agents::serve(
        parts.callee(calls),
        agents_incoming,
        stop.clone(),
    ));
    tasks.spawn(records::hand_over(parts.hand_over(&exchange), stop.clone()));
    tasks.spawn(records::hand_down(
        parts.writer(&exchange),
        displaced,
        stop.clone(),
    ));
    tasks.spawn(upkeep(parts.store.clone(), exchange.clone(), stop.clone()));
    let caller = parts.caller(agents_links);
    Ok(Network {
        client: parts.client(exchange, caller, relaying),
        calls: accepted,
    })
}

/// What the network's tasks and handles share.
struct Parts {
    local: PeerId,
    dialer: Dialer,
    hosted: Hosted,
    bindings: Bindings,
    newest: Newest,
    store: Store,
    verifier: Verifier,
    state: watch::Receiver<Arc<State>>,
    routing: watch::Receiver<Routing>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Parts {
    fn new(
        local: PeerId,
        commands: mpsc::Sender<Command>,
        config: &Config,
        bindings: Bindings,
        store: Store,
        state: watch::Receiver<Arc<State>>,
        routing: watch::Receiver<Routing>,
    ) -> Self {
        let hosted = Hosted::default();
        hosted.insert(Arc::new(Credential::node(config.key.clone())));
        Self {
            local,
            dialer: Dialer::new(commands),
            hosted,
            bindings,
            newest: Newest::default(),
            store,
            verifier: Verifier::default(),
            state,
            routing,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    fn holder(&self) -> Holder {
        Holder::new(
            self.local,
            self.store.clone(),
            self.verifier.clone(),
            self.newest.clone(),
            self.routing.clone(),
        )
    }

    fn callee(&self, calls: mpsc::Sender<IncomingCall>) -> Callee {
        Callee {
            local: self.local,
            hosted: self.hosted.clone(),
            bindings: self.bindings.clone(),
            newest: self.newest.clone(),
            calls,
        }
    }

    fn caller(&self, links: Links) -> Caller {
        Caller {
            local: self.local,
            hosted: self.hosted.clone(),
            bindings: self.bindings.clone(),
            newest: self.newest.clone(),
            links,
            dialer: self.dialer.clone(),
        }
    }

    fn hand_over(&self, exchange: &Exchange) -> HandOver {
        HandOver {
            local: self.local,
            store: self.store.clone(),
            exchange: exchange.clone(),
            routing: self.routing.clone(),
        }
    }

    fn writer(&self, exchange: &Exchange) -> Writer {
        Writer {
            local: self.local,
            exchange: exchange.clone(),
            dialer: self.dialer.clone(),
            store: self.store.clone(),
            routing: self.routing.clone(),
            tasks: self.tasks.clone(),
        }
    }

    fn client(self, exchange: Exchange, caller: Caller, relaying: RelayMeter) -> Client {
        let writer = self.writer(&exchange);
        let solver = Solver::default();
        let depositor = Depositor {
            local: self.local,
            exchange: exchange.clone(),
            dialer: self.dialer.clone(),
            store: self.store.clone(),
            routing: self.routing.clone(),
            solver: solver.clone(),
            tasks: self.tasks.clone(),
        };
        let reader = Reader {
            exchange,
            dialer: self.dialer.clone(),
            verifier: self.verifier,
            store: self.store.clone(),
            routing: self.routing,
            newest: self.newest,
            tasks: self.tasks.clone(),
        };
        Client {
            peer_id: self.local,
            state: self.state,
            hosted: self.hosted,
            caller,
            reader,
            writer,
            store: self.store,
            dialer: self.dialer,
            depositor,
            solver,
            work: WorkCheck::default(),
            relaying,
            stop: self.stop,
            tasks: self.tasks,
        }
    }
}

/// Drops what has expired, and closes streams that nobody uses, until `stop`.
async fn upkeep(store: Store, exchange: Exchange, stop: CancellationToken) {
    let mut ticks = interval(UPKEEP_INTERVAL);
    let working = async {
        loop {
            ticks.tick().await;
            store.remove_expired(clock::now());
            exchange.close_idle();
        }
    };
    stop.run_until_cancelled(working).await;
}

pub(super) fn keypair(key: &SigningKey) -> Result<Keypair, StartError> {
    let mut seed = key.seed();
    let secret = libp2p::identity::ed25519::SecretKey::try_from_bytes(seed.as_mut_slice());
    let secret = secret.map_err(|_| StartError::Key)?;
    Ok(libp2p::identity::ed25519::Keypair::from(secret).into())
}
