// SPDX-License-Identifier: MPL-2.0
//! Sequence numbers of the records this node signs: one rising counter for all of them.
//!
//! A number is the time in milliseconds, or one more than the last where that is larger. So an
//! agent that moves between nodes keeps rising, whichever node started first. A ceiling above all
//! numbers given out is kept on disk, and the first number after a restart is not below it, so a
//! clock set back repeats none. The ceiling is raised in the background: to publish never waits for
//! the disk.

use std::sync::{Mutex, PoisonError};

/// How far the ceiling is raised above the number that made it necessary.
const BLOCK: u64 = 1024;

/// Numbers stay below this, so that every JSON reader can hold them exactly. Source: 2^53.
const LIMIT: u64 = 1 << 53;

/// The counter.
#[derive(Debug)]
pub(crate) struct Sequence(Mutex<State>);

#[derive(Debug)]
struct State {
    last: u64,
    ceiling: u64,
}

/// A number, and the ceiling to be stored because of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Issued {
    /// The number.
    pub(crate) seq: u64,
    /// What to store; `None` while the stored ceiling is far enough.
    pub(crate) ceiling: Option<u64>,
}

impl Sequence {
    /// Continues above a stored `ceiling`.
    pub(crate) fn new(ceiling: u64) -> Self {
        Self(Mutex::new(State {
            last: ceiling,
            ceiling,
        }))
    }

    /// The next number, above `floor` and not below `now_millis`.
    pub(crate) fn next(&self, now_millis: u64, floor: u64) -> Issued {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // One agent's absurd number must not push up those of all others.
        let floor = if floor < LIMIT { floor } else { 0 };
        state.last = now_millis
            .max(state.last.saturating_add(1))
            .max(floor.saturating_add(1));
        let seq = state.last;
        let is_near = seq.saturating_add(BLOCK / 2) >= state.ceiling;
        let ceiling = is_near.then(|| seq.saturating_add(BLOCK));
        state.ceiling = ceiling.unwrap_or(state.ceiling);
        Issued { seq, ceiling }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_clock_and_never_repeats() {
        let sequence = Sequence::new(0);
        assert_eq!(sequence.next(5_000, 0).seq, 5_000);
        assert_eq!(sequence.next(5_000, 0).seq, 5_001);
        assert_eq!(sequence.next(4_000, 0).seq, 5_002);
        assert_eq!(sequence.next(9_000, 0).seq, 9_000);
    }

    #[test]
    fn a_clock_set_back_repeats_nothing_after_a_restart() {
        let before = Sequence::new(0);
        let issued = before.next(5_000, 0);
        let mut last = issued.seq;
        let mut stored = issued.ceiling.unwrap();
        for _ in 0..3 * BLOCK {
            let issued = before.next(5_000, 0);
            last = issued.seq;
            stored = issued.ceiling.unwrap_or(stored);
            assert!(stored > last);
        }
        assert!(Sequence::new(stored).next(1, 0).seq > last);
    }

    #[test]
    fn the_ceiling_is_raised_once_per_half_block() {
        let sequence = Sequence::new(0);
        assert!(sequence.next(5_000, 0).ceiling.is_some());
        let raised = (0..BLOCK)
            .filter(|_| sequence.next(0, 0).ceiling.is_some())
            .count();
        assert_eq!(raised, 2);
    }

    #[test]
    fn goes_above_what_the_network_holds() {
        assert_eq!(Sequence::new(0).next(5_000, 1 << 50).seq, (1 << 50) + 1);
        assert_eq!(
            Sequence::new(0).next(5_000, u64::MAX).seq,
            5_000,
            "which is no number of ours"
        );
    }
}
