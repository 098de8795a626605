// SPDX-License-Identifier: MPL-2.0
//! Waiting for conditions, and the time that proofs carry.

use std::time::{Duration, Instant};

/// Pause between two looks at a condition, in milliseconds.
const PROBE_INTERVAL: Duration = Duration::from_millis(20);

/// Looks until `probe` answers with a value, and returns it.
///
/// Panics naming `what` when `deadline` has passed without one. This is the only place where tests let time pass.
pub(crate) async fn eventually<T>(
    what: &str,
    deadline: Duration,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = probe().await {
            return value;
        }
        assert!(
            started.elapsed() < deadline,
            "{what}: not within {deadline:?}"
        );
        tokio::time::sleep(PROBE_INTERVAL).await;
    }
}

/// The wall clock, in Unix seconds.
pub(crate) fn unix_now() -> u64 {
    a2al_protocol::clock::now().0
}
