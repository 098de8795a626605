// SPDX-License-Identifier: MPL-2.0
//! Services, where agents move and nodes restart.

use a2al_protocol::Aid;
use a2al_service::Service;
use a2al_service::model::{Discover, RegisterServices, SetProfile};

use crate::harness::Node;

fn registration(service: &str, ttl: u32) -> RegisterServices {
    RegisterServices {
        services: Some(vec![service.to_owned()]),
        ttl: Some(ttl),
        ..RegisterServices::default()
    }
}

/// The agents that offer `name`, as `service` finds them.
async fn providers(service: &Service, name: &str) -> Vec<Aid> {
    let request = Discover {
        services: Some(vec![name.to_owned()]),
        ..Discover::default()
    };
    let found = service.discover(request).await.unwrap();
    found.entries.iter().map(|entry| entry.aid).collect()
}

async fn has_profile(service: &Service, aid: Aid) -> bool {
    let found = service.resolve_records(aid, Some(2)).await.unwrap();
    !found.records.is_empty()
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_leaves_alone_what_an_agent_offers_elsewhere_by_now() {
    let one = Node::first().await;
    let two = Node::beside(&one).await;
    let aid = one.agent("").await;
    let registered = one
        .service
        .register_services(aid, registration("lang.a", 60));
    assert!(registered.await.unwrap().warnings.is_empty());
    let export = one.service.export(aid).unwrap();
    let moved = serde_json::from_value(serde_json::to_value(export).unwrap()).unwrap();
    two.service.register(moved).await.unwrap();
    two.service.publish(aid).await.unwrap();
    let again = two
        .service
        .register_services(aid, registration("lang.a", 60));
    again.await.unwrap();
    one.service.delete(aid).await.unwrap();
    for node in [&one, &two] {
        assert_eq!(providers(&node.service, "lang.a").await, [aid]);
        assert!(has_profile(&node.service, aid).await);
    }
    two.service.delete(aid).await.unwrap();
    for node in [&one, &two] {
        assert_eq!(providers(&node.service, "lang.a").await, []);
        assert!(!has_profile(&node.service, aid).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_taken_back_and_registered_at_once_is_there() {
    let one = Node::first().await;
    let two = Node::beside(&one).await;
    let aid = one.agent("").await;
    for _ in 0..20 {
        let registering = one
            .service
            .register_services(aid, registration("lang.a", 60));
        registering.await.unwrap();
        let taking_back = one.service.unregister_service(aid, "lang.a".to_owned());
        let registering = one
            .service
            .register_services(aid, registration("lang.a", 60));
        let (back, again) = tokio::join!(taking_back, registering);
        assert!(back.unwrap().ok && again.unwrap().ok);
        let is_registered = one.service.agent(aid).unwrap().services.is_some();
        let found = providers(&two.service, "lang.a").await;
        assert_eq!(found.len(), usize::from(is_registered));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_is_needed() {
    let alone = Node::first().await;
    let aid = alone.agent("").await;
    let offering = alone
        .service
        .register_services(aid, registration("lang.a", 0));
    offering.await.unwrap();
    let named = SetProfile {
        name: Some("N".to_owned()),
        ..SetProfile::default()
    };
    alone.service.set_profile(aid, named).await.unwrap();
    assert_eq!(providers(&alone.service, "lang.a").await, [aid]);
    assert!(has_profile(&alone.service, aid).await);
    // Handed on to whoever comes.
    let guest = Node::beside(&alone).await;
    assert_eq!(providers(&guest.service, "lang.a").await, [aid]);
    let entry = alone.service.agent(aid).unwrap().services.unwrap();
    assert_eq!((entry[0].ttl, entry.len()), (3600, 1));
}
