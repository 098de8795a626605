// SPDX-License-Identifier: MPL-2.0
//! What each change does to the tables of notes.

use a2al_protocol::limits::{
    MAX_OUTBOX_NOTES, MAX_PASSES, MAX_UNREAD_OF_CONTACTS, MAX_UNREAD_OF_STRANGERS,
};
use a2al_protocol::{Aid, mailbox::MessageId};
use rusqlite::{Connection, named_params, params};

use super::read::{is_contact, seen};
use super::{KeptPass, MailChange, Outgoing, Received, SeenEndpoint};
use crate::store::Error;

/// Does `change`, and tells whether anything is different now.
pub(in crate::store) fn write(connection: &Connection, change: &MailChange) -> Result<bool, Error> {
    match change {
        MailChange::Send(note) => send(connection, note),
        MailChange::Befriend { aid, contact } => befriend(connection, aid, contact),
        MailChange::Settle { message } => settle(connection, message),
        MailChange::Receive(note) => receive(connection, note),
        MailChange::Offer { ids } => each(
            connection,
            "UPDATE inbox SET is_offered = 1 WHERE id = ?1",
            ids,
        ),
        MailChange::Take { ids, .. } => each(connection, "DELETE FROM inbox WHERE id = ?1", ids),
        MailChange::Forget { now } => {
            let now = now.0.cast_signed();
            let seen = connection.execute("DELETE FROM seen_notes WHERE forget_at < ?1", [now])?;
            let passes = connection.execute("DELETE FROM passes WHERE expires_at < ?1", [now])?;
            Ok(seen + passes > 0)
        }
    }
}

/// Removes notes that an earlier run had handed to readers, when it was killed.
pub(in crate::store) fn take_handed(
    connection: &mut Connection,
    handed: &[(Aid, MessageId)],
) -> rusqlite::Result<Vec<u64>> {
    let transaction = connection.transaction()?;
    let mut taken = Vec::new();
    {
        let mut delete = transaction
            .prepare("DELETE FROM inbox WHERE aid = ?1 AND message_id = ?2 RETURNING id")?;
        for (aid, note) in handed {
            let ids = delete.query_map([&aid.as_bytes()[..], note.as_bytes()], |row| row.get(0))?;
            for id in ids {
                taken.push(i64::cast_unsigned(id?));
            }
        }
    }
    transaction.commit()?;
    Ok(taken)
}

fn send(connection: &Connection, outgoing: &Outgoing) -> Result<bool, Error> {
    let Outgoing {
        facts,
        note,
        endpoint,
    } = outgoing;
    let under_way: u32 = connection
        .prepare_cached("SELECT count(*) FROM outbox WHERE sender = ?1")?
        .query_row([facts.sender.as_bytes()], |row| row.get(0))?;
    if under_way as usize >= MAX_OUTBOX_NOTES {
        return Err(Error::Full);
    }
    let changed = connection
        .prepare_cached(
            "INSERT INTO outbox (message_id, sender, recipient, msg_type, body_len, note, sent_at, expires_at)
             SELECT :message, aid, :recipient, :msg_type, :body_len, :note, :sent_at, :expires_at
             FROM agents WHERE aid = :sender AND deleted_at IS NULL",
        )?
        .execute(named_params! {
            ":message": facts.message.as_bytes(),
            ":sender": facts.sender.as_bytes(),
            ":recipient": facts.recipient.as_bytes(),
            ":msg_type": facts.msg_type,
            ":body_len": facts.body_len,
            ":note": note,
            ":sent_at": facts.sent_at.0.cast_signed(),
            ":expires_at": facts.expires_at.0.cast_signed(),
        })?;
    if changed == 0 {
        return Err(Error::Missing);
    }
    befriend(connection, &facts.sender, &facts.recipient)?;
    if let Some(SeenEndpoint { encoded, seen_at }) = endpoint {
        connection
            .prepare_cached(
                "UPDATE contacts SET endpoint = ?3, seen_at = ?4 WHERE aid = ?1 AND contact = ?2",
            )?
            .execute(params![
                facts.sender.as_bytes(),
                facts.recipient.as_bytes(),
                encoded,
                seen_at.0.cast_signed()
            ])?;
    }
    Ok(true)
}

fn befriend(connection: &Connection, aid: &Aid, contact: &Aid) -> Result<bool, Error> {
    let changed = connection
        .prepare_cached(
            "INSERT INTO contacts (aid, contact) SELECT aid, ?2 FROM agents WHERE aid = ?1 AND deleted_at IS NULL ON CONFLICT DO NOTHING",
        )?
        .execute(params![aid.as_bytes(), contact.as_bytes()])?;
    Ok(changed > 0)
}

fn settle(connection: &Connection, message: &MessageId) -> Result<bool, Error> {
    let changed = connection
        .prepare_cached("DELETE FROM outbox WHERE message_id = ?1")?
        .execute([message.as_bytes()])?;
    Ok(changed > 0)
}

fn receive(connection: &Connection, note: &Received) -> Result<bool, Error> {
    if !seen(connection, &note.aid, &[note.message])?.is_empty() {
        return Ok(false);
    }
    let is_contact = note.has_pass || is_contact(connection, &note.aid, &note.sender)?;
    let unread: u32 = connection
        .prepare_cached("SELECT count(*) FROM inbox WHERE aid = ?1 AND is_contact = ?2")?
        .query_row(params![note.aid.as_bytes(), is_contact], |row| row.get(0))?;
    let room = if is_contact {
        MAX_UNREAD_OF_CONTACTS
    } else {
        MAX_UNREAD_OF_STRANGERS
    };
    let of_sender: u32 = connection
        .prepare_cached(
            "SELECT count(*) FROM inbox WHERE aid = ?1 AND is_contact = ?2 AND sender = ?3",
        )?
        .query_row(
            params![note.aid.as_bytes(), is_contact, note.sender.as_bytes()],
            |row| row.get(0),
        )?;
    // Nobody alone closes a mailbox.
    if unread as usize >= room || of_sender as usize >= room / 2 {
        return Err(Error::Full);
    }
    let changed = connection
        .prepare_cached(
            "INSERT INTO inbox (id, aid, message_id, sender, msg_type, body, is_contact, sent_at, received_at)
             SELECT :id, aid, :message, :sender, :msg_type, :body, :is_contact, :sent_at, :received_at
             FROM agents WHERE aid = :aid AND deleted_at IS NULL",
        )?
        .execute(named_params! {
            ":id": note.id.cast_signed(),
            ":aid": note.aid.as_bytes(),
            ":message": note.message.as_bytes(),
            ":sender": note.sender.as_bytes(),
            ":msg_type": note.msg_type,
            ":body": note.body.0,
            ":is_contact": is_contact,
            ":sent_at": note.sent_at.0.cast_signed(),
            ":received_at": note.arrived_at.0.cast_signed(),
        })?;
    if changed == 0 {
        return Err(Error::Missing);
    }
    connection
        .prepare_cached("INSERT INTO seen_notes VALUES (?1, ?2, ?3)")?
        .execute(params![
            note.aid.as_bytes(),
            note.message.as_bytes(),
            note.forget_at.0.cast_signed()
        ])?;
    if let Some(pass) = &note.reply {
        keep_pass(connection, note, pass)?;
    }
    Ok(true)
}

/// Keeps permission to write to the sender of a note, as long as there is room. A contact takes the
/// place of a stranger if need be.
fn keep_pass(connection: &Connection, note: &Received, pass: &KeptPass) -> Result<(), Error> {
    let room = i64::try_from(MAX_PASSES).unwrap_or(i64::MAX);
    if is_contact(connection, &note.aid, &note.sender)? {
        connection
            .prepare_cached(
                "DELETE FROM passes WHERE aid = ?1
                 AND (SELECT count(*) FROM passes WHERE aid = ?1 AND issuer <> ?2) >= ?3
                 AND issuer = (
                    SELECT issuer FROM passes WHERE aid = ?1 AND issuer <> ?2
                    AND issuer NOT IN (SELECT contact FROM contacts WHERE aid = ?1)
                    ORDER BY expires_at LIMIT 1)",
            )?
            .execute(params![note.aid.as_bytes(), note.sender.as_bytes(), room])?;
    }
    connection
        .prepare_cached(
            "INSERT INTO passes SELECT ?1, ?2, ?3, ?4
             WHERE (SELECT count(*) FROM passes WHERE aid = ?1 AND issuer <> ?2) < ?5
             ON CONFLICT DO UPDATE SET pass = excluded.pass, expires_at = excluded.expires_at
             WHERE expires_at <= excluded.expires_at",
        )?
        .execute(params![
            note.aid.as_bytes(),
            note.sender.as_bytes(),
            pass.encoded,
            pass.expires_at.0.cast_signed(),
            room,
        ])?;
    Ok(())
}

/// Runs `statement` for each number.
fn each(connection: &Connection, statement: &str, ids: &[u64]) -> Result<bool, Error> {
    let mut statement = connection.prepare_cached(statement)?;
    let mut changed = 0;
    for id in ids {
        changed += statement.execute([id.cast_signed()])?;
    }
    Ok(changed > 0)
}
