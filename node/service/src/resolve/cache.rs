// SPDX-License-Identifier: MPL-2.0
//! Endpoint records that were found lately.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use a2al_protocol::{Aid, UnixSeconds, VerifiedRecord};
use lru::LruCache;
use tokio::time::Instant;

/// How long a record is answered without asking again.
const FRESH: Duration = Duration::from_secs(15);

/// How long a record is answered while it is asked for again in the background.
const USABLE: Duration = Duration::from_secs(300);

/// Records kept; the least recently used goes first. About 1 KiB each.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");

/// The present by both clocks: ages are measured by one, expiry is stated in the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    /// Never set back.
    pub(crate) instant: Instant,
    /// What records are dated in.
    pub(crate) wall: UnixSeconds,
}

/// What is known of an address.
#[derive(Debug)]
pub(crate) enum Known {
    /// Found just now.
    Fresh(VerifiedRecord),
    /// Good enough to answer; the receiver of this value has to ask again and call [`Cache::refreshed`].
    Refresh(VerifiedRecord),
    /// Nothing to answer with.
    Nothing,
}

/// Endpoint records by address. An older record never takes the place of a newer one.
#[derive(Debug)]
pub(crate) struct Cache(Mutex<LruCache<Aid, Entry>>);

#[derive(Debug)]
struct Entry {
    record: VerifiedRecord,
    /// When the network confirmed it; `None` after a dial to it failed.
    confirmed: Option<Instant>,
    is_refreshing: bool,
}

impl Default for Cache {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(CAPACITY)))
    }
}

impl Cache {
    /// What is known of `aid`.
    pub(crate) fn look_up(&self, aid: &Aid, now: Now) -> Known {
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(aid) else {
            return Known::Nothing;
        };
        let Some(confirmed) = entry.confirmed else {
            return Known::Nothing;
        };
        let age = now.instant.saturating_duration_since(confirmed);
        if entry.record.is_expired(now.wall) || age >= USABLE {
            return Known::Nothing;
        }
        if age < FRESH || entry.is_refreshing {
            return Known::Fresh(entry.record.clone());
        }
        entry.is_refreshing = true;
        Known::Refresh(entry.record.clone())
    }

    /// Takes what the network answered and gives back the newest record known.
    pub(crate) fn put(&self, found: VerifiedRecord, now: Now) -> VerifiedRecord {
        let mut entries = self.entries();
        let newest = match entries.pop(&found.aid()) {
            Some(held)
                if held.record.is_newer_than(&found) && !held.record.is_expired(now.wall) =>
            {
                held.record
            }
            _ => found,
        };
        let entry = Entry {
            record: newest.clone(),
            confirmed: Some(now.instant),
            is_refreshing: false,
        };
        entries.put(newest.aid(), entry);
        newest
    }

    /// The newest record seen of `aid`, usable or not.
    pub(crate) fn newest(&self, aid: &Aid) -> Option<VerifiedRecord> {
        self.entries().peek(aid).map(|entry| entry.record.clone())
    }

    /// Ends a refresh that brought nothing, so that another may try.
    pub(crate) fn refreshed(&self, aid: &Aid) {
        if let Some(entry) = self.entries().peek_mut(aid) {
            entry.is_refreshing = false;
        }
    }

    /// Answers with `record` no longer: it could not be dialled. It still keeps out older ones.
    pub(crate) fn distrust(&self, record: &VerifiedRecord) {
        if let Some(entry) = self.entries().peek_mut(&record.aid())
            && !entry.record.is_newer_than(record)
        {
            entry.confirmed = None;
        }
    }

    fn entries(&self) -> MutexGuard<'_, LruCache<Aid, Entry>> {
        // Nothing panics while the lock is held; a poisoned map is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
