// SPDX-License-Identifier: MPL-2.0
//! Finding proofs of work off the network's threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tokio::sync::Semaphore;

use crate::limits::WORK_TIMEOUT;
use crate::mailbox::{Challenge, Work};

/// Finds proofs of work, one at a time.
#[derive(Clone, Debug)]
pub(crate) struct Solver {
    turn: Arc<Semaphore>,
}

impl Default for Solver {
    fn default() -> Self {
        Self {
            turn: Arc::new(Semaphore::new(1)),
        }
    }
}

/// Ends the search when whoever wanted the proof has left.
struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Solver {
    /// Finds a proof of so many bits; `None` if that is more than anybody may ask for, or takes longer than [`WORK_TIMEOUT`].
    ///
    /// Safe to drop: the search then ends.
    pub(crate) async fn solve(&self, challenge: Challenge, bits: u8) -> Option<Work> {
        let turn = Arc::clone(&self.turn).acquire_owned().await.ok()?;
        let wanted = Wanted(Arc::new(AtomicBool::new(true)));
        let is_wanted = Arc::clone(&wanted.0);
        let deadline = Instant::now() + WORK_TIMEOUT;
        let search = tokio::task::spawn_blocking(move || {
            // The next search waits until this one has really ended.
            let _turn = turn;
            challenge.solve(bits, || {
                is_wanted.load(Ordering::Relaxed) && Instant::now() < deadline
            })
        });
        search.await.ok().flatten()
    }
}
