// SPDX-License-Identifier: MPL-2.0
//! Errors as every route answers them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use a2al_service::Error;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response as ResponseDoc, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use super::answer::json;
use crate::config::PatchError;
use crate::output::one_line;

/// A request that was not carried out, ready to be answered.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    body: ProblemBody,
    cause: Option<Cause>,
}

/// Why the node itself failed, on one line for the log; goes with the answer to where the request
/// is known.
#[derive(Clone, Debug)]
pub(super) struct Cause(pub(super) String);

/// The body of every error.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct ProblemBody {
    /// What went wrong, for people.
    #[schema(value_type = String, example = "bad aid")]
    pub error: Cow<'static, str>,
    /// What went wrong, for programs; never changed once given.
    #[serde(default)]
    #[schema(value_type = String, example = "bad_aid")]
    pub code: Cow<'static, str>,
    /// Whether the same request may succeed later.
    #[serde(default)]
    pub retryable: bool,
    /// What to do next, where a tool says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub next: Option<Box<str>>,
    /// The argument of a tool that is at fault, where one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub argument: Option<Box<str>>,
}

impl Problem {
    /// A problem no repetition will solve.
    pub fn new(
        status: StatusCode,
        error: impl Into<Cow<'static, str>>,
        code: &'static str,
    ) -> Self {
        Self::coded(status, error, code)
    }

    /// The same with a code that was made elsewhere.
    pub(super) fn coded(
        status: StatusCode,
        error: impl Into<Cow<'static, str>>,
        code: impl Into<Cow<'static, str>>,
    ) -> Self {
        let body = ProblemBody {
            error: error.into(),
            code: code.into(),
            retryable: false,
            next: None,
            argument: None,
        };
        Self {
            status,
            body,
            cause: None,
        }
    }

    /// The same with what a tool says about it.
    #[must_use]
    pub(super) fn advising(mut self, next: Option<String>, argument: Option<String>) -> Self {
        self.body.next = next.map(Into::into);
        self.body.argument = argument.map(Into::into);
        self
    }

    /// The same, but one that may have passed later.
    #[must_use]
    pub fn but_later(mut self) -> Self {
        self.body.retryable = true;
        self
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let wire = error.wire();
        let status = StatusCode::from_u16(wire.http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut problem = Self::new(status, error.to_string(), wire.code);
        problem.cause = status.is_server_error().then(|| Cause(one_line(&error)));
        problem.body.retryable = wire.retryable;
        problem
    }
}

impl From<PatchError> for Problem {
    fn from(error: PatchError) -> Self {
        let (status, code) = match &error {
            PatchError::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid_config"),
            PatchError::File(_) => (StatusCode::INSUFFICIENT_STORAGE, "storage"),
        };
        Self::new(status, one_line(&error), code)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = json(self.status, &self.body);
        if let Some(cause) = self.cause {
            response.extensions_mut().insert(cause);
        }
        response
    }
}

/// In the document, an error is the default response: its status depends on what went wrong.
impl IntoResponses for Problem {
    fn responses() -> BTreeMap<String, RefOr<ResponseDoc>> {
        let schema = Ref::from_schema_name(ProblemBody::name());
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let response = ResponseBuilder::new()
            .description("The request was not carried out.")
            .content("application/json", content)
            .build();
        BTreeMap::from([("default".to_owned(), response.into())])
    }
}
