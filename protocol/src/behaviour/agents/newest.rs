// SPDX-License-Identifier: MPL-2.0
//! The newest delegation seen of each AID.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use crate::aid::Aid;
use crate::limits::REMEMBERED_DELEGATIONS;
use crate::time::UnixSeconds;

/// When the newest verified delegation of each AID was issued (0 for an agent without one).
///
/// The least recently used AIDs are forgotten above [`REMEMBERED_DELEGATIONS`].
#[derive(Clone, Debug)]
pub(crate) struct Newest {
    issued: Arc<Mutex<LruCache<Aid, UnixSeconds>>>,
}

impl Default for Newest {
    fn default() -> Self {
        let capacity = NonZeroUsize::new(REMEMBERED_DELEGATIONS).expect("the limit is not zero");
        Self {
            issued: Arc::new(Mutex::new(LruCache::new(capacity))),
        }
    }
}

impl Newest {
    /// Remembers a verified delegation; false if a newer one of that AID is known.
    pub(crate) fn accept(&self, aid: Aid, issued_at: UnixSeconds) -> bool {
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = issued.get_or_insert_mut(aid, || issued_at);
        if issued_at < *newest {
            return false;
        }
        *newest = issued_at;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SigningKey;

    #[test]
    fn an_older_delegation_is_refused_and_does_not_lower_the_bar() {
        let newest = Newest::default();
        let aid = SigningKey::generate().public().aid();
        assert!(newest.accept(aid, UnixSeconds(5)));
        assert!(newest.accept(aid, UnixSeconds(5)));
        assert!(!newest.accept(aid, UnixSeconds(4)));
        assert!(newest.accept(aid, UnixSeconds(6)));
        assert!(!newest.accept(aid, UnixSeconds(5)));
    }
}
