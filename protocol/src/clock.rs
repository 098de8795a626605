// SPDX-License-Identifier: MPL-2.0
//! The wall clock, read in this one place.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::time::UnixSeconds;

/// The present time. A clock before 1970 reads as 1970.
pub fn now() -> UnixSeconds {
    UnixSeconds(since_epoch().as_secs())
}

/// The present time in milliseconds since 1970.
pub fn now_millis() -> u64 {
    u64::try_from(since_epoch().as_millis()).unwrap_or(u64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}
