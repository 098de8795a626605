// SPDX-License-Identifier: MPL-2.0
//! The life of `a2ald`: prepare, start, say so, wait, drain.

mod args;
mod network;
mod process;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use a2al_protocol::private_files::{FileError, ensure_dir};
use a2al_service::{NetworkConfig, Service, StartError};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use args::{Args, Command};

use crate::config::{self, Config, Flags, Loaded, ProcessEnvironment, Store};
use crate::gateway::Gateway;
use crate::guard::Guarded;
use crate::invitation::invitation;
use crate::lock::{self, Lock};
use crate::logging::Log;
use crate::rest::{self, App};
use crate::{output, server};
use process::StopSignals;

/// How long running API requests may take to end once the daemon is told to stop.
const API_DRAIN: Duration = Duration::from_secs(1);

/// How long the node may take to end after that.
const SERVICE_DRAIN: Duration = Duration::from_secs(2);

/// Why the daemon did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// The data directory or the configuration file cannot be used.
    #[error(transparent)]
    Files(#[from] FileError),
    /// Another daemon has the data directory.
    #[error(transparent)]
    Lock(#[from] lock::Error),
    /// The API cannot listen.
    #[error("cannot listen on {addr} for the API; choose another --api-addr")]
    Api {
        /// The configured address.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The node did not start.
    #[error(transparent)]
    Service(#[from] StartError),
    /// The system takes no signal handlers.
    #[error("cannot catch signals")]
    Signals(#[source] io::Error),
}

/// Runs the daemon until it is told to stop.
///
/// # Errors
/// When it cannot start; see [`Error`].
pub async fn run(flags: &Flags) -> Result<(), Error> {
    process::prepare();
    let signals = StopSignals::catch().map_err(Error::Signals)?;
    let data_dir = config::data_dir(flags, &ProcessEnvironment)?;
    let loaded = config::load(&data_dir, flags, &ProcessEnvironment)?;
    let log = Log::start(&loaded.config.log);
    ensure_dir(&data_dir)?;
    let lock = Lock::take(&data_dir)?;
    loaded.settle(&data_dir)?;
    for warning in &loaded.warnings {
        warn!("{warning}");
    }
    let node = Node::start(&data_dir, loaded, log).await?;
    node.announce();
    signals.received().await;
    info!("stopping");
    node.stop().await;
    drop(lock);
    Ok(())
}

/// The running parts.
struct Node {
    service: Service,
    api_addr: SocketAddr,
    api: JoinHandle<()>,
    stop: CancellationToken,
    joins_somebody: bool,
}

impl Node {
    async fn start(data_dir: &Path, loaded: Loaded, log: Log) -> Result<Self, Error> {
        let config = loaded.config.clone();
        let refused = |source| Error::Api {
            addr: config.api_addr,
            source,
        };
        let listener = TcpListener::bind(config.api_addr).await.map_err(refused)?;
        let api_addr = listener.local_addr().map_err(refused)?;
        let service = Service::start(service_config(data_dir, &config, api_addr).await).await?;
        let store = Arc::new(Store::new(loaded, log));
        let access = store.access();
        let gateway = Gateway::new(service.clone(), api_addr.port());
        let agents = rest::agents(gateway.clone());
        let stop = CancellationToken::new();
        let router = rest::router(App {
            service: service.clone(),
            config: store,
            gateway,
            ending: stop.clone(),
        });
        let guarded = Guarded::new(router, access, api_addr.port()).with_agents(agents);
        let api = tokio::spawn(server::serve(listener, guarded, stop.clone()));
        let joins_somebody = !config.bootstrap.is_empty();
        Ok(Self {
            service,
            api_addr,
            api,
            stop,
            joins_somebody,
        })
    }

    /// Says that the node is ready, and how another one joins it if it knows nobody itself.
    fn announce(&self) {
        let status = self.service.status();
        let version = env!("CARGO_PKG_VERSION");
        let (api, peer) = (self.api_addr, &status.peer_id);
        output::note(format_args!(
            "a2ald {version} ready: api http://{api} peer {peer}"
        ));
        if let (false, Some(line)) = (self.joins_somebody, invitation(&status.bootstrap_addrs)) {
            info!("{line}");
        }
    }

    async fn stop(self) {
        self.stop.cancel();
        if tokio::time::timeout(API_DRAIN, self.api).await.is_err() {
            warn!("API requests were still running");
        }
        if tokio::time::timeout(SERVICE_DRAIN, self.service.shutdown())
            .await
            .is_err()
        {
            warn!("the node did not end in time");
        }
    }
}

async fn service_config(
    data_dir: &Path,
    config: &Config,
    api_addr: SocketAddr,
) -> a2al_service::Config {
    let mut service = a2al_service::Config::new(data_dir.to_owned());
    if let Some(key_dir) = &config.key_dir {
        service.key_dir.clone_from(key_dir);
    }
    service.network = NetworkConfig {
        listen: config.listen.clone(),
        bootstrap: config.bootstrap.clone(),
        advertise: match &config.fallback_host {
            Some(host) => network::advertised(host, &config.listen).await,
            None => Vec::new(),
        },
        use_relays: config.use_relays,
        relay_server: config.relay_server,
        upnp: config.upnp,
        mdns: config.mdns,
    };
    service.auto_publish = config.auto_publish;
    service.api_addr = Some(api_addr);
    service.allow_lan_services = config.allow_lan_services;
    service
}
