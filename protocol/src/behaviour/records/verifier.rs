// SPDX-License-Identifier: MPL-2.0
//! Verifying what arrives, and never the same bytes twice.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use sha2::{Digest, Sha256};

use super::Query;
use crate::clock;
use crate::limits::REMEMBERED_RECORDS;
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
        let (digest, now) = (Sha256::digest(bytes).into(), clock::now());
        let known = self.with(|known| known.get(&digest).cloned());
        if let Some(record) = known {
            // Nothing but time can have changed.
            return match record.is_expired(now) {
                true => Err(Error::Expired),
                false => Ok(record),
            };
        }
        let record = SignedRecord::decode(bytes)?.verify(now)?;
        self.with(|known| known.put(digest, record.clone()));
        Ok(record)
    }

    /// The record of an answer, if it is genuine, in force and what was asked for.
    pub(super) fn answer(&self, query: &Query, bytes: &[u8]) -> Option<VerifiedRecord> {
        let record = self.verify(bytes).ok()?;
        query.asks_for(&record).then_some(record)
    }

    fn with<T>(&self, change: impl FnOnce(&mut LruCache<[u8; 32], VerifiedRecord>) -> T) -> T {
        change(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
