// SPDX-License-Identifier: MPL-2.0
//! What is read of the tables of notes.

use a2al_protocol::time::UnixSeconds;
use a2al_protocol::{Aid, mailbox::MessageId};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Body, OutgoingFacts, Received, SavedMail, SeenEndpoint, UnreadFacts};
use crate::store::state::LoadError;

/// Reads what is kept in memory.
pub(in crate::store) fn load(connection: &Connection) -> Result<SavedMail, LoadError> {
    Ok(SavedMail {
        unread: load_unread(connection)?,
        under_way: load_under_way(connection)?,
    })
}

fn load_unread(connection: &Connection) -> Result<Vec<UnreadFacts>, LoadError> {
    let mut select =
        connection.prepare("SELECT id, aid, length(body), is_offered FROM inbox ORDER BY id")?;
    let mut rows = select.query(())?;
    let mut unread = Vec::new();
    while let Some(row) = rows.next()? {
        unread.push(UnreadFacts {
            id: number(row, "id")?,
            aid: aid(row, "aid")?.ok_or(LoadError::Row("a note"))?,
            body_len: row.get(2)?,
            is_offered: row.get("is_offered")?,
        });
    }
    Ok(unread)
}

fn load_under_way(connection: &Connection) -> Result<Vec<OutgoingFacts>, LoadError> {
    let mut select = connection.prepare(
        "SELECT message_id, sender, recipient, msg_type, body_len, sent_at, expires_at
         FROM outbox ORDER BY sent_at, rowid",
    )?;
    let mut rows = select.query(())?;
    let mut under_way = Vec::new();
    while let Some(row) = rows.next()? {
        let broken = || LoadError::Row("a note under way");
        under_way.push(OutgoingFacts {
            message: message(row)?,
            sender: aid(row, "sender")?.ok_or_else(broken)?,
            recipient: aid(row, "recipient")?.ok_or_else(broken)?,
            msg_type: row.get("msg_type")?,
            body_len: row.get("body_len")?,
            sent_at: UnixSeconds(number(row, "sent_at")?),
            expires_at: UnixSeconds(number(row, "expires_at")?),
        });
    }
    Ok(under_way)
}

fn message(row: &Row<'_>) -> rusqlite::Result<MessageId> {
    Ok(MessageId::from_bytes(row.get("message_id")?))
}

fn aid(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Aid>> {
    let bytes: Vec<u8> = row.get(column)?;
    Ok(Aid::from_bytes(&bytes).ok())
}

fn number(row: &Row<'_>, column: &str) -> rusqlite::Result<u64> {
    row.get(column).map(i64::cast_unsigned)
}

/// Reads unread notes by their numbers, in that order. Those that are gone are left out.
pub(in crate::store) fn unread(
    connection: &Connection,
    ids: &[u64],
) -> rusqlite::Result<Vec<Received>> {
    let mut select = connection.prepare_cached(
        "SELECT id, aid, message_id, sender, msg_type, body, sent_at, received_at
         FROM inbox WHERE id = ?1",
    )?;
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        let row = select.query_row([id.cast_signed()], |row| {
            let (Some(aid), Some(sender)) = (aid(row, "aid")?, aid(row, "sender")?) else {
                return Ok(None);
            };
            Ok(Some(Received {
                id: *id,
                aid,
                message: message(row)?,
                sender,
                msg_type: row.get("msg_type")?,
                body: Body(row.get("body")?),
                sent_at: UnixSeconds(number(row, "sent_at")?),
                arrived_at: UnixSeconds(number(row, "received_at")?),
                forget_at: UnixSeconds(0),
                has_pass: false,
                reply: None,
            }))
        });
        found.extend(row.optional()?.flatten());
    }
    Ok(found)
}

/// Reads a note under way.
pub(in crate::store) fn under_way(
    connection: &Connection,
    message: &MessageId,
) -> rusqlite::Result<Option<Vec<u8>>> {
    connection
        .prepare_cached("SELECT note FROM outbox WHERE message_id = ?1")?
        .query_row([message.as_bytes()], |row| row.get(0))
        .optional()
}

/// Which of `messages` were received before.
pub(in crate::store) fn seen(
    connection: &Connection,
    aid: &Aid,
    messages: &[MessageId],
) -> rusqlite::Result<Vec<MessageId>> {
    let mut select =
        connection.prepare_cached("SELECT 1 FROM seen_notes WHERE aid = ?1 AND message_id = ?2")?;
    let mut seen = Vec::new();
    for message in messages {
        if select.exists(params![aid.as_bytes(), message.as_bytes()])? {
            seen.push(*message);
        }
    }
    Ok(seen)
}

/// The endpoint record by which `contact` was written to last.
pub(in crate::store) fn seen_endpoint(
    connection: &Connection,
    aid: &Aid,
    contact: &Aid,
) -> rusqlite::Result<Option<SeenEndpoint>> {
    connection
        .prepare_cached(
            "SELECT endpoint, seen_at FROM contacts
             WHERE aid = ?1 AND contact = ?2 AND endpoint IS NOT NULL",
        )?
        .query_row(params![aid.as_bytes(), contact.as_bytes()], |row| {
            Ok(SeenEndpoint {
                encoded: row.get("endpoint")?,
                seen_at: UnixSeconds(number(row, "seen_at")?),
            })
        })
        .optional()
}

/// The pass by which `issuer` lets an agent write.
pub(in crate::store) fn pass(
    connection: &Connection,
    aid: &Aid,
    issuer: &Aid,
) -> rusqlite::Result<Option<Vec<u8>>> {
    connection
        .prepare_cached("SELECT pass FROM passes WHERE aid = ?1 AND issuer = ?2")?
        .query_row(params![aid.as_bytes(), issuer.as_bytes()], |row| row.get(0))
        .optional()
}

/// How many notes of strangers an agent has not read.
pub(in crate::store) fn unread_of_strangers(
    connection: &Connection,
    aid: &Aid,
) -> rusqlite::Result<u32> {
    connection
        .prepare_cached("SELECT count(*) FROM inbox WHERE aid = ?1 AND is_contact = 0")?
        .query_row([aid.as_bytes()], |row| row.get(0))
}

/// Whether `contact` has been written to.
pub(in crate::store) fn is_contact(
    connection: &Connection,
    aid: &Aid,
    contact: &Aid,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM contacts WHERE aid = ?1 AND contact = ?2")?
        .exists(params![aid.as_bytes(), contact.as_bytes()])
}
