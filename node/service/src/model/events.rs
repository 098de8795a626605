// SPDX-License-Identifier: MPL-2.0
//! What happens to agents, told as it happens.

use a2al_protocol::Aid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How notes came in.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoteSource {
    /// The sender's node brought them. The word is that of the reference.
    QuicDirect,
    /// Other nodes had kept them.
    Stored,
    /// The sender is on this node.
    Local,
}

/// What an event says.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize, ToSchema)]
pub struct NotesReceived {
    /// Notes that have come in.
    #[schema(example = 1)]
    pub count: u64,
    /// How.
    pub source: NoteSource,
}

/// An event as a stream carries it.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct StreamedEvent {
    /// The agent; absent on the stream of that agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    #[schemars(with = "Option<String>")]
    pub aid: Option<Aid>,
    /// When, RFC 3339.
    #[schema(example = "2026-11-23T22:40:00Z")]
    pub at: String,
    /// What happened: `mailbox.received`.
    #[serde(rename = "type")]
    #[schema(example = "mailbox.received")]
    pub kind: String,
    /// What there is to say about it.
    pub data: NotesReceived,
}

/// An event as it is asked for.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct Event {
    /// Its number; later events of the node have larger ones, also after a restart.
    #[schema(example = 1_795_468_800_123_u64)]
    pub seq: u64,
    /// When, in milliseconds since 1970.
    #[schema(example = 1_795_468_800_123_u64)]
    pub ts: u64,
    /// What happened: `mailbox.received`.
    #[serde(rename = "type")]
    #[schema(example = "mailbox.received")]
    pub kind: String,
    /// What there is to say about it.
    pub data: NotesReceived,
}

/// The events of one agent after a given one.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize, ToSchema)]
pub struct EventList {
    /// The events, oldest first.
    pub events: Vec<Event>,
    /// Number of the newest event; what to ask with next.
    pub last_seq: u64,
    /// Number of the oldest event that is remembered; 0 if none is.
    pub oldest_seq: u64,
    /// Whether events in between are not remembered any more.
    pub truncated: bool,
}
