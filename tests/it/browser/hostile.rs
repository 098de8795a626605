// SPDX-License-Identifier: MPL-2.0
//! The service of a hostile agent: the page that attacks, and what it attacks on its own origin to prove itself.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Attempts that the page makes against each origin.
pub(super) const ATTEMPTS: usize = 14;

/// Longest wait for the page's report. Every attempt that meets silence takes some seconds.
const REPORT_DEADLINE: Duration = Duration::from_secs(120);

/// The attacking page, its script included.
const ATTACK: &str = include_str!("attack.html");

/// A page that shows whether its script ran.
const MARK: &str =
    "<!doctype html><p>static text<script>document.body.append('script', ' ran')</script>";

/// The service.
pub(super) struct Hostile {
    /// Where it listens, as `host:port`.
    pub(super) address: String,
    reports: mpsc::Receiver<Value>,
}

impl Hostile {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket").to_string();
        let (sender, reports) = mpsc::channel(1);
        let router = Router::new()
            .route("/report", post(report))
            .fallback(serve)
            .with_state(sender);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, reports }
    }

    /// What the page found out.
    pub(super) async fn report(&mut self) -> Value {
        let report = timeout(REPORT_DEADLINE, self.reports.recv()).await;
        report.expect("the page reports").expect("the service runs")
    }
}

async fn report(State(sender): State<mpsc::Sender<Value>>, body: String) {
    let report = serde_json::from_str(&body).expect("a report");
    sender.send(report).await.expect("the test listens");
}

/// Answers everything, so that on the page's own origin every attempt succeeds.
async fn serve(request: Request) -> Response {
    if let Some(key) = request.headers().get(header::SEC_WEBSOCKET_KEY).cloned() {
        return switched(request, &key);
    }
    let (kind, text) = match request.uri().path() {
        "/attack" => ("text/html", ATTACK.to_owned()),
        "/mark" => ("text/html", MARK.to_owned()),
        "/sw.js" => ("text/javascript", "self.onmessage = () => {}".to_owned()),
        "/worker.js" => ("text/javascript", "postMessage('mine')".to_owned()),
        "/events" => ("text/event-stream", "data: mine\n\n".to_owned()),
        path => ("text/plain", format!("mine: {} {path}", request.method())),
    };
    let mut answer = ([(header::CONTENT_TYPE, kind)], text).into_response();
    let headers = answer.headers_mut();
    for cookie in [
        "own=1; Path=/",
        "evil=1; Domain=localhost; Path=/",
        "evil=2; Domain=127.0.0.1; Path=/",
        "evil=3; Domain=aid.localhost; Path=/",
    ] {
        headers.append(header::SET_COOKIE, HeaderValue::from_static(cookie));
    }
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("service-worker-allowed", "/"),
        ("clear-site-data", "\"storage\""),
        ("cross-origin-opener-policy", "unsafe-none"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// The answer that opens a web socket, which then says nothing.
fn switched(request: Request, key: &HeaderValue) -> Response {
    tokio::spawn(async move {
        let socket = hyper::upgrade::on(request).await;
        // Kept open until the daemon ends it.
        std::future::pending::<()>().await;
        drop(socket);
    });
    let accept = derive_accept_key(key.as_bytes());
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_ACCEPT, accept)
        .body(Body::empty())
        .expect("an answer")
}
