// SPDX-License-Identifier: MPL-2.0
//! MCP: the protocol itself at `/mcp`, and single tools for scripts.

use a2al_mcp::{CallError, Called, Endpoint, Mcp};
use axum::Router;
use axum::body::Body as HttpBody;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::any;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::json_through;
use super::extract::Body;
use super::{App, Problem, handing};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(call_tool))
}

/// Where MCP clients connect. Methods, content types and errors are those of their protocol.
pub(super) fn endpoint<S: Clone + Send + Sync + 'static>(endpoint: Endpoint) -> Router<S> {
    let answer = any(move |request: Request| {
        let endpoint = endpoint.clone();
        async move { endpoint.answer(request).await.map(HttpBody::new) }
    });
    Router::new()
        .route("/mcp", answer.clone())
        .route("/mcp/", answer)
}

/// One call of a tool.
#[derive(Debug, Deserialize, ToSchema)]
struct Call {
    /// Its name; `tools/list` at `/mcp` has all of them.
    #[serde(default)]
    #[schema(example = "a2al_status")]
    tool: String,
    /// Its arguments; none when absent.
    #[serde(default)]
    #[schema(value_type = Object)]
    args: Option<Map<String, Value>>,
}

/// Calls one tool and answers its structured content.
#[utoipa::path(post, path = "/mcp/call", tag = "mcp", request_body = Call, responses(
    (status = 200, description = "What the tool answered.", body = serde_json::Value), Problem,
))]
async fn call_tool(State(mcp): State<Mcp>, Body(call): Body<Call>) -> Result<Response, Problem> {
    if call.tool.is_empty() {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "tool required",
            "bad_tool",
        ));
    }
    let called = mcp.call(&call.tool, call.args.unwrap_or_default()).await;
    let Called { content, receipts } = called.map_err(problem)?;
    let handing = |text| handing::body(text, move || receipts.handed_over());
    Ok(json_through(StatusCode::OK, &content, handing))
}

fn problem(error: CallError) -> Problem {
    let text = error.to_string();
    match error {
        CallError::UnknownTool(_) => Problem::new(StatusCode::BAD_REQUEST, text, "bad_tool"),
        CallError::BadArgument { next, argument, .. } => {
            let problem = Problem::new(StatusCode::BAD_REQUEST, text, "bad_argument");
            problem.advising(next, argument)
        }
        CallError::Failed {
            code,
            retryable,
            next,
            argument,
            ..
        } => {
            let problem = Problem::coded(StatusCode::UNPROCESSABLE_ENTITY, text, code);
            let problem = problem.advising(next, argument);
            if retryable {
                problem.but_later()
            } else {
                problem
            }
        }
        _ => Problem::new(StatusCode::SERVICE_UNAVAILABLE, text, "stopping").but_later(),
    }
}
