// SPDX-License-Identifier: MPL-2.0
//! What agents are registered for, and what they say about themselves.

use std::collections::BTreeSet;

use a2al_protocol::limits::MAX_SERVICES_PER_AGENT;
use a2al_protocol::{Aid, Profile, RecordKind, Topic};
use rusqlite::{Connection, Row, named_params, params};

use super::Error;
use super::state::{LoadError, found, start_publishing};

/// One registration for a service.
#[derive(Debug)]
pub(crate) struct SavedOffer {
    /// The agent.
    pub(crate) aid: Aid,
    /// What it says.
    pub(crate) entry: Topic,
    /// How long its entry lives, in seconds.
    pub(crate) ttl_secs: u32,
}

/// Reads all registrations.
pub(super) fn load(connection: &Connection) -> Result<Vec<SavedOffer>, LoadError> {
    let mut select = connection.prepare("SELECT aid, entry, ttl FROM offers")?;
    let mut rows = select.query(())?;
    let mut offers = Vec::new();
    while let Some(row) = rows.next()? {
        let bytes: Vec<u8> = row.get("entry")?;
        let entry = Topic::decode(&bytes).map_err(|_| LoadError::Row("a service"))?;
        offers.push(SavedOffer {
            aid: saved_aid(row)?,
            entry,
            ttl_secs: row.get("ttl")?,
        });
    }
    Ok(offers)
}

/// Reads all profiles.
pub(super) fn load_profiles(connection: &Connection) -> Result<Vec<(Aid, Profile)>, LoadError> {
    let mut select = connection.prepare("SELECT aid, profile FROM profiles")?;
    let mut rows = select.query(())?;
    let mut profiles = Vec::new();
    while let Some(row) = rows.next()? {
        let bytes: Vec<u8> = row.get("profile")?;
        let profile = Profile::decode(&bytes).map_err(|_| LoadError::Row("a profile"))?;
        profiles.push((saved_aid(row)?, profile));
    }
    Ok(profiles)
}

fn saved_aid(row: &Row<'_>) -> Result<Aid, LoadError> {
    let bytes: Vec<u8> = row.get("aid")?;
    Aid::from_bytes(&bytes).map_err(|_| LoadError::Row("an address"))
}

/// Registers an agent for the services of `entries`.
pub(super) fn put(
    connection: &Connection,
    aid: &Aid,
    entries: &[Topic],
    ttl_secs: u32,
) -> Result<(), Error> {
    let mut names = services(connection, aid)?;
    names.extend(entries.iter().map(|entry| entry.topic.clone()));
    if names.len() > MAX_SERVICES_PER_AGENT {
        return Err(Error::TooManyServices);
    }
    start_publishing(connection, aid)?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO offers (aid, service, entry, ttl) VALUES (:aid, :service, :entry, :ttl)
         ON CONFLICT DO UPDATE SET entry = excluded.entry, ttl = excluded.ttl",
    )?;
    for entry in entries {
        insert.execute(named_params! {
            ":aid": aid.as_bytes(),
            ":service": entry.topic,
            ":entry": entry.encode().expect("checked before it came here"),
            ":ttl": ttl_secs,
        })?;
    }
    Ok(())
}

/// What the agent is registered for.
fn services(connection: &Connection, aid: &Aid) -> Result<BTreeSet<String>, Error> {
    let mut select = connection.prepare_cached("SELECT service FROM offers WHERE aid = ?1")?;
    let names = select.query_map([aid.as_bytes()], |row| row.get(0))?;
    Ok(names.collect::<Result<_, _>>()?)
}

/// Ends one registration.
pub(super) fn remove(connection: &Connection, aid: &Aid, service: &str) -> Result<(), Error> {
    connection
        .prepare_cached("DELETE FROM offers WHERE aid = ?1 AND service = ?2")?
        .execute(params![aid.as_bytes(), service])?;
    Ok(())
}

/// Sets an agent's profile. A record of that kind that was published as it is ends.
pub(super) fn put_profile(
    connection: &Connection,
    aid: &Aid,
    profile: &Profile,
) -> Result<(), Error> {
    let profile = profile.encode().expect("checked before it came here");
    let changed = connection
        .prepare_cached(
            "INSERT INTO profiles (aid, profile) SELECT aid, ?2 FROM agents WHERE aid = ?1 AND deleted_at IS NULL
             ON CONFLICT DO UPDATE SET profile = excluded.profile",
        )?
        .execute(params![aid.as_bytes(), profile])?;
    connection
        .prepare_cached("DELETE FROM records WHERE aid = ?1 AND kind = ?2")?
        .execute(params![aid.as_bytes(), RecordKind::PROFILE.0])?;
    found(changed)
}

/// Takes an agent's profile back.
pub(super) fn remove_profile(connection: &Connection, aid: &Aid) -> Result<(), Error> {
    connection
        .prepare_cached("DELETE FROM profiles WHERE aid = ?1")?
        .execute([aid.as_bytes()])?;
    Ok(())
}
