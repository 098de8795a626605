// SPDX-License-Identifier: MPL-2.0
//! Which entries a full key keeps.
//!
//! Neither time stamps decide, which would favour whoever publishes most often, nor anything that a publisher can choose alone. Each
//! entry counts for one of the sources that wrote it, and every source may have as many as the others: round by round each keeps
//! one more, until the key is full. The order of arrival makes no difference where the sources are the same.

use std::cell::OnceCell;
use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::Source;
use crate::dht_key::DhtKey;
use crate::limits::MAX_WRITERS_PER_ENTRY;
use crate::record::VerifiedRecord;

/// The sources that wrote one entry at one key: the first one, and up to [`MAX_WRITERS_PER_ENTRY`] in all.
#[derive(Clone, Debug)]
pub(super) struct Writers(Vec<Source>);

/// How many entries of a key each source has written.
pub(super) struct Crowds(HashMap<Source, Crowd>);

struct Crowd {
    entries: usize,
    /// [`Source::rank`] at this key, once somebody has asked for it.
    rank: OnceCell<[u8; 32]>,
}

impl Writers {
    pub(super) fn new(first: Source) -> Self {
        Self(vec![first])
    }

    /// Whom quotas count the entry for.
    pub(super) fn first(&self) -> Source {
        self.0[0]
    }

    pub(super) fn contains(&self, source: Source) -> bool {
        self.0.contains(&source)
    }

    /// Whether another source finds a place without taking that of one.
    pub(super) fn has_room(&self) -> bool {
        self.0.len() < MAX_WRITERS_PER_ENTRY
    }

    /// Adds a source. If there are many already, it takes the place of the one with the most entries, unless it has more: so nobody
    /// can make an honest publisher's entry count for a crowd by writing it often.
    pub(super) fn add(&mut self, source: Source, crowds: impl FnOnce() -> Crowds) {
        if self.contains(source) {
            return;
        }
        if self.has_room() {
            self.0.push(source);
            return;
        }
        let crowds = crowds();
        let later = self.0[1..].iter_mut();
        if let Some(crowded) = later.max_by_key(|writer| crowds.of(**writer))
            && crowds.of(*crowded) > crowds.of(source)
        {
            *crowded = source;
        }
    }

    /// Adds those who wrote an earlier version of the same entry, as long as there is room.
    pub(super) fn inherit(&mut self, earlier: &Self) {
        for source in &earlier.0 {
            if self.has_room() && !self.contains(*source) {
                self.0.push(*source);
            }
        }
    }
}

impl Crowds {
    pub(super) fn count<'w>(entries: impl IntoIterator<Item = &'w Writers>) -> Self {
        let mut crowds = HashMap::new();
        let empty = || Crowd {
            entries: 0,
            rank: OnceCell::new(),
        };
        for writer in entries.into_iter().flat_map(|writers| &writers.0) {
            crowds.entry(*writer).or_insert_with(empty).entries += 1;
        }
        Self(crowds)
    }

    fn of(&self, source: Source) -> usize {
        self.0.get(&source).map_or(0, |crowd| crowd.entries)
    }

    fn rank(&self, source: Source, key: &DhtKey) -> [u8; 32] {
        let crowd = self.0.get(&source);
        crowd.map_or_else(
            || source.rank(key),
            |crowd| *crowd.rank.get_or_init(|| source.rank(key)),
        )
    }

    /// The source that an entry counts for: of its writers the one with the fewest entries.
    fn home(&self, writers: &Writers, key: &DhtKey) -> Source {
        // Most entries have one writer, and hashes are needed only where crowds are equally large.
        let order = |one: &Source, other: &Source| {
            let by_size = self.of(*one).cmp(&self.of(*other));
            by_size.then_with(|| self.rank(*one, key).cmp(&self.rank(*other, key)))
        };
        let home = writers.0.iter().copied().min_by(order);
        home.unwrap_or(Source::Kept)
    }
}

/// Of the entries that compete for a full key, the position of the one that has to go, and the source that it counts for: the one with
/// the most of them.
pub(super) fn surplus(
    key: &DhtKey,
    entries: &[(&VerifiedRecord, &Writers)],
) -> Option<(usize, Source)> {
    let crowds = Crowds::count(entries.iter().map(|(_, writers)| *writers));
    let mut homes: HashMap<Source, Vec<usize>> = HashMap::new();
    for (at, (_, writers)) in entries.iter().enumerate() {
        homes.entry(crowds.home(writers, key)).or_default().push(at);
    }
    let (source, largest) = homes
        .into_iter()
        .max_by_key(|(source, entries)| (entries.len(), crowds.rank(*source, key)))?;
    let rank = |record: &VerifiedRecord| {
        let hash = Sha256::new().chain_update(key.as_bytes());
        hash.chain_update(record.aid().as_bytes()).finalize()
    };
    let loser = largest.into_iter().max_by_key(|at| rank(entries[*at].0))?;
    Some((loser, source))
}

#[cfg(test)]
mod tests;
