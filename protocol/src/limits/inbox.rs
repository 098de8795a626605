// SPDX-License-Identifier: MPL-2.0
//! Notes as a node keeps them for its own agents, and what it tells about them.

use std::time::Duration;

/// Unread notes that an agent keeps of agents it has written to.
///
/// Ours: the reference keeps 200 in all.
pub const MAX_UNREAD_OF_CONTACTS: usize = 1000;

/// Unread notes that an agent keeps of all others. They take no room from those of contacts.
///
/// Ours: as many as the reference keeps in all.
pub const MAX_UNREAD_OF_STRANGERS: usize = 200;

/// Unread notes of strangers from which on a further stranger has to show a proof of work.
///
/// Ours: half of the room.
pub const CROWD_OF_STRANGERS: usize = MAX_UNREAD_OF_STRANGERS / 2;

/// Permissions to write back that an agent keeps, one of each sender.
///
/// Ours.
pub const MAX_PASSES: usize = 4096;

/// Notes of one agent that may be under way.
///
/// Ours: what a mailbox holds, for several recipients.
pub const MAX_OUTBOX_NOTES: usize = 4096;

/// How long a note is remembered after its end, so that it is not shown again.
///
/// Ours: a note that has ended is refused anyway; this covers a clock that is set back by as much.
pub const NOTE_MEMORY_MARGIN: Duration = Duration::from_secs(24 * 60 * 60);

/// Bodies in one answer end when they reach this many bytes; the rest comes with the next.
///
/// Ours: every note of the reference, 200 of 389 bytes, many times over.
pub const MAX_READ_LEN: usize = 4 * 1024 * 1024;

/// Notes in one answer.
///
/// Ours: all that an agent keeps unread.
pub const MAX_READ_NOTES: usize = MAX_UNREAD_OF_CONTACTS + MAX_UNREAD_OF_STRANGERS;

/// Events of one agent that are remembered for clients who were away.
///
/// Ours: they only say that something waits, which `pending` tells as well.
pub const MAX_EVENTS_KEPT: usize = 256;

/// Events that may wait for one client; one that is further behind is cut off.
///
/// Ours.
pub const EVENT_QUEUE: usize = 256;

/// Clients that follow events at one time.
///
/// Ours: well below the connections that the API takes.
pub const MAX_EVENT_CLIENTS: usize = 128;
