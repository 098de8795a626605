// SPDX-License-Identifier: MPL-2.0
//! Wire messages of the A2AL libp2p protocols.
//!
//! [`v1`] is generated from `a2al/v1/*.proto` and committed, so that nobody needs a protobuf compiler to build
//! this crate. `tests/generated.rs` fails when the committed code is out of date and says how to renew it. The messages carry
//! no logic: bounds are checked, and types with meaning are built, in `a2al-protocol`.

/// Version 1 of the messages: `/a2al/rec/1`, `/a2al/agent/1`, and notes on streams of the latter.
#[allow(
    missing_docs,
    clippy::pedantic,
    reason = "generated: the documentation is in the .proto files"
)]
#[rustfmt::skip]
pub mod v1 {
    include!("generated/a2al.v1.rs");
}
