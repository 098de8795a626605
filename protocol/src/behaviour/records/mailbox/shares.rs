// SPDX-License-Identifier: MPL-2.0
//! What several sources may take of something that they share.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::Source;

/// How much each source has, and all of them together.
#[derive(Debug, Default)]
pub(in super::super) struct Shares {
    of: HashMap<Source, usize>,
    total: usize,
}

impl Shares {
    pub(in super::super) fn of(&self, source: Source) -> usize {
        self.of.get(&source).copied().unwrap_or_default()
    }

    pub(in super::super) fn total(&self) -> usize {
        self.total
    }

    pub(in super::super) fn add(&mut self, source: Source, amount: usize) {
        self.total += amount;
        *self.of.entry(source).or_default() += amount;
    }

    pub(in super::super) fn remove(&mut self, source: Source, amount: usize) {
        self.total -= amount;
        if let Entry::Occupied(mut share) = self.of.entry(source) {
            *share.get_mut() -= amount;
            if *share.get() == 0 {
                share.remove();
            }
        }
    }
}
