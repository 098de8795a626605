// SPDX-License-Identifier: MPL-2.0
//! The tables of notes: what waits to be read, what is under way, and what was seen before.

mod change;
mod read;

use std::fmt;
use std::sync::Arc;

use a2al_protocol::time::UnixSeconds;
use a2al_protocol::{Aid, mailbox::MessageId};

pub(super) use change::{take_handed, write};
pub(super) use read::{
    is_contact, load, pass, seen, seen_endpoint, under_way, unread, unread_of_strangers,
};

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
    pub(crate) arrived_at: UnixSeconds,
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
}

impl SavedMail {
    /// What there is of one agent.
    pub(super) fn of(mut self, agent: &Aid) -> Self {
        self.unread.retain(|note| note.aid == *agent);
        self.under_way.retain(|note| note.sender == *agent);
        self
    }
}
