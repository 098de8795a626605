// SPDX-License-Identifier: MPL-2.0
//! The sessions with an exposed server: a bounded number of them, and of each caller's.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::header::HeaderValue;
use tokio_util::task::TaskTracker;

use super::Program;
use super::session::Session;
use crate::limits::{MAX_CALLER_SESSIONS, MAX_EXPOSED_PROCESSES, MAX_SESSIONS};

/// By name; the process for requests without a session has none.
type Table = HashMap<Option<String>, Entry>;

/// A session, and whose it is.
#[derive(Debug)]
struct Entry {
    session: Arc<Session>,
    /// The agent that opened it; those that came past the network, on this machine, have no name.
    caller: Option<HeaderValue>,
}

/// All sessions.
#[derive(Debug)]
pub(super) struct Sessions {
    program: Program,
    table: Arc<Mutex<Table>>,
    tasks: TaskTracker,
}

impl Sessions {
    pub(super) fn new(program: Program) -> Self {
        Self {
            program,
            table: Arc::default(),
            tasks: TaskTracker::new(),
        }
    }

    /// The program, as a person reads it.
    pub(super) fn program(&self) -> String {
        self.program.path.to_string_lossy().into_owned()
    }

    /// Starts a process with a session of its own, for the agent `caller`.
    pub(super) fn open(&self, caller: Option<&HeaderValue>) -> io::Result<(String, Arc<Session>)> {
        let id = new_id()?;
        let session = self.start(&mut self.table(), Some(id.clone()), caller)?;
        Ok((id, session))
    }

    /// The process for requests without a session, started if it is not there.
    pub(super) fn shared(&self) -> io::Result<Arc<Session>> {
        let mut table = self.table();
        let shared = table.get(&None).map(|entry| Arc::clone(&entry.session));
        match shared.filter(|session| !session.is_over()) {
            Some(session) => Ok(session),
            None => self.start(&mut table, None, None),
        }
    }

    /// The session called `id`.
    pub(super) fn get(&self, id: &str) -> Option<Arc<Session>> {
        let table = self.table();
        let session = &table.get(&Some(id.to_owned()))?.session;
        (!session.is_over()).then(|| Arc::clone(session))
    }

    /// Ends all, and returns when their processes are gone.
    pub(super) async fn end(&self) {
        self.tasks.close();
        self.table().values().for_each(|entry| entry.session.end());
        self.tasks.wait().await;
    }

    fn start(
        &self,
        table: &mut Table,
        id: Option<String>,
        caller: Option<&HeaderValue>,
    ) -> io::Result<Arc<Session>> {
        if self.tasks.is_closed() {
            return Err(io::Error::other("the end has begun"));
        }
        if self.tasks.len() >= MAX_EXPOSED_PROCESSES {
            return Err(io::Error::other("too many processes are about to end"));
        }
        let (session, mut served) = Session::start(&self.program, id.is_none())?;
        make_room(table, caller);
        let entry = Entry {
            session: Arc::clone(&session),
            caller: caller.cloned(),
        };
        table.insert(id, entry);
        let (whole, serving) = (Arc::clone(&self.table), Arc::clone(&session));
        self.tasks.spawn(async move {
            serving.serve(&mut served).await;
            // Not by its name: a newer one may have that already.
            whole
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .retain(|_, found| !Arc::ptr_eq(&found.session, &serving));
            serving.finish(served).await;
        });
        Ok(session)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing panics while the lock is held; a poisoned map is still whole.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a session of `caller` that has all it may have, or any if there are as many as there may be:
/// its own first, then those that nobody waits at, then the one that was not used for longest.
fn make_room(table: &mut Table, caller: Option<&HeaderValue>) {
    let is_own = |entry: &Entry| entry.caller.as_ref() == caller;
    // The process without a session serves everybody, and is one only.
    let sessions = || table.iter().filter(|(id, _)| id.is_some());
    let own = sessions().filter(|(_, entry)| is_own(entry)).count();
    if table.len() < MAX_SESSIONS && own < MAX_CALLER_SESSIONS {
        return;
    }
    let oldest = sessions().min_by_key(|(_, entry)| {
        let session = &entry.session;
        (!is_own(entry), session.is_in_use(), session.used())
    });
    let oldest = oldest.map(|(id, _)| id.clone());
    if let Some(entry) = oldest.and_then(|id| table.remove(&id)) {
        entry.session.end();
    }
}

/// A name that nobody can guess.
fn new_id() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        // A string takes whatever is written.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

#[cfg(all(test, unix))]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::bridge::message::Message;

    /// Sessions with a program that says what it is told.
    fn sessions() -> Sessions {
        Sessions::new(Program {
            path: "cat".into(),
            args: Vec::new(),
            hear: |_| {},
        })
    }

    fn caller(n: usize) -> HeaderValue {
        HeaderValue::from(n)
    }

    #[tokio::test]
    async fn processes_are_bounded_and_end_with_their_sessions() {
        let sessions = sessions();
        let open = |n| sessions.open(Some(&caller(n)));
        let opened: Vec<_> = (0..2 * MAX_EXPOSED_PROCESSES)
            .filter_map(|n| open(n).ok())
            .collect();
        assert_eq!(opened.len(), MAX_EXPOSED_PROCESSES);
        assert_eq!(sessions.table().len(), MAX_SESSIONS);
        let (first, oldest) = &opened[0];
        assert!(oldest.is_over() && sessions.get(first).is_none());
        let told = oldest.how_it_ended().await;
        assert_eq!(told, "the MCP server has ended (exit status: 0)");
        open(0).expect("there is room again");
        sessions.end().await;
        assert!(sessions.table().is_empty());
        assert!(open(0).is_err() && sessions.shared().is_err());
    }

    #[tokio::test]
    async fn a_caller_ends_its_own_sessions_only() {
        let sessions = sessions();
        let open = |n| sessions.open(Some(&caller(n))).unwrap().1;
        let shared = sessions.shared().unwrap();
        let quiet = open(0);
        let greedy: Vec<_> = (0..MAX_CALLER_SESSIONS + 8).map(|_| open(1)).collect();
        let ended: Vec<_> = greedy.iter().map(|session| session.is_over()).collect();
        assert_eq!(ended[..8], [true; 8]);
        assert_eq!(ended[8..], [false; MAX_CALLER_SESSIONS]);
        assert!(!quiet.is_over() && !shared.is_over());
        sessions.end().await;
    }

    #[tokio::test]
    async fn a_session_at_which_somebody_waits_goes_last() {
        let sessions = sessions();
        let open = |n| sessions.open(Some(&caller(n))).unwrap().1;
        let (waiting, idle) = (open(0), open(1));
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "wait" });
        let _answer = waiting.request(&Message::from(request)).await.unwrap();
        let _others: Vec<_> = (2..MAX_SESSIONS).map(open).collect();
        open(MAX_SESSIONS);
        assert!(idle.is_over() && !waiting.is_over());
        let own = open(0);
        assert!(waiting.is_over() && !own.is_over(), "its own go first");
        sessions.end().await;
    }
}
