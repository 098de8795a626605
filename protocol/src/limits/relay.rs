// SPDX-License-Identifier: MPL-2.0
//! Bounds of what a node does for others: relaying, and checking whether they can be dialled. All are ours.

use std::time::Duration;

/// Nodes that may hold a reservation on one relay. Each needs a connection, and others may open 384 to `a2ald`.
pub const MAX_RESERVATIONS: usize = 256;

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

/// Of one node's connections, how many may hold a reservation: it may come back before its old connection is known to be dead.
pub const MAX_RESERVATIONS_PER_PEER: usize = 2;

/// How far circuits may run ahead of their rate after a pause, as time at that rate. Timers that fire late are made up for out of it.
pub const RELAY_BURST: Duration = Duration::from_millis(100);

/// For how long the daily budget of a relay is meant.
pub const RELAY_BUDGET_PERIOD: Duration = Duration::from_secs(24 * 3600);

/// Longest time to set up a connection, both directions: TCP itself would wait for minutes.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Checks of whether others can be dialled that run at once.
pub const MAX_DIAL_BACKS: usize = 64;

/// Of these, what one peer may have.
pub const MAX_DIAL_BACKS_PER_PEER: usize = 2;

/// Such checks of one IPv4 address or IPv6 /64, in a minute.
pub const MAX_DIAL_BACKS_PER_MINUTE: usize = 12;

/// Longest time to reach an address in such a check; less than the client waits for its answer.
pub const DIAL_BACK_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the connection of such a check may last.
pub const DIAL_BACK_DURATION: Duration = Duration::from_secs(10);
