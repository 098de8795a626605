// SPDX-License-Identifier: MPL-2.0
//! Looking up agents anywhere in the network.

use a2al_service::{Service, model};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{Answer, Answered};
use super::extract::InPath;
use super::{App, Problem};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(resolve))
        .routes(routes!(resolve_records))
}

/// Which records are asked for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Kind {
    /// The kind; 0 or absent means all.
    #[serde(rename = "type")]
    #[param(value_type = Option<u8>)]
    kind: Option<String>,
}

fn parsed(query: Result<Query<Kind>, QueryRejection>) -> Result<Option<u8>, Problem> {
    let bad = || Problem::new(StatusCode::BAD_REQUEST, "bad type", "bad_type");
    let Query(Kind { kind }) = query.map_err(|_| bad())?;
    kind.filter(|kind| !kind.is_empty())
        .map(|kind| kind.parse())
        .transpose()
        .map_err(|_| bad())
}

/// Where an agent is reached.
#[utoipa::path(post, path = "/resolve/{aid}", tag = "records", params(InPath), responses(
    (status = 200, description = "The newest endpoint.", body = model::Resolution), Problem,
))]
async fn resolve(
    State(service): State<Service>,
    InPath(aid): InPath,
) -> Answered<model::Resolution> {
    Ok(Answer(service.resolve(aid).await?))
}

/// The records of an agent.
#[utoipa::path(get, path = "/resolve/{aid}/records", tag = "records", params(InPath, Kind),
    responses(
    (status = 200, description = "The records, perhaps none.", body = model::RecordList), Problem,
))]
async fn resolve_records(
    State(service): State<Service>,
    InPath(aid): InPath,
    kind: Result<Query<Kind>, QueryRejection>,
) -> Answered<model::RecordList> {
    Ok(Answer(service.resolve_records(aid, parsed(kind)?).await?))
}
