// SPDX-License-Identifier: MPL-2.0
//! The wall clock. Everything else that needs the time of day gets it as an argument or from here.

use std::time::{Duration, SystemTime};

use a2al_protocol::UnixSeconds;

/// Now, in whole seconds since 1970.
pub(crate) fn now() -> UnixSeconds {
    UnixSeconds(since_epoch().as_secs())
}

/// Now, in milliseconds since 1970.
pub(crate) fn now_millis() -> u64 {
    u64::try_from(since_epoch().as_millis()).unwrap_or(u64::MAX)
}

/// `at` as RFC 3339 in UTC, to the second: `2026-11-23T22:40:00Z`.
pub(crate) fn rfc3339(at: UnixSeconds) -> String {
    // The format ends with the year 9999; a later expiry is shown as that.
    const LATEST: u64 = 253_402_300_799;
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(at.0.min(LATEST));
    humantime::format_rfc3339_seconds(at).to_string()
}

/// A clock set before 1970 counts as 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the wall clock"
)]
fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_is_utc_to_the_second() {
        assert_eq!(rfc3339(UnixSeconds(0)), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(UnixSeconds(1_795_468_800)), "2026-11-23T22:40:00Z");
        assert_eq!(rfc3339(UnixSeconds(u64::MAX)), "9999-12-31T23:59:59Z");
    }
}
