// SPDX-License-Identifier: MPL-2.0
//! Notes between agents.

use a2al_protocol::Aid;
use a2al_protocol::limits::MAX_READ_LEN;
use a2al_service::{Service, model};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{Answer, Answered, json_through};
use super::extract::{Body, InPath};
use super::{App, Problem, handing};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(send_note))
        .routes(routes!(poll_mailbox))
        .routes(routes!(list_mailbox))
        .routes(routes!(list_outbox))
        .routes(routes!(cancel_note))
}

/// Sends a note that only its recipient can read, also to an agent that is asleep.
///
/// What has not arrived when this is answered is tried again until it has, or its time is over.
#[utoipa::path(post, path = "/agents/{aid}/mailbox/send", tag = "mailbox", params(InPath),
    request_body = model::SendNote, responses(
    (status = 200, description = "On its way, and safe on a disk.", body = model::SentNote), Problem,
))]
async fn send_note(
    State(service): State<Service>,
    InPath(aid): InPath,
    Body(request): Body<model::SendNote>,
) -> Answered<model::SentNote> {
    Ok(Answer(service.send_note(aid, request).await?))
}

/// Takes the notes of an agent.
///
/// Each note is given out once. If the answer was not handed over to the end, its notes come again,
/// with `again` set.
#[utoipa::path(post, path = "/agents/{aid}/mailbox/poll", tag = "mailbox", params(InPath), responses(
    (status = 200, description = "The notes, perhaps none.", body = model::MessageList), Problem,
))]
async fn poll_mailbox(
    State(service): State<Service>,
    InPath(aid): InPath,
) -> Result<Response, Problem> {
    let polled = service.poll_mailbox(aid, MAX_READ_LEN).await?;
    let receipt = polled.receipt;
    let handing = |text| handing::body(text, || receipt.handed_over());
    Ok(json_through(StatusCode::OK, &polled.list, handing))
}

/// The notes of an agent, which stay.
#[utoipa::path(get, path = "/agents/{aid}/mailbox", tag = "mailbox", params(InPath), responses(
    (status = 200, description = "The notes, perhaps none.", body = model::MessageList), Problem,
))]
async fn list_mailbox(
    State(service): State<Service>,
    InPath(aid): InPath,
) -> Answered<model::MessageList> {
    Ok(Answer(service.list_mailbox(aid, MAX_READ_LEN).await?))
}

/// The notes of an agent that are on their way.
#[utoipa::path(get, path = "/agents/{aid}/outbox", tag = "mailbox", params(InPath), responses(
    (status = 200, description = "The notes, perhaps none.", body = model::NoteOutbox), Problem,
))]
async fn list_outbox(
    State(service): State<Service>,
    InPath(aid): InPath,
) -> Answered<model::NoteOutbox> {
    Ok(Answer(service.note_outbox(aid)?))
}

/// Gives up a note that is on its way; what other nodes keep of it may still be read.
#[utoipa::path(delete, path = "/agents/{aid}/outbox/{message_id}", tag = "mailbox",
    params(
        ("aid" = String, Path, description = "The agent's address."),
        ("message_id" = String, Path, description = "The note."),
    ), responses(
    (status = 200, description = "Given up.", body = model::Done), Problem,
))]
async fn cancel_note(
    State(service): State<Service>,
    Path((aid, message_id)): Path<(String, String)>,
) -> Answered<model::Done> {
    let aid: Result<Aid, _> = aid.parse();
    let aid = aid.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "bad aid", "bad_aid"))?;
    Ok(Answer(service.cancel_note(aid, &message_id).await?))
}
