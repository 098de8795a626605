// SPDX-License-Identifier: MPL-2.0
//! Publishing, finding and withdrawing.

use a2al_service::Error;
use a2al_service::model::{PatchAgent, PublishRecord};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::harness::{Node, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_is_found_elsewhere() {
    let one = Node::first().await;
    let two = Node::beside(&one).await;
    let aid = one.agent("").await;
    assert!(matches!(
        two.service.resolve(aid).await,
        Err(Error::Unresolved)
    ));

    let published = one.service.publish(aid).await.unwrap();
    let found = two.service.resolve(aid).await.unwrap();
    assert_eq!(found.seq, published.seq);
    assert_eq!(found, one.service.resolve(aid).await.unwrap());
    assert!(
        found
            .endpoints
            .iter()
            .all(|address| address.ends_with(&one.service.status().peer_id))
    );

    let shown = one.service.agent(aid).unwrap();
    assert!(shown.published_to_dht && shown.last_publish_at.is_some());
    assert_eq!(
        (shown.dht_active_replicas, shown.dht_local_replicas),
        (1, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_agent_is_found_no_more() {
    let one = Node::first().await;
    let two = Node::beside(&one).await;
    let aid = one.published("").await;
    one.service.delete(aid).await.unwrap();
    assert!(matches!(one.service.agent(aid), Err(Error::NotFound)));
    assert!(matches!(
        two.service.resolve(aid).await,
        Err(Error::Unresolved)
    ));
    assert!(one.service.delete(aid).await.unwrap().ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_leaves_alone_what_another_node_published_since() {
    let one = Node::first().await;
    let two = Node::beside(&one).await;
    let aid = one.published("").await;
    let export = one.service.export(aid).unwrap();
    let moved = serde_json::from_value(serde_json::to_value(export).unwrap()).unwrap();
    two.service.register(moved).await.unwrap();
    let published = two.service.publish(aid).await.unwrap();
    one.service.delete(aid).await.unwrap();
    assert_eq!(one.service.resolve(aid).await.unwrap().seq, published.seq);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_publishes_again() {
    let one = Node::first().await;
    let two = Node::beside(&one).await;
    let (renewed, silent) = (two.published("").await, two.agent("").await);
    let before = two.service.agent(renewed).unwrap().seq;
    let two = two.restart().await;
    eventually("published again", || {
        two.service.agent(renewed).unwrap().published_to_dht
    })
    .await;
    assert!(two.service.agent(renewed).unwrap().seq > before);
    assert!(!two.service.agent(silent).unwrap().published_to_dht);
    eventually("the node too", || two.service.status().node_published).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn free_records_live_as_long_as_asked() {
    let one = Node::first().await;
    let two = Node::beside(&one).await;
    let aid = one.agent("").await;
    let record = |rec_type, len: usize, ttl| PublishRecord {
        rec_type,
        payload_base64: BASE64_STANDARD.encode(vec![7; len]),
        ttl,
    };
    one.service
        .publish_record(aid, record(3, 10, 600))
        .await
        .unwrap();
    let found = two
        .service
        .resolve_records(aid, Some(3))
        .await
        .unwrap()
        .records;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].rec_type, found[0].ttl), (3, 600));
    assert_eq!(
        two.service
            .resolve_records(aid, Some(4))
            .await
            .unwrap()
            .records
            .len(),
        0
    );

    for (rec_type, len, ttl, http) in [
        (1, 1, 1, 400),
        (16, 1, 1, 400),
        (3, 1, 0, 400),
        (3, 5000, 60, 413),
        (3, 1, u32::MAX, 400),
    ] {
        let error = one
            .service
            .publish_record(aid, record(rec_type, len, ttl))
            .await
            .unwrap_err();
        assert_eq!(error.wire().http, http, "{error}");
    }
    one.service.delete(aid).await.unwrap();
    assert_eq!(
        two.service
            .resolve_records(aid, None)
            .await
            .unwrap()
            .records
            .len(),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn publishing_needs_nobody_else() {
    let alone = Node::first().await;
    let aid = alone.agent("").await;
    let published = alone.service.publish(aid).await.unwrap();
    assert_eq!(published.replicas, 0);
    // Handed on to whoever comes.
    let guest = Node::beside(&alone).await;
    assert_eq!(guest.service.resolve(aid).await.unwrap().seq, published.seq);
    alone
        .service
        .patch(aid, PatchAgent::default())
        .await
        .unwrap();
}
