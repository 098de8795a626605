// SPDX-License-Identifier: MPL-2.0
//! The services of this node's agents.

use a2al_service::model::{PatchAgent, Updated};

use super::only_agent;
use crate::cli::args::Inbound;
use crate::cli::{Context, Failure};

pub(super) async fn run(context: &Context, command: Inbound) -> Result<(), Failure> {
    let Inbound::Bind { addr, aid } = command;
    let aid = match aid {
        Some(aid) => aid,
        None => only_agent(context).await?,
    };
    let patch = PatchAgent {
        service_tcp: Some(addr.clone()),
        ..PatchAgent::default()
    };
    let updated: Updated = context
        .client
        .patch(&format!("/agents/{aid}"), &patch)
        .await?;
    context
        .print
        .data(&updated, |_| format!("{aid} is served by {addr}"));
    Ok(())
}
