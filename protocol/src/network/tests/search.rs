// SPDX-License-Identifier: MPL-2.0
//! Whoever offers a service is found, and whoever no longer does is not.

use super::entries::{
    TOPIC, agents, entry, everybody, first_batch, missing, print, print_shares, publish, scale,
    withdrawal,
};
use super::*;
use crate::DhtKey;
use crate::behaviour::records::Source;
use crate::record::Topic;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_providers_on_ten_nodes_are_all_found_from_an_eleventh() {
    let (nodes, agents) = (network(10).await, agents(100));
    publish(&nodes, &agents).await;
    let reader = node(&[&nodes[0]]).await.client;
    eventually(|| async { reader.state().borrow().dht_peers >= 10 }).await;
    for held in ["what was handed over", "nothing"] {
        let begun = Instant::now();
        let first = first_batch(&reader).await;
        let took = begun.elapsed();
        print(&format!(
            "first {} entries in {took:?}, holding {held}",
            first.len()
        ));
        assert_eq!(first.len(), 100);
        reader.reader.forget();
    }
    assert_eq!(missing(&reader, &agents).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_providers_are_found_batch_by_batch() {
    let count = scale("A2AL_TEST_PROVIDERS", 200);
    let (nodes, agents) = (network(20).await, agents(count));
    let begun = Instant::now();
    publish(&nodes, &agents).await;
    print(&format!(
        "{count} entries published in {:?}",
        begun.elapsed()
    ));
    let reader = &nodes[7].client;
    // What a holder refused is written further down once the last one has answered.
    eventually(|| async { missing(reader, &agents).await == 0 }).await;
    print_shares(&nodes);
    for held in ["a share", "nothing"] {
        // The last ones may still be on their way down, and are then met at the next attempt.
        eventually(|| async {
            let begun = Instant::now();
            let found = everybody(reader, TOPIC).await.len();
            let took = begun.elapsed();
            print(&format!(
                "{found} entries found in {took:?}, holding {held}"
            ));
            found == count
        })
        .await;
        reader.reader.forget();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_category_lists_the_services_in_it() {
    let (nodes, agents) = (network(3).await, agents(1));
    for (seq, topic) in (1..).zip(["lang.translate", "lang.detect", "data.convert"]) {
        let entry = entry(&agents[0], topic, seq);
        within(nodes[0].client.publish_entry(entry)).await.unwrap();
    }
    for (asked, expected) in [
        ("lang.*", &["lang.detect", "lang.translate"][..]),
        ("lang.detect", &["lang.detect"]),
        ("data.*", &["data.convert"]),
        ("sense.*", &[]),
    ] {
        let batch = within(nodes[1].client.search(asked).next()).await.unwrap();
        let batch = batch.unwrap_or_default();
        let mut told: Vec<_> = batch.iter().filter_map(VerifiedRecord::topic).collect();
        told.sort_unstable();
        assert_eq!(told, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_entry_does_not_come_back() {
    const TOPIC: &str = "lang.translate";
    let (nodes, agents) = (network(5).await, agents(3));
    for agent in &agents {
        let entry = entry(agent, TOPIC, 1);
        within(nodes[0].client.publish_entry(entry)).await.unwrap();
    }
    let (stale, gone) = (
        entry(&agents[0], TOPIC, 1),
        withdrawal(&agents[0], TOPIC, 2),
    );
    let withdrawn = nodes[1].client.publish_entry(gone.clone());
    within(withdrawn).await.unwrap();
    for topic in [TOPIC, "lang.*"] {
        let key = DhtKey::of_topic(topic);
        // A holder that was away knows the old one only, and another one is asked to take it back.
        let store = &nodes[3].client.store;
        store.clear();
        store.put(key, stale.clone(), Source::Kept, clock::now());
        let route = Route::direct(nodes[2].client.peer_id(), Vec::new());
        let placed = [(key, stale.clone()).into()];
        let exchange = &nodes[1].client.writer.exchange;
        within(exchange.put(&route, &placed)).await.unwrap();
        for node in &nodes {
            let found = everybody(&node.client, topic).await;
            assert_eq!(found.len(), 2, "{topic}");
            assert!(!found.contains_key(&agents[0].aid()));
        }
    }
    let again = within(nodes[4].client.publish_entry(stale)).await;
    assert!(matches!(again, Err(Error::Superseded(newer)) if newer == gone));
    let renewed = nodes[4].client.publish_entry(entry(&agents[0], TOPIC, 3));
    within(renewed).await.unwrap();
    assert_eq!(everybody(&nodes[1].client, TOPIC).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_entry_is_not_found_and_no_other_record_is_an_entry() {
    let (nodes, agents) = (network(3).await, agents(1));
    let draft = Draft {
        kind: RecordKind::TOPIC,
        payload: Topic::new(TOPIC).encode().unwrap(),
        seq: Seq(1),
        timestamp: clock::now(),
        ttl_secs: 10,
    };
    let entry = draft.sign(&agents[0]).unwrap();
    within(nodes[0].client.publish_entry(entry)).await.unwrap();
    assert_eq!(everybody(&nodes[1].client, TOPIC).await.len(), 1);
    eventually(|| async { everybody(&nodes[1].client, TOPIC).await.is_empty() }).await;
    let nameless = record(&agents[0], RecordKind(0x11), b"no topic".to_vec(), 2);
    for other in [nameless, endpoint_record(&agents[0], &nodes[0], 1)] {
        let refused = within(nodes[0].client.publish_entry(other)).await;
        assert!(matches!(refused, Err(Error::NoEntry)), "{refused:?}");
    }
}
