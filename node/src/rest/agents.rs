// SPDX-License-Identifier: MPL-2.0
//! The agents this node hosts.

use a2al_service::{Service, model};
use axum::Extension;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{Answer, Answered};
use super::extract::{Body, InPath};
use super::{App, Problem};
use crate::guard::Caller;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_agents, register_agent))
        .routes(routes!(deleted_agents))
        .routes(routes!(show_agent, change_agent, delete_agent))
        .routes(routes!(restore_agent))
        .routes(routes!(probe_agent))
        .routes(routes!(export_agent))
        .routes(routes!(agent_heartbeat))
}

/// All agents.
#[utoipa::path(get, path = "/agents", tag = "agents", responses(
    (status = 200, description = "The agents.", body = model::AgentList), Problem,
))]
async fn list_agents(State(service): State<Service>) -> Answer<model::AgentList> {
    Answer(service.agents())
}

/// Hosts an agent, imports an exported one, or hosts one whose keys are kept here, by its address.
#[utoipa::path(post, path = "/agents", tag = "agents", request_body = model::Registration, responses(
    (status = 200, description = "Hosted.", body = model::Registered), Problem,
))]
async fn register_agent(
    State(service): State<Service>,
    Body(request): Body<model::Registration>,
) -> Answered<model::Registered> {
    Ok(Answer(service.register_either(request).await?))
}

/// One agent.
#[utoipa::path(get, path = "/agents/{aid}", tag = "agents", params(InPath), responses(
    (status = 200, description = "The agent.", body = model::Agent), Problem,
))]
async fn show_agent(State(service): State<Service>, InPath(aid): InPath) -> Answered<model::Agent> {
    Ok(Answer(service.agent(aid)?))
}

/// Changes an agent.
#[utoipa::path(patch, path = "/agents/{aid}", tag = "agents", params(InPath),
    request_body = model::PatchAgent, responses(
    (status = 200, description = "Changed.", body = model::Updated), Problem,
))]
async fn change_agent(
    State(service): State<Service>,
    InPath(aid): InPath,
    Body(request): Body<model::PatchAgent>,
) -> Answered<model::Updated> {
    Ok(Answer(service.patch(aid, request).await?))
}

/// Deletes an agent and withdraws its record; it can be restored for 30 days.
#[utoipa::path(delete, path = "/agents/{aid}", tag = "agents", params(InPath), responses(
    (status = 200, description = "Deleted, or never there.", body = model::Done), Problem,
))]
async fn delete_agent(
    State(service): State<Service>,
    InPath(aid): InPath,
) -> Answered<model::Done> {
    Ok(Answer(service.delete(aid).await?))
}

/// The agents that were deleted and can be restored.
#[utoipa::path(get, path = "/agents/deleted", tag = "agents", responses(
    (status = 200, description = "The agents, the last deleted first.", body = model::DeletedList),
    Problem,
))]
async fn deleted_agents(State(service): State<Service>) -> Answer<model::DeletedList> {
    Answer(service.deleted_agents())
}

/// Hosts a deleted agent again, for 30 days after it was deleted.
#[utoipa::path(post, path = "/agents/{aid}/restore", tag = "agents", params(InPath), responses(
    (status = 200, description = "Hosted again.", body = model::Agent), Problem,
))]
async fn restore_agent(
    State(service): State<Service>,
    InPath(aid): InPath,
) -> Answered<model::Agent> {
    Ok(Answer(service.restore(aid).await?))
}

/// Whether an agent's service answers, and what was published for it.
#[utoipa::path(get, path = "/agents/{aid}/probe", tag = "agents", params(InPath), responses(
    (status = 200, description = "What was found.", body = model::Probe), Problem,
))]
async fn probe_agent(
    State(service): State<Service>,
    InPath(aid): InPath,
) -> Answered<model::Probe> {
    Ok(Answer(service.probe(aid).await?))
}

/// An agent's credentials, for callers on this machine only.
#[utoipa::path(get, path = "/agents/{aid}/export", tag = "agents", params(InPath), responses(
    (status = 200, description = "The credentials.", body = model::Export), Problem,
))]
async fn export_agent(
    State(service): State<Service>,
    Extension(caller): Extension<Caller>,
    InPath(aid): InPath,
) -> Result<Response, Problem> {
    caller.must_be_local("export")?;
    let export = Answer(service.export(aid)?);
    Ok(([(header::CACHE_CONTROL, "no-store")], export).into_response())
}

/// Says that an agent is alive.
#[utoipa::path(post, path = "/agents/{aid}/heartbeat", tag = "agents", params(InPath), responses(
    (status = 200, description = "Noted.", body = model::Heartbeat), Problem,
))]
async fn agent_heartbeat(
    State(service): State<Service>,
    InPath(aid): InPath,
) -> Answered<model::Heartbeat> {
    Ok(Answer(service.heartbeat(aid)?))
}
