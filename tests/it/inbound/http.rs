// SPDX-License-Identifier: MPL-2.0
//! HTTP on its way to a service and back: as it was, but for the name of the caller.

use a2al_protocol::network::Content;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::{PATIENCE, called, head, next, send};

#[tokio::test]
async fn events_arrive_one_by_one() {
    for content in [Content::Http, Content::Bytes] {
        let (_net, mut played, caller, mut stream) = called(content).await;
        send(
            &mut stream,
            b"GET /events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n",
        )
        .await;
        let (mut service, request) = played.request().await;
        let named = format!("X-A2al-Caller-Aid: {}\r\n", caller.aid).to_lowercase();
        assert!(request.to_lowercase().contains(&named), "{request}");
        send(&mut service, b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        let answer = head(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        for number in 0..5 {
            let chunk = format!("9\r\ndata: {number}\n\n\r\n");
            send(&mut service, &chunk).await;
            // The next one is sent only when this one has arrived.
            next(&mut stream, &chunk).await;
        }
        // One that breaks off is not completed: the last chunk is missing.
        drop(service);
        let mut rest = Vec::new();
        let _end = timeout(PATIENCE, stream.read_to_end(&mut rest))
            .await
            .expect("an end");
        assert!(rest.is_empty(), "{rest:?}");
    }
}

#[tokio::test]
async fn a_service_may_switch_protocols() {
    let (_net, mut played, _caller, mut stream) = called(Content::Http).await;
    let asked = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    send(&mut stream, asked).await;
    let (mut service, request) = played.request().await;
    for line in [
        "Connection: Upgrade\r\n",
        "Upgrade: websocket\r\n",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    ] {
        assert!(request.contains(line), "{request}");
    }
    // The first bytes of the new protocol come in the same packet.
    send(&mut service, b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x02hi").await;
    let answer = head(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    let mut frame = [0; 4];
    stream.read_exact(&mut frame).await.expect("a frame");
    assert_eq!(&frame, b"\x81\x02hi");
    for _ in 0..3 {
        send(&mut stream, b"\0\xffping").await;
        let mut got = [0; 6];
        service.read_exact(&mut got).await.expect("a frame");
        assert_eq!(&got, b"\0\xffping");
        send(&mut service, b"pong").await;
        next(&mut stream, "pong").await;
    }
    // Each side may end by itself.
    stream.shutdown().await.expect("an open stream");
    assert_eq!(service.read(&mut [0; 8]).await.expect("an end"), 0);
    send(&mut service, b"last").await;
    drop(service);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.expect("an end");
    assert_eq!(rest, b"last");
}

#[tokio::test]
async fn bodies_and_trailers_pass_both_ways() {
    let (_net, mut played, _caller, mut stream) = called(Content::Http).await;
    send(&mut stream, b"POST /a HTTP/1.1\r\nhOsT: a\r\nTE: trailers\r\nTrailer: x-sum, X-A2AL-Caller-AID\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    let (mut service, request) = played.request().await;
    assert!(
        request.contains("hOsT: a\r\n"),
        "names as they were spelled: {request}"
    );
    for part in ["3\r\nabc\r\n", "1\r\nd\r\n"] {
        send(&mut stream, part).await;
        next(&mut service, part).await;
    }
    send(
        &mut stream,
        b"0\r\nx-sum: 1\r\nX-A2AL-Caller-AID: forged\r\n\r\n",
    )
    .await;
    let trailers = head(&mut service).await;
    assert_eq!(trailers, "0\r\nx-sum: 1\r\n\r\n");
    send(&mut service, b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 2\r\n\r\n").await;
    head(&mut stream).await;
    next(&mut stream, "2\r\nok\r\n").await;
    let trailers = head(&mut stream).await.to_lowercase();
    assert_eq!(trailers, "0\r\nx-sum: 2\r\n\r\n");
    // The same connection carries the next request.
    send(&mut stream, b"HEAD /b HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(head(&mut service).await.starts_with("HEAD /b HTTP/1.1\r\n"));
    send(
        &mut service,
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 700\r\nETag: x\r\n\r\n",
    )
    .await;
    let answer = head(&mut stream).await;
    assert!(answer.contains("ETag: x\r\n"), "{answer}");
    send(&mut stream, b"GET /c HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(head(&mut service).await.starts_with("GET /c HTTP/1.1\r\n"));
    send(
        &mut service,
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 700\r\nETag: x\r\n\r\n",
    )
    .await;
    let answer = head(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 304 "), "{answer}");
}

#[tokio::test]
async fn an_answer_that_ends_with_the_connection_is_told_from_a_broken_one() {
    // Of an old service, and of a new one that names no length.
    for version in ["1.0", "1.1"] {
        let (_net, mut played, _caller, mut stream) = called(Content::Http).await;
        send(&mut stream, b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let (mut service, _) = played.request().await;
        let answer = format!("HTTP/{version} 200 OK\r\nX-Kind: old\r\n\r\nhello");
        send(&mut service, answer).await;
        drop(service);
        let told = head(&mut stream).await;
        assert!(told.contains("X-Kind: old\r\n"), "{told}");
        assert!(
            told.to_lowercase().contains("connection: close\r\n"),
            "{told}"
        );
        next(&mut stream, "5\r\nhello\r\n0\r\n\r\n").await;
        assert_eq!(stream.read(&mut [0; 8]).await.expect("an end"), 0);
    }
    let (_net, mut played, _caller, mut stream) = called(Content::Http).await;
    send(&mut stream, b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let (mut service, _) = played.request().await;
    send(
        &mut service,
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
    )
    .await;
    drop(service);
    head(&mut stream).await;
    let mut rest = Vec::new();
    let _end = timeout(PATIENCE, stream.read_to_end(&mut rest))
        .await
        .expect("an end");
    assert_eq!(rest, b"hello", "and not ten bytes");
}

#[tokio::test]
async fn an_expectation_is_answered_and_passed_on() {
    let (_net, mut played, _caller, mut stream) = called(Content::Http).await;
    send(
        &mut stream,
        b"PUT /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
    )
    .await;
    let (mut service, request) = played.request().await;
    assert!(request.contains("Expect: 100-continue\r\n"), "{request}");
    let interim = head(&mut stream).await;
    assert!(interim.starts_with("HTTP/1.1 100 "), "{interim}");
    send(&mut stream, b"ab").await;
    next(&mut service, "ab").await;
    send(
        &mut service,
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    )
    .await;
    let answer = head(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
}
