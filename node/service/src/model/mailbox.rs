// SPDX-License-Identifier: MPL-2.0
//! Notes: what one agent leaves for another, who reads it when it wakes.

use std::collections::BTreeMap;

use a2al_protocol::Aid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A note to send.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize, ToSchema)]
#[serde(default)]
pub struct SendNote {
    /// The agent that is to read it. It must have published where it is reached.
    #[schema(example = "A0eB165E6D5d1dE7C44e0228E8efE48E4D05F6479A")]
    pub recipient: String,
    /// What kind of note it is: 3 is text; the meaning of others is up to the agents.
    #[schema(example = 3)]
    pub msg_type: u8,
    /// What it says, at most 64 KiB.
    #[schema(example = "aGVsbG8=")]
    pub body_base64: String,
    /// Seconds after which it is not delivered any more: 604800, which is a week and the longest,
    /// when absent or 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 604_800)]
    pub ttl: Option<u64>,
}

/// How far a note has come.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoteStatus {
    /// The recipient's node has it on its disk.
    Delivered,
    /// Other nodes keep it for the recipient, and this one goes on trying to deliver it.
    Stored,
    /// Only this node has it so far, on its disk, and goes on trying.
    Queued,
}

/// A note was taken to be delivered.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct SentNote {
    /// Always true.
    pub ok: bool,
    /// The note's name, 64 hexadecimal digits.
    #[schema(example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    pub message_id: String,
    /// How far it has come.
    pub status: NoteStatus,
    /// Nodes that keep it for the recipient; absent unless it is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u64>,
}

/// A note that was received.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct Message {
    /// Who wrote it; proved by a signature.
    #[schema(value_type = String, example = "A0eB165E6D5d1dE7C44e0228E8efE48E4D05F6479A")]
    #[schemars(with = "String")]
    pub sender: Aid,
    /// What kind of note it is.
    #[schema(example = 3)]
    pub msg_type: u8,
    /// What it says.
    #[schema(example = "aGVsbG8=")]
    pub body_base64: String,
    /// The note's name, 64 hexadecimal digits.
    pub message_id: String,
    /// When the sender signed it, by its clock, RFC 3339.
    #[schema(example = "2026-11-23T22:40:00Z")]
    pub sent_at: String,
    /// When it came to this node, RFC 3339.
    #[schema(example = "2026-11-23T22:40:01Z")]
    pub received_at: String,
    /// True if an earlier answer may have held it: the node was killed, or the client left, before
    /// that answer was known to be handed over. Absent otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
}

/// Notes that were received, oldest first.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct MessageList {
    /// The notes.
    pub messages: Vec<Message>,
    /// Further notes that wait, for which this answer has no room; absent when there are none.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schema(example = 3)]
    pub remaining: u64,
}

/// A note on its way.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct NoteUnderWay {
    /// The note's name, 64 hexadecimal digits.
    pub message_id: String,
    /// The agent that is to read it.
    #[schema(value_type = String, example = "A0eB165E6D5d1dE7C44e0228E8efE48E4D05F6479A")]
    #[schemars(with = "String")]
    pub recipient: Aid,
    /// What kind of note it is.
    #[schema(example = 3)]
    pub msg_type: u8,
    /// Length of its body in bytes.
    #[schema(example = 5)]
    pub body_len: u64,
    /// How far it has come: `queued` or `stored`.
    pub status: NoteStatus,
    /// Nodes that keep it for the recipient.
    #[schema(example = 5)]
    pub replicas: u64,
    /// How often it could not be delivered since this node was started.
    #[schema(example = 2)]
    pub attempts: u32,
    /// What stands in the way, as of the last attempt; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// When it was sent, RFC 3339.
    #[schema(example = "2026-11-23T22:40:00Z")]
    pub sent_at: String,
    /// When the next attempt is due, RFC 3339; null while one is under way.
    #[schema(example = "2026-11-23T22:40:05Z")]
    pub next_attempt_at: Option<String>,
    /// When it is given up, RFC 3339.
    #[schema(example = "2026-11-30T22:40:00Z")]
    pub expires_at: String,
}

/// The notes on their way, oldest first.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct NoteOutbox {
    /// The notes.
    pub notes: Vec<NoteUnderWay>,
}

/// What waits at an agent; what does not is absent.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize, ToSchema,
)]
#[serde(default)]
pub struct Pending {
    /// Unread notes.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(example = 2)]
    pub mailbox: u64,
    /// True: its master key waits for the owner, who saves it with `a2al identity backup AID`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub master_backup: bool,
}

impl Pending {
    /// Unread notes alone.
    pub(crate) fn notes(mailbox: u64) -> Self {
        Self {
            mailbox,
            ..Self::default()
        }
    }
}

/// What waits, by agent; agents for which nothing waits are left out.
pub type PendingByAgent = BTreeMap<String, Pending>;

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature serde calls"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
