// SPDX-License-Identifier: MPL-2.0
//! Telling clients that a resource has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use a2al_service::Service;
use serde_json::Value;
use tokio::time::sleep;

use crate::limits::{MAX_LISTENERS, MAX_WATCHED, WATCH_INTERVAL};
use crate::resources;

/// The resources that one client watches, and what they said last. Its clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watched(Arc<Mutex<BTreeMap<String, Option<Value>>>>);

impl Watched {
    /// Watches the resources `uris`.
    pub(crate) fn of(service: &Service, uris: &[String]) -> Self {
        let watched = Self::default();
        for uri in uris {
            watched.add(service, uri);
        }
        watched
    }

    /// Watches a further resource; false if there are as many as there may be.
    pub(crate) fn add(&self, service: &Service, uri: &str) -> bool {
        let mark = resources::mark(service, uri);
        let mut watched = self.watched();
        let has_room = watched.len() < MAX_WATCHED || watched.contains_key(uri);
        if has_room {
            watched.insert(uri.to_owned(), mark);
        }
        has_room
    }

    /// Watches a resource no longer.
    pub(crate) fn remove(&self, uri: &str) {
        self.watched().remove(uri);
    }

    /// Waits until resources have changed, and tells which. What they mirror is in memory, so they
    /// are simply looked at.
    pub(crate) async fn changed(&self, service: &Service) -> Vec<String> {
        loop {
            sleep(WATCH_INTERVAL).await;
            let mut changed = Vec::new();
            for (uri, last) in self.watched().iter_mut() {
                let mark = resources::mark(service, uri);
                if *last != mark {
                    *last = mark;
                    changed.push(uri.clone());
                }
            }
            if !changed.is_empty() {
                return changed;
            }
        }
    }

    fn watched(&self) -> MutexGuard<'_, BTreeMap<String, Option<Value>>> {
        // Nothing panics while the lock is held; what it guards is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What clients are about to watch, looked at before they are told that they do: a change right
/// after that is none too early.
#[derive(Debug, Default)]
pub(crate) struct Ahead(Mutex<Vec<Watched>>);

impl Ahead {
    /// Looks at the resources `uris`.
    pub(crate) fn look(&self, service: &Service, uris: &[String]) {
        let watched = Watched::of(service, uris);
        let mut ahead = self.ahead();
        if ahead.len() >= MAX_LISTENERS {
            // Its client has gone in between.
            ahead.remove(0);
        }
        ahead.push(watched);
    }

    /// What was looked at for a client that watches `uris`.
    pub(crate) fn take(&self, uris: &[String]) -> Option<Watched> {
        let uris: BTreeSet<_> = uris.iter().collect();
        let mut ahead = self.ahead();
        let is_same = |watched: &Watched| watched.watched().keys().eq(uris.iter().copied());
        let at = ahead.iter().position(is_same)?;
        Some(ahead.remove(at))
    }

    fn ahead(&self) -> MutexGuard<'_, Vec<Watched>> {
        // Nothing panics while the lock is held; what it guards is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
