// SPDX-License-Identifier: MPL-2.0
//! What passes: every method, any length, as it comes.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Door, agent_of, doors};
use crate::harness::{Daemon, Pair, Scripted, Upstream, counting, event_source, header};

/// Longest wait for the next bytes of a stream.
const DEADLINE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn every_method_and_path_reaches_the_service() {
    let pair = Pair::start().await;
    for door in doors(&pair) {
        for method in [
            "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND",
        ] {
            let method: Method = method.parse().expect("a method");
            let path = "/echo/a%2Fb%20c?a=1&b=%20&c";
            let answer = door.request(&method, path).body("body").send().await;
            let answer = answer.expect("an answer");
            assert_eq!(answer.status(), 200, "{method}");
            let seen: Value = answer.json().await.expect("the echo is JSON");
            assert_eq!(seen["method"], method.as_str());
            assert_eq!(seen["path"], path);
            assert_eq!(seen["body_base64"], "Ym9keQ==", "{method}");
        }
    }
}

#[tokio::test]
async fn odd_paths_are_kept_letter_by_letter() {
    let pair = Pair::start().await;
    for door in doors(&pair) {
        for path in [
            "/echo//x",
            "/echo/./y/../z",
            "/echo/%C3%A9|",
            "/echo/x?",
            "/echo/x?a=?b",
        ] {
            let answer = door.ask("GET", path, "").await;
            assert_eq!(answer.status, 200, "{path}");
            let seen: Value = serde_json::from_str(&answer.body).expect("the echo is JSON");
            assert_eq!(seen["path"], path);
        }
    }
}

#[tokio::test]
async fn statuses_redirects_and_heads_pass_through() {
    let pair = Pair::start().await;
    for door in doors(&pair) {
        for status in [200, 204, 304, 401, 404, 418, 500] {
            let answer = door.ask("GET", &format!("/status/{status}"), "").await;
            assert_eq!(answer.status, status);
        }
        let redirect = door.ask("GET", "/redirect", "").await;
        assert_eq!(redirect.status, 302);
        let place = format!("{}/echo", door.prefix);
        assert_eq!(redirect.header("location"), Some(place.as_str()));
        let head = door.ask("HEAD", "/bytes/1000", "").await;
        assert_eq!((head.status, head.body.as_str()), (200, ""));
        assert_eq!(head.header("content-length"), Some("1000"));
        let unmeasured = door.ask("HEAD", "/chunked/3", "").await;
        assert_eq!((unmeasured.status, unmeasured.body.as_str()), (200, ""));
        assert_eq!(
            unmeasured.header("content-length"),
            None,
            "{}",
            unmeasured.head
        );
    }
}

#[tokio::test]
async fn bodies_of_any_length_and_kind_pass_both_ways() {
    const LEN: usize = 6 * 1024 * 1024;
    let pair = Pair::start().await;
    let sent = counting(LEN);
    for door in doors(&pair) {
        let mirrored = door
            .request(&Method::POST, "/mirror")
            .header("content-type", "application/x-anything")
            .body(sent.clone())
            .send()
            .await
            .expect("an answer");
        assert_eq!(mirrored.status(), 200);
        assert!(mirrored.bytes().await.expect("a body") == sent);
        let path = format!("/bytes/{}", 2 * LEN);
        let long = door.request(&Method::GET, &path).send().await;
        let long = long.expect("an answer").bytes().await.expect("a body");
        assert!(long == counting(2 * LEN));
    }
}

/// Reads until what was read ends with `end`.
async fn read_to(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    let reading = async {
        while !text.ends_with(end) {
            let byte = stream.read_u8().await.expect("more bytes");
            text.push(char::from(byte));
        }
    };
    let read = timeout(DEADLINE, reading).await;
    assert!(read.is_ok(), "{end:?} does not come after {text:?}");
    text
}

#[tokio::test]
async fn each_piece_of_a_body_is_there_before_the_next_is_sent() {
    let pair = Pair::start().await;
    for door in doors(&pair) {
        let mut stream = TcpStream::connect(door.api.authority())
            .await
            .expect("the API listens");
        let head = door.head("POST", "/mirror", "Transfer-Encoding: chunked\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut answer_head = None;
        for number in 0..10 {
            let piece = format!("5\r\npart{number}\r\n");
            stream.write_all(piece.as_bytes()).await.expect("sent");
            if answer_head.is_none() {
                answer_head = Some(read_to(&mut stream, "\r\n\r\n").await);
            }
            assert_eq!(read_to(&mut stream, &piece).await, piece);
        }
        stream.write_all(b"0\r\n\r\n").await.expect("sent");
        assert_eq!(read_to(&mut stream, "0\r\n\r\n").await, "0\r\n\r\n");
    }
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let service = Scripted::saying(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n\
         2\r\nhi\r\n0\r\nx-sum: 42\r\n\r\n",
    )
    .await;
    let (net, aid) = agent_of(&service.address).await;
    for door in Door::both(&net.nodes[0].api, &aid) {
        let head = door.head(
            "POST",
            "/",
            "TE: trailers\r\nConnection: TE, close\r\nTrailer: x-mine\r\n\
             Transfer-Encoding: chunked\r\n\r\n",
        );
        let request = format!("{head}1\r\na\r\n0\r\nx-mine: 7\r\n\r\n");
        let answer = crate::harness::raw_request(door.api.authority(), request.as_bytes()).await;
        let body = answer.body.to_ascii_lowercase();
        assert!(body.ends_with("0\r\nx-sum: 42\r\n\r\n"), "{body:?}");
        let asked = service
            .asked()
            .pop()
            .expect("a request")
            .to_ascii_lowercase();
        assert!(asked.ends_with("0\r\nx-mine: 7\r\n\r\n"), "{asked:?}");
        assert!(asked.contains("\r\nte: trailers\r\n"), "{asked:?}");
    }
}

#[tokio::test]
async fn an_event_is_there_before_the_next_is_sent() {
    for by_host in [false, true] {
        let (address, events) = event_source().await;
        let (net, aid) = agent_of(&address).await;
        let door = &Door::both(&net.nodes[0].api, &aid)[usize::from(by_host)];
        let mut answer = door
            .request(&Method::GET, "/events")
            .send()
            .await
            .expect("an answer");
        let kind = answer.headers()["content-type"].to_str().expect("text");
        assert_eq!(kind, "text/event-stream");
        for number in 0..20 {
            events.send(number.to_string()).await.expect("asked for");
            let chunk = timeout(DEADLINE, answer.chunk()).await;
            let chunk = chunk.expect("in time").expect("unbroken");
            assert_eq!(chunk.expect("an event"), format!("data: {number}\n\n"));
        }
        drop(events);
        assert_eq!(answer.chunk().await.expect("a clean end"), None);
    }
}

#[tokio::test]
async fn an_own_agent_is_called_directly() {
    let upstream = Upstream::start("local").await;
    let daemon = Daemon::alone().await;
    let agent = daemon.api.identity().await;
    let registration = agent.registration_with(&upstream.address);
    daemon.api.post("/agents", registration).await.ok();
    for door in Door::both(&daemon.api, &agent.aid) {
        let answer = door.request(&Method::GET, "/echo").send().await;
        let seen: Value = answer.expect("an answer").json().await.expect("JSON");
        assert_eq!(header(&seen["headers"], "host"), Some(&*agent.aid));
    }
}
