// SPDX-License-Identifier: MPL-2.0
//! What is known of an address only while the process runs: its heartbeat, and what was published for it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use a2al_protocol::{UnixSeconds, VerifiedRecord};
use tokio::time::Instant;

/// Time between two renewals of a published record.
///
/// Half of the record's life, so that one missed renewal loses nothing. Source: the reference renews every 1800 s.
pub(crate) const RENEWAL_INTERVAL: Duration = Duration::from_secs(1800);

/// Wait after the first failed renewal; doubles with each further one.
const FIRST_RETRY: Duration = Duration::from_secs(5);

/// Longest wait after a failed renewal.
const LAST_RETRY: Duration = Duration::from_secs(300);

/// An endpoint record as it went out.
#[derive(Clone, Debug)]
pub(crate) struct Publication {
    /// The record.
    pub(crate) record: VerifiedRecord,
    /// When it went out.
    pub(crate) at: UnixSeconds,
    /// Other nodes that stored it.
    pub(crate) replicas: usize,
    /// Whether as many did as there should be.
    pub(crate) is_complete: bool,
}

/// Heartbeat and publications of one address.
#[derive(Debug, Default)]
pub(crate) struct Live(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    heartbeat: Option<Instant>,
    last: Option<Publication>,
    /// When the next publication is due; `None` = at once.
    due: Option<Instant>,
    failures: u32,
}

impl Live {
    /// Notes a sign of life.
    pub(crate) fn beat(&self) {
        self.state().heartbeat = Some(Instant::now());
    }

    /// Time since the last sign of life.
    pub(crate) fn since_heartbeat(&self) -> Option<Duration> {
        self.state().heartbeat.map(|at| at.elapsed())
    }

    /// The newest publication, valid or not.
    pub(crate) fn publication(&self) -> Option<Publication> {
        self.state().last.clone()
    }

    /// When the next publication is due; `None` = at once.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.state().due
    }

    /// Asks for a publication at once.
    pub(crate) fn make_due(&self) {
        self.state().due = None;
    }

    /// Puts the next publication off by one interval.
    pub(crate) fn postpone(&self) {
        self.state().due = Some(Instant::now() + RENEWAL_INTERVAL);
    }

    /// Notes that `publication` went out. One that reached too few nodes is soon repeated.
    pub(crate) fn published(&self, publication: Publication) {
        let mut state = self.state();
        if publication.is_complete {
            state.failures = 0;
            state.due = Some(Instant::now() + RENEWAL_INTERVAL);
        } else {
            state.back_off();
        }
        // Two publications may end in the wrong order.
        match &state.last {
            Some(last) if !publication.record.is_newer_than(&last.record) => {}
            _ => state.last = Some(publication),
        }
    }

    /// Notes that a publication failed.
    pub(crate) fn failed(&self) {
        self.state().back_off();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held; a poisoned state is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn back_off(&mut self) {
        let wait = FIRST_RETRY
            .saturating_mul(1 << self.failures.min(10))
            .min(LAST_RETRY);
        self.failures += 1;
        self.due = Some(Instant::now() + wait);
    }
}
