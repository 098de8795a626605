// SPDX-License-Identifier: MPL-2.0
//! What is done now and then: closing idle connections, saving the cache, forgetting what was
//! deleted.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use a2al_protocol::UnixSeconds;
use a2al_protocol::limits::RESTORABLE;

use crate::store::Change;
use crate::{Service, clock};

/// How often idle connections are looked over. One that waits on a circuit keeps that open, so they
/// are not to outlive what supersedes it by much.
const PRUNE_INTERVAL: Duration = Duration::from_secs(5);

/// How often the cache is saved; what was learnt since is lost when the process is killed.
const SAVE_INTERVAL: Duration = Duration::from_secs(300);

/// How soon it is saved when it keeps other notes than before: nobody else need have them.
const SAVE_NOTES_INTERVAL: Duration = Duration::from_secs(5);

/// So many records held make it once rarer, since all are written each time.
const SAVED_AT_ONCE: usize = 128;

/// How often agents are forgotten that were deleted too long ago to be restored.
const PURGE_INTERVAL: Duration = Duration::from_secs(3600);

/// Runs until the service stops.
pub(crate) async fn run(service: Service) {
    let mut prune = interval(PRUNE_INTERVAL);
    let mut save = interval(SAVE_INTERVAL);
    let mut save_notes = interval(SAVE_NOTES_INTERVAL);
    let mut saved_notes = service.core.client.held_notes_version();
    let mut passed_over = 0;
    let mut purge = interval(PURGE_INTERVAL);
    save.set_missed_tick_behavior(MissedTickBehavior::Skip);
    save_notes.set_missed_tick_behavior(MissedTickBehavior::Skip);
    // The first tick comes at once, and nothing is known yet.
    save.tick().await;
    loop {
        tokio::select! {
            _ = prune.tick() => service.core.pool.prune(),
            _ = save.tick() => drop(service.save_cache().await),
            _ = save_notes.tick() => {
                let notes = service.core.client.held_notes_version();
                if passed_over > 0 {
                    passed_over -= 1;
                } else if std::mem::replace(&mut saved_notes, notes) != notes {
                    passed_over = service.save_cache().await / SAVED_AT_ONCE;
                }
            }
            _ = purge.tick() => service.purge().await,
        }
    }
}

impl Service {
    /// Forgets the agents that can be restored no longer.
    async fn purge(&self) {
        let until = UnixSeconds(clock::now().0.saturating_sub(RESTORABLE.as_secs()));
        let has_old = self
            .core
            .registry
            .deleted()
            .iter()
            .any(|(_, at)| *at <= until);
        if has_old {
            // A failure is logged by the writer, and the next round tries again.
            let _ = self.core.store.write(Change::Purge { until }).await;
        }
    }
}
