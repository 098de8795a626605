// SPDX-License-Identifier: MPL-2.0
//! MCP over HTTP ("streamable HTTP"), for a front end to mount.

use std::convert::Infallible;
use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::future::BoxFuture;
use http_body_util::BodyExt as _;
use http_body_util::combinators::{BoxBody, UnsyncBoxBody};
use hyper::body::{Body, Bytes};
use hyper::{Request, Response};
use rmcp::ServerHandler;
use rmcp::transport::StreamableHttpService;
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
use tokio_util::sync::CancellationToken;

use crate::limits::MAX_MESSAGE_LEN;
use crate::receipts::{Closing, Handing, Receipts};
use crate::server::Mcp;
use crate::sessions::Sessions;

/// What a front end mounts. Cheap to clone; every clone has the same sessions.
#[derive(Clone)]
pub struct Endpoint(Arc<dyn Serve>);

/// A request whose body reports errors as text.
type AnyRequest = Request<UnsyncBoxBody<Bytes, String>>;

/// [`StreamableHttpService`], whatever serves its clients.
trait Serve: Send + Sync {
    fn serve(&self, request: AnyRequest) -> BoxFuture<'_, Response<BoxBody<Bytes, Infallible>>>;
}

impl<H: ServerHandler> Serve for StreamableHttpService<H, Sessions> {
    fn serve(&self, request: AnyRequest) -> BoxFuture<'_, Response<BoxBody<Bytes, Infallible>>> {
        Box::pin(self.handle(request))
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").finish_non_exhaustive()
    }
}

impl Endpoint {
    /// An endpoint for a daemon that listens on `api_addr`. `handler` makes what serves one client,
    /// or one request of a client without a session. Its streams end with `stop`.
    ///
    /// Host and Origin are checked here too, so that a front end which forgets to is still safe
    /// from foreign pages.
    pub fn new<H: ServerHandler>(
        handler: impl Fn() -> H + Send + Sync + 'static,
        api_addr: SocketAddr,
        stop: CancellationToken,
    ) -> Self {
        let config = StreamableHttpServerConfig::default()
            .with_max_request_body_bytes(MAX_MESSAGE_LEN)
            .with_cancellation_token(stop)
            .with_allowed_origins(origins(api_addr));
        let config = if api_addr.ip().is_loopback() {
            // Every address in 127/8 is this machine.
            config.with_allowed_hosts(["localhost", "127.0.0.1", "::1", &api_addr.ip().to_string()])
        } else {
            // Other machines know this one by names that it does not; they need the token.
            config.disable_allowed_hosts()
        };
        let sessions = Arc::<Sessions>::default();
        let handler = move || Ok(handler());
        Self(Arc::new(StreamableHttpService::new(
            handler, sessions, config,
        )))
    }

    /// Answers a request, whatever its method.
    pub async fn answer<B>(
        &self,
        request: Request<B>,
    ) -> Response<impl Body<Data = Bytes, Error = Infallible> + Send + 'static + use<B>>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Display,
    {
        let told = |error: B::Error| error.to_string();
        let mut request = request.map(|body| body.map_err(told).boxed_unsync());
        let closing = Closing(Receipts::default());
        request.extensions_mut().insert(closing.0.clone());
        let answer = self.0.serve(request).await;
        answer.map(|body| Handing::new(body, closing))
    }
}

impl Mcp {
    /// The endpoint for a daemon that listens on `api_addr`. Its streams end with `stop`.
    pub fn http(&self, api_addr: SocketAddr, stop: CancellationToken) -> Endpoint {
        let mcp = self.clone();
        Endpoint::new(move || mcp.handler(), api_addr, stop)
    }
}

/// Pages of our own.
fn origins(api_addr: SocketAddr) -> [String; 4] {
    let port = api_addr.port();
    let [name, v4, v6] =
        ["localhost", "127.0.0.1", "[::1]"].map(|host| format!("http://{host}:{port}"));
    [name, v4, v6, format!("http://{api_addr}")]
}
