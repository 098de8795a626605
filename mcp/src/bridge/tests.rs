// SPDX-License-Identifier: MPL-2.0
//! A bridge between pipes and servers that do what they should not.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf,
    duplex, split,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::{Address, MAX_REQUESTS, run};

/// Longest wait for what has to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a server does with a request.
enum Does {
    /// Answers with a status, further headers and a body, and closes.
    Answers(u16, String, String),
    /// Answers with a stream of events that goes on behind the answer, and notes in what was asked
    /// whether it was read to its end.
    GoesOn(String),
    /// Begins a stream of events and sends one comment after the other.
    Drips,
    /// Says nothing.
    Waits,
}

/// A server whose behaviour a test decides, by the head of a request and the message in it.
struct Server {
    url: String,
    /// The messages so far.
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Server {
    async fn start(does: impl Fn(&str, &Value) -> Does + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (does, kept) = (Arc::new(does), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&does), Arc::clone(&kept)));
            }
        });
        Self { url, asked }
    }

    /// Waits until a message was asked that `is_it` accepts.
    async fn was_asked(&self, is_it: impl Fn(&Value) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !self.asked.lock().unwrap().iter().any(&is_it) {
            assert!(Instant::now() < deadline, "{:?}", self.asked);
            sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn serve(
    mut stream: TcpStream,
    does: Arc<impl Fn(&str, &Value) -> Does>,
    kept: Arc<Mutex<Vec<Value>>>,
) {
    let mut bytes = Vec::new();
    let (head, body) = loop {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let len = head.split("content-length: ").nth(1).unwrap_or("0");
        if body.len() >= len.lines().next().unwrap().parse().unwrap() {
            let body = &bytes[bytes.len() - body.len()..];
            break (
                head.to_owned(),
                serde_json::from_slice(body).unwrap_or(Value::Null),
            );
        }
    };
    let what = does(&head, &body);
    kept.lock().unwrap().push(body);
    match what {
        Does::Answers(status, headers, body) => {
            let len = body.len();
            let answer = format!(
                "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {len}\r\n{headers}\r\n{body}"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        Does::GoesOn(answer) => {
            let is_read = goes_on(&mut stream, &answer).await.is_ok();
            kept.lock().unwrap().push(json!({ "is_read": is_read }));
        }
        Does::Drips => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
            let mut sent = stream.write_all(head.as_bytes()).await;
            while sent.is_ok() {
                sleep(Duration::from_millis(20)).await;
                sent = stream.write_all(b": x\n\n").await;
            }
        }
        Does::Waits => drop(stream.read_buf(&mut bytes).await),
    }
}

/// Sends more behind an answer than a client holds unread, then waits until the other side closes.
async fn goes_on(stream: &mut TcpStream, answer: &str) -> io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\n\r\n";
    let event = format!("{head}data: {answer}\n\n");
    stream.write_all(event.as_bytes()).await?;
    for _ in 0..512 {
        stream.write_all(&[b':'; 8 * 1024]).await?;
    }
    stream.shutdown().await?;
    // A connection that is closed with something unread in it is reset.
    stream.read_to_end(&mut Vec::new()).await.map(drop)
}

fn taken() -> Does {
    Does::Answers(202, String::new(), String::new())
}

fn says(message: &Value) -> Does {
    let headers = "Content-Type: application/json\r\nMcp-Session-Id: first\r\n";
    Does::Answers(200, headers.to_owned(), message.to_string())
}

/// What a server does that does all it should.
fn well(message: &Value) -> Does {
    let id = &message["id"];
    match message["method"].as_str() {
        Some("initialize") => says(
            &json!({ "jsonrpc": "2.0", "id": id, "result": { "protocolVersion": "2025-06-18" } }),
        ),
        None if message.is_null() => Does::Answers(405, String::new(), String::new()),
        Some(_) if id.is_null() => taken(),
        Some(_) => says(&json!({ "jsonrpc": "2.0", "id": id, "result": {} })),
        None => taken(),
    }
}

/// A client of a bridge.
struct Client {
    write: WriteHalf<DuplexStream>,
    read: BufReader<ReadHalf<DuplexStream>>,
    bridge: JoinHandle<()>,
}

impl Client {
    fn of(server: &Server) -> Self {
        let (ours, theirs) = duplex(1024 * 1024);
        let (read, write) = split(theirs);
        let address = Address {
            url: server.url.clone(),
            token: None,
        };
        let bridge =
            tokio::spawn(async move { run(Arc::new(address), read, write).await.unwrap() });
        let (read, write) = split(ours);
        Self {
            write,
            read: BufReader::new(read),
            bridge,
        }
    }

    async fn send(&mut self, line: &str) {
        let line = format!("{line}\n");
        self.write.write_all(line.as_bytes()).await.unwrap();
    }

    async fn request(&mut self, id: usize, method: &str) {
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method });
        self.send(&request.to_string()).await;
    }

    async fn notice(&mut self, method: &str) {
        let notice = json!({ "jsonrpc": "2.0", "method": method });
        self.send(&notice.to_string()).await;
    }

    async fn open(&mut self) {
        self.request(0, "initialize").await;
        self.notice("notifications/initialized").await;
        assert_eq!(self.hears().await["id"], 0);
    }

    async fn hears(&mut self) -> Value {
        let mut line = String::new();
        let read = timeout(PATIENCE, self.read.read_line(&mut line)).await;
        read.expect("a line in time").unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// Whom the next line answers with an error, and with which code.
    async fn hears_error(&mut self) -> (Value, Value) {
        let answer = self.hears().await;
        (answer["id"].clone(), answer["error"]["code"].clone())
    }

    /// Closes its side and waits for the end of the bridge.
    async fn close(mut self) {
        self.write.shutdown().await.unwrap();
        let ended = timeout(PATIENCE, self.bridge).await;
        ended.expect("it ends").unwrap();
    }
}

#[tokio::test]
async fn an_error_without_an_id_answers_the_request_that_it_came_for() {
    let server = Server::start(|_, message| match message["method"].as_str() {
        Some("null") => {
            says(&json!({ "jsonrpc": "2.0", "id": null, "error": { "code": -1, "message": "no" } }))
        }
        Some("other") => says(&json!({ "jsonrpc": "2.0", "id": 99, "result": {} })),
        _ => well(message),
    })
    .await;
    let mut client = Client::of(&server);
    client.open().await;
    client.request(1, "null").await;
    assert_eq!(client.hears_error().await, (json!(1), json!(-1)));
    client.request(2, "other").await;
    assert_eq!(client.hears().await["id"], 99);
    assert_eq!(client.hears_error().await, (json!(2), json!(-32000)));
    client.close().await;
}

#[tokio::test]
async fn every_line_that_could_be_a_request_is_answered() {
    let server = Server::start(|_, message| well(message)).await;
    let mut client = Client::of(&server);
    let deep = format!(
        r#"{{"x":{}{},"id":5,"method":"x"}}"#,
        "[".repeat(200),
        "]".repeat(200)
    );
    for (line, id, code) in [
        ("{", Value::Null, -32700),
        ("[]", Value::Null, -32600),
        (r#"{"id":null,"method":"ping"}"#, Value::Null, -32600),
        (&deep, 5.into(), -32600),
    ] {
        client.send(line).await;
        assert_eq!(client.hears_error().await, (id, code.into()), "{line}");
    }
    // More than wait to be written.
    client.send(&"{\n".repeat(300)).await;
    for _ in 0..300 {
        assert_eq!(client.hears().await["error"]["code"], -32700);
    }
    client.close().await;
}

#[tokio::test]
async fn a_server_that_never_ends_an_answer_holds_up_nothing() {
    let server = Server::start(|_, message| match message["method"].as_str() {
        Some("notifications/initialized" | "drip") => Does::Drips,
        _ => well(message),
    })
    .await;
    let mut client = Client::of(&server);
    client.open().await;
    client.request(1, "drip").await;
    client.request(2, "tools/list").await;
    assert_eq!(client.hears().await["id"], 2);
    client.close().await;
}

#[tokio::test]
async fn an_answer_is_read_to_its_end() {
    let server = Server::start(|_, message| match message["method"].as_str() {
        Some("long") => {
            Does::GoesOn(json!({ "jsonrpc": "2.0", "id": message["id"], "result": {} }).to_string())
        }
        _ => well(message),
    })
    .await;
    let mut client = Client::of(&server);
    client.open().await;
    client.request(1, "long").await;
    assert_eq!(client.hears().await["id"], 1);
    // Also by a bridge whose client leaves as soon as it has the answer.
    client.close().await;
    server.was_asked(|message| message["is_read"] == true).await;
}

#[tokio::test]
async fn answers_pass_by_requests_that_wait() {
    let server = Server::start(|_, message| match message["method"].as_str() {
        Some("wait") => Does::Waits,
        _ => well(message),
    })
    .await;
    let mut client = Client::of(&server);
    client.open().await;
    for id in 1..=2 * MAX_REQUESTS {
        client.request(id, "wait").await;
    }
    let answer = json!({ "jsonrpc": "2.0", "id": "theirs", "result": {} });
    client.send(&answer.to_string()).await;
    server.was_asked(|message| message["id"] == "theirs").await;
    client.notice("notifications/cancelled").await;
    let is_cancelled = |message: &Value| message["method"] == "notifications/cancelled";
    server.was_asked(is_cancelled).await;
}

#[tokio::test]
async fn a_session_that_is_opened_again_watches_what_it_watched() {
    let sessions = Arc::new(Mutex::new(1));
    let known = Arc::clone(&sessions);
    let server = Server::start(move |head, message| {
        let session = *known.lock().unwrap();
        if message["method"] == "initialize" {
            let result = json!({ "protocolVersion": "2025-06-18" });
            let body = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
            let headers =
                format!("Content-Type: application/json\r\nMcp-Session-Id: s{session}\r\n");
            return Does::Answers(200, headers, body.to_string());
        }
        if !head.contains(&format!("mcp-session-id: s{session}")) {
            return Does::Answers(404, String::new(), String::new());
        }
        if message.is_null() {
            // What is listened to ends at once, as when the server goes.
            let headers = "Content-Type: text/event-stream\r\n";
            return Does::Answers(200, headers.to_owned(), String::new());
        }
        well(message)
    })
    .await;
    let mut client = Client::of(&server);
    client.open().await;
    let params = json!({ "uri": "a2al://agents" });
    let watch =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/subscribe", "params": params });
    client.send(&watch.to_string()).await;
    assert_eq!(client.hears().await["id"], 1);
    server.was_asked(Value::is_null).await;
    server.asked.lock().unwrap().clear();
    *sessions.lock().unwrap() = 2;

    // The client says nothing; the one that listens notices.
    server.was_asked(|message| *message == watch).await;
    let notice = client.hears().await;
    assert_eq!(notice["method"], "notifications/resources/updated");
    assert_eq!(notice["params"], params);
    client.request(2, "tools/list").await;
    assert_eq!(client.hears().await["id"], 2);
    client.close().await;
}
