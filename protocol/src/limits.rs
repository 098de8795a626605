// SPDX-License-Identifier: MPL-2.0
//! Every size, count and duration that bounds what this crate accepts, stores or sends.
//!
//! "Reference" is the Go implementation, release 0.3.5; "ours" marks a value it does not share.

mod inbox;
#[cfg(feature = "net")]
mod network;
#[cfg(feature = "net")]
mod relay;

use std::time::Duration;

pub use self::inbox::*;
#[cfg(feature = "net")]
pub use self::network::*;
#[cfg(feature = "net")]
pub use self::relay::*;

/// Longest accepted encoding of a signed record, in bytes, delegation included.
///
/// Ours: the reference has no limit of its own, and its UDP answers carry about 900 bytes.
pub const MAX_RECORD_LEN: usize = 4096;

/// Longest accepted encoding of a delegation proof, in bytes.
///
/// Ours: the longest real ones, by a wallet, have about 415 bytes; the message may hold other text.
pub const MAX_DELEGATION_LEN: usize = 2048;

/// How many containers and tags may be nested in one CBOR item, the outermost included.
///
/// Ours: the records of the reference nest four deep at most, as far as seen.
pub const MAX_CBOR_DEPTH: u8 = 8;

/// How far the timestamp of a record may lie in the verifier's future.
///
/// Source: record validity rules of the reference.
pub const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// How long after its expiry a delegation still counts, for clocks that run ahead.
///
/// Source: delegation rules of the reference.
pub const DELEGATION_GRACE: Duration = Duration::from_secs(60);

/// Longest lifetime with which a sovereign or topic record is admitted to a store.
///
/// Ours: the reference takes any `u32`, which lets a stolen key speak for 136 years. It is also how
/// long a revoked key can still be believed where no newer record arrives.
pub const MAX_RECORD_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// Longest lifetime with which a mailbox record is admitted to a store.
///
/// Ours: long enough for a recipient who is away for a week.
pub const MAX_MAILBOX_TTL: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Lifetime given to endpoint, profile, topic and mailbox records unless asked otherwise.
///
/// Source: the reference's default of 3600 s for each of them.
pub const DEFAULT_RECORD_TTL: Duration = Duration::from_secs(60 * 60);

/// How long a deleted agent can be restored.
///
/// Ours: long enough to notice the mistake after a holiday.
pub const RESTORABLE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Keys made on this node that wait to be registered or backed up.
///
/// Ours: many times what a person makes, few enough that nobody fills the disk by asking.
pub const MAX_KEPT_KEYS: usize = 256;

/// Sovereign records held at one DHT key.
///
/// Source: the reference's store.
pub const MAX_SOVEREIGN_RECORDS: usize = 8;

/// Topic records held at one DHT key.
///
/// Source: the reference's store.
pub const MAX_TOPIC_RECORDS: usize = 100;

/// Levels of keys below that of a service or a category, for entries that find no room there.
///
/// Ours: 16 keys per key and level, so that there is room for more than a million entries.
pub const MAX_OVERFLOW_LEVELS: usize = 4;

/// Notes held for one mailbox, which is one DHT key.
///
/// Ours: the reference holds 50 and throws out the oldest, so strangers could empty a mailbox.
pub const MAX_MAILBOX_NOTES: usize = 512;

/// Notes of one sender held for one mailbox.
///
/// Ours: the reference holds 4 per signing key.
pub const MAX_NOTES_PER_SENDER: usize = 64;

/// Addresses in an endpoint record of ours.
///
/// Ours, checked when encoding; a record of the reference may hold more within its own size.
pub const MAX_ENDPOINT_ADDRESSES: usize = 16;

/// Longest address in an endpoint record of ours, in bytes.
///
/// Ours, checked when encoding.
pub const MAX_ENDPOINT_ADDRESS_LEN: usize = 256;

/// Signalling URLs in an endpoint record. Source: the reference's endpoint payload.
pub const MAX_ENDPOINT_SIGNALS: usize = 8;

/// Longest signalling URL, in bytes. Source: the reference's endpoint payload.
pub const MAX_ENDPOINT_SIGNAL_LEN: usize = 2048;

/// TURN servers in an endpoint record. Source: the reference's endpoint payload.
pub const MAX_ENDPOINT_TURNS: usize = 16;

/// Longest TURN server entry, in bytes. Source: the reference's endpoint payload.
pub const MAX_ENDPOINT_TURN_LEN: usize = 512;

/// Longest profile payload, in bytes.
///
/// Source: the reference's publisher and decoder. Its store takes longer ones, and so does ours.
pub const MAX_PROFILE_LEN: usize = 700;

/// Skills in a profile of ours. Source: the reference cuts the list there.
pub const MAX_PROFILE_SKILLS: usize = 3;

/// Longest topic payload, in bytes. Source: record validity rules of the reference.
pub const MAX_TOPIC_LEN: usize = 512;

/// Longest brief of a topic entry, in Unicode code points. Source: as [`MAX_TOPIC_LEN`].
pub const MAX_TOPIC_BRIEF_CHARS: usize = 140;

/// Longest lifetime given to an entry for a service. Source: the reference's API, not its store.
pub const MAX_TOPIC_TTL: Duration = Duration::from_secs(2 * 60 * 60);

/// Services that one agent may be registered for. Ours: each costs twenty holders a record.
pub const MAX_SERVICES_PER_AGENT: usize = 100;

/// Longest mailbox payload, in bytes. Source: record validity rules of the reference.
pub const MAX_MAILBOX_LEN: usize = 512;

/// Longest body of a note that fits a mailbox record, in bytes. Source: the reference refuses 390.
pub const MAX_NOTE_BODY_LEN: usize = 389;

/// Longest body of any note, in bytes.
///
/// Ours: above [`MAX_NOTE_BODY_LEN`] it travels in parts of [`NOTE_PART_LEN`].
pub const MAX_LONG_BODY_LEN: usize = 64 * 1024;

/// Bytes of a sealed long body in one part.
///
/// Ours: with the longest delegation of a wallet the record stays below [`MAX_RECORD_LEN`].
pub const NOTE_PART_LEN: usize = 3072;

/// Longest encoding of a pass, in bytes: the longest delegation and 200 bytes. Ours.
pub const MAX_PASS_LEN: usize = MAX_DELEGATION_LEN + 256;

/// Longest time that a pass may have left. Ours: a quarter of a year; each note brings a new one.
pub const MAX_PASS_LIFE: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// Length of a pass beside a note of its issuer, in bytes: the time and the signature. Ours.
pub const REPLY_PASS_LEN: usize = 8 + 64;

/// Notes that one removal acknowledges. Ours.
pub const REMOVED_PER_STATEMENT: usize = 64;

/// Longest encoding of a removal, in bytes. Ours.
pub const MAX_REMOVAL_LEN: usize = MAX_DELEGATION_LEN + 256 + 32 * REMOVED_PER_STATEMENT;

/// Memory that one try of a proof of work takes, in KiB.
///
/// Ours: about a millisecond on one core, and more than the cache that a core has for itself.
pub const WORK_MEMORY_KIB: u32 = 2048;

/// The easiest proof of work, in leading zero bits: about half a second of one core. Ours.
pub const MIN_WORK_BITS: u8 = 9;

/// The hardest proof of work that is asked for or done: about nine seconds of one core. Ours.
pub const MAX_WORK_BITS: u8 = 13;

/// Parts of one note: enough for [`MAX_LONG_BODY_LEN`] and 16 bytes that sealing adds.
pub const MAX_NOTE_PARTS: usize = (MAX_LONG_BODY_LEN + 16).div_ceil(NOTE_PART_LEN);
