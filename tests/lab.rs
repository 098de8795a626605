// SPDX-License-Identifier: MPL-2.0
//! A laboratory of network namespaces: a public segment, routers with every kind of NAT on it, LANs behind them and hosts
//! in those.
//!
//! A [`Lab`] is built from a list of [`Home`]s. Each becomes a router and a LAN with one host; three public hosts stand in
//! three different networks. Everything lies in namespaces of its own, named after this process, and goes when the lab is
//! dropped. What runs on a host runs in its [`Namespace`]: programs and sockets belong to the namespace of the thread that
//! makes them.

#![allow(
    dead_code,
    unused_imports,
    reason = "the laboratory offers more than each chapter needs"
)]

mod available;
mod kind;
mod namespace;
mod router;
mod rules;
mod segment;
mod site;
mod splice;
mod tools;
mod world;

pub(crate) use kind::{Home, Kind};
pub(crate) use namespace::Namespace;
pub(crate) use segment::Host;
pub(crate) use site::Site;
pub(crate) use splice::Quality;
pub(crate) use world::Lab;
