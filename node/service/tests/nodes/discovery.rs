// SPDX-License-Identifier: MPL-2.0
//! Services, where agents move and nodes restart.

use std::time::Duration;

use a2al_protocol::Aid;
use a2al_service::Service;
use a2al_service::model::{CallService, Discover, Fetch, RegisterServices, SetProfile};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

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

/// A service that never answers, and its address; told of each connection that brought something.
async fn silent() -> (String, mpsc::Receiver<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (asked, heard) = mpsc::channel(8);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            if stream.read_u8().await.is_ok() {
                asked.send(stream).await.unwrap();
            }
        }
    });
    (address, heard)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_that_was_sent_waits_for_no_other_when_its_path_breaks() {
    let one = Node::first().await;
    let two = Node::beside(&one).await;
    let (address, mut heard) = silent().await;
    let aid = two.published(&address).await;
    let registered = two
        .service
        .register_services(aid, registration("tool.a", 60));
    registered.await.unwrap();
    let caller = one.service.clone();
    let calling = tokio::spawn(async move {
        let request = Fetch {
            method: Some("PUT".to_owned()),
            ..Fetch::default()
        };
        let call = CallService {
            service: "tool.a".to_owned(),
            filter: None,
            request,
        };
        caller.call_service(call).await
    });
    let _open = heard.recv().await.unwrap();
    two.service.shutdown().await;
    let ended = timeout(Duration::from_secs(20), calling).await;
    let failure = ended.expect("an end in time").unwrap().unwrap_err();
    assert!(failure.to_string().contains("not repeated"), "{failure}");
    assert!(!failure.wire().retryable);
}
