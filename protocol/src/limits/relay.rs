// SPDX-License-Identifier: MPL-2.0
//! Bounds of relaying: what a node gives to those who use it as a relay. All are ours.

use std::time::Duration;

/// Nodes that may hold a reservation on one relay.
pub const MAX_RESERVATIONS: usize = 1024;

/// The same for a bootstrap node.
pub const MAX_BOOTSTRAP_RESERVATIONS: usize = 8192;

/// How long a reservation holds.
pub const RESERVATION_DURATION: Duration = Duration::from_secs(3600);

/// Circuits through one relay at one time.
pub const MAX_CIRCUITS: usize = 256;

/// The same for a bootstrap node.
pub const MAX_BOOTSTRAP_CIRCUITS: usize = 2048;

/// Circuits that one node may have opened through one relay.
pub const MAX_CIRCUITS_PER_PEER: usize = 4;

/// Bytes that one circuit may carry, both directions together.
pub const MAX_CIRCUIT_BYTES: u64 = 16 * 1024 * 1024 * 1024;

/// How long one circuit may last.
pub const MAX_CIRCUIT_DURATION: Duration = Duration::from_secs(12 * 3600);

/// Bits per second that the circuits opened by one node may carry through one relay.
pub const RELAY_PEER_RATE: u64 = 32_000_000;

/// Bits per second that one relay carries in all.
pub const RELAY_TOTAL_RATE: u64 = 64_000_000;

/// The same for a bootstrap node.
pub const BOOTSTRAP_RELAY_TOTAL_RATE: u64 = 500_000_000;

/// Bytes that one relay carries in 24 hours: its full rate for about two hours.
pub const RELAY_DAILY_BYTES: u64 = 64 * 1024 * 1024 * 1024;

/// The same for a bootstrap node.
pub const BOOTSTRAP_RELAY_DAILY_BYTES: u64 = 1024 * 1024 * 1024 * 1024;
