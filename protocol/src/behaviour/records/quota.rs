// SPDX-License-Identifier: MPL-2.0
//! How fast one source may write.

use std::num::NonZeroUsize;
use std::time::Instant;

use lru::LruCache;

use super::Source;
use crate::limits::{MAX_RATED_SOURCES, WRITE_BURST, WRITES_PER_SECOND};

/// A token bucket for each source that writes; the least recently seen sources are forgotten.
#[derive(Debug)]
pub(super) struct Quota {
    buckets: LruCache<Source, Bucket>,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Default for Quota {
    fn default() -> Self {
        let capacity = NonZeroUsize::new(MAX_RATED_SOURCES).expect("the limit is not zero");
        Self {
            buckets: LruCache::new(capacity),
        }
    }
}

impl Quota {
    /// Takes one write from the source's allowance; false if there is none left.
    pub(super) fn take(&mut self, source: Source, now: Instant) -> bool {
        let bucket = self.bucket(source, now);
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }

    /// Takes several writes, or what is left.
    pub(super) fn charge(&mut self, source: Source, writes: u32) {
        let bucket = self.bucket(source, Instant::now());
        bucket.tokens = (bucket.tokens - f64::from(writes)).max(0.0);
    }

    fn bucket(&mut self, source: Source, now: Instant) -> &mut Bucket {
        let full = || Bucket {
            tokens: f64::from(WRITE_BURST),
            filled: now,
        };
        let bucket = self.buckets.get_or_insert_mut(source, full);
        let elapsed = now.saturating_duration_since(bucket.filled).as_secs_f64();
        let refilled = bucket.tokens + elapsed * f64::from(WRITES_PER_SECOND);
        bucket.tokens = refilled.min(f64::from(WRITE_BURST));
        bucket.filled = now;
        bucket
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use libp2p::PeerId;

    use super::*;

    #[test]
    fn a_burst_is_taken_and_then_the_sustained_rate() {
        let (mut quota, start) = (Quota::default(), Instant::now());
        let [source, other] = [(); 2].map(|()| Source::of(PeerId::random(), None));
        assert!((0..WRITE_BURST).all(|_| quota.take(source, start)));
        assert!(!quota.take(source, start));
        assert!(
            quota.take(other, start),
            "another source has its own allowance"
        );
        let later = start + Duration::from_secs(1);
        let taken = (0..WRITE_BURST)
            .filter(|_| quota.take(source, later))
            .count();
        assert_eq!(taken, WRITES_PER_SECOND as usize);
    }
}
