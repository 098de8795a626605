// SPDX-License-Identifier: MPL-2.0
//! Connections that change their protocol, such as to WebSocket, joined end to end.

use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::Response;
use hyper::upgrade::{OnUpgrade, on};
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional_with_sizes;
use tokio::sync::OwnedSemaphorePermit;
use tracing::debug;

use crate::rest::Problem;

/// Bytes on their way in each direction of one such connection.
const BUFFER_LEN: usize = 16 * 1024;

/// The client's end, if it asks for a change of protocol.
pub(super) fn client(request: &mut Request) -> Option<OnUpgrade> {
    let asks = request.headers().contains_key(header::UPGRADE);
    asks.then(|| on(request))
}

/// Joins both ends as soon as `answer`, by which the protocol changes, has gone out.
///
/// What is joined stays so, and keeps its slot, until one end is gone: neither the quiet of a
/// WebSocket nor the length of its life says anything.
///
/// # Errors
/// When the agent changes the protocol unasked.
pub(super) fn follow(
    client: Option<OnUpgrade>,
    mut answer: Response,
    slot: OwnedSemaphorePermit,
) -> Result<Response, Problem> {
    let client = client.ok_or_else(unasked)?;
    let agent = on(&mut answer);
    tokio::spawn(async move {
        if let Err(error) = join(client, agent).await {
            debug!(%error, "connection with a changed protocol ended");
        }
        drop(slot);
    });
    Ok(answer)
}

async fn join(client: OnUpgrade, agent: OnUpgrade) -> Result<(), Box<dyn std::error::Error>> {
    let (client, agent) = tokio::try_join!(client, agent)?;
    let (mut client, mut agent) = (TokioIo::new(client), TokioIo::new(agent));
    copy_bidirectional_with_sizes(&mut client, &mut agent, BUFFER_LEN, BUFFER_LEN).await?;
    Ok(())
}

fn unasked() -> Problem {
    Problem::new(
        StatusCode::BAD_GATEWAY,
        "inbound unreachable: the service changed the protocol unasked",
        "inbound_unreachable",
    )
}
