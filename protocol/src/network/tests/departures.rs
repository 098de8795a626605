// SPDX-License-Identifier: MPL-2.0
//! Many nodes that leave at once.

use super::entries::{agents, missing, print, publish};
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn half_of_the_nodes_leave_and_the_entries_are_still_found() {
    let (mut nodes, agents) = (network(20).await, agents(150));
    publish(&nodes, &agents).await;
    eventually(|| async { missing(&nodes[0].client, &agents).await == 0 }).await;
    let left = nodes.split_off(10);
    let leaving = left.iter().map(|node| node.client.shutdown());
    futures::future::join_all(leaving).await;
    let begun = Instant::now();
    // One deadline for all readers.
    eventually(|| async {
        let missing = nodes.iter().map(|node| missing(&node.client, &agents));
        let missing = futures::future::join_all(missing).await;
        missing.iter().all(|missing| missing * 100 <= agents.len())
    })
    .await;
    print(&format!("found by all after {:?}", begun.elapsed()));
    let late = node(&[&nodes[0]]).await;
    eventually(|| async { missing(&late.client, &agents).await == 0 }).await;
}
