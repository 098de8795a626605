// SPDX-License-Identifier: MPL-2.0
//! What is done now and then: closing idle connections, saving the cache.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::Service;

/// How often idle connections are looked over. One that waits on a circuit keeps that open, so they
/// are not to outlive what supersedes it by much.
const PRUNE_INTERVAL: Duration = Duration::from_secs(5);

/// How often the cache is saved; what was learnt since is lost when the process is killed.
const SAVE_INTERVAL: Duration = Duration::from_secs(300);

/// Runs until the service stops.
pub(crate) async fn run(service: Service) {
    let mut prune = interval(PRUNE_INTERVAL);
    let mut save = interval(SAVE_INTERVAL);
    save.set_missed_tick_behavior(MissedTickBehavior::Skip);
    // The first tick comes at once, and nothing is known yet.
    save.tick().await;
    loop {
        tokio::select! {
            _ = prune.tick() => service.core.pool.prune(),
            _ = save.tick() => service.save_cache().await,
        }
    }
}
