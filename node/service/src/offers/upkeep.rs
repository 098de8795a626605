// SPDX-License-Identifier: MPL-2.0
//! When an entry or a profile is published next.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::live::{Publication, RENEWAL_INTERVAL};
use crate::schedule::Schedule;

/// Shortest time between two renewals: lifetimes are counted in seconds.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// The publications of one record that is signed anew each time.
#[derive(Debug, Default)]
pub(crate) struct Upkeep(Mutex<Schedule>);

impl Upkeep {
    /// When the next publication is due: not after `now` if at once, nothing while one is under way.
    pub(crate) fn next(&self, now: Instant) -> Option<Instant> {
        let schedule = self.schedule();
        (!schedule.is_under_way()).then(|| schedule.due().unwrap_or(now))
    }

    /// Whether a publication is due at `now`, and none is under way.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.schedule().is_due(now)
    }

    /// Asks for a publication at once.
    pub(crate) fn make_due(&self) {
        self.schedule().make_due();
    }

    /// Notes that a publication begins; [`ended`](Self::ended) ends it.
    pub(crate) fn begin(&self) {
        self.schedule().begin();
    }

    /// Notes what became of a publication of a record that lives for `ttl_secs`. It is renewed at half of
    /// its life; one that failed or reached too few nodes is soon repeated.
    pub(crate) fn ended(&self, publication: Option<&Publication>, ttl_secs: u32, now: Instant) {
        let mut schedule = self.schedule();
        if publication.is_some_and(|publication| publication.is_complete) {
            schedule.succeeded(now + interval(ttl_secs));
        } else {
            schedule.failed(now);
        }
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        // Nothing panics while the lock is held; a poisoned schedule is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Time between two renewals of a record that lives for `ttl_secs`.
fn interval(ttl_secs: u32) -> Duration {
    let half = Duration::from_secs(ttl_secs.into()) / 2;
    half.clamp(SHORTEST_INTERVAL, RENEWAL_INTERVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_renewed_at_half_of_their_life() {
        for (ttl_secs, secs) in [(0, 1), (1, 1), (60, 30), (3600, 1800), (7200, 1800)] {
            assert_eq!(interval(ttl_secs), Duration::from_secs(secs), "{ttl_secs}");
        }
    }
}
