// SPDX-License-Identifier: MPL-2.0
//! Finding proofs of work off the network's threads.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use lru::LruCache;
use tokio::sync::Semaphore;

use crate::limits::{REMEMBERED_WORK, WORK_TIMEOUT};
use crate::mailbox::{Challenge, Work};

/// Finds proofs of work, one at a time, and remembers them: whoever writes a note again is asked again.
#[derive(Clone, Debug)]
pub(crate) struct Solver {
    turn: Arc<Semaphore>,
    found: Arc<Mutex<LruCache<Challenge, Work>>>,
}

impl Default for Solver {
    fn default() -> Self {
        let capacity = NonZeroUsize::new(REMEMBERED_WORK).expect("the limit is not zero");
        Self {
            turn: Arc::new(Semaphore::new(1)),
            found: Arc::new(Mutex::new(LruCache::new(capacity))),
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
    /// Finds a proof of at least so many bits; `None` if that is more than anybody may ask for, or takes longer than [`WORK_TIMEOUT`].
    ///
    /// Safe to drop: the search then ends.
    pub(crate) async fn solve(&self, challenge: Challenge, bits: u8) -> Option<Work> {
        if let Some(known) = self.known(&challenge, bits) {
            return Some(known);
        }
        let turn = Arc::clone(&self.turn).acquire_owned().await.ok()?;
        // Somebody else may have wanted the same meanwhile.
        if let Some(known) = self.known(&challenge, bits) {
            return Some(known);
        }
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
        let work = search.await.ok().flatten()?;
        self.found().put(challenge, work);
        Some(work)
    }

    /// A proof that was found before and has enough bits.
    fn known(&self, challenge: &Challenge, bits: u8) -> Option<Work> {
        let known = self.found().get(challenge).copied();
        known.filter(|work| work.bits >= bits)
    }

    fn found(&self) -> MutexGuard<'_, LruCache<Challenge, Work>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::Credential;
    use crate::key::SigningKey;
    use crate::limits::MIN_WORK_BITS;
    use crate::network::tests::sealed;

    #[tokio::test]
    async fn a_proof_that_was_found_is_not_looked_for_again() {
        let [alice, bob] = [(); 2].map(|()| Credential::node(SigningKey::generate()));
        let note = sealed(&alice, &bob, b"hello");
        let challenge = Challenge::new(&bob.aid().key(), &note.record);
        let solver = Solver::default();
        let work = Work {
            bits: MIN_WORK_BITS + 1,
            nonce: 7,
        };
        solver.found().put(challenge, work);
        // Only a proof that is remembered can be had while somebody else has the turn.
        let _turn = solver.turn.acquire().await.unwrap();
        assert_eq!(solver.solve(challenge, MIN_WORK_BITS).await, Some(work));
        assert_eq!(solver.known(&challenge, MIN_WORK_BITS + 2), None);
    }
}
