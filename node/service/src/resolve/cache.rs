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
    /// Good enough to answer; the receiver of this value has to ask again and call
    /// [`Cache::refreshed`].
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

#[cfg(test)]
mod tests {
    use a2al_protocol::{Credential, Draft, Endpoint, RecordKind, Seq, SigningKey};

    use super::*;

    const START: UnixSeconds = UnixSeconds(1_000_000);

    struct Clock(Instant);

    impl Clock {
        fn after(&self, secs: u64) -> Now {
            let wait = Duration::from_secs(secs);
            Now {
                instant: self.0 + wait,
                wall: START.saturating_add(wait),
            }
        }
    }

    fn clock() -> Clock {
        Clock(Instant::now())
    }

    fn record(key: &SigningKey, seq: u64) -> VerifiedRecord {
        let draft = Draft {
            kind: RecordKind::ENDPOINT,
            payload: Endpoint::default().encode().unwrap(),
            seq: Seq(seq),
            timestamp: START,
            ttl_secs: 200,
        };
        draft.sign(&Credential::node(key.clone())).unwrap()
    }

    fn seq(known: &Known) -> Option<u64> {
        match known {
            Known::Fresh(record) | Known::Refresh(record) => Some(record.seq().0),
            Known::Nothing => None,
        }
    }

    #[test]
    fn one_caller_refreshes_what_is_no_longer_fresh() {
        let (cache, clock, key) = (Cache::default(), clock(), SigningKey::generate());
        let aid = key.public().aid();
        assert!(matches!(
            cache.look_up(&aid, clock.after(0)),
            Known::Nothing
        ));
        cache.put(record(&key, 1), clock.after(0));
        assert!(matches!(
            cache.look_up(&aid, clock.after(14)),
            Known::Fresh(_)
        ));
        assert!(matches!(
            cache.look_up(&aid, clock.after(15)),
            Known::Refresh(_)
        ));
        assert!(matches!(
            cache.look_up(&aid, clock.after(16)),
            Known::Fresh(_)
        ));
        cache.refreshed(&aid);
        assert!(matches!(
            cache.look_up(&aid, clock.after(17)),
            Known::Refresh(_)
        ));
        cache.put(record(&key, 2), clock.after(18));
        assert!(matches!(
            cache.look_up(&aid, clock.after(32)),
            Known::Fresh(_)
        ));
    }

    #[test]
    fn nothing_is_answered_beyond_its_expiry() {
        let (cache, clock, key) = (Cache::default(), clock(), SigningKey::generate());
        let aid = key.public().aid();
        cache.put(record(&key, 1), clock.after(0));
        assert_eq!(seq(&cache.look_up(&aid, clock.after(199))), Some(1));
        assert_eq!(seq(&cache.look_up(&aid, clock.after(202))), None);
    }

    #[test]
    fn a_newer_record_is_never_replaced_by_an_older_one() {
        let (cache, clock, key) = (Cache::default(), clock(), SigningKey::generate());
        let aid = key.public().aid();
        cache.put(record(&key, 2), clock.after(0));
        assert_eq!(cache.put(record(&key, 1), clock.after(1)).seq(), Seq(2));
        assert_eq!(seq(&cache.look_up(&aid, clock.after(2))), Some(2));
    }

    #[test]
    fn a_failed_dial_ends_the_answers_but_not_the_memory() {
        let (cache, clock, key) = (Cache::default(), clock(), SigningKey::generate());
        let aid = key.public().aid();
        let failed = record(&key, 2);
        cache.put(failed.clone(), clock.after(0));
        cache.distrust(&failed);
        assert_eq!(seq(&cache.look_up(&aid, clock.after(1))), None);
        assert_eq!(cache.put(record(&key, 1), clock.after(1)).seq(), Seq(2));
        cache.put(record(&key, 3), clock.after(2));
        cache.distrust(&failed);
        assert_eq!(seq(&cache.look_up(&aid, clock.after(3))), Some(3));
    }
}
