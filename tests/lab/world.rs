// SPDX-License-Identifier: MPL-2.0
//! The whole laboratory.

use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard};

use super::available::available;
use super::segment::{Segment, Subnet};
use super::{Home, Host, Namespace, Quality, Site, namespace};
use crate::harness::say;

/// The public networks, each in a range of its own. Routers are on the first; each has a public host.
const PUBLIC: [[u8; 3]; 3] = [[203, 0, 113], [198, 51, 100], [192, 0, 2]];

/// The number of the public host in its network.
const PUBLIC_HOST: u8 = 2;

/// Measured times mean something only if one laboratory runs at a time.
static TURN: Mutex<()> = Mutex::const_new(());

/// Three public hosts, and homes.
#[derive(Debug)]
pub(crate) struct Lab {
    pub(crate) sites: Vec<Site>,
    /// Hosts without a router, in three different public networks.
    pub(crate) public: Vec<Host>,
    _turn: MutexGuard<'static, ()>,
}

impl Lab {
    /// Builds a laboratory with `homes`, whose lines to the public segment are as good as `quality`; or says in one line why
    /// `test` is skipped. With `REQUIRE_NAT=1` that is a failure.
    pub(crate) async fn start(test: &str, homes: &[Home], quality: Quality) -> Option<Self> {
        let turn = TURN.lock().await;
        if let Err(missing) = available() {
            let is_required = std::env::var("REQUIRE_NAT").is_ok_and(|value| value == "1");
            assert!(
                !is_required,
                "{test} needs a laboratory, and REQUIRE_NAT=1: {missing}"
            );
            say(&format!("SKIPPED: {test} needs a laboratory: {missing}"));
            return None;
        }
        namespace::sweep();
        let gateway = Arc::new(Namespace::create("public"));
        let [first, ..] = PUBLIC.map(|v4| Subnet { v4, v6: Some(0) });
        let clean = Segment::create(&gateway, "br0", first, Quality::PERFECT);
        let mut public = Vec::new();
        for (index, v4) in (0_u8..).zip(PUBLIC) {
            let subnet = Subnet { v4, v6: Some(0) };
            if index > 0 {
                clean.adds_network(subnet);
            }
            let label = format!("node{index}");
            public.push(Host::create(&label, &clean, subnet, PUBLIC_HOST + index));
        }
        let lines = Arc::new(clean.with_lines(quality));
        let build = |(index, home): (u8, &Home)| Site::build(index, *home, &lines);
        Some(Self {
            sites: (0..).zip(homes).map(build).collect(),
            public,
            _turn: turn,
        })
    }

    /// Moves the host that belongs to `from` into the LAN of `to`, from wherever it is; `to` may be its own.
    pub(crate) fn roam(&mut self, from: usize, to: usize) {
        match self.sites.get_disjoint_mut([from, to]) {
            Ok([from, to]) => to.takes_in(&mut from.host),
            Err(_) => self.sites[to].takes_back(),
        }
    }
}
