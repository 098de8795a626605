// SPDX-License-Identifier: MPL-2.0
//! Connections that change their protocol, such as to WebSocket, joined end to end.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{Response, StatusCode, header};
use hyper::upgrade::{OnUpgrade, on};
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional_with_sizes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::debug;

use crate::rest::Problem;

/// Bytes on their way in each direction of one such connection.
const BUFFER_LEN: usize = 16 * 1024;

/// The client's half of a change of protocol, if it asked for one.
pub(super) struct Switch(Option<(OnUpgrade, OwnedSemaphorePermit)>);

impl Switch {
    /// Takes the client's half out of the request.
    ///
    /// # Errors
    /// When too many connections have changed their protocol already.
    pub(super) fn begin(request: &mut Request, slots: &Arc<Semaphore>) -> Result<Self, Problem> {
        if !request.headers().contains_key(header::UPGRADE) {
            return Ok(Self(None));
        }
        let permit = Arc::clone(slots).try_acquire_owned().map_err(|_| busy())?;
        Ok(Self(Some((on(request), permit))))
    }

    /// Joins both ends, once the answer has gone out, if that says that the protocol changes.
    ///
    /// What is joined stays so until one end is gone: neither the quiet of a WebSocket nor the
    /// length of its life says anything.
    ///
    /// # Errors
    /// When the agent changes the protocol unasked.
    pub(super) fn follow<B>(self, mut answer: Response<B>) -> Result<Response<B>, Problem> {
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(answer);
        }
        let (client, permit) = self.0.ok_or_else(unasked)?;
        let agent = on(&mut answer);
        tokio::spawn(async move {
            if let Err(error) = join(client, agent).await {
                debug!(%error, "connection with a changed protocol ended");
            }
            drop(permit);
        });
        Ok(answer)
    }
}

async fn join(client: OnUpgrade, agent: OnUpgrade) -> Result<(), Box<dyn std::error::Error>> {
    let (client, agent) = tokio::try_join!(client, agent)?;
    let (mut client, mut agent) = (TokioIo::new(client), TokioIo::new(agent));
    copy_bidirectional_with_sizes(&mut client, &mut agent, BUFFER_LEN, BUFFER_LEN).await?;
    Ok(())
}

fn busy() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "too many open connections with a changed protocol",
        "busy",
    )
}

fn unasked() -> Problem {
    Problem::new(
        StatusCode::BAD_GATEWAY,
        "inbound unreachable: the service changed the protocol unasked",
        "inbound_unreachable",
    )
}
