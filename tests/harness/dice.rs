// SPDX-License-Identifier: MPL-2.0
//! Random choices that a failing run can repeat.

use std::hash::{BuildHasher, RandomState};

/// A small generator (`SplitMix64`) whose seed is printed, and taken from `A2AL_TEST_SEED` when set.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Takes a fresh seed and says which.
    pub(crate) fn new(what: &str) -> Self {
        let given = std::env::var("A2AL_TEST_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| RandomState::new().hash_one(what));
        super::say(&format!("{what}: A2AL_TEST_SEED={seed}"));
        Self(seed)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("a usize fits 64 bits");
        usize::try_from(self.next() % bound).expect("smaller than a usize")
    }

    /// Two different numbers below `bound`.
    pub(crate) fn two_below(&mut self, bound: usize) -> (usize, usize) {
        let first = self.below(bound);
        let second = (first + 1 + self.below(bound - 1)) % bound;
        (first, second)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
