// SPDX-License-Identifier: MPL-2.0
//! Connections that change their protocol.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use super::{Door, agent_of, doors};
use crate::harness::{EchoSocket, Pair, Scripted, counting};

/// Longest wait for one message.
const DEADLINE: Duration = Duration::from_secs(20);

async fn open(door: &Door) -> WebSocketStream<TcpStream> {
    let url = format!("ws://{}{}/chat?room=1", door.host, door.prefix);
    let mut request = url.into_client_request().expect("a URL");
    let forged = "a0forged".parse().expect("a value");
    request.headers_mut().insert("x-a2al-caller-aid", forged);
    let stream = TcpStream::connect(door.api.authority())
        .await
        .expect("the API listens");
    let opened = tokio_tungstenite::client_async(request, stream).await;
    opened.expect("the protocol changes").0
}

#[tokio::test]
async fn a_websocket_is_carried_both_ways_to_its_clean_end() {
    let service = EchoSocket::start().await;
    let (net, aid) = agent_of(&service.address).await;
    for door in Door::both(&net.nodes[0].api, &aid) {
        let mut socket = open(&door).await;
        let messages = (0..50)
            .map(|number| Message::text(format!("message {number}")))
            .chain([Message::binary(counting(1024 * 1024))]);
        for message in messages {
            socket.send(message.clone()).await.expect("sent");
            let said = timeout(DEADLINE, socket.next()).await.expect("in time");
            assert!(said.expect("not closed").expect("unbroken") == message);
        }
        socket.close(None).await.expect("sent");
        let mut last = timeout(DEADLINE, socket.next()).await.expect("in time");
        while let Some(Ok(message)) = last {
            assert!(message.is_close(), "{message:?}");
            last = timeout(DEADLINE, socket.next()).await.expect("in time");
        }
        let asked = service.asked().pop().expect("a request");
        assert!(asked.starts_with("/chat?room=1"), "{asked}");
        assert!(!asked.contains("forged"), "{asked}");
    }
}

#[tokio::test]
async fn many_websockets_are_open_at_once() {
    const COUNT: usize = 50;
    let service = EchoSocket::start().await;
    let (net, aid) = agent_of(&service.address).await;
    let door = Door::by_host(&net.nodes[0].api, &aid);
    let opening = (0..COUNT).map(|_| open(&door));
    let mut sockets = futures::future::join_all(opening).await;
    for (number, socket) in sockets.iter_mut().enumerate() {
        let message = Message::text(number.to_string());
        socket.send(message.clone()).await.expect("sent");
        let said = timeout(DEADLINE, socket.next()).await.expect("in time");
        assert_eq!(said.expect("not closed").expect("unbroken"), message);
    }
    assert_eq!(service.asked().len(), COUNT);
}

#[tokio::test]
async fn any_protocol_may_follow_and_bytes_sent_early_are_not_lost() {
    let service = Scripted::saying(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: plain\r\n\r\nfirst word",
    )
    .await;
    let (net, aid) = agent_of(&service.address).await;
    for door in Door::both(&net.nodes[0].api, &aid) {
        let mut stream = TcpStream::connect(door.api.authority())
            .await
            .expect("the API listens");
        let head = door.head("GET", "/", "Connection: upgrade\r\nUpgrade: plain\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut text = String::new();
        let read = timeout(DEADLINE, stream.read_to_string(&mut text)).await;
        read.expect("the service ended").expect("unbroken");
        assert!(text.starts_with("HTTP/1.1 101 "), "{text}");
        assert!(
            text.to_ascii_lowercase().contains("upgrade: plain\r\n"),
            "{text}"
        );
        assert!(text.ends_with("\r\n\r\nfirst word"), "{text}");
        let unasked = door.ask("GET", "/", "").await;
        assert_eq!(unasked.status, 502, "{}", unasked.body);
    }
}

#[tokio::test]
async fn a_service_may_decline_to_change() {
    let pair = Pair::start().await;
    for door in doors(&pair) {
        let answer = door.ask(
            "GET",
            "/name",
            "Upgrade: websocket\r\nConnection: Upgrade\r\n",
        );
        let answer = answer.await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "first"));
    }
}
