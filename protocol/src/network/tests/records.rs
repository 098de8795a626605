// SPDX-License-Identifier: MPL-2.0

use super::*;
use crate::limits::HOLDER_TIMEOUT;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_is_found_at_once_from_every_other_node() {
    let nodes = network(5).await;
    for round in 0..25 {
        let (_, credential, record) = published(&nodes[round % 5]).await;
        let reader = &nodes[(round + 1 + round / 5 % 4) % 5].client;
        let found = within(reader.endpoint(credential.aid())).await.unwrap();
        assert_eq!(found.encoded(), record.encoded(), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_counts_its_replicas() {
    let nodes = network(3).await;
    let owner = Owner::new();
    let credential = owner.credential(clock::now());
    let record = endpoint_record(&credential, &nodes[0], 1);
    let publication = within(nodes[0].client.publish(record)).await.unwrap();
    assert_eq!(
        publication,
        Publication {
            replicas: 2,
            is_complete: true
        }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_node_publishes_and_hands_the_record_to_whoever_joins() {
    let lone = node(&[]).await;
    let (_, credential, record) = published(&lone).await;
    let found = within(lone.client.endpoint(credential.aid()))
        .await
        .unwrap();
    assert_eq!(
        found.encoded(),
        record.encoded(),
        "it answers for its own records"
    );

    let joined = node(&[&lone]).await;
    eventually(|| async { joined.client.holds(credential.aid(), RecordKind::ENDPOINT) }).await;
    lone.client.shutdown().await;
    let found = within(joined.client.endpoint(credential.aid()))
        .await
        .unwrap();
    assert_eq!(found.encoded(), record.encoded());
}

#[tokio::test(flavor = "multi_thread")]
async fn holders_hand_on_what_a_departed_publisher_left() {
    let publisher = node(&[]).await;
    let holder = node(&[&publisher]).await;
    eventually(|| async { publisher.client.state().borrow().dht_peers == 1 }).await;
    let (_, credential, record) = published(&publisher).await;
    publisher.client.shutdown().await;

    let late = node(&[&holder]).await;
    eventually(|| async { late.client.holds(credential.aid(), RecordKind::ENDPOINT) }).await;
    let found = within(late.client.endpoint(credential.aid()))
        .await
        .unwrap();
    assert_eq!(found.encoded(), record.encoded());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_agent_and_a_withdrawn_one_are_not_found() {
    let nodes = network(3).await;
    let unknown = within(nodes[0].client.endpoint(Owner::new().aid())).await;
    assert!(matches!(unknown, Err(Error::NotFound)), "{unknown:?}");

    let (_, credential, _) = published(&nodes[1]).await;
    let payload = Endpoint {
        addresses: Vec::new(),
        nat: NatType::Unknown,
    }
    .encode()
    .unwrap();
    let withdrawal = record(&credential, RecordKind::ENDPOINT, payload, 2);
    within(nodes[1].client.publish(withdrawal)).await.unwrap();
    for node in &nodes {
        let found = within(node.client.endpoint(credential.aid())).await;
        assert!(matches!(found, Err(Error::NotFound)), "{found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_record_wins_and_an_older_one_is_told_so() {
    let nodes = network(3).await;
    let (owner, credential, _) = published(&nodes[0]).await;
    let newer = endpoint_record(&credential, &nodes[1], 7);
    within(nodes[1].client.publish(newer.clone()))
        .await
        .unwrap();
    let found = within(nodes[2].client.endpoint(owner.aid())).await.unwrap();
    assert_eq!(found.seq(), newer.seq());

    let older = within(
        nodes[2]
            .client
            .publish(endpoint_record(&credential, &nodes[2], 3)),
    )
    .await;
    assert!(matches!(older, Err(Error::Superseded(known)) if known.seq() == newer.seq()));
}

#[tokio::test(flavor = "multi_thread")]
async fn custom_records_are_found_by_kind() {
    let nodes = network(3).await;
    let (owner, credential, _) = published(&nodes[0]).await;
    let custom = record(&credential, RecordKind(5), b"hello".to_vec(), 2);
    within(nodes[0].client.publish(custom.clone()))
        .await
        .unwrap();
    let read = |kind| nodes[1].client.records(owner.aid(), kind);
    assert_eq!(within(read(None)).await.unwrap().len(), 2);
    assert_eq!(within(read(Some(RecordKind(5)))).await.unwrap(), [custom]);
    assert!(within(read(Some(RecordKind(6)))).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_node_costs_nobody_a_timeout_and_is_forgotten() {
    let nodes = network(3).await;
    nodes[2].client.shutdown().await;
    eventually(|| async { nodes[0].client.state().borrow().connected_peers == 1 }).await;
    let begun = Instant::now();
    published(&nodes[0]).await;
    assert!(
        begun.elapsed() < HOLDER_TIMEOUT,
        "took {:?}",
        begun.elapsed()
    );
    eventually(|| async {
        let (_, _, _) = published(&nodes[0]).await;
        nodes[0].client.state().borrow().dht_peers == 1
    })
    .await;
    let owner = Owner::new();
    let record = endpoint_record(&owner.credential(clock::now()), &nodes[0], 1);
    let publication = within(nodes[0].client.publish(record)).await.unwrap();
    assert_eq!(
        publication,
        Publication {
            replicas: 1,
            is_complete: true
        }
    );
}
