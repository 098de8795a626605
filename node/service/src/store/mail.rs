// SPDX-License-Identifier: MPL-2.0
//! The tables of notes: what waits to be read, what is under way, and what was seen before.

use std::fmt;
use std::sync::Arc;

use a2al_protocol::limits::{
    MAX_OUTBOX_NOTES, MAX_PASSES, MAX_UNREAD_OF_CONTACTS, MAX_UNREAD_OF_STRANGERS,
};
use a2al_protocol::time::UnixSeconds;
use a2al_protocol::{Aid, mailbox::MessageId};
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use super::{Error, state::LoadError};

/// The tables, as a step of the schema.
pub(super) const TABLES: &str = "
    CREATE TABLE inbox (
        id           INTEGER PRIMARY KEY,     -- in the order of arrival
        aid          BLOB    NOT NULL REFERENCES agents ON DELETE CASCADE,
        message_id   BLOB    NOT NULL CHECK (length(message_id) = 32),
        sender       BLOB    NOT NULL,
        msg_type     INTEGER NOT NULL,
        body         BLOB    NOT NULL,
        is_contact   INTEGER NOT NULL CHECK (is_contact IN (0, 1)),
        is_offered   INTEGER NOT NULL DEFAULT 0 CHECK (is_offered IN (0, 1)),
        sent_at      INTEGER NOT NULL,
        received_at  INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX inbox_by_pool ON inbox (aid, is_contact);

    -- Outlives the agent: a note is not shown again to one that is deleted and comes back.
    CREATE TABLE seen_notes (
        aid         BLOB    NOT NULL,
        message_id  BLOB    NOT NULL,
        forget_at   INTEGER NOT NULL,
        PRIMARY KEY (aid, message_id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX seen_notes_by_end ON seen_notes (forget_at);

    CREATE TABLE contacts (
        aid       BLOB NOT NULL REFERENCES agents ON DELETE CASCADE,
        contact   BLOB NOT NULL,
        endpoint  BLOB,                       -- the newest record that was seen, CBOR, signed
        seen_at   INTEGER,
        PRIMARY KEY (aid, contact)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE passes (                     -- by which an agent may write to the issuer
        aid         BLOB    NOT NULL REFERENCES agents ON DELETE CASCADE,
        issuer      BLOB    NOT NULL,
        pass        BLOB    NOT NULL,
        expires_at  INTEGER NOT NULL,
        PRIMARY KEY (aid, issuer)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE outbox (
        message_id  BLOB    PRIMARY KEY CHECK (length(message_id) = 32),
        sender      BLOB    NOT NULL REFERENCES agents ON DELETE CASCADE,
        recipient   BLOB    NOT NULL,
        msg_type    INTEGER NOT NULL,
        body_len    INTEGER NOT NULL,
        note        BLOB    NOT NULL,         -- sealed and signed
        sent_at     INTEGER NOT NULL,
        expires_at  INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX outbox_by_sender ON outbox (sender);
";

/// The content of a note. Its `Debug` tells the length only, so that no log can hold it.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Body(pub(crate) Vec<u8>);

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// A change of the notes.
#[derive(Clone, Debug)]
pub(crate) enum MailChange {
    /// Keeps a note until it is delivered, and takes its recipient for a contact.
    Send(Arc<Outgoing>),
    /// Takes a recipient for a contact.
    Befriend {
        /// Who writes.
        aid: Aid,
        /// To whom.
        contact: Aid,
    },
    /// A note is not under way any more.
    Settle {
        /// The note.
        message: MessageId,
    },
    /// Keeps a note until it is read; changes nothing if it was received before.
    Receive(Arc<Received>),
    /// Notes are about to be handed to a reader.
    Offer {
        /// Their numbers.
        ids: Vec<u64>,
    },
    /// Notes were handed to a reader.
    Take {
        /// Who has read them.
        aid: Aid,
        /// Their numbers.
        ids: Vec<u64>,
    },
    /// Forgets notes that nobody can send again.
    Forget {
        /// The present.
        now: UnixSeconds,
    },
}

/// A note on its way out.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    /// What is known of it without reading it.
    pub(crate) facts: OutgoingFacts,
    /// The note, sealed, signed and encoded.
    pub(crate) note: Vec<u8>,
    /// The recipient's endpoint record, if it was found just now.
    pub(crate) endpoint: Option<SeenEndpoint>,
}

/// An endpoint record that was found.
#[derive(Clone, Debug)]
pub(crate) struct SeenEndpoint {
    /// As it was signed.
    pub(crate) encoded: Vec<u8>,
    /// When it was found valid.
    pub(crate) seen_at: UnixSeconds,
}

/// What is remembered of a note on its way out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutgoingFacts {
    /// Which note.
    pub(crate) message: MessageId,
    /// Who writes.
    pub(crate) sender: Aid,
    /// To whom.
    pub(crate) recipient: Aid,
    /// What kind of note.
    pub(crate) msg_type: u8,
    /// Length of the body in bytes.
    pub(crate) body_len: u32,
    /// When it was sent first.
    pub(crate) sent_at: UnixSeconds,
    /// The last second in which it is worth delivering.
    pub(crate) expires_at: UnixSeconds,
}

/// A note that has come in.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// Its number, larger than those of earlier notes.
    pub(crate) id: u64,
    /// Whose note it is.
    pub(crate) aid: Aid,
    /// Which note.
    pub(crate) message: MessageId,
    /// Who wrote it.
    pub(crate) sender: Aid,
    /// What kind of note.
    pub(crate) msg_type: u8,
    /// What it says.
    pub(crate) body: Body,
    /// When the sender signed it.
    pub(crate) sent_at: UnixSeconds,
    /// When it came in.
    pub(crate) received_at: UnixSeconds,
    /// From when on nobody can send it again.
    pub(crate) forget_at: UnixSeconds,
    /// Whether the sender has shown that it was let in.
    pub(crate) has_pass: bool,
    /// By which the sender lets the agent write back.
    pub(crate) reply: Option<KeptPass>,
}

/// Permission to write to somebody.
#[derive(Clone, Debug)]
pub(crate) struct KeptPass {
    /// As it was signed.
    pub(crate) encoded: Vec<u8>,
    /// The last second in which it counts.
    pub(crate) expires_at: UnixSeconds,
}

/// An unread note, as far as it is kept in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnreadFacts {
    /// Its number.
    pub(crate) id: u64,
    /// Whose note it is.
    pub(crate) aid: Aid,
    /// Length of the body in bytes.
    pub(crate) body_len: u32,
    /// Whether an earlier run was about to hand it out.
    pub(crate) is_offered: bool,
}

/// What is known of the notes at a start.
#[derive(Debug, Default)]
pub(crate) struct SavedMail {
    /// Notes that wait to be read, oldest first.
    pub(crate) unread: Vec<UnreadFacts>,
    /// Notes on their way out, oldest first.
    pub(crate) under_way: Vec<OutgoingFacts>,
    /// By whom agents were let in.
    pub(crate) passes: Vec<(Aid, Aid, KeptPass)>,
}

impl SavedMail {
    /// What there is of one agent.
    pub(super) fn of(mut self, agent: &Aid) -> Self {
        self.unread.retain(|note| note.aid == *agent);
        self.under_way.retain(|note| note.sender == *agent);
        self.passes.retain(|(holder, _, _)| holder == agent);
        self
    }
}

/// Reads what is kept in memory.
pub(super) fn load(connection: &Connection) -> Result<SavedMail, LoadError> {
    Ok(SavedMail {
        unread: load_unread(connection)?,
        under_way: load_under_way(connection)?,
        passes: load_passes(connection)?,
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

fn load_passes(connection: &Connection) -> Result<Vec<(Aid, Aid, KeptPass)>, LoadError> {
    let mut select = connection.prepare("SELECT aid, issuer, pass, expires_at FROM passes")?;
    let mut rows = select.query(())?;
    let mut passes = Vec::new();
    while let Some(row) = rows.next()? {
        let broken = || LoadError::Row("a permission to write");
        let pass = KeptPass {
            encoded: row.get("pass")?,
            expires_at: UnixSeconds(number(row, "expires_at")?),
        };
        let holder = aid(row, "aid")?.ok_or_else(broken)?;
        let issuer = aid(row, "issuer")?.ok_or_else(broken)?;
        passes.push((holder, issuer, pass));
    }
    Ok(passes)
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
pub(super) fn unread(connection: &Connection, ids: &[u64]) -> rusqlite::Result<Vec<Received>> {
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
                received_at: UnixSeconds(number(row, "received_at")?),
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
pub(super) fn under_way(
    connection: &Connection,
    message: &MessageId,
) -> rusqlite::Result<Option<Vec<u8>>> {
    connection
        .prepare_cached("SELECT note FROM outbox WHERE message_id = ?1")?
        .query_row([message.as_bytes()], |row| row.get(0))
        .optional()
}

/// Which of `messages` were received before.
pub(super) fn seen(
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
pub(super) fn seen_endpoint(
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

/// How many notes of strangers an agent has not read.
pub(super) fn unread_of_strangers(connection: &Connection, aid: &Aid) -> rusqlite::Result<u32> {
    connection
        .prepare_cached("SELECT count(*) FROM inbox WHERE aid = ?1 AND is_contact = 0")?
        .query_row([aid.as_bytes()], |row| row.get(0))
}

/// Whether `contact` has been written to.
pub(super) fn is_contact(
    connection: &Connection,
    aid: &Aid,
    contact: &Aid,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM contacts WHERE aid = ?1 AND contact = ?2")?
        .exists(params![aid.as_bytes(), contact.as_bytes()])
}

/// Does `change`, and tells whether anything is different now.
pub(super) fn write(connection: &Connection, change: &MailChange) -> Result<bool, Error> {
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
    if unread as usize >= room {
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
            ":received_at": note.received_at.0.cast_signed(),
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

/// Keeps permission to write to the sender of a note, as long as there is room.
fn keep_pass(connection: &Connection, note: &Received, pass: &KeptPass) -> Result<(), Error> {
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
            i64::try_from(MAX_PASSES).unwrap_or(i64::MAX),
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
