// SPDX-License-Identifier: MPL-2.0
//! What holds for every route, the unknown ones included.

use std::any::Any;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::Problem;
use super::problem::Cause;

/// Longest body of a request, in bytes. The reference daemon has the same limit.
const MAX_BODY: usize = 1024 * 1024;

/// How long a client may take to send a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Paths whose bodies are not ours to judge: the gateway passes them on as they are.
const EXEMPT: [&str; 1] = ["/aid/"];

/// Logs requests that the node failed at, with the route they took and the agent in it.
pub(super) async fn report(request: Request, next: Next) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let response = next.run(request).await;
    if let Some(Cause(error)) = response.extensions().get() {
        tracing::info!(error, "{method} {}: request failed", uri.path());
    }
    response
}

/// Checks the content type and takes in the body before a route sees the request, so that a route
/// which ignores its body refuses an over-long one all the same.
pub(super) async fn enforce(request: Request, next: Next) -> Response {
    let reads = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    if reads
        || EXEMPT
            .iter()
            .any(|prefix| request.uri().path().starts_with(prefix))
    {
        return next.run(request).await;
    }
    if !is_json(request.headers()) && !ends_session(&request) {
        let text = "Content-Type must be application/json";
        return Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text, "bad_content_type")
            .into_response();
    }
    match with_body(request).await {
        Ok(request) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Whether an MCP client ends its session; they send no content type along.
fn ends_session(request: &Request) -> bool {
    request.method() == Method::DELETE && matches!(request.uri().path(), "/mcp" | "/mcp/")
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.is_some_and(|kind| kind.starts_with(b"application/json"))
}

/// The request with its body in memory.
async fn with_body(request: Request) -> Result<Request, Problem> {
    if request.body().is_end_stream() {
        return Ok(request);
    }
    if request.body().size_hint().lower() > MAX_BODY as u64 {
        return Err(too_long());
    }
    let (parts, body) = request.into_parts();
    let body = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY).collect()).await;
    match body {
        Ok(Ok(body)) => Ok(Request::from_parts(parts, Body::from(body.to_bytes()))),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_long()),
        Ok(Err(_)) => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "body broke off",
            "bad_body",
        )),
        Err(_) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "body not sent in time",
            "timeout",
        )),
    }
}

fn too_long() -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body longer than 1 MiB",
        "body_too_long",
    )
}

/// Answers a path no route has.
pub(super) async fn unknown_path() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "404 page not found", "unknown_path")
}

/// Answers a known path with a method it does not have; axum adds `Allow`.
pub(super) async fn wrong_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "Method Not Allowed",
        "wrong_method",
    )
}

/// Answers for a route that panicked.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature tower-http calls"
)]
pub(super) fn panicked(payload: Box<dyn Any + Send>) -> Response {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    tracing::error!(panic = text, "a route panicked");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal error",
        "internal",
    )
    .into_response()
}

#[cfg(test)]
mod tests;
