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

/// Longest time that a call waits for a human's word on whether they open a page.
///
/// Ours: what [`CALL_TIMEOUT`] leaves, with some time for the call itself. The page stays open longer.
pub(crate) const PAGE_TIMEOUT: Duration = Duration::from_secs(20);

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

/// Longest message from a client for an exposed server, in bytes.
///
/// Ours: what a fetch of another node sends at most, and room around it.
pub(crate) const MAX_EXPOSED_LEN: usize = 4 * 1024 * 1024;

/// Processes of an exposed server at a time, with those whose sessions have ended.
///
/// Ours: [`MAX_SESSIONS`], and room to replace some at once.
pub(crate) const MAX_EXPOSED_PROCESSES: usize = MAX_SESSIONS + 16;

/// Sessions with an exposed server that one caller has at a time; its own make room for more.
///
/// Ours: half of [`MAX_SESSIONS`], so that nobody has them all.
pub(crate) const MAX_CALLER_SESSIONS: usize = MAX_SESSIONS / 2;

/// Requests to one process of an exposed server under way at a time; further ones are refused.
///
/// Ours: a model calls a few tools at once.
pub(crate) const MAX_EXPOSED_REQUESTS: usize = 64;

/// Messages of an exposed server that wait to be read by its client, on each stream.
///
/// Ours: one for each request under way.
pub(crate) const MAX_EXPOSED_WAITING: usize = 64;

/// Messages for a process of an exposed server that wait to be read; more make their clients wait.
///
/// Ours: they may be long, and a process reads them one by one.
pub(crate) const MAX_EXPOSED_INPUT: usize = 8;

/// Time without a request and without an open stream after which a session with an exposed server
/// ends, and its process.
///
/// Ours: clients that are there keep a stream open; what the others left behind costs memory.
pub(crate) const EXPOSED_IDLE: Duration = Duration::from_secs(60 * 60);

/// Longest time an exposed server may take to answer for the first time.
///
/// Ours: runners of packages fetch the server first.
pub(crate) const EXPOSED_START: Duration = Duration::from_secs(180);

/// How long a process of an exposed server may go on once its input is closed.
///
/// Ours: time to write a file. What then goes on is killed.
pub(crate) const EXPOSED_GRACE: Duration = Duration::from_secs(2);

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
