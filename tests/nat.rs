// SPDX-License-Identifier: MPL-2.0
//! The real programs behind every kind of NAT, in a laboratory of network namespaces.
//!
//! Needs root, `ip`, `nft` and `conntrack`; without them every test says in one line what is missing.
//! `A2AL_NAT_ROUNDS` is the number of repetitions (default 1), and `A2AL_NAT_REPORT` names a file for the tables.
#![cfg(target_os = "linux")]

mod harness;
mod lab;

#[path = "nat/faults.rs"]
mod faults;
#[path = "nat/laboratory.rs"]
mod laboratory;
#[path = "nat/matrix.rs"]
mod matrix;
#[path = "nat/prober.rs"]
mod prober;
#[path = "nat/providers.rs"]
mod providers;
#[path = "nat/publishing.rs"]
mod publishing;
#[path = "nat/renewal.rs"]
mod renewal;
#[path = "nat/report.rs"]
mod report;
#[path = "nat/transfer.rs"]
mod transfer;
#[path = "nat/variants.rs"]
mod variants;
#[path = "nat/world.rs"]
mod world;
