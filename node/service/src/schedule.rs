// SPDX-License-Identifier: MPL-2.0
//! When something is published next.

use std::time::Duration;

use tokio::time::Instant;

/// Wait after the first failure; doubles with each further one.
const FIRST_RETRY: Duration = Duration::from_secs(5);

/// Longest wait after a failure.
const LAST_RETRY: Duration = Duration::from_secs(300);

/// The publications of one record: due at once, until the first was made.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    /// When the next one is due; `None` = at once.
    due: Option<Instant>,
    under_way: usize,
    /// Whether what is under way says something that has changed since.
    is_outdated: bool,
    failures: u32,
}

impl Schedule {
    /// When the next publication is due; `None` = at once.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether a publication is under way.
    pub(crate) fn is_under_way(&self) -> bool {
        self.under_way > 0
    }

    /// Whether a publication is due at `now`, and none is under way.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        !self.is_under_way() && self.due.is_none_or(|due| due <= now)
    }

    /// Asks for a publication at once, however often it has failed.
    pub(crate) fn make_due(&mut self) {
        self.failures = 0;
        self.due = None;
        self.is_outdated = self.is_under_way();
    }

    /// Puts the next publication off.
    pub(crate) fn postpone(&mut self, until: Instant) {
        self.due = Some(until);
    }

    /// Notes that a publication begins; [`succeeded`](Self::succeeded) or [`failed`](Self::failed)
    /// ends it.
    pub(crate) fn begin(&mut self) {
        self.under_way += 1;
    }

    /// Notes that a publication went out; the next one is due at `next`.
    pub(crate) fn succeeded(&mut self, next: Instant) {
        self.failures = 0;
        self.end(next);
    }

    /// Notes that a publication failed, or reached too few nodes.
    pub(crate) fn failed(&mut self, now: Instant) {
        let wait = FIRST_RETRY
            .saturating_mul(1 << self.failures.min(10))
            .min(LAST_RETRY);
        self.failures += 1;
        self.end(now + wait);
    }

    fn end(&mut self, next: Instant) {
        self.under_way = self.under_way.saturating_sub(1);
        let is_outdated = std::mem::take(&mut self.is_outdated);
        self.due = (!is_outdated).then_some(next);
    }
}
