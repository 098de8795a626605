// SPDX-License-Identifier: MPL-2.0
//! How long to wait before something is tried again.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// Waits that double, between two bounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    pub(super) first: Duration,
    pub(super) last: Duration,
}

impl Backoff {
    /// The wait after so many earlier failures, give or take a quarter.
    pub(super) fn wait(self, failures: u32) -> Duration {
        let doubled = self.first.saturating_mul(1 << failures.min(20));
        jittered(doubled.min(self.last))
    }
}

/// `about` so long, give or take a quarter, so that many nodes do not act in step.
pub(super) fn jittered(about: Duration) -> Duration {
    let dice = RandomState::new().hash_one(()) % 1024;
    let part = u32::try_from(dice).unwrap_or_default();
    about * 3 / 4 + about / 2 * part / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_last() {
        let backoff = Backoff {
            first: Duration::from_secs(4),
            last: Duration::from_secs(60),
        };
        for (failures, about) in [(0, 4), (1, 8), (3, 32), (4, 60), (40, 60)] {
            let (wait, about) = (backoff.wait(failures), Duration::from_secs(about));
            assert!(
                wait >= about * 3 / 4 && wait <= about * 5 / 4,
                "{failures}: {wait:?}"
            );
        }
    }
}
