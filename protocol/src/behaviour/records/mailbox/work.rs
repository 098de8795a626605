// SPDX-License-Identifier: MPL-2.0
//! Checking proofs of work, and never the same one twice.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use tokio::sync::Semaphore;

use crate::limits::{REMEMBERED_WORK, WORK_CHECKS_WAITING};
use crate::mailbox::{Challenge, Work};

/// Checks proofs of work off the network's threads, one at a time, and remembers those that were right.
#[derive(Clone, Debug)]
pub(crate) struct WorkCheck {
    known: Arc<Mutex<LruCache<(Challenge, Work), ()>>>,
    waiting: Arc<Semaphore>,
    turn: Arc<Semaphore>,
}

impl Default for WorkCheck {
    fn default() -> Self {
        let capacity = NonZeroUsize::new(REMEMBERED_WORK).expect("the limit is not zero");
        Self {
            known: Arc::new(Mutex::new(LruCache::new(capacity))),
            waiting: Arc::new(Semaphore::new(WORK_CHECKS_WAITING)),
            turn: Arc::new(Semaphore::new(1)),
        }
    }
}

impl WorkCheck {
    /// Whether the proof is right; `None` if too many wait for an answer already.
    pub(crate) async fn is_right(&self, challenge: Challenge, work: Work) -> Option<bool> {
        if self.with(|known| known.get(&(challenge, work)).is_some()) {
            return Some(true);
        }
        let _place = self.waiting.try_acquire().ok()?;
        let turn = Arc::clone(&self.turn).acquire_owned().await.ok()?;
        let check = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            challenge.is_met_by(work)
        });
        let is_right = check.await.ok()?;
        if is_right {
            self.with(|known| known.put((challenge, work), ()));
        }
        Some(is_right)
    }

    /// Takes a proof for right that nobody has found.
    #[cfg(test)]
    pub(super) fn believe(&self, challenge: Challenge, work: Work) {
        self.with(|known| known.put((challenge, work), ()));
    }

    fn with<T>(&self, change: impl FnOnce(&mut LruCache<(Challenge, Work), ()>) -> T) -> T {
        change(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
