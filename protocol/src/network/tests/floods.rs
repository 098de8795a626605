// SPDX-License-Identifier: MPL-2.0
//! One source with more entries than there is room for, against honest providers.

use super::entries::{
    TOPIC, agents, entry, first_batch, held, print, print_shares, publish, scale,
};
use super::*;
use crate::DhtKey;
use crate::behaviour::records::Placed;
use crate::limits::{MAX_RECORD_LEN, MAX_TOPIC_RECORDS, RECORDS_PER_PUT};
use crate::record::Branch;

/// Writes entries of agents of its own to every node, at the service's key and at the next one, as fast as these take them.
async fn flood(attacker: &Network, nodes: &[Network], count: usize) {
    let root = Branch::root(DhtKey::of_topic(TOPIC));
    let sybils = (0..count).map(|_| Credential::node(SigningKey::generate()));
    let entries = sybils.map(|sybil| entry(&sybil, TOPIC, 1));
    let placed = entries.flat_map(|entry| {
        let next = root.towards(&entry.aid()).unwrap();
        [(root.key(), entry.clone()), (next.key(), entry)].map(Placed::from)
    });
    let placed: Vec<_> = placed.collect();
    let exchange = &attacker.client.writer.exchange;
    let writes = nodes.iter().map(|node| {
        let (route, placed) = (Route::direct(node.client.peer_id(), Vec::new()), &placed);
        async move {
            for batch in placed.chunks(RECORDS_PER_PUT) {
                // An attacker does not mind what is refused, or not answered in time.
                drop(exchange.put(&route, batch).await);
            }
        }
    });
    futures::future::join_all(writes).await;
}

async fn assert_all_found_at_once(nodes: &[Network], honest: &[Arc<Credential>]) {
    for node in nodes {
        let first = first_batch(&node.client).await;
        assert!(honest.iter().all(|agent| first.contains(&agent.aid())));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_honest_providers_stay_in_everybodys_first_batch() {
    let (nodes, honest) = (network(8).await, agents(20));
    let attacker = node(&[&nodes[0]]).await;
    eventually(|| async { attacker.client.state().borrow().dht_peers >= 8 }).await;
    let count = scale("A2AL_TEST_FLOOD", 1000);
    // Half of it comes before the honest ones, half after them.
    flood(&attacker, &nodes, count / 2).await;
    for node in &nodes {
        let held = held(&node.client);
        assert_eq!(
            held.len(),
            MAX_TOPIC_RECORDS,
            "the flood has filled the key"
        );
    }
    publish(&nodes, &honest).await;
    flood(&attacker, &nodes, count / 2).await;
    print(&format!("{count} entries of one source against 20 others"));
    print_shares(&nodes);
    for node in &nodes {
        let held = held(&node.client);
        let sybils = held.len() - honest.iter().filter(|a| held.contains(&a.aid())).count();
        assert_eq!(
            (held.len(), sybils),
            (MAX_TOPIC_RECORDS, MAX_TOPIC_RECORDS - 20)
        );
        // The root, and 17 keys below it to which entries of this service go at first.
        let most = 18 * MAX_TOPIC_RECORDS * MAX_RECORD_LEN;
        assert!(node.client.store.bytes() <= most);
    }
    assert_all_found_at_once(&nodes, &honest).await;

    let late = node(&[&nodes[0]]).await;
    eventually(|| async {
        let held = held(&late.client);
        honest.iter().all(|agent| held.contains(&agent.aid()))
    })
    .await;
    assert!(held(&late.client).len() <= MAX_TOPIC_RECORDS);
    flood(&attacker, std::slice::from_ref(&late), count / 2).await;
    assert_all_found_at_once(&[late], &honest).await;
}
