// SPDX-License-Identifier: MPL-2.0
//! A rate: when the next bytes may pass, given those that have.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::limits::RELAY_BURST;

/// Time is what is paid with: each byte moves `due` on by the time it takes at the full rate, and whoever passed bytes waits until that
/// is no more than [`RELAY_BURST`] ahead of the clock. Those who share a pace are thereby served in turn.
#[derive(Debug)]
pub(super) struct Pace {
    bits_per_sec: u64,
    start: Instant,
    /// When everything that has passed is paid for, in nanoseconds after `start`.
    due: AtomicU64,
}

impl Pace {
    pub(super) fn new(bits_per_sec: u64) -> Self {
        Self {
            bits_per_sec: bits_per_sec.max(1),
            start: Instant::now(),
            due: AtomicU64::new(0),
        }
    }

    /// Counts bytes that have passed. Returns from when on those who passed them may pass more.
    pub(super) fn charge(&self, bytes: u64, now: Instant) -> Instant {
        let (now, price) = (self.nanos(now), self.price(bytes));
        let pay = |due: u64| due.max(now).saturating_add(price);
        let paid = self
            .due
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |due| Some(pay(due)));
        let due = pay(paid.unwrap_or_else(|unchanged| unchanged));
        let burst = u64::try_from(RELAY_BURST.as_nanos()).unwrap_or(u64::MAX);
        self.start + Duration::from_nanos(due.saturating_sub(burst))
    }

    /// Whether nothing is owed, so that a new pace would do the same.
    pub(super) fn is_rested(&self, now: Instant) -> bool {
        self.due.load(Ordering::Relaxed) <= self.nanos(now)
    }

    fn nanos(&self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.start);
        u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
    }

    fn price(&self, bytes: u64) -> u64 {
        let nanos = u128::from(bytes) * 8 * 1_000_000_000 / u128::from(self.bits_per_sec);
        u64::try_from(nanos).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_pass_at_the_rate_after_the_first_burst() {
        // A byte each millisecond.
        let pace = Pace::new(8000);
        let burst = u64::try_from(RELAY_BURST.as_millis()).unwrap();
        let mut now = pace.start;
        let mut passed = 0;
        while now < pace.start + Duration::from_secs(10) {
            now = now.max(pace.charge(10, now));
            passed += 10;
        }
        assert!((10_000..=10_020 + burst).contains(&passed), "{passed}");
    }

    #[test]
    fn a_pause_saves_up_no_more_than_one_burst() {
        let pace = Pace::new(8000);
        let late = pace.start + Duration::from_secs(60);
        assert!(pace.is_rested(late));
        assert_eq!(
            pace.charge(1000, late),
            late + Duration::from_secs(1) - RELAY_BURST
        );
        assert!(!pace.is_rested(late));
        assert!(pace.is_rested(late + Duration::from_secs(1)));
    }

    #[test]
    fn a_newcomer_waits_for_what_others_owe() {
        let pace = Pace::new(8000);
        pace.charge(5000, pace.start);
        let opens = pace.charge(0, pace.start);
        assert_eq!(opens, pace.start + Duration::from_secs(5) - RELAY_BURST);
    }
}
