// SPDX-License-Identifier: MPL-2.0
//! Wall-clock times as they appear on the wire.
//!
//! Nothing here reads a clock: whoever verifies something passes the present time as `now`.

use std::{fmt, time::Duration};

/// A time, in whole seconds since 1970-01-01 00:00:00 UTC.
///
/// Any `u64` is a valid value, also on the wire, so every calculation with one saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct UnixSeconds(pub u64);

impl UnixSeconds {
    /// The time `span` later, cut to whole seconds; the largest time if there is none so late.
    #[must_use]
    pub const fn saturating_add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.as_secs()))
    }

    /// How long after `earlier` this time is; zero if it is not after it.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for UnixSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
