// SPDX-License-Identifier: MPL-2.0
//! `a2ald --mcp-stdio`: MCP on stdin and stdout, for hosts that start their servers themselves.
//!
//! Nothing but messages goes to stdout. Where a daemon runs on the data directory already, its
//! tools are served, and this process takes its place when it ends; else this process is the node
//! at once. It is so for as long as the host keeps it.

use std::path::Path;
use std::sync::Arc;

use a2al_mcp::bridge;
use a2al_protocol::private_files::ensure_dir;
use tokio::io::{stdin, stdout};
use tracing::info;

use super::process::{self, StopSignals};
use super::standby::{Standby, listen_somewhere};
use super::whereabouts::Whereabouts;
use super::{Error, Node};
use crate::config::{self, Flags, Loaded, ProcessEnvironment};
use crate::lock::{self, Lock};
use crate::logging::Log;

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
        Err(lock::Error::Held { .. }) => {
            let standby = Arc::new(Standby::new(data_dir, flags.clone(), log));
            let served = tokio::select! {
                served = as_bridge(Arc::clone(&standby)) => served,
                () = signals.received() => Ok(()),
            };
            standby.stop().await;
            served
        }
        Err(error) => Err(error.into()),
    }
}

async fn as_node(
    data_dir: &Path,
    loaded: Loaded,
    log: Log,
    signals: StopSignals,
) -> Result<(), Error> {
    let listener = listen_somewhere(loaded.config.api_addr).await?;
    let node = Node::settled(data_dir, loaded, log, listener).await?;
    let served = tokio::select! {
        served = node.mcp.serve(stdin(), stdout()) => served,
        () = signals.received() => Ok(()),
    };
    info!("stopping");
    node.stop().await;
    served.map_err(|error| Error::Mcp(error))
}

async fn as_bridge(standby: Arc<Standby>) -> Result<(), Error> {
    // Without a daemon to be found there is nothing to serve; the host is told at once.
    standby.find().await?;
    let served = bridge::run(standby, stdin(), stdout()).await;
    served.map_err(|error| Error::Mcp(error.into()))
}
