// SPDX-License-Identifier: MPL-2.0
//! The tables of `state.db`, and what each change does to them.

mod keys;

use std::sync::{Arc, OnceLock};

use a2al_protocol::delegation::{Delegation, DelegationProof};
use a2al_protocol::key::SigningKey;
use a2al_protocol::record::SignedRecord;
use a2al_protocol::time::UnixSeconds;
use a2al_protocol::{Aid, Credential, Profile, RecordKind, VerifiedRecord};
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use super::mail::{self, SavedMail};
use super::offers::{self, SavedOffer};
use super::{Change, Error};
use crate::clock;
use crate::keystore::{Kept, Share};
use crate::service_tcp::ServiceTcp;

/// Steps from one schema version to the next.
pub(super) const MIGRATIONS: &[&str] = &["
    CREATE TABLE agents (
        aid              BLOB    PRIMARY KEY CHECK (length(aid) = 21),
        operational_key  TEXT    NOT NULL,   -- private, as in an export
        delegation       BLOB    NOT NULL,   -- CBOR
        service_tcp      TEXT,
        publishing       INTEGER NOT NULL DEFAULT 0 CHECK (publishing IN (0, 1)),
        registered_at    INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE records (
        aid     BLOB    NOT NULL REFERENCES agents ON DELETE CASCADE,
        kind    INTEGER NOT NULL,
        record  BLOB    NOT NULL,            -- CBOR, signed
        PRIMARY KEY (aid, kind)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE node (
        id                INTEGER PRIMARY KEY CHECK (id = 1),
        sequence_ceiling  INTEGER NOT NULL
    ) STRICT;
    INSERT INTO node VALUES (1, 0);
", "
    ALTER TABLE node ADD COLUMN has_relayed INTEGER NOT NULL DEFAULT 0 CHECK (has_relayed IN (0, 1));
", "
    CREATE TABLE offers (
        aid      BLOB    NOT NULL REFERENCES agents ON DELETE CASCADE,
        service  TEXT    NOT NULL,
        entry    BLOB    NOT NULL,           -- CBOR, as it is published
        ttl      INTEGER NOT NULL,           -- seconds
        PRIMARY KEY (aid, service)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE profiles (
        aid      BLOB    PRIMARY KEY REFERENCES agents ON DELETE CASCADE,
        profile  BLOB    NOT NULL            -- CBOR
    ) STRICT, WITHOUT ROWID;
", mail::TABLES, "
    ALTER TABLE agents ADD COLUMN deleted_at INTEGER;  -- null while it is hosted

    CREATE TABLE kept_keys (                           -- made here, and not registered yet
        aid              BLOB    PRIMARY KEY CHECK (length(aid) = 21),
        operational_key  TEXT    NOT NULL,             -- private, as in an export
        delegation       BLOB,                         -- CBOR; null until a wallet has signed
        kept_at          INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE master_keys (                         -- wait for their owner's backup
        aid    BLOB PRIMARY KEY CHECK (length(aid) = 21),
        share  BLOB NOT NULL                           -- means nothing without the one in `keys/masters`
    ) STRICT, WITHOUT ROWID;
"];

/// Everything in `state.db`.
#[derive(Debug, Default)]
pub(crate) struct Saved {
    /// The agents.
    pub(crate) agents: Vec<SavedAgent>,
    /// Records of free kinds that have not expired.
    pub(crate) records: Vec<VerifiedRecord>,
    /// The services that agents are registered for.
    pub(crate) offers: Vec<SavedOffer>,
    /// What agents say about themselves.
    pub(crate) profiles: Vec<(Aid, Profile)>,
    /// No sequence number from here on was given out.
    pub(crate) sequence_ceiling: u64,
    /// Whether this node has been a relay for others before.
    pub(crate) has_relayed: bool,
    /// Notes that wait, and notes under way.
    pub(crate) mail: SavedMail,
    /// Keys that were made here and not registered yet.
    pub(crate) kept: Vec<Kept>,
    /// This node's shares of master keys that wait for a backup.
    pub(crate) masters: Vec<(Aid, Share)>,
}

/// One agent as it was saved.
#[derive(Debug)]
pub(crate) struct SavedAgent {
    /// Its keys.
    pub(crate) credential: Arc<Credential>,
    /// Its service.
    pub(crate) service: Option<ServiceTcp>,
    /// Whether its endpoint record is renewed.
    pub(crate) is_publishing: bool,
    /// When it was registered first.
    pub(crate) registered_at: UnixSeconds,
    /// When it was deleted; `None` while it is hosted.
    pub(crate) deleted_at: Option<UnixSeconds>,
}

/// Why the content cannot be read.
#[derive(Debug)]
pub(super) enum LoadError {
    Database(rusqlite::Error),
    /// A row of this kind makes no sense.
    Row(&'static str),
}

impl From<rusqlite::Error> for LoadError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

/// Reads everything.
pub(super) fn load(connection: &Connection) -> Result<Saved, LoadError> {
    let (ceiling, has_relayed): (i64, bool) = connection.query_row(
        "SELECT sequence_ceiling, has_relayed FROM node",
        (),
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok(Saved {
        agents: load_agents(connection)?,
        records: load_records(connection)?,
        offers: offers::load(connection)?,
        profiles: offers::load_profiles(connection)?,
        sequence_ceiling: u64::try_from(ceiling).map_err(|_| LoadError::Row("a counter"))?,
        has_relayed,
        mail: mail::load(connection)?,
        kept: keys::load_kept(connection)?,
        masters: keys::load_masters(connection)?,
    })
}

fn load_agents(connection: &Connection) -> Result<Vec<SavedAgent>, LoadError> {
    let mut select = connection.prepare(
        "SELECT operational_key, delegation, service_tcp, publishing, registered_at, deleted_at FROM agents",
    )?;
    let mut rows = select.query(())?;
    let mut agents = Vec::new();
    while let Some(row) = rows.next()? {
        agents.push(agent(row)?.ok_or(LoadError::Row("an agent"))?);
    }
    Ok(agents)
}

fn agent(row: &Row<'_>) -> rusqlite::Result<Option<SavedAgent>> {
    let key: String = row.get("operational_key")?;
    let delegation: Vec<u8> = row.get("delegation")?;
    let service: Option<String> = row.get("service_tcp")?;
    let registered_at: i64 = row.get("registered_at")?;
    let deleted_at: Option<i64> = row.get("deleted_at")?;
    let Some(credential) = credential(&key, &delegation) else {
        return Ok(None);
    };
    let Ok(service) = service.as_deref().map(str::parse).transpose() else {
        return Ok(None);
    };
    Ok(Some(SavedAgent {
        credential: Arc::new(credential),
        service,
        is_publishing: row.get("publishing")?,
        registered_at: UnixSeconds(registered_at.unsigned_abs()),
        deleted_at: deleted_at.map(|at| UnixSeconds(at.unsigned_abs())),
    }))
}

fn credential(key: &str, delegation: &[u8]) -> Option<Credential> {
    let key = SigningKey::from_private_hex(key).ok()?;
    Credential::agent(key, saved_delegation(delegation)?).ok()
}

/// Reads a proof that was verified before it was saved. Its end is not looked at: an agent whose
/// delegation ran out is still registered, so that it can be listed, renewed or deleted.
pub(super) fn saved_delegation(bytes: &[u8]) -> Option<Delegation> {
    let proof = DelegationProof::decode(bytes).ok()?;
    let issued_at = proof.terms.issued_at;
    proof.verify(issued_at).ok()
}

fn load_records(connection: &Connection) -> Result<Vec<VerifiedRecord>, LoadError> {
    let now = clock::now();
    let mut select = connection.prepare("SELECT record FROM records")?;
    let mut rows = select.query(())?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        let bytes: Vec<u8> = row.get(0)?;
        let record = SignedRecord::decode(&bytes).map_err(|_| LoadError::Row("a record"))?;
        // One that does not verify any more has expired.
        records.extend(record.verify(now).ok());
    }
    Ok(records)
}

/// Does `change` and tells whether anything is different now, or says why not without writing anything.
pub(super) fn write(connection: &Connection, change: &Change) -> Result<bool, Error> {
    match change {
        Change::Register {
            credential,
            service,
            at,
            mail,
        } => register(connection, credential, service.as_ref(), *at, mail),
        Change::Bind { aid, service } => bind(connection, aid, service.as_ref()),
        Change::StartPublishing { aid } => start_publishing(connection, aid),
        Change::PutRecord { record } => put_record(connection, record),
        Change::PutOffers {
            aid,
            entries,
            ttl_secs,
        } => offers::put(connection, aid, entries, *ttl_secs),
        Change::RemoveOffer { aid, service } => offers::remove(connection, aid, service),
        Change::PutProfile { aid, profile } => offers::put_profile(connection, aid, profile),
        Change::RemoveProfile { aid } => offers::remove_profile(connection, aid),
        Change::Delete { aid, at } => delete(connection, aid, *at),
        Change::Restore { aid, mail } => restore(connection, aid, mail),
        Change::Purge { until } => purge(connection, *until),
        Change::Keep { kept, master } => keys::keep(connection, kept, master.as_ref()),
        Change::WipeMaster { aid } => keys::wipe_master(connection, aid),
        Change::ReserveSequence { ceiling } => reserve_sequence(connection, *ceiling),
        Change::Relayed => relayed(connection),
        Change::Mail(change) => return mail::write(connection, change),
    }?;
    Ok(true)
}

fn register(
    connection: &Connection,
    credential: &Credential,
    service: Option<&ServiceTcp>,
    at: UnixSeconds,
    notes: &OnceLock<SavedMail>,
) -> Result<(), Error> {
    let aid = credential.aid();
    if begin_anew(connection, &aid, at)? {
        replace_credential(connection, credential)?;
        load_notes(connection, &aid, notes)?;
    } else if let Some(DelegationProof { terms, .. }) = registered_proof(connection, &aid)? {
        let is_newer = credential.issued_at() > terms.issued_at;
        if credential.public_key() != terms.operational && !is_newer {
            return Err(Error::Conflict);
        }
        if is_newer {
            replace_credential(connection, credential)?;
        }
    } else {
        insert_agent(connection, credential, at)?;
    }
    keys::forget_kept(connection, &aid)?;
    match service {
        Some(_) => bind(connection, &aid, service),
        None => Ok(()),
    }
}

fn registered_proof(connection: &Connection, aid: &Aid) -> Result<Option<DelegationProof>, Error> {
    let bytes: Option<Vec<u8>> = connection
        .prepare_cached("SELECT delegation FROM agents WHERE aid = ?1")?
        .query_row([aid.as_bytes()], |row| row.get(0))
        .optional()?;
    Ok(bytes.and_then(|bytes| DelegationProof::decode(&bytes).ok()))
}

fn insert_agent(
    connection: &Connection,
    credential: &Credential,
    at: UnixSeconds,
) -> Result<(), Error> {
    connection
        .prepare_cached(
            "INSERT INTO agents (aid, operational_key, delegation, registered_at)
             VALUES (:aid, :key, :delegation, :at)",
        )?
        .execute(named_params! {
            ":aid": credential.aid().as_bytes(),
            ":key": credential.signing_key().private_hex().as_str(),
            ":delegation": credential.delegation().map(Delegation::encoded),
            ":at": at.0.cast_signed(),
        })?;
    Ok(())
}

fn replace_credential(connection: &Connection, credential: &Credential) -> Result<(), Error> {
    connection
        .prepare_cached(
            "UPDATE agents SET operational_key = :key, delegation = :delegation WHERE aid = :aid",
        )?
        .execute(named_params! {
            ":aid": credential.aid().as_bytes(),
            ":key": credential.signing_key().private_hex().as_str(),
            ":delegation": credential.delegation().map(Delegation::encoded),
        })?;
    Ok(())
}

fn bind(connection: &Connection, aid: &Aid, service: Option<&ServiceTcp>) -> Result<(), Error> {
    let changed = connection
        .prepare_cached("UPDATE agents SET service_tcp = ?2 WHERE aid = ?1 AND deleted_at IS NULL")?
        .execute(params![aid.as_bytes(), service.map(ServiceTcp::as_str)])?;
    found(changed)
}

pub(super) fn start_publishing(connection: &Connection, aid: &Aid) -> Result<(), Error> {
    let changed = connection
        .prepare_cached("UPDATE agents SET publishing = 1 WHERE aid = ?1 AND deleted_at IS NULL")?
        .execute([aid.as_bytes()])?;
    found(changed)
}

fn put_record(connection: &Connection, record: &VerifiedRecord) -> Result<(), Error> {
    let changed = connection
        .prepare_cached(
            "INSERT INTO records (aid, kind, record)
             SELECT aid, ?2, ?3 FROM agents WHERE aid = ?1 AND deleted_at IS NULL
             ON CONFLICT DO UPDATE SET record = excluded.record",
        )?
        .execute(params![
            record.aid().as_bytes(),
            record.kind().0,
            record.encoded()
        ])?;
    if record.kind() == RecordKind::PROFILE {
        offers::remove_profile(connection, &record.aid())?;
    }
    found(changed)
}

fn delete(connection: &Connection, aid: &Aid, at: UnixSeconds) -> Result<(), Error> {
    let changed = connection
        .prepare_cached("UPDATE agents SET deleted_at = ?2 WHERE aid = ?1 AND deleted_at IS NULL")?
        .execute(params![aid.as_bytes(), at.0.cast_signed()])?;
    found(changed)
}

/// Hosts a deleted agent again, and reads what waits for it into `notes`.
fn restore(connection: &Connection, aid: &Aid, notes: &OnceLock<SavedMail>) -> Result<(), Error> {
    let changed = connection
        .prepare_cached(
            "UPDATE agents SET deleted_at = NULL WHERE aid = ?1 AND deleted_at IS NOT NULL",
        )?
        .execute([aid.as_bytes()])?;
    found(changed)?;
    load_notes(connection, aid, notes)
}

fn load_notes(
    connection: &Connection,
    aid: &Aid,
    notes: &OnceLock<SavedMail>,
) -> Result<(), Error> {
    let saved = match mail::load(connection) {
        Ok(saved) => saved,
        Err(LoadError::Database(error)) => return Err(error.into()),
        // What does not read back now stops the next start, which says so.
        Err(LoadError::Row(_)) => SavedMail::default(),
    };
    notes.get_or_init(|| saved.of(aid));
    Ok(())
}

fn purge(connection: &Connection, until: UnixSeconds) -> Result<(), Error> {
    connection
        .prepare_cached("DELETE FROM agents WHERE deleted_at <= ?1")?
        .execute([until.0.cast_signed()])?;
    Ok(())
}

/// Hosts a deleted agent that is registered anew instead of being restored; false if there is none.
/// Nothing stays of what it offered, but its notes do: whoever sent them was told that they arrived.
fn begin_anew(connection: &Connection, aid: &Aid, at: UnixSeconds) -> Result<bool, Error> {
    let changed = connection
        .prepare_cached(
            "UPDATE agents SET deleted_at = NULL, service_tcp = NULL, publishing = 0, registered_at = ?2
             WHERE aid = ?1 AND deleted_at IS NOT NULL",
        )?
        .execute(params![aid.as_bytes(), at.0.cast_signed()])?;
    if changed == 0 {
        return Ok(false);
    }
    for table in ["records", "offers", "profiles"] {
        connection.execute(
            &format!("DELETE FROM {table} WHERE aid = ?1"),
            [aid.as_bytes()],
        )?;
    }
    Ok(true)
}

fn reserve_sequence(connection: &Connection, ceiling: u64) -> Result<(), Error> {
    connection
        .prepare_cached("UPDATE node SET sequence_ceiling = max(sequence_ceiling, ?1)")?
        .execute([ceiling.cast_signed()])?;
    Ok(())
}

fn relayed(connection: &Connection) -> Result<(), Error> {
    connection.execute("UPDATE node SET has_relayed = 1", ())?;
    Ok(())
}

pub(super) fn found(changed: usize) -> Result<(), Error> {
    match changed {
        0 => Err(Error::Missing),
        _ => Ok(()),
    }
}
