// SPDX-License-Identifier: MPL-2.0
//! The use cases on real nodes in this process: loopback network, files in a temporary directory.

#![expect(clippy::unwrap_used, reason = "a step that fails fails the test")]

mod agents;
mod discovery;
mod fetch;
mod harness;
mod inbound;
mod publish;
