// SPDX-License-Identifier: MPL-2.0
//! The sessions with an exposed server: a bounded number of them.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::task::TaskTracker;

use super::Program;
use super::session::Session;
use crate::limits::{MAX_EXPOSED_PROCESSES, MAX_SESSIONS};

/// By name; the process for requests without a session has none.
type Table = HashMap<Option<String>, Arc<Session>>;

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

    /// Starts a process with a session of its own.
    pub(super) fn open(&self) -> io::Result<(String, Arc<Session>)> {
        let id = new_id()?;
        let session = self.start(&mut self.table(), Some(id.clone()))?;
        Ok((id, session))
    }

    /// The process for requests without a session, started if it is not there.
    pub(super) fn shared(&self) -> io::Result<Arc<Session>> {
        let mut table = self.table();
        match table.get(&None).filter(|session| !session.is_over()) {
            Some(session) => Ok(Arc::clone(session)),
            None => self.start(&mut table, None),
        }
    }

    /// The session called `id`.
    pub(super) fn get(&self, id: &str) -> Option<Arc<Session>> {
        let table = self.table();
        let session = table.get(&Some(id.to_owned()));
        session.filter(|session| !session.is_over()).cloned()
    }

    /// Ends all, and returns when their processes are gone.
    pub(super) async fn end(&self) {
        self.tasks.close();
        self.table().values().for_each(|session| session.end());
        self.tasks.wait().await;
    }

    fn start(&self, table: &mut Table, id: Option<String>) -> io::Result<Arc<Session>> {
        if self.tasks.is_closed() {
            return Err(io::Error::other("the end has begun"));
        }
        if self.tasks.len() >= MAX_EXPOSED_PROCESSES {
            return Err(io::Error::other("too many processes are about to end"));
        }
        let (session, mut served) = Session::start(&self.program, id.is_none())?;
        make_room(table);
        table.insert(id, Arc::clone(&session));
        let (whole, serving) = (Arc::clone(&self.table), Arc::clone(&session));
        self.tasks.spawn(async move {
            serving.serve(&mut served).await;
            // Not by its name: a newer one may have that already.
            whole
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .retain(|_, found| !Arc::ptr_eq(found, &serving));
            serving.finish(served).await;
        });
        Ok(session)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing panics while the lock is held; a poisoned map is still whole.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the session that was not used for longest, if there are as many as there may be.
fn make_room(table: &mut Table) {
    if table.len() < MAX_SESSIONS {
        return;
    }
    let oldest = table.iter().min_by_key(|(_, session)| session.used());
    let oldest = oldest.map(|(id, _)| id.clone());
    if let Some(session) = oldest.and_then(|id| table.remove(&id)) {
        session.end();
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
    use super::*;

    #[tokio::test]
    async fn processes_are_bounded_and_end_with_their_sessions() {
        let sessions = Sessions::new(Program {
            path: "cat".into(),
            args: Vec::new(),
            hear: |_| {},
        });
        let open = || sessions.open();
        let opened: Vec<_> = (0..2 * MAX_EXPOSED_PROCESSES)
            .filter_map(|_| open().ok())
            .collect();
        assert_eq!(opened.len(), MAX_EXPOSED_PROCESSES);
        assert_eq!(sessions.table().len(), MAX_SESSIONS);
        let (first, oldest) = &opened[0];
        assert!(oldest.is_over() && sessions.get(first).is_none());
        let told = oldest.how_it_ended().await;
        assert_eq!(told, "the MCP server has ended (exit status: 0)");
        open().expect("there is room again");
        sessions.end().await;
        assert!(sessions.table().is_empty());
        assert!(open().is_err() && sessions.shared().is_err());
    }
}
