// SPDX-License-Identifier: MPL-2.0
//! Who offers what, and who failed lately.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use a2al_protocol::Aid;
use lru::LruCache;
use tokio::time::Instant;

use crate::discover::Wanted;

/// How long providers are called without searching again. Ours: as for endpoints.
const FRESH: Duration = Duration::from_secs(15);

/// How long providers are called while they are searched for again. Ours: as for endpoints.
const USABLE: Duration = Duration::from_secs(300);

/// How long one that failed, or was slow, comes after the others. Ours: one in so many seconds a
/// call may cost a second more.
const FAILURE_MEMORY: Duration = Duration::from_secs(120);

/// Searches whose providers are remembered.
const SEARCHES: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");

/// Agents whose failure is remembered.
const FAILURES: NonZeroUsize = NonZeroUsize::new(1024).expect("not zero");

/// What is known of providers.
#[derive(Debug)]
pub(crate) struct Providers {
    found: Mutex<LruCache<Wanted, Found>>,
    failed: Mutex<LruCache<Aid, Instant>>,
}

#[derive(Debug)]
struct Found {
    aids: Arc<[Aid]>,
    at: Instant,
}

/// The providers of a service, as far as they are known.
#[derive(Debug)]
pub(super) enum Known {
    /// Found just now.
    Fresh(Arc<[Aid]>),
    /// Good enough, and to be searched for again.
    Old(Arc<[Aid]>),
    /// None.
    Nothing,
}

impl Default for Providers {
    fn default() -> Self {
        Self {
            found: Mutex::new(LruCache::new(SEARCHES)),
            failed: Mutex::new(LruCache::new(FAILURES)),
        }
    }
}

impl Providers {
    /// What is known of the providers of a service.
    pub(super) fn known(&self, wanted: &Wanted) -> Known {
        let mut found = lock(&self.found);
        let Some(Found { aids, at }) = found.get(wanted) else {
            return Known::Nothing;
        };
        match at.elapsed() {
            age if age < FRESH => Known::Fresh(Arc::clone(aids)),
            age if age < USABLE => Known::Old(Arc::clone(aids)),
            _ => Known::Nothing,
        }
    }

    /// Takes what a search found. Nobody is not worth remembering: somebody may come at any time.
    pub(super) fn found(&self, wanted: &Wanted, aids: &Arc<[Aid]>) {
        let mut found = lock(&self.found);
        if aids.is_empty() {
            found.pop(wanted);
        } else {
            let aids = Arc::clone(aids);
            let at = Instant::now();
            found.put(wanted.clone(), Found { aids, at });
        }
    }

    /// Notes that an agent failed, or took so long that others were asked beside it.
    pub(super) fn failed(&self, aid: Aid) {
        lock(&self.failed).put(aid, Instant::now());
    }

    /// Notes that an agent answered in time.
    pub(super) fn answered(&self, aid: &Aid) {
        lock(&self.failed).pop(aid);
    }

    /// Whether an agent failed lately.
    pub(super) fn has_failed(&self, aid: &Aid) -> bool {
        let failed = lock(&self.failed);
        failed
            .peek(aid)
            .is_some_and(|at| at.elapsed() < FAILURE_MEMORY)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while a lock is held; a poisoned table is still whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use a2al_protocol::SigningKey;

    use super::*;

    fn wanted(service: &str) -> Wanted {
        Wanted::new(Some(vec![service.to_owned()]), None).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_found_grows_old() {
        let (providers, wanted) = (Providers::default(), wanted("s"));
        let aids: Arc<[Aid]> = [SigningKey::generate().public().aid()].into();
        assert!(matches!(providers.known(&wanted), Known::Nothing));
        providers.found(&wanted, &aids);
        assert!(matches!(providers.known(&wanted), Known::Fresh(_)));
        tokio::time::advance(FRESH).await;
        assert!(matches!(providers.known(&wanted), Known::Old(_)));
        tokio::time::advance(USABLE).await;
        assert!(matches!(providers.known(&wanted), Known::Nothing));
        providers.found(&wanted, &aids);
        providers.found(&wanted, &[].into());
        assert!(matches!(providers.known(&wanted), Known::Nothing));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_forgotten() {
        let (providers, aid) = (Providers::default(), SigningKey::generate().public().aid());
        providers.failed(aid);
        assert!(providers.has_failed(&aid));
        providers.answered(&aid);
        assert!(!providers.has_failed(&aid));
        providers.failed(aid);
        tokio::time::advance(FAILURE_MEMORY).await;
        assert!(!providers.has_failed(&aid));
    }
}
