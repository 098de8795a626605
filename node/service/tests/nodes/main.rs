// SPDX-License-Identifier: MPL-2.0
//! The use cases on real nodes in this process: loopback network, files in a temporary directory.

mod agents;
mod fetch;
mod harness;
mod publish;
