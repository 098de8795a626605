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

/// Time since the machine started, suspended or not. Never goes back.
pub fn since_boot() -> Duration {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let id = rustix::time::ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let id = rustix::time::ClockId::Monotonic;
    let time = rustix::time::clock_gettime(id);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}
