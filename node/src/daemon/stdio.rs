// SPDX-License-Identifier: MPL-2.0
//! `a2ald --mcp-stdio`: MCP on stdin and stdout, for hosts that start their servers themselves.
//!
//! Nothing but messages goes to stdout. Where a daemon runs on the data directory already, its
//! tools are served; else this process is the node, for as long as the host keeps it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use a2al_mcp::bridge;
use a2al_protocol::private_files::ensure_dir;
use tokio::io::{stdin, stdout};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::process::{self, StopSignals};
use super::whereabouts::Whereabouts;
use super::{Error, Node, listen};
use crate::config::{self, Flags, Loaded, ProcessEnvironment};
use crate::lock::{self, Lock};
use crate::logging::Log;

/// How long a daemon that has just taken its directory may need until its API listens.
const START_PATIENCE: Duration = Duration::from_secs(20);

/// Time between two looks whether it does.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Serves MCP on stdin and stdout until stdin closes or the process is told to stop.
///
/// # Errors
/// When there is neither a node to serve nor one to start; see [`Error`].
pub async fn run_stdio(flags: &Flags) -> Result<(), Error> {
    process::prepare();
    let signals = StopSignals::catch().map_err(Error::Signals)?;
    let data_dir = config::data_dir(flags, &ProcessEnvironment)?;
    let loaded = config::load(&data_dir, flags, &ProcessEnvironment)?;
    let log = Log::start(&loaded.config.log);
    ensure_dir(&data_dir)?;
    match Lock::take(&data_dir) {
        Ok(lock) => {
            Whereabouts::forget(&data_dir);
            let served = as_node(&data_dir, loaded, log, signals).await;
            drop(lock);
            served
        }
        Err(lock::Error::Held { .. }) => tokio::select! {
            served = as_bridge(&data_dir, &loaded) => served,
            () = signals.received() => Ok(()),
        },
        Err(error) => Err(error.into()),
    }
}

async fn as_node(
    data_dir: &Path,
    loaded: Loaded,
    log: Log,
    signals: StopSignals,
) -> Result<(), Error> {
    let listener = match listen(loaded.config.api_addr).await {
        Ok(listener) => listener,
        Err(error) => {
            // The client has its tools all the same; others find the API where the note says.
            warn!("{error}; the API takes a free port");
            listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?
        }
    };
    let node = Node::settled(data_dir, loaded, log, listener).await?;
    let served = tokio::select! {
        served = node.mcp.serve(stdin(), stdout()) => served,
        () = signals.received() => Ok(()),
    };
    info!("stopping");
    node.stop().await;
    served.map_err(|error| Error::Mcp(error))
}

async fn as_bridge(data_dir: &Path, loaded: &Loaded) -> Result<(), Error> {
    let api = api_of_the_daemon(data_dir).await?;
    info!(
        "a2ald runs on {} already, at http://{api}; its tools are served",
        data_dir.display()
    );
    let token = &loaded.settings.api_token;
    let address = bridge::Address {
        url: format!("http://{api}/mcp"),
        token: Some(token.clone()).filter(|token| !token.is_empty()),
    };
    let served = bridge::run(std::sync::Arc::new(address), stdin(), stdout()).await;
    served.map_err(|error| Error::Mcp(error.into()))
}

/// Waits until the daemon that has the data directory says where its API is.
async fn api_of_the_daemon(data_dir: &Path) -> Result<SocketAddr, Error> {
    let deadline = Instant::now() + START_PATIENCE;
    loop {
        if let Some(api) = Whereabouts::ask(data_dir) {
            return Ok(api);
        }
        if Instant::now() >= deadline {
            return Err(Error::NoWhereabouts {
                dir: data_dir.to_owned(),
            });
        }
        sleep(LOOK_INTERVAL).await;
    }
}
