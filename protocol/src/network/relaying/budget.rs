// SPDX-License-Identifier: MPL-2.0
//! How many bytes may be carried in a day.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::limits::RELAY_BUDGET_PERIOD;

/// Bytes for one day, which begins with the first byte carried after the one before is over.
#[derive(Debug)]
pub(super) struct Budget {
    limit: u64,
    ledger: Mutex<Ledger>,
}

#[derive(Debug, Default)]
struct Ledger {
    /// Ever.
    carried: u64,
    /// In this day.
    used: u64,
    /// Held back for those who are about to carry.
    promised: u64,
    ends: Option<Instant>,
}

/// How many bytes somebody may carry. What is not carried goes back with [`Budget::settle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promise {
    Bytes(u64),
    /// The rest is promised to others, who may give it back within the moment.
    Held,
    /// None today.
    Exhausted,
}

impl Budget {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            limit,
            ledger: Mutex::default(),
        }
    }

    pub(super) fn promise(&self, wanted: u64, now: Instant) -> Promise {
        let mut ledger = self.at(now);
        if ledger.used >= self.limit {
            return Promise::Exhausted;
        }
        let free = self.limit.saturating_sub(ledger.used + ledger.promised);
        if free == 0 {
            return Promise::Held;
        }
        let promised = wanted.min(free);
        ledger.promised += promised;
        Promise::Bytes(promised)
    }

    pub(super) fn settle(&self, promised: u64, carried: u64, now: Instant) {
        let mut ledger = self.at(now);
        ledger.promised -= promised;
        ledger.used += carried;
        ledger.carried += carried;
        if carried > 0 && ledger.ends.is_none() {
            ledger.ends = Some(now + RELAY_BUDGET_PERIOD);
        }
    }

    pub(super) fn is_exhausted(&self, now: Instant) -> bool {
        self.at(now).used >= self.limit
    }

    pub(super) fn carried(&self) -> u64 {
        self.lock().carried
    }

    /// The ledger of the day that it is.
    fn at(&self, now: Instant) -> MutexGuard<'_, Ledger> {
        let mut ledger = self.lock();
        if ledger.ends.is_some_and(|ends| ends <= now) {
            (ledger.used, ledger.ends) = (0, None);
        }
        ledger
    }

    fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn no_byte_is_promised_twice() {
        let (budget, now) = (Budget::new(100), Instant::now());
        assert_eq!(budget.promise(70, now), Promise::Bytes(70));
        assert_eq!(budget.promise(70, now), Promise::Bytes(30));
        assert_eq!(budget.promise(1, now), Promise::Held);
        budget.settle(70, 20, now);
        budget.settle(30, 30, now);
        assert_eq!(budget.promise(70, now), Promise::Bytes(50));
        budget.settle(50, 50, now);
        assert_eq!(budget.promise(1, now), Promise::Exhausted);
        assert_eq!(budget.carried(), 100);
    }

    #[test]
    fn a_new_day_begins_a_day_after_the_first_byte() {
        let (budget, start) = (Budget::new(10), Instant::now());
        let first = start + RELAY_BUDGET_PERIOD;
        assert_eq!(budget.promise(10, first), Promise::Bytes(10));
        budget.settle(10, 10, first);
        let end = first + RELAY_BUDGET_PERIOD;
        assert!(budget.is_exhausted(end - Duration::from_nanos(1)));
        assert!(!budget.is_exhausted(end));
        assert_eq!(budget.promise(4, end), Promise::Bytes(4));
        assert_eq!(budget.carried(), 10);
    }
}
