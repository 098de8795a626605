// SPDX-License-Identifier: MPL-2.0
//! The daemon of a data directory, whichever process it is: one that runs, or this one once nobody
//! has the directory any more.
//!
//! Whether one runs is told by the lock, and asked before each message: what answers at a dead
//! daemon's port by now must get none of them.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use a2al_mcp::bridge::{Address, Locate, Located};
use futures::future::BoxFuture;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::whereabouts::{Whereabouts, from_here};
use super::{Error, Node, listen};
use crate::config::{self, Flags, ProcessEnvironment};
use crate::lock::{self, Lock};
use crate::logging::Log;

/// How long a daemon that has just taken its directory may need until its API listens.
const START_PATIENCE: Duration = Duration::from_secs(20);

/// How long a directory may be without a daemon before this process takes it: one that is only
/// started anew is back by then.
const RETURN_PATIENCE: Duration = Duration::from_secs(2);

/// Time between two looks where the API is.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Time between two looks whether a daemon that does not say where its API is still runs.
const LOCK_INTERVAL: Duration = Duration::from_secs(1);

/// Finds the daemon, and takes its place.
#[derive(Debug)]
pub(super) struct Standby {
    data_dir: PathBuf,
    flags: Flags,
    log: Log,
    state: Arc<Mutex<State>>,
    /// Cancelled when this process ends, and takes nobody's place any more.
    ending: CancellationToken,
}

#[derive(Debug, Default)]
struct State {
    /// The node, once it is this process.
    own: Option<(Node, Lock)>,
    /// Where the API was found last.
    found: Option<SocketAddr>,
}

/// Who has the directory.
enum Daemon {
    /// Another process, with its API there.
    Runs(SocketAddr),
    /// Nobody but us.
    IsGone(Lock),
}

impl Standby {
    pub(super) fn new(data_dir: PathBuf, flags: Flags, log: Log) -> Self {
        Self {
            data_dir,
            flags,
            log,
            state: Arc::default(),
            ending: CancellationToken::new(),
        }
    }

    /// Where the daemon's API is, and what it wants to be shown. Where nobody has the directory,
    /// this process becomes the daemon.
    pub(super) async fn find(&self) -> Result<Address, Error> {
        let mut state = Arc::clone(&self.state).lock_owned().await;
        let api = loop {
            if let Some((node, _)) = &state.own {
                break from_here(node.api_addr);
            }
            // Whoever waits for a daemon holds the state, which the end needs.
            let daemon = tokio::select! {
                biased;
                () = self.ending.cancelled() => return Err(self.nowhere()),
                daemon = self.daemon(state.found) => daemon?,
            };
            match daemon {
                Daemon::Runs(api) => break api,
                Daemon::IsGone(lock) => {
                    // In a task of its own: who asked may give up, a start is not left half done.
                    let starting = self.start(lock);
                    let started = tokio::spawn(async move {
                        state.own = Some(starting.await?);
                        Ok::<_, Error>(state)
                    });
                    state = started.await.map_err(|_| self.nowhere())??;
                }
            }
        };
        state.found = Some(api);
        self.address(api)
    }

    /// Ends the node, if it is this process.
    pub(super) async fn stop(&self) {
        self.ending.cancel();
        let mut state = self.state.lock().await;
        if let Some((node, lock)) = state.own.take() {
            info!("stopping");
            node.stop().await;
            drop(lock);
        }
    }

    /// Waits until the daemon says where its API is, or the directory is free.
    async fn daemon(&self, known: Option<SocketAddr>) -> Result<Daemon, Error> {
        let dir = &self.data_dir;
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            if let Some(lock) = self.free()? {
                // What is there was left by one that was killed.
                Whereabouts::forget(dir);
                drop(lock);
                if self.told(RETURN_PATIENCE).await.is_none()
                    && let Some(lock) = self.free()?
                {
                    return Ok(Daemon::IsGone(lock));
                }
            }
            if let Some(api) = self.told(LOCK_INTERVAL).await {
                if known != Some(api) {
                    info!(
                        "a2ald runs on {} already, at http://{api}; its tools are served",
                        dir.display()
                    );
                }
                return Ok(Daemon::Runs(api));
            }
            if Instant::now() >= deadline {
                return Err(self.nowhere());
            }
        }
    }

    /// The lock of the directory, unless a daemon has it.
    fn free(&self) -> Result<Option<Lock>, Error> {
        match Lock::take(&self.data_dir) {
            Ok(lock) => Ok(Some(lock)),
            Err(lock::Error::Held { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What a daemon says within `patience` about where its API is.
    async fn told(&self, patience: Duration) -> Option<SocketAddr> {
        let deadline = Instant::now() + patience;
        loop {
            let api = Whereabouts::ask(&self.data_dir);
            if api.is_some() || Instant::now() >= deadline {
                return api;
            }
            sleep(LOOK_INTERVAL).await;
        }
    }

    fn nowhere(&self) -> Error {
        let dir = self.data_dir.clone();
        Error::NoWhereabouts { dir }
    }

    /// Starts the node, here.
    fn start(&self, lock: Lock) -> impl Future<Output = Result<(Node, Lock), Error>> + use<> {
        let (dir, flags, log) = (self.data_dir.clone(), self.flags.clone(), self.log.clone());
        async move {
            info!(
                "nobody runs on {} any more; this process does",
                dir.display()
            );
            let loaded = config::load(&dir, &flags, &ProcessEnvironment)?;
            let listener = listen_somewhere(loaded.config.api_addr).await?;
            let node = Node::settled(&dir, loaded, log, listener).await?;
            Ok((node, lock))
        }
    }

    fn address(&self, api: SocketAddr) -> Result<Address, Error> {
        let loaded = config::load(&self.data_dir, &self.flags, &ProcessEnvironment)?;
        let token = loaded.settings.api_token;
        Ok(Address {
            url: format!("http://{api}/mcp"),
            token: Some(token).filter(|token| !token.is_empty()),
        })
    }
}

impl Locate for Standby {
    fn locate(&self) -> BoxFuture<'_, Located> {
        Box::pin(async { self.find().await.map_err(Into::into) })
    }
}

/// Opens the API's port at `addr`, or at a free one: the client has its tools all the same, and
/// others find the API where the note in the data directory says.
pub(super) async fn listen_somewhere(addr: SocketAddr) -> Result<TcpListener, Error> {
    match listen(addr).await {
        Ok(listener) => Ok(listener),
        Err(error) => {
            warn!("{error}; the API takes a free port");
            listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
        }
    }
}
