// SPDX-License-Identifier: MPL-2.0
//! Bodies as every route answers them: JSON and a newline.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::Problem;

/// A value answered as JSON with status 200.
#[derive(Debug)]
pub(super) struct Answer<T>(pub(super) T);

/// What a route gives back.
pub(super) type Answered<T> = Result<Answer<T>, Problem>;

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        json(StatusCode::OK, &self.0)
    }
}

/// Answers `value` as JSON, ended by a newline.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    json_through(status, value, Body::from)
}

/// The same with a body that `body` makes of the text.
pub(super) fn json_through(
    status: StatusCode,
    value: &impl Serialize,
    body: impl FnOnce(Vec<u8>) -> Body,
) -> Response {
    let mut text = match serde_json::to_vec(value) {
        Ok(text) => text,
        Err(error) => {
            tracing::error!(%error, "answer cannot be written as JSON");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    text.push(b'\n');
    let kind = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, kind)], body(text)).into_response()
}
