// SPDX-License-Identifier: MPL-2.0

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// Accepts every call and returns the bytes it gets, until the caller's end.
fn echo(mut node: Network) -> Client {
    let client = node.client.clone();
    tokio::spawn(async move {
        while let Some(call) = node.calls.recv().await {
            tokio::spawn(async move {
                let mut stream = call.accept().await.unwrap();
                let mut bytes = Vec::new();
                stream.read_to_end(&mut bytes).await.unwrap();
                stream.write_all(&bytes).await.unwrap();
                stream.shutdown().await.unwrap();
            });
        }
    });
    client
}

async fn converse(mut stream: AgentStream, said: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(said).await?;
    stream.shutdown().await?;
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await?;
    Ok(heard)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_called_by_its_address_and_bytes_come_back() {
    let mut nodes = network(3).await;
    let (_, called, _) = published(&nodes[2]).await;
    let (_, caller, _) = published(&nodes[0]).await;
    echo(nodes.pop().unwrap());
    let record = within(nodes[0].client.endpoint(called.aid()))
        .await
        .unwrap();
    let long = vec![7; 1 << 20];
    // The first stream runs the handshake, the others build on it.
    for said in [b"hello".as_slice(), b"", b"again", &long] {
        let stream = call(&nodes[0], caller.aid(), &record).await.unwrap();
        assert_eq!(within(converse(stream, said)).await.unwrap(), said);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_know_who_the_other_one_is_and_what_is_sent() {
    let mut nodes = network(2).await;
    let (_, called, record) = published(&nodes[1]).await;
    let (_, caller, _) = published(&nodes[0]).await;
    // Before and after the pair has proved itself.
    for content in [Content::Http, Content::Bytes, Content::Http] {
        let call = nodes[0]
            .client
            .call(caller.aid(), &record, Paths::Any, content);
        let stream = within(call).await.unwrap();
        let call = within(nodes[1].calls.recv()).await.unwrap();
        assert_eq!(call.content(), content);
        assert_eq!((call.caller(), call.agent()), (caller.aid(), called.aid()));
        assert_eq!(call.caller_key(), caller.public_key());
        assert_eq!(call.peer(), nodes[0].client.peer_id());
        let (accepted, heard) = tokio::join!(
            async { call.accept().await.unwrap().shutdown().await },
            within(converse(stream, b"")),
        );
        accepted.unwrap();
        assert_eq!(heard.unwrap(), b"");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_arrives_with_its_reason() {
    let mut nodes = network(2).await;
    let (_, _, record) = published(&nodes[1]).await;
    let own = guest(&nodes[0]);
    // Before and after the pair has proved itself.
    for _ in 0..2 {
        let stream = call(&nodes[0], own, &record).await.unwrap();
        let handle = stream.refusal();
        within(nodes[1].calls.recv())
            .await
            .unwrap()
            .refuse(Refusal::NoService)
            .await;
        let error = within(converse(stream, b"hello")).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        assert_eq!(handle.get(), Some(Refusal::NoService));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_left_its_node_is_refused_with_that_reason() {
    let nodes = network(2).await;
    let (owner, _, record) = published(&nodes[1]).await;
    nodes[1].client.unhost(&owner.aid());
    let refused = call(&nodes[0], guest(&nodes[0]), &record).await;
    assert!(
        matches!(refused, Err(CallError::Refused(Refusal::NotHosted))),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_agents_of_this_node_can_call_from_it() {
    let nodes = network(2).await;
    let (_, _, record) = published(&nodes[1]).await;
    let stranger = Owner::new().aid();
    let refused = call(&nodes[0], stranger, &record).await;
    assert!(matches!(refused, Err(CallError::CallerNotHosted(aid)) if aid == stranger));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_breaks_before_it_was_agreed_on_can_still_be_closed() {
    let nodes = network(2).await;
    let (_, _, record) = published(&nodes[1]).await;
    let calling = || call(&nodes[0], guest(&nodes[0]), &record);
    // The first one proves the pair; what comes later is answered only when it is read.
    drop(calling().await.unwrap());
    let mut stream = calling().await.unwrap();
    nodes[1].client.shutdown().await;
    within(stream.read_u8()).await.unwrap_err();
    within(stream.shutdown()).await.unwrap_err();
    within(stream.read_u8()).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_gone_is_unreachable() {
    let nodes = network(2).await;
    let (_, _, record) = published(&nodes[1]).await;
    nodes[1].client.shutdown().await;
    eventually(|| async { nodes[0].client.state().borrow().connected_peers == 0 }).await;
    let refused = call(&nodes[0], guest(&nodes[0]), &record).await;
    // QUIC gives up after nine seconds, the caller after ten: either may come first.
    assert!(
        matches!(refused, Err(CallError::Unreachable | CallError::Timeout)),
        "{refused:?}"
    );
}

/// An old attempt would send its next packet after it has timed out: 1, 3 and 7 s after the first one, which is given up after 5 s.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_has_just_come_is_reached_whoever_dials_it_in_vain() {
    let caller = node(&[]).await;
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = silent.local_addr().unwrap();
    let mut config = config(SigningKey::generate());
    let before = start(config.clone()).await.unwrap();
    let peer = before.client.peer_id();
    before.client.shutdown().await;
    let address = format!("/ip4/127.0.0.1/udp/{}/quic-v1", at.port());
    let route = Route::direct(peer, vec![address.parse().unwrap()]);
    let dialer = caller.client.dialer.clone();
    let (early, same) = (dialer.clone(), route.clone());
    let in_vain = tokio::spawn(async move { early.connect(&same, Paths::Any).await });
    let mut packet = [0; 2048];
    // The first packet, and those after one second and after three.
    let mut heard = 0;
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(2500) {
        within(silent.recv_from(&mut packet)).await.unwrap();
        heard += 1;
    }
    assert!(heard >= 3);
    drop(silent);
    config.listen = parse_listen(&at.to_string()).unwrap();
    let _there = start(config).await.unwrap();
    let dialled = Instant::now();
    within(dialer.connect(&route, Paths::Any)).await.unwrap();
    assert!(dialled.elapsed() < Duration::from_secs(1));
    in_vain.await.unwrap().unwrap();
}
