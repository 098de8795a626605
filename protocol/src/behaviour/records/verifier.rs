// SPDX-License-Identifier: MPL-2.0
//! Verifying what arrives, and never the same bytes twice.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;

use lru::LruCache;
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

use super::Query;
use crate::clock;
use crate::limits::{REMEMBERED_RECORDS, VERIFIED_AT_ONCE};
use crate::record::{Error, SignedRecord, VerifiedRecord};

/// Verifies records, and remembers by the SHA-256 of their encodings those that did verify. Shared by everybody on this node.
#[derive(Clone, Debug)]
pub(crate) struct Verifier {
    known: Arc<Mutex<LruCache<[u8; 32], VerifiedRecord>>>,
}

impl Default for Verifier {
    fn default() -> Self {
        let capacity = NonZeroUsize::new(REMEMBERED_RECORDS).expect("the limit is not zero");
        Self {
            known: Arc::new(Mutex::new(LruCache::new(capacity))),
        }
    }
}

impl Verifier {
    /// The record that `bytes` encode, if it is genuine and in force now.
    ///
    /// # Errors
    /// As [`SignedRecord::decode`] and [`SignedRecord::verify`].
    pub(crate) fn verify(&self, bytes: &[u8]) -> Result<VerifiedRecord, Error> {
        let record = self.check(bytes)?;
        self.remember(bytes, &record);
        Ok(record)
    }

    /// The same, remembering nothing: whoever writes here what is then refused must not have others forgotten.
    pub(super) fn check(&self, bytes: &[u8]) -> Result<VerifiedRecord, Error> {
        let (digest, now): ([u8; 32], _) = (Sha256::digest(bytes).into(), clock::now());
        let known = self.with(|known| known.get(&digest).cloned());
        if let Some(record) = known {
            // Nothing but time can have changed.
            let known = Some(record).filter(|record| !record.is_expired(now));
            return known.ok_or(Error::Expired);
        }
        SignedRecord::decode(bytes)?.verify(now)
    }

    /// Remembers a record that [`Self::check`] found genuine.
    pub(super) fn remember(&self, bytes: &[u8], record: &VerifiedRecord) {
        let digest = Sha256::digest(bytes).into();
        self.with(|known| known.put(digest, record.clone()));
    }

    /// The record of an answer, if it is genuine, in force and what was asked for.
    pub(super) fn answer(&self, query: &Query, bytes: &[u8]) -> Option<VerifiedRecord> {
        let record = self.verify(bytes).ok()?;
        query.asks_for(&record).then_some(record)
    }

    /// The records of an answer, as [`Self::answer`] takes them; many of them are verified side by side.
    pub(super) async fn answers(&self, query: Query, encoded: Vec<Vec<u8>>) -> Vec<VerifiedRecord> {
        if encoded.len() <= VERIFIED_AT_ONCE {
            return self.share(query, &encoded);
        }
        let processors = available_parallelism().map_or(1, NonZeroUsize::get);
        let share = encoded.len().div_ceil(processors);
        let mut tasks = Vec::new();
        for share in encoded.chunks(share) {
            let (this, share) = (self.clone(), share.to_vec());
            tasks.push(spawn_blocking(move || this.share(query, &share)));
        }
        let mut records = Vec::with_capacity(encoded.len());
        for task in tasks {
            records.extend(task.await.unwrap_or_default());
        }
        records
    }

    fn share(&self, query: Query, encoded: &[Vec<u8>]) -> Vec<VerifiedRecord> {
        let answers = encoded
            .iter()
            .filter_map(|bytes| self.answer(&query, bytes));
        answers.collect()
    }

    /// Forgets everything, so that all is verified anew.
    #[cfg(test)]
    pub(crate) fn clear(&self) {
        self.with(LruCache::clear);
    }

    fn with<T>(&self, change: impl FnOnce(&mut LruCache<[u8; 32], VerifiedRecord>) -> T) -> T {
        change(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
