// SPDX-License-Identifier: MPL-2.0
//! Services that talk for as long as somebody listens: server-sent events, and web sockets.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use futures::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

/// A service whose `/events` tells what is sent to it here, one event each.
pub(crate) async fn event_source() -> (String, mpsc::Sender<String>) {
    let (sender, events) = mpsc::channel::<String>(1);
    let events = Arc::new(Mutex::new(Some(events)));
    let told = move || async move {
        let events = events.lock().expect("no test panics here").take();
        let events = futures::stream::unfold(events.expect("asked once"), |mut events| async {
            let event = events.recv().await?;
            let bytes = Bytes::from(format!("data: {event}\n\n"));
            Some((Ok::<_, Infallible>(bytes), events))
        });
        let kind = [(header::CONTENT_TYPE, "text/event-stream")];
        (kind, Body::from_stream(events)).into_response()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket").to_string();
    let router = Router::new().route("/events", get(told));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, sender)
}

/// A web socket service that says everything again, and the heads of the requests that it got.
#[derive(Debug)]
pub(crate) struct EchoSocket {
    /// Where it listens, as `host:port`.
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl EchoSocket {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket").to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(echo(stream, Arc::clone(&kept)));
            }
        });
        Self { address, asked }
    }

    /// The heads of the requests so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no test panics here").clone()
    }
}

async fn echo(stream: TcpStream, asked: Arc<Mutex<Vec<String>>>) -> Option<()> {
    #[expect(clippy::result_large_err, reason = "the signature tungstenite calls")]
    let keep = |request: &Request, response: Response| {
        let head = format!("{} {:?}", request.uri(), request.headers());
        asked.lock().expect("no test panics here").push(head);
        Ok(response)
    };
    let mut socket = tokio_tungstenite::accept_hdr_async(stream, keep)
        .await
        .ok()?;
    while let Some(Ok(message)) = socket.next().await {
        if message.is_text() || message.is_binary() {
            socket.send(message).await.ok()?;
        }
    }
    Some(())
}
