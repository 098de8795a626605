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
pub(crate) mod mail;
mod offers;
mod open;
mod state;
mod writer;

use std::sync::{Arc, OnceLock};

use a2al_protocol::mailbox::MessageId;
use a2al_protocol::time::UnixSeconds;
use a2al_protocol::{Aid, Credential, Profile, Topic, VerifiedRecord};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

pub(crate) use offers::SavedOffer;
pub use open::OpenError;
pub(crate) use open::{open, take_handed};
pub(crate) use state::{Saved, SavedAgent};

use crate::keystore::{Kept, Share};
use mail::{MailChange, Received, SavedMail, SeenEndpoint};

use crate::service_tcp::ServiceTcp;

/// Changes waiting for the writer; more make callers wait.
const QUEUE_LEN: usize = 1024;

/// One change to the durable state.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// Hosts an agent, or takes over its newer delegation. One that was deleted begins anew, but keeps
    /// its notes.
    Register {
        /// Its keys.
        credential: Arc<Credential>,
        /// Its service; `None` keeps what is there.
        service: Option<ServiceTcp>,
        /// When this was asked.
        at: UnixSeconds,
        /// The notes of one that was deleted, which are read along.
        mail: Arc<OnceLock<SavedMail>>,
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
        /// Its notes, which are read along.
        mail: Arc<OnceLock<SavedMail>>,
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
    /// Something about notes.
    Mail(MailChange),
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
    /// The agent would offer too many services.
    #[error("too many services")]
    TooManyServices,
    /// There is no room for a further note.
    #[error("no room for a further note")]
    Full,
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
    /// To read, after the changes that were asked for before.
    Read(Read),
    /// To finish what it was asked before, close the file and say so.
    Close(oneshot::Sender<()>),
}

struct Write {
    change: Change,
    /// Told whether anything is different now.
    reply: oneshot::Sender<Result<bool, Error>>,
}

/// Reads what it is to read, and tells whoever waits for it.
type Read = Box<dyn FnOnce(&Connection) + Send>;

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
        connection: Connection,
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
        self.change(change).await.map(drop)
    }

    /// Makes a change of the notes durable, and tells whether anything is different now. Dropping the future does not take it
    /// back.
    pub(crate) async fn mail(&self, change: MailChange) -> Result<bool, Error> {
        self.change(Change::Mail(change)).await
    }

    async fn change(&self, change: Change) -> Result<bool, Error> {
        self.asked(change).await?.await
    }

    /// Asks for a change of the notes: changes that are asked for later are made later. The future
    /// ends when it is durable, and tells whether anything is different then.
    pub(crate) async fn begin(
        &self,
        change: MailChange,
    ) -> Result<impl Future<Output = Result<bool, Error>> + use<>, Error> {
        self.asked(Change::Mail(change)).await
    }

    async fn asked(
        &self,
        change: Change,
    ) -> Result<impl Future<Output = Result<bool, Error>> + use<>, Error> {
        let (reply, answer) = oneshot::channel();
        let job = Job::Write(Write { change, reply });
        self.jobs.send(job).await.map_err(|_| Error::Closed)?;
        Ok(async move { answer.await.map_err(|_| Error::Closed)? })
    }

    /// Unread notes by their numbers, in that order. Those that are gone are left out.
    pub(crate) async fn unread(&self, ids: Vec<u64>) -> Result<Vec<Received>, Error> {
        self.read(move |connection| mail::unread(connection, &ids))
            .await
    }

    /// A note under way, as it was given to be kept.
    pub(crate) async fn under_way(&self, message: MessageId) -> Result<Option<Vec<u8>>, Error> {
        self.read(move |connection| mail::under_way(connection, &message))
            .await
    }

    /// The endpoint record by which an agent has written to `contact` last.
    pub(crate) async fn seen_endpoint(
        &self,
        aid: Aid,
        contact: Aid,
    ) -> Result<Option<SeenEndpoint>, Error> {
        self.read(move |connection| mail::seen_endpoint(connection, &aid, &contact))
            .await
    }

    /// The pass by which `issuer` lets an agent write.
    pub(crate) async fn pass(&self, aid: Aid, issuer: Aid) -> Result<Option<Vec<u8>>, Error> {
        self.read(move |connection| mail::pass(connection, &aid, &issuer))
            .await
    }

    /// How full the room for notes of strangers is, and whether `sender` counts as one.
    pub(crate) async fn strangers(&self, aid: Aid, sender: Aid) -> Result<(usize, bool), Error> {
        self.read(move |connection| {
            let unread = mail::unread_of_strangers(connection, &aid)?;
            let is_contact = mail::is_contact(connection, &aid, &sender)?;
            Ok((unread as usize, !is_contact))
        })
        .await
    }

    /// Which of `messages` an agent has received before.
    pub(crate) async fn seen(
        &self,
        aid: Aid,
        messages: Vec<MessageId>,
    ) -> Result<Vec<MessageId>, Error> {
        self.read(move |connection| mail::seen(connection, &aid, &messages))
            .await
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let read: Read = Box::new(move |connection| {
            // Who asked may have left.
            let _ = reply.send(read(connection));
        });
        let job = Job::Read(read);
        self.jobs.send(job).await.map_err(|_| Error::Closed)?;
        Ok(answer.await.map_err(|_| Error::Closed)??)
    }
}

#[cfg(test)]
mod tests;
