// SPDX-License-Identifier: MPL-2.0
//! Races among agents of one node.

use a2al_protocol::network::parse_listen;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::Config;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// A node that no other is connected to, and its files.
async fn node() -> (Service, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::new(dir.path().to_owned());
    config.network.listen = parse_listen("127.0.0.1:0").unwrap();
    config.network.bootstrap = Vec::new();
    (Service::start(config).await.unwrap(), dir)
}

/// An agent with a service that says `answer` to the first request, and keeps its connection open.
async fn answering(service: &Service, answer: &'static [u8]) -> Candidate {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        // The node connects once to see whether somebody listens, and sends nothing.
        let mut stream = loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            if stream.read_u8().await.is_ok() {
                break stream;
            }
        };
        stream.write_all(answer).await.unwrap();
        pending::<()>().await;
    });
    let identity = service.generate_identity();
    let agent = model::Register {
        operational_private_key_hex: identity.operational_private_key_hex,
        delegation_proof_hex: identity.delegation_proof_hex,
        service_tcp: Some(address.to_string()),
    };
    let aid = service.register(agent).await.unwrap().aid;
    let ranked = service.ranked(&[aid], service.node_aid()).await;
    ranked.into_iter().next().unwrap()
}

fn request(method: &str) -> model::Fetch {
    model::Fetch {
        method: Some(method.to_owned()),
        ..model::Fetch::default()
    }
}

#[tokio::test]
async fn what_was_sent_in_vain_is_told_when_time_is_over() {
    let (service, _dir) = node().await;
    for (method, is_safe) in [("POST", false), ("GET", true)] {
        let deadline = Instant::now() + Duration::from_secs(2);
        let mut race = Race::new(&service, request(method), is_safe, deadline);
        race.enter(vec![answering(&service, b"").await]);
        let error = race.run().await.unwrap().unwrap_err();
        let is_told =
            matches!(&error, Error::ProvidersFailed(failures) if failures.may_have_acted());
        assert_eq!(is_told, !is_safe, "{error}");
        assert_eq!(error.wire().retryable, is_safe);
    }
    service.shutdown().await;
}

#[tokio::test]
async fn an_attempt_that_panics_leaves_the_others_alone() {
    let (service, _dir) = node().await;
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut race = Race::new(&service, request("GET"), true, deadline);
    let attempt = race.attempts.spawn(async { panic!("on purpose") });
    race.running.push(Running {
        candidate: answering(&service, b"").await,
        attempt: attempt.id(),
        turn: Arc::new(Turn::default()),
        since: Instant::now(),
    });
    let live = answering(&service, ANSWER).await;
    race.enter(vec![live.clone()]);
    let called = race.run().await.unwrap().unwrap();
    assert_eq!(called.aid, live.aid);
    service.shutdown().await;
}
