// SPDX-License-Identifier: MPL-2.0
//! `cache.db`: peers met, records held for others, so that a restart need not learn them again, and
//! which notes were handed to readers a moment ago.
//!
//! It may be deleted at any time. One that cannot be read is thrown away, and without one
//! everything works.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use a2al_protocol::network::{HeldRecord, KnownPeer};
use a2al_protocol::private_files::{self, FileError};
use a2al_protocol::record::Category;
use a2al_protocol::{Aid, DhtKey, SignedRecord, UnixSeconds, mailbox::MessageId};
use rusqlite::{Connection, Row, params};

use super::open::{MigrateError, check, connect, migrate};

/// Steps from one schema version to the next.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE peers (
        peer       TEXT NOT NULL,
        addresses  TEXT NOT NULL    -- multiaddrs, one per line
    ) STRICT;
    CREATE TABLE records (
        key     BLOB NOT NULL,
        record  BLOB NOT NULL       -- CBOR, signed
    ) STRICT;
",
    "
    CREATE TABLE handed_notes (     -- their answer has left; they are being removed
        aid         BLOB NOT NULL,
        message_id  BLOB NOT NULL,
        PRIMARY KEY (aid, message_id)
    ) STRICT, WITHOUT ROWID;
",
];

/// Largest size of the file in pages of 4 KiB: 64 MiB.
const MAX_PAGES: u32 = 16 * 1024;

/// Peers kept.
const MAX_PEERS: usize = 1000;

/// Records kept, those that live longest, besides notes. Each is verified again at the next start,
/// which takes about 0.1 ms.
const MAX_RECORDS: usize = 256;

/// Notes kept, and as many parts of long ones, which need not be what is asked for: those that live
/// longest of each.
const MAX_NOTES: usize = 1024;

/// The open cache; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct CacheDb(Arc<Mutex<Option<Connection>>>);

/// What is worth keeping.
#[derive(Debug, Default)]
pub(crate) struct Cached {
    /// Peers met.
    pub(crate) peers: Vec<KnownPeer>,
    /// Records held for others.
    pub(crate) held: Vec<HeldRecord>,
}

impl CacheDb {
    /// Opens the file, or begins a new one if it cannot be read.
    pub(crate) fn open(path: &Path) -> Self {
        let opened = match open(path) {
            Err(error) if !error.is_busy() => {
                tracing::warn!(path = %path.display(), %error, "cache not readable; starting a new one");
                remove(path);
                open(path)
            }
            opened => opened,
        };
        let connection = opened
            .inspect_err(|error| {
                tracing::warn!(path = %path.display(), %error, "no cache; peers are learnt anew at each start");
            })
            .ok();
        Self(Arc::new(Mutex::new(connection)))
    }

    /// What was saved last and still holds.
    pub(crate) fn load(&self, now: UnixSeconds) -> Cached {
        self.with(|connection| {
            Ok(Cached {
                peers: peers(connection)?,
                held: held(connection, now)?,
            })
        })
        .unwrap_or_default()
    }

    /// Replaces the content by `cached`.
    pub(crate) fn save(&self, cached: &Cached) {
        self.with(|connection| replace(connection, cached));
    }

    /// Keeps in mind that notes were handed to a reader, also if the process is killed. If the machine
    /// fails it may be forgotten, since nothing is synced; the notes then come again, marked.
    pub(crate) fn keep_handed(&self, notes: &[(Aid, MessageId)]) {
        let insert = "INSERT OR IGNORE INTO handed_notes VALUES (?1, ?2)";
        self.with(|connection| each(connection, insert, notes));
    }

    /// Forgets it, because the notes are removed.
    pub(crate) fn forget_handed(&self, notes: &[(Aid, MessageId)]) {
        self.with(|connection| each(connection, FORGET, notes));
    }

    /// Takes it back, because the notes were not read. True once that is on disk.
    pub(crate) fn take_back_handed(&self, notes: &[(Aid, MessageId)]) -> bool {
        let taken_back = self.with(|connection| {
            connection.pragma_update(None, "synchronous", "FULL")?;
            let done = each(connection, FORGET, notes);
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            done
        });
        taken_back.is_some()
    }

    /// The notes that were handed over and perhaps not removed.
    pub(crate) fn handed(&self) -> Vec<(Aid, MessageId)> {
        self.with(handed).unwrap_or_default()
    }

    /// Closes the file. From now on nothing is loaded or saved.
    pub(crate) fn close(&self) {
        self.connection().take();
    }

    fn with<T>(&self, work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Option<T> {
        let done = work(self.connection().as_mut()?);
        done.inspect_err(|error| tracing::warn!(%error, "cache not usable"))
            .ok()
    }

    fn connection(&self) -> MutexGuard<'_, Option<Connection>> {
        // A panic in the middle of a transaction rolls it back; the connection is still good.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why the cache cannot be opened.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    #[error("it was written by a newer version")]
    Newer,
}

impl Unusable {
    /// Whether another process has the file open, which is then not ours to replace.
    fn is_busy(&self) -> bool {
        let Self::Database(error) = self else {
            return false;
        };
        error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
    }
}

impl From<MigrateError> for Unusable {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Database(error) => Self::Database(error),
            MigrateError::Newer { .. } => Self::Newer,
        }
    }
}

fn open(path: &Path) -> Result<Connection, Unusable> {
    private_files::ensure_file(path)?;
    let connection = connect(path, "NORMAL")?;
    connection.pragma_update(None, "max_page_count", MAX_PAGES)?;
    check(&connection)?;
    migrate(&connection, MIGRATIONS)?;
    Ok(connection)
}

fn remove(path: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        // What is not there need not be removed; what stays is met again at the next open.
        let _ = std::fs::remove_file(name);
    }
}

fn peers(connection: &Connection) -> rusqlite::Result<Vec<KnownPeer>> {
    let mut select = connection.prepare("SELECT peer, addresses FROM peers")?;
    let rows = select.query_map((), peer)?;
    Ok(rows
        .collect::<rusqlite::Result<Vec<_>>>()?
        .into_iter()
        .flatten()
        .collect())
}

fn peer(row: &Row<'_>) -> rusqlite::Result<Option<KnownPeer>> {
    let (peer, addresses): (String, String) = (row.get(0)?, row.get(1)?);
    let addresses = addresses
        .lines()
        .filter_map(|address| address.parse().ok())
        .collect();
    Ok(peer.parse().ok().map(|peer| KnownPeer { peer, addresses }))
}

fn held(connection: &Connection, now: UnixSeconds) -> rusqlite::Result<Vec<HeldRecord>> {
    let mut select = connection.prepare("SELECT key, record FROM records")?;
    let rows = select.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let rows = rows.collect::<rusqlite::Result<Vec<([u8; 32], Vec<u8>)>>>()?;
    Ok(rows
        .iter()
        .filter_map(|(key, record)| held_record(*key, record, now))
        .collect())
}

fn held_record(key: [u8; 32], record: &[u8], now: UnixSeconds) -> Option<HeldRecord> {
    let record = SignedRecord::decode(record).ok()?.verify(now).ok()?;
    Some(HeldRecord {
        key: DhtKey::from_bytes(key),
        record,
    })
}

const FORGET: &str = "DELETE FROM handed_notes WHERE aid = ?1 AND message_id = ?2";

fn each(
    connection: &mut Connection,
    statement: &str,
    notes: &[(Aid, MessageId)],
) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    {
        let mut statement = transaction.prepare_cached(statement)?;
        for (aid, note) in notes {
            statement.execute([&aid.as_bytes()[..], note.as_bytes()])?;
        }
    }
    transaction.commit()
}

fn handed(connection: &mut Connection) -> rusqlite::Result<Vec<(Aid, MessageId)>> {
    let mut select = connection.prepare("SELECT aid, message_id FROM handed_notes")?;
    let rows = select.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let rows = rows.collect::<rusqlite::Result<Vec<(Vec<u8>, [u8; 32])>>>()?;
    let named = rows.into_iter().filter_map(|(aid, note)| {
        let aid = Aid::from_bytes(&aid).ok()?;
        Some((aid, MessageId::from_bytes(note)))
    });
    Ok(named.collect())
}

fn replace(connection: &mut Connection, cached: &Cached) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch("DELETE FROM peers; DELETE FROM records;")?;
    {
        let mut insert = transaction.prepare("INSERT INTO peers VALUES (?1, ?2)")?;
        for known in cached.peers.iter().take(MAX_PEERS) {
            let addresses: Vec<_> = known.addresses.iter().map(ToString::to_string).collect();
            insert.execute(params![known.peer.to_string(), addresses.join("\n")])?;
        }
        let mut insert = transaction.prepare("INSERT INTO records VALUES (?1, ?2)")?;
        for held in longest_living(&cached.held) {
            insert.execute(params![held.key.as_bytes(), held.record.encoded()])?;
        }
    }
    transaction.commit()
}

fn longest_living(held: &[HeldRecord]) -> impl Iterator<Item = &HeldRecord> {
    let mut held: Vec<_> = held.iter().collect();
    held.sort_by_key(|held| std::cmp::Reverse(held.record.expires_at()));
    let category = |held: &HeldRecord| held.record.kind().category();
    let mut room = HashMap::from([
        (Category::Mailbox, MAX_NOTES),
        (Category::NotePart, MAX_NOTES),
    ]);
    let mut others = MAX_RECORDS;
    held.into_iter().filter(move |held| {
        let room = room.get_mut(&category(held)).unwrap_or(&mut others);
        let has_room = *room > 0;
        *room = room.saturating_sub(1);
        has_room
    })
}
