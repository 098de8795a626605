// SPDX-License-Identifier: MPL-2.0
//! The life of `a2ald`: prepare, start, say so, wait, drain.

mod args;
mod network;
mod process;
mod standby;
mod stdio;
mod whereabouts;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use a2al_mcp::Mcp;
use a2al_protocol::private_files::{FileError, ensure_dir};
use a2al_service::{NetworkConfig, Service, StartError};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use args::{Args, Command};
pub use stdio::run_stdio;

use crate::config::{self, Config, Flags, Loaded, ProcessEnvironment, Store};
use crate::gateway::Gateway;
use crate::guard::Guarded;
use crate::invitation::invitation;
use crate::lock::{self, Lock};
use crate::logging::Log;
use crate::rest::{self, App};
use crate::{output, server};
pub(crate) use process::StopSignals;
use whereabouts::Whereabouts;

/// How long running API requests may take to end once the daemon is told to stop.
const API_DRAIN: Duration = Duration::from_secs(1);

/// How long the node may take to end after that.
const SERVICE_DRAIN: Duration = Duration::from_secs(3);

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
    /// The system gives no random numbers.
    #[error("no random numbers")]
    Random(#[from] getrandom::Error),
    /// Another daemon has the data directory, and does not say where its API is.
    #[error("the a2ald that runs on {} does not say where its API is", dir.display())]
    NoWhereabouts {
        /// The data directory.
        dir: PathBuf,
    },
    /// The MCP client broke off the handshake, or does not speak the protocol.
    #[error("the MCP client does not open the conversation as it should")]
    Mcp(#[source] Box<dyn std::error::Error + Send + Sync>),
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
    Whereabouts::forget(&data_dir);
    let listener = listen(loaded.config.api_addr).await?;
    let node = Node::settled(&data_dir, loaded, log, listener).await?;
    signals.received().await;
    info!("stopping");
    node.stop().await;
    drop(lock);
    Ok(())
}

/// The running parts.
#[derive(Debug)]
struct Node {
    service: Service,
    mcp: Mcp,
    whereabouts: Whereabouts,
    api_addr: SocketAddr,
    api: JoinHandle<()>,
    stop: CancellationToken,
    joins_somebody: bool,
}

/// Opens the API's port.
async fn listen(addr: SocketAddr) -> Result<TcpListener, Error> {
    let listener = TcpListener::bind(addr).await;
    listener.map_err(|source| Error::Api { addr, source })
}

impl Node {
    /// Writes the configuration where there is none, and starts. The caller has the lock of the
    /// data directory.
    async fn settled(
        data_dir: &Path,
        loaded: Loaded,
        log: Log,
        listener: TcpListener,
    ) -> Result<Self, Error> {
        loaded.settle(data_dir)?;
        for warning in &loaded.warnings {
            warn!("{warning}");
        }
        let node = Self::start(data_dir, loaded, log, listener).await?;
        node.announce();
        Ok(node)
    }

    async fn start(
        data_dir: &Path,
        loaded: Loaded,
        log: Log,
        listener: TcpListener,
    ) -> Result<Self, Error> {
        let config = loaded.config.clone();
        let api_addr = listener.local_addr().map_err(|source| Error::Api {
            addr: config.api_addr,
            source,
        })?;
        let service = Service::start(service_config(data_dir, &config, api_addr).await).await?;
        let store = Arc::new(Store::new(loaded, log));
        let access = store.access();
        let stop = CancellationToken::new();
        let mcp = Mcp::new(service.clone(), config.mcp_toolsets)?;
        let gateway = Gateway::new(service.clone(), api_addr.port());
        let agents = rest::agents(gateway.clone());
        let router = rest::router(App {
            service: service.clone(),
            config: store,
            gateway,
            mcp_endpoint: mcp.http(api_addr, stop.clone()),
            mcp: mcp.clone(),
            ending: stop.clone(),
        });
        let guarded = Guarded::new(router, access, api_addr.port()).with_agents(agents);
        let whereabouts = Whereabouts::tell(data_dir, api_addr)?;
        let api = tokio::spawn(server::serve(listener, guarded, stop.clone()));
        let joins_somebody = !config.bootstrap.is_empty();
        Ok(Self {
            service,
            mcp,
            whereabouts,
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
        drop(self.whereabouts);
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
