// SPDX-License-Identifier: MPL-2.0
//! One connection to an agent's service.

use a2al_service::model;

use crate::cli::args::{CallOptions, Connect};
use crate::cli::{Context, Failure};

pub(super) async fn run(context: &Context, args: Connect) -> Result<(), Failure> {
    let connected = open(context, args).await?;
    context
        .print
        .data(&connected, |connected| address(connected).to_owned());
    Ok(())
}

/// Has the daemon reach the agent and listen for one connection.
pub(super) async fn open(context: &Context, args: Connect) -> Result<model::Connected, Failure> {
    let Connect { aid, options } = args;
    let CallOptions {
        local_aid,
        disable_relay,
    } = options;
    let request = model::Connect {
        local_aid: local_aid.map(|aid| aid.to_string()),
        disable_relay: disable_relay.then_some(true),
    };
    let path = format!("/connect/{aid}");
    let connected = context.client.post(&path, &request).await;
    let connected: model::Connected =
        connected.map_err(|failure: Failure| failure.of_call(disable_relay))?;
    if connected.tunnel.is_none() {
        return Err(Failure::Denied);
    }
    Ok(connected)
}

/// Where the daemon listens.
pub(super) fn address(connected: &model::Connected) -> &str {
    connected.tunnel.as_deref().unwrap_or_default()
}
