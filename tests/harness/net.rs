// SPDX-License-Identifier: MPL-2.0
//! Networks of several daemons.

use std::time::Duration;

use futures::future::join_all;

use super::{Daemon, Setup, eventually};

/// Longest wait until the nodes of a network know each other.
const JOIN_DEADLINE: Duration = Duration::from_secs(60);

/// Other nodes that each node has to know before a network counts as formed, where there are as many.
const KNOWN_NODES: u64 = 5;

/// Daemons that know each other.
#[derive(Debug)]
pub(crate) struct Net {
    pub(crate) nodes: Vec<Daemon>,
}

impl Net {
    /// `count` daemons: one that knows nobody, and others that join through it.
    pub(crate) async fn of(count: usize) -> Self {
        let first = Daemon::alone().await;
        let addresses = first.addresses().await;
        let mut net = Self { nodes: vec![first] };
        net.join(count - 1, &addresses).await;
        net.formed().await;
        net
    }

    /// Starts `count` more daemons that join through `addresses`.
    pub(crate) async fn join(&mut self, count: usize, addresses: &[String]) {
        let starting = (0..count).map(|_| Setup::new().joining(addresses).start());
        self.nodes.extend(join_all(starting).await);
    }

    /// Waits until every node knows enough others.
    pub(crate) async fn formed(&self) {
        let others = u64::try_from(self.nodes.len() - 1).expect("a small number");
        let wanted = others.min(KNOWN_NODES);
        for node in &self.nodes {
            eventually("a node knows the others", JOIN_DEADLINE, async || {
                let known = node.status().await["dht_peers"].as_u64().unwrap_or(0);
                (known >= wanted).then_some(())
            })
            .await;
        }
    }
}
