// SPDX-License-Identifier: MPL-2.0
//! Services behind agents: one of ours that answers in every way a test needs, and foreign ones.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::{Process, eventually, free_port};

/// Size of one chunk of a chunked answer, in bytes.
const CHUNK_LEN: usize = 1000;

/// Pause before each chunk of a slow answer.
const SLOW_PAUSE: Duration = Duration::from_millis(50);

/// Largest request body that the service reads, in bytes.
const MAX_BODY_LEN: usize = 8 * 1024 * 1024;

/// An HTTP service in this process.
///
/// | path | answer |
/// |---|---|
/// | `/echo…` | JSON: method, path with query, headers, body |
/// | `/mirror` | the request's body as it came |
/// | `/bytes/N` | N bytes counting up modulo 251 |
/// | `/status/N` | an empty answer with that status |
/// | `/chunked/N`, `/slow/N` | N chunks of 1000 bytes, at once or 50 ms apart |
/// | `/redirect` | 302 to `/echo` |
/// | `/name` | the service's name |
#[derive(Debug)]
pub(crate) struct Upstream {
    /// Where it listens, as `host:port`.
    pub(crate) address: String,
    served: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

#[derive(Clone)]
struct Shared {
    name: String,
    served: Arc<AtomicUsize>,
}

impl Upstream {
    /// Starts a service that calls itself `name`.
    pub(crate) async fn start(name: &str) -> Self {
        Self::start_at(&format!("127.0.0.1:{}", free_port()), name).await
    }

    /// Starts a service that calls itself `name` and listens at `address`.
    pub(crate) async fn start_at(address: &str, name: &str) -> Self {
        let listener = TcpListener::bind(address)
            .await
            .expect("the address is free");
        let address = listener.local_addr().expect("a bound socket").to_string();
        let served = Arc::new(AtomicUsize::new(0));
        let shared = Shared {
            name: name.to_owned(),
            served: Arc::clone(&served),
        };
        let (stop, stopped) = oneshot::channel();
        let serving = axum::serve(listener, routes(shared)).with_graceful_shutdown(async {
            // A dropped sender stops the service as well.
            let _stopped = stopped.await;
        });
        let task = tokio::spawn(async move { serving.await.expect("axum::serve never fails") });
        Self {
            address,
            served,
            task,
            stop,
        }
    }

    /// Stops the service: idle connections are closed, and nothing listens any more. Returns where it was.
    pub(crate) async fn stop(self) -> String {
        drop(self.stop);
        self.task.await.expect("the service does not panic");
        self.address
    }

    /// Requests answered so far.
    pub(crate) fn served(&self) -> usize {
        self.served.load(Ordering::SeqCst)
    }
}

/// The bytes of `/bytes/N`.
pub(crate) fn counting(len: usize) -> Vec<u8> {
    (0..=250).cycle().take(len).collect()
}

fn routes(shared: Shared) -> Router {
    Router::new()
        .route("/echo", any(echo))
        .route("/echo/{*rest}", any(echo))
        .route("/mirror", any(|body: Body| async { body }))
        .route(
            "/bytes/{len}",
            any(|Path(len): Path<usize>| async move { counting(len) }),
        )
        .route("/status/{code}", any(status))
        .route(
            "/chunked/{count}",
            any(|Path(count)| async move { chunks(count, Duration::ZERO) }),
        )
        .route(
            "/slow/{count}",
            any(|Path(count)| async move { chunks(count, SLOW_PAUSE) }),
        )
        .route(
            "/redirect",
            any(|| async { (StatusCode::FOUND, [(header::LOCATION, "/echo")]) }),
        )
        .route(
            "/name",
            any(|State(shared): State<Shared>| async move { shared.name }),
        )
        .layer(axum::extract::DefaultBodyLimit::disable())
        .layer(axum::middleware::from_fn_with_state(shared.clone(), count))
        .with_state(shared)
}

async fn count(
    State(shared): State<Shared>,
    request: Request,
    next: axum::middleware::Next,
) -> Response {
    shared.served.fetch_add(1, Ordering::SeqCst);
    next.run(request).await
}

async fn echo(request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MAX_BODY_LEN)
        .await
        .unwrap_or_default();
    let told = json!({
        "method": parts.method.as_str(),
        "path": parts.uri.path_and_query().map_or("", |path| path.as_str()),
        "headers": listed(&parts.headers),
        "body_base64": BASE64_STANDARD.encode(&body),
    });
    let method = [("x-method", parts.method.to_string())];
    (method, axum::Json(told)).into_response()
}

fn listed(headers: &HeaderMap) -> serde_json::Value {
    let text = |value: &header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let mut all = serde_json::Map::new();
    for name in headers.keys() {
        let values = headers.get_all(name).iter().map(text).collect::<Vec<_>>();
        all.insert(name.to_string(), json!(values));
    }
    all.into()
}

async fn status(Path(code): Path<u16>) -> Response {
    StatusCode::from_u16(code)
        .expect("tests ask for real statuses")
        .into_response()
}

fn chunks(count: usize, pause: Duration) -> Response {
    let chunks = futures::stream::unfold(0, move |sent| async move {
        if sent == count {
            return None;
        }
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        let chunk = Bytes::from(vec![
            u8::try_from(sent % 251).expect("below 251");
            CHUNK_LEN
        ]);
        Some((Ok::<_, std::convert::Infallible>(chunk), sent + 1))
    });
    Body::from_stream(chunks).into_response()
}

/// A server that others wrote, as a process of its own.
#[derive(Debug)]
pub(crate) struct Foreign {
    /// Where it listens, as `host:port`.
    pub(crate) address: String,
    _process: Process,
}

impl Foreign {
    /// Starts `command` after telling it, through `listen_on`, a port that was free a moment ago.
    pub(crate) async fn start(
        mut command: Command,
        listen_on: impl FnOnce(&mut Command, u16),
    ) -> Self {
        let port = free_port();
        listen_on(&mut command, port);
        let process = Process::start(command);
        let address = format!("127.0.0.1:{port}");
        eventually(
            "the foreign server listens",
            Duration::from_secs(20),
            async || TcpStream::connect(&address).await.ok(),
        )
        .await;
        Self {
            address,
            _process: process,
        }
    }
}
