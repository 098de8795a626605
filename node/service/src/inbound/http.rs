// SPDX-License-Identifier: MPL-2.0
//! Streams that carry HTTP/1: each request tells the service who calls.
//!
//! One stream is one connection to the service. Requests and answers pass as they arrive and as
//! they are; only headers that could pass for ours are taken out.

mod headers;

use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::BodyExt as _;
use http_body_util::combinators::MapFrame;
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Method, Request, Response, StatusCode, Version, client, server};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::meter::{Metered, Replayed};
use super::session::Session;
use crate::pump::both_ways;

/// Longest head of a request or answer, in bytes.
const MAX_HEAD_LEN: usize = 64 * 1024;

/// A request's body without trailers of ours.
type Body = MapFrame<Incoming, fn(Frame<Bytes>) -> Frame<Bytes>>;

type Sender = client::conn::http1::SendRequest<Body>;

/// What both ends become when the service switches protocols.
type Switch = Mutex<Option<(OnUpgrade, OnUpgrade)>>;

/// What the requests of one stream share.
struct Requests {
    caller: HeaderValue,
    sender: tokio::sync::Mutex<Sender>,
    switch: Switch,
}

/// Passes requests and answers until either side ends.
///
/// # Errors
/// When the caller sends no HTTP, or the service breaks off: the stream is then not ended, but
/// broken by being dropped in the middle of an answer.
pub(super) async fn proxy<C, S>(caller: Replayed<C>, service: Metered<S>) -> Result<(), Error>
where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let session = Arc::clone(&service.session);
    let (sender, upstream) = client::conn::http1::Builder::new()
        .preserve_header_case(true)
        .max_buf_size(MAX_HEAD_LEN)
        .handshake(TokioIo::new(service))
        .await?;
    let aid = session.caller().to_string();
    let requests = Arc::new(Requests {
        caller: HeaderValue::from_str(&aid).expect("an address is visible ASCII"),
        sender: tokio::sync::Mutex::new(sender),
        switch: Mutex::default(),
    });
    let forwarding = Arc::clone(&requests);
    let downstream = server::conn::http1::Builder::new()
        .preserve_header_case(true)
        .title_case_headers(true)
        .half_close(true)
        .auto_date_header(false)
        .max_buf_size(MAX_HEAD_LEN)
        .serve_connection(
            TokioIo::new(caller),
            service_fn(move |request| Arc::clone(&forwarding).forward(request)),
        )
        .with_upgrades();
    let (mut downstream, mut upstream) = (pin!(downstream), pin!(upstream.with_upgrades()));
    let mut has_upstream = true;
    loop {
        tokio::select! {
            biased;
            served = &mut downstream => {
                served?;
                break;
            }
            ended = &mut upstream, if has_upstream => {
                has_upstream = false;
                // An answer that is under way is finished, or broken by its own body.
                downstream.as_mut().graceful_shutdown();
                if let Err(error) = ended {
                    tracing::debug!(%error, "connection to a service ended");
                }
            }
        }
    }
    let Some((caller, service)) = requests.take_switch() else {
        return Ok(());
    };
    if has_upstream {
        upstream.await?;
    }
    switched::<C, S>(caller.await?, service.await?, &session).await
}

impl Requests {
    /// Sends a request on and hands back the head of its answer.
    async fn forward(
        self: Arc<Self>,
        mut request: Request<Incoming>,
    ) -> Result<Response<Incoming>, hyper::Error> {
        let is_connect = request.method() == Method::CONNECT;
        let may_switch = is_connect || request.headers().contains_key(header::UPGRADE);
        let caller = may_switch.then(|| hyper::upgrade::on(&mut request));
        headers::identify(request.headers_mut(), &self.caller);
        let strip: fn(Frame<Bytes>) -> Frame<Bytes> = headers::strip_trailers;
        let request = request.map(|body| body.map_frame(strip));
        let answering = {
            let mut sender = self.sender.lock().await;
            sender.ready().await?;
            sender.send_request(request)
        };
        let mut answer = answering.await?;
        let has_switched = answer.status() == StatusCode::SWITCHING_PROTOCOLS
            || (is_connect && answer.status().is_success());
        if let Some(caller) = caller.filter(|_| has_switched) {
            let service = hyper::upgrade::on(&mut answer);
            *self.switch.lock().unwrap_or_else(PoisonError::into_inner) = Some((caller, service));
        } else {
            end_with(&mut answer);
        }
        Ok(answer)
    }

    fn take_switch(&self) -> Option<(OnUpgrade, OnUpgrade)> {
        let mut switch = self.switch.lock().unwrap_or_else(PoisonError::into_inner);
        switch.take()
    }
}

/// Says so where the connection to the service ends with this answer: the stream then does, too.
fn end_with(answer: &mut Response<Incoming>) {
    use hyper::body::Body as _;
    let is_delimited = answer.body().size_hint().exact().is_some()
        || answer.headers().contains_key(header::TRANSFER_ENCODING);
    let is_kept = answer.version() == Version::HTTP_11
        || answer
            .headers()
            .get(header::CONNECTION)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"keep-alive"));
    if !is_delimited || !is_kept {
        let close = HeaderValue::from_static("close");
        answer.headers_mut().insert(header::CONNECTION, close);
    }
    *answer.version_mut() = Version::HTTP_11;
}

/// Moves bytes after the service has switched protocols.
async fn switched<C, S>(
    caller: Upgraded,
    service: Upgraded,
    session: &Arc<Session>,
) -> Result<(), Error>
where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let unknown = || io::Error::other("not the connection that was handed out");
    let caller = caller.downcast::<TokioIo<Replayed<C>>>();
    let caller = caller.map_err(|_| unknown())?;
    let service = service.downcast::<TokioIo<Metered<S>>>();
    let service = service.map_err(|_| unknown())?;
    let is_http = &session.is_http;
    is_http.store(false, std::sync::atomic::Ordering::Relaxed);
    let mut service_io = service.io.into_inner();
    let mut caller_io = caller.io.into_inner();
    caller_io.head = caller.read_buf;
    if !service.read_buf.is_empty() {
        tokio::io::AsyncWriteExt::write_all(&mut caller_io, &service.read_buf).await?;
    }
    Ok(both_ways(&mut caller_io, &mut service_io).await?)
}

/// Why a stream with HTTP broke.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// One side speaks no HTTP, or broke off.
    #[error(transparent)]
    Http(#[from] hyper::Error),
    /// One side broke off after the protocol was switched.
    #[error(transparent)]
    Io(#[from] io::Error),
}
