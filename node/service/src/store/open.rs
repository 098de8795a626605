// SPDX-License-Identifier: MPL-2.0
//! Opening the databases: settings, schema versions, and the refusal to start fresh.

use std::path::{Path, PathBuf};

use a2al_protocol::private_files::{self, FileError};
use a2al_protocol::{Aid, mailbox::MessageId};
use rusqlite::{Connection, ErrorCode};

use super::mail;
use super::state::{self, Saved};

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be made or protected.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another process has the file open.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The disk is full or cannot be written, or something else stands in the way.
    #[error("cannot open {}", path.display())]
    Failed {
        /// The file.
        path: PathBuf,
        /// What was found.
        #[source]
        source: rusqlite::Error,
    },
    /// The file is not a database, or damaged.
    #[error("{} is damaged: restore it from a backup, or move it away to start without agents", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        #[source]
        source: rusqlite::Error,
    },
    /// The content of one row makes no sense.
    #[error("{} is damaged: {what} does not read back; restore it from a backup, or move it away to start without agents", path.display())]
    BadRow {
        /// The file.
        path: PathBuf,
        /// Which kind of row.
        what: &'static str,
    },
    /// The file was written by a newer version of this program.
    #[error("{} was written by a newer version (schema {found}, this one knows {known})", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: u32,
        /// The newest this program knows.
        known: u32,
    },
}

/// Opens `state.db`, making it when missing, and reads all of it.
///
/// # Errors
/// A damaged file is never replaced by an empty one: the agents in it would be lost without a word.
pub(crate) fn open(path: &Path) -> Result<(Connection, Saved), OpenError> {
    private_files::ensure_file(path)?;
    let unusable = |source| unusable(path, source);
    let connection = connect(path, "FULL").map_err(unusable)?;
    check(&connection).map_err(unusable)?;
    migrate(&connection, state::MIGRATIONS).map_err(|error| error.at(path))?;
    let saved = state::load(&connection).map_err(|error| match error {
        state::LoadError::Database(source) => unusable(source),
        state::LoadError::Row(what) => OpenError::BadRow {
            path: path.to_owned(),
            what,
        },
    })?;
    Ok((connection, saved))
}

/// Removes notes that an earlier run had handed to readers, when it was killed; `saved` is read
/// before.
///
/// # Errors
/// Those of the disk.
pub(crate) fn take_handed(
    connection: &mut Connection,
    saved: &mut Saved,
    handed: &[(Aid, MessageId)],
) -> Result<(), rusqlite::Error> {
    if handed.is_empty() {
        return Ok(());
    }
    let taken = mail::take_handed(connection, handed)?;
    saved.mail.unread.retain(|note| !taken.contains(&note.id));
    Ok(())
}

fn unusable(path: &Path, source: rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::InUse { path },
        // Without a code it is a value of a type that is never written.
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) | None => {
            OpenError::Damaged { path, source }
        }
        Some(_) => OpenError::Failed { path, source },
    }
}

/// A connection with our settings. One process, one connection: the lock is kept, and no
/// shared-memory file is needed.
pub(super) fn connect(path: &Path, synchronous: &str) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "secure_delete", true)?;
    Ok(connection)
}

/// Fails unless the file's own structure is sound.
pub(super) fn check(connection: &Connection) -> rusqlite::Result<()> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", (), |row| row.get(0))?;
    if verdict == "ok" {
        return Ok(());
    }
    let corrupt = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    Err(rusqlite::Error::SqliteFailure(corrupt, Some(verdict)))
}

/// Why a schema could not be brought up to date.
#[derive(Debug)]
pub(super) enum MigrateError {
    Database(rusqlite::Error),
    Newer { found: u32, known: u32 },
}

impl MigrateError {
    fn at(self, path: &Path) -> OpenError {
        match self {
            Self::Database(source) => unusable(path, source),
            Self::Newer { found, known } => OpenError::Newer {
                path: path.to_owned(),
                found,
                known,
            },
        }
    }
}

impl From<rusqlite::Error> for MigrateError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

/// Runs the steps the file has not seen; `user_version` counts them. A step is never changed once
/// released.
pub(super) fn migrate(connection: &Connection, steps: &[&str]) -> Result<(), MigrateError> {
    let done: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = u32::try_from(steps.len()).expect("a handful of steps");
    if done > known {
        return Err(MigrateError::Newer { found: done, known });
    }
    for (version, step) in (1_u32..).zip(steps).skip(done as usize) {
        let step = format!("BEGIN IMMEDIATE; {step} PRAGMA user_version = {version}; COMMIT;");
        connection.execute_batch(&step)?;
    }
    Ok(())
}
