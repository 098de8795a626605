// SPDX-License-Identifier: MPL-2.0
//! Every size, count and duration that bounds what this crate accepts, keeps or sends.

use std::time::Duration;

/// Longest time for one tool call. Hosts give up after 60 s, some never.
///
/// Ours: the longest that leaves a host time to show the answer.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(25);

/// Longest time a human may take to answer a question.
///
/// Ours: hosts show the question at once; a call that waits longer is better made again.
pub(crate) const CONSENT_TIMEOUT: Duration = Duration::from_secs(120);

/// Time between two progress notices of a call.
///
/// Ours: often enough to look alive, rarely enough not to be noise.
pub(crate) const PROGRESS_INTERVAL: Duration = Duration::from_secs(2);

/// How long a question and its answer belong together where the client carries the state between.
///
/// Ours: [`CONSENT_TIMEOUT`], and some time on the way.
pub(crate) const QUESTION_TTL: Duration = Duration::from_secs(180);

/// Questions whose answer is on its way at a time; the oldest makes room.
///
/// Ours: a human is asked one thing after the other.
pub(crate) const MAX_QUESTIONS: usize = 64;

/// Sessions of the older protocol revisions at a time; the one that was idle longest makes room.
///
/// Ours: a person's hosts open a handful.
pub(crate) const MAX_SESSIONS: usize = 64;

/// Time without a request after which a session ends.
///
/// Ours: longer than a working day, because hosts do not all notice that a session has ended.
pub(crate) const SESSION_IDLE: Duration = Duration::from_secs(12 * 60 * 60);

/// Longest message from a client, in bytes.
///
/// Source: the limit that the REST API has for a body.
pub(crate) const MAX_MESSAGE_LEN: usize = 1024 * 1024;

/// Longest content of an agent's answer that a fetch hands on, in bytes, unless asked for more.
///
/// Ours: about 16,000 tokens, a tenth of a usual context window.
pub(crate) const DEFAULT_FETCH_LEN: usize = 64 * 1024;

/// The most that can be asked for, in bytes.
///
/// Ours: what hosts still take in one message.
pub(crate) const MAX_FETCH_LEN: usize = 1024 * 1024;

/// Most bytes of an agent's headers that a fetch hands on, names and values together.
///
/// Ours: what servers usually take of a request.
pub(crate) const MAX_HEADERS_LEN: usize = 8 * 1024;

/// Longest media type that a fetch hands on, in bytes.
///
/// Ours: real ones have less than 100.
pub(crate) const MAX_TYPE_LEN: usize = 256;

/// How deep JSON of an agent may be nested to be handed on parsed.
///
/// Ours: parsers give up at 100 or 128 levels, and a few are around it by then.
pub(crate) const MAX_DEPTH: usize = 64;

/// Most bytes that the notes of one answer have together; one note is given even if it is longer.
///
/// Source: [`DEFAULT_FETCH_LEN`], for the same reason. It is also the longest note there is.
pub(crate) const MAX_NOTES_LEN: usize = 64 * 1024;

/// Answers with notes that wait to be written to one client at a time.
///
/// Ours: a client polls once and waits.
pub(crate) const MAX_RECEIPTS: usize = 64;

/// Longest message that passes a bridge, in bytes.
///
/// Ours: remote servers hand out images; the daemon itself takes [`MAX_MESSAGE_LEN`].
pub(crate) const MAX_BRIDGED_LEN: usize = 16 * 1024 * 1024;

/// Resources that one client watches at a time.
///
/// Ours: a node has a handful of agents, with two resources each.
pub(crate) const MAX_WATCHED: usize = 256;

/// Clients of the stateless revision that listen for changes at a time.
///
/// Source: [`MAX_SESSIONS`]; each holds a connection to the API, which has a bounded number.
pub(crate) const MAX_LISTENERS: usize = MAX_SESSIONS;

/// Time between two looks whether a watched resource has changed.
///
/// Ours: soon enough for a person, cheap enough to do for every client.
pub(crate) const WATCH_INTERVAL: Duration = Duration::from_secs(1);
