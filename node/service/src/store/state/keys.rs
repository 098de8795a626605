// SPDX-License-Identifier: MPL-2.0
//! Keys that were made here: operational ones until they are registered, shares of master keys
//! until their owner has a copy.

use a2al_protocol::Aid;
use a2al_protocol::delegation::Delegation;
use a2al_protocol::key::SigningKey;
use a2al_protocol::time::UnixSeconds;
use rusqlite::{Connection, named_params, params};

use super::{Error, LoadError, found, saved_delegation};
use crate::keystore::{Kept, Share};

pub(super) fn load_kept(connection: &Connection) -> Result<Vec<Kept>, LoadError> {
    let mut select =
        connection.prepare("SELECT aid, operational_key, delegation, kept_at FROM kept_keys")?;
    let mut rows = select.query(())?;
    let mut kept = Vec::new();
    while let Some(row) = rows.next()? {
        let damaged = || LoadError::Row("a kept key");
        let aid: Vec<u8> = row.get(0)?;
        let key: String = row.get(1)?;
        let delegation: Option<Vec<u8>> = row.get(2)?;
        let kept_at: i64 = row.get(3)?;
        let delegation = match delegation {
            Some(bytes) => Some(saved_delegation(&bytes).ok_or_else(damaged)?),
            None => None,
        };
        kept.push(Kept {
            aid: self::aid(&aid).ok_or_else(damaged)?,
            key: SigningKey::from_private_hex(&key).map_err(|_| damaged())?,
            delegation,
            at: UnixSeconds(kept_at.unsigned_abs()),
        });
    }
    Ok(kept)
}

pub(super) fn load_masters(connection: &Connection) -> Result<Vec<(Aid, Share)>, LoadError> {
    let mut select = connection.prepare("SELECT aid, share FROM master_keys")?;
    let mut rows = select.query(())?;
    let mut masters = Vec::new();
    while let Some(row) = rows.next()? {
        let aid: Vec<u8> = row.get(0)?;
        let aid = self::aid(&aid).ok_or(LoadError::Row("a master key"))?;
        masters.push((aid, Share::new(row.get(1)?)));
    }
    Ok(masters)
}

fn aid(bytes: &[u8]) -> Option<Aid> {
    Aid::from_bytes(bytes).ok()
}

/// A key that is kept for the same address already is replaced: nothing was published with it yet.
pub(super) fn keep(
    connection: &Connection,
    kept: &Kept,
    master: Option<&Share>,
) -> Result<(), Error> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO kept_keys (aid, operational_key, delegation, kept_at)
             VALUES (:aid, :key, :delegation, :at)",
        )?
        .execute(named_params! {
            ":aid": kept.aid.as_bytes(),
            ":key": kept.key.private_hex().as_str(),
            ":delegation": kept.delegation.as_ref().map(Delegation::encoded),
            ":at": kept.at.0.cast_signed(),
        })?;
    if let Some(share) = master {
        connection
            .prepare_cached("INSERT INTO master_keys (aid, share) VALUES (?1, ?2)")?
            .execute(params![kept.aid.as_bytes(), share.as_bytes()])?;
    }
    Ok(())
}

pub(super) fn forget_kept(connection: &Connection, aid: &Aid) -> Result<(), Error> {
    connection
        .prepare_cached("DELETE FROM kept_keys WHERE aid = ?1")?
        .execute([aid.as_bytes()])?;
    Ok(())
}

pub(super) fn wipe_master(connection: &Connection, aid: &Aid) -> Result<(), Error> {
    let changed = connection
        .prepare_cached("DELETE FROM master_keys WHERE aid = ?1")?
        .execute([aid.as_bytes()])?;
    found(changed)
}
