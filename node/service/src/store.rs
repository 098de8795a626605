// SPDX-License-Identifier: MPL-2.0
//! What must survive: `state.db`, written by one thread.
//!
//! A change is answered after its commit reached the disk (`synchronous=FULL`). Changes that wait
//! together share one commit, so many callers cost one sync. Reads never come here: the
//! [`Registry`](crate::registry::Registry) is told of each change right after its commit, in commit
//! order.
//!
//! `cache.db` ([`cache`]) holds only what can be learnt again.

pub(crate) mod cache;
mod offers;
mod open;
mod state;
mod writer;

use std::sync::Arc;

use a2al_protocol::time::UnixSeconds;
use a2al_protocol::{Aid, Credential, Profile, Topic, VerifiedRecord};
use tokio::sync::{mpsc, oneshot};

pub(crate) use offers::SavedOffer;
pub use open::OpenError;
pub(crate) use open::open;
pub(crate) use state::{Saved, SavedAgent};

use crate::keystore::{Kept, Share};
use crate::service_tcp::ServiceTcp;

/// Changes waiting for the writer; more make callers wait.
const QUEUE_LEN: usize = 1024;

/// One change to the durable state.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// Hosts an agent, or takes over its newer delegation.
    Register {
        /// Its keys.
        credential: Arc<Credential>,
        /// Its service; `None` keeps what is there.
        service: Option<ServiceTcp>,
        /// When this was asked.
        at: UnixSeconds,
    },
    /// Sets or clears an agent's service.
    Bind {
        /// The agent.
        aid: Aid,
        /// Its service from now on.
        service: Option<ServiceTcp>,
    },
    /// From now on the agent's endpoint record is renewed.
    StartPublishing {
        /// The agent.
        aid: Aid,
    },
    /// Keeps a published record of a free kind until it expires.
    PutRecord {
        /// The record; its publisher is hosted here.
        record: VerifiedRecord,
    },
    /// Registers services of an agent, or says something else about them. From now on the agent's
    /// endpoint record is renewed, too.
    PutOffers {
        /// The agent.
        aid: Aid,
        /// The entries, one a service; each fits into a record.
        entries: Vec<Topic>,
        /// How long each entry lives, in seconds.
        ttl_secs: u32,
    },
    /// Takes back the registration of a service. One that is not there is no error.
    RemoveOffer {
        /// The agent.
        aid: Aid,
        /// The service.
        service: String,
    },
    /// Sets what an agent says about itself; a record of that kind which was published as it is
    /// ends.
    PutProfile {
        /// The agent.
        aid: Aid,
        /// What it says; fits into a record.
        profile: Box<Profile>,
    },
    /// Takes that back. None is no error.
    RemoveProfile {
        /// The agent.
        aid: Aid,
    },
    /// Puts an agent with all that belongs to it aside, for [`Restore`](Self::Restore) to bring back.
    Delete {
        /// The agent.
        aid: Aid,
        /// When this was asked.
        at: UnixSeconds,
    },
    /// Hosts a deleted agent again, with all it had.
    Restore {
        /// The agent.
        aid: Aid,
    },
    /// Forgets the agents that were deleted at that time or before.
    Purge {
        /// The time.
        until: UnixSeconds,
    },
    /// Keeps a key that was made here, until its agent is registered.
    Keep {
        /// The key.
        kept: Arc<Kept>,
        /// This node's share of the master key, when that was made along with it.
        master: Option<Share>,
    },
    /// Forgets a master key, which its owner has a copy of.
    WipeMaster {
        /// Whose it is.
        aid: Aid,
    },
    /// No sequence number from `ceiling` on was given out yet.
    ReserveSequence {
        /// The first number that is not reserved.
        ceiling: u64,
    },
    /// The node is a relay for others.
    Relayed,
}

/// Why a change was not made.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The agent is not hosted here.
    #[error("no such agent")]
    Missing,
    /// The agent is hosted with another key whose delegation is not older.
    #[error("another key is registered")]
    Conflict,
    /// The disk did not take it.
    #[error("the state could not be saved")]
    Database(#[source] Arc<rusqlite::Error>),
    /// The writer has stopped.
    #[error("the store is closed")]
    Closed,
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(Arc::new(error))
    }
}

/// What the writer is asked.
enum Job {
    /// To make a change.
    Write(Write),
    /// To finish what it was asked before, close the file and say so.
    Close(oneshot::Sender<()>),
}

struct Write {
    change: Change,
    reply: oneshot::Sender<Result<(), Error>>,
}

/// Handle to the writer. Its clones share one; when the last is gone, it finishes its queue and
/// closes the file.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    jobs: mpsc::Sender<Job>,
}

impl Store {
    /// Starts the writer on an opened database; `committed` is told of each change once it is
    /// durable.
    ///
    /// # Errors
    /// When the system gives no further thread.
    pub(crate) fn start(
        connection: rusqlite::Connection,
        committed: impl Fn(Change) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE_LEN);
        std::thread::Builder::new()
            .name("state-writer".to_owned())
            .spawn(move || writer::run(connection, queue, committed))?;
        Ok(Self { jobs })
    }

    /// Waits until everything asked for before is on disk and the file is closed. No further change
    /// is taken.
    pub(crate) async fn close(&self) {
        let (reply, closed) = oneshot::channel();
        if self.jobs.send(Job::Close(reply)).await.is_ok() {
            // A writer that ends without an answer has closed the file as well.
            let _ = closed.await;
        }
    }

    /// Makes `change` durable. Dropping the future does not take the change back.
    pub(crate) async fn write(&self, change: Change) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        let job = Job::Write(Write { change, reply });
        self.jobs.send(job).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }
}

#[cfg(test)]
mod tests;
