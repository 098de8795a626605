// SPDX-License-Identifier: MPL-2.0
//! The wall clock, and how its times are written for people and programs.

use std::time::{Duration, SystemTime};

use a2al_protocol::UnixSeconds;
pub(crate) use a2al_protocol::clock::{now, now_millis};

/// `at` as RFC 3339 in UTC, to the second: `2026-11-23T22:40:00Z`.
pub(crate) fn rfc3339(at: UnixSeconds) -> String {
    // The format ends with the year 9999; a later expiry is shown as that.
    const LATEST: u64 = 253_402_300_799;
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(at.0.min(LATEST));
    humantime::format_rfc3339_seconds(at).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_is_utc_to_the_second() {
        assert_eq!(rfc3339(UnixSeconds(0)), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(UnixSeconds(1_795_473_600)), "2026-11-23T22:40:00Z");
        assert_eq!(rfc3339(UnixSeconds(u64::MAX)), "9999-12-31T23:59:59Z");
    }
}
