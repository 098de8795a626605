// SPDX-License-Identifier: MPL-2.0
//! MCP servers that are agents.

use std::sync::Arc;

use a2al_mcp::bridge;
use a2al_protocol::Aid;
use a2al_service::model::{OpenTunnel, Tunnel};

use crate::cli::args::{CallOptions, McpConnect};
use crate::cli::{Context, Failure};

/// Seconds without a connection after which the tunnel goes, if nobody is left to close it.
const DAY: i64 = 24 * 60 * 60;

/// Ports that are tried, each of which somebody else may take first.
const MAX_PORTS: usize = 5;

/// Passes the messages of an MCP host at stdin and stdout to the MCP server of an agent.
///
/// The way is a tunnel of its own, so that the server sees a client of its own machine: many look at
/// `Host` and `Origin`.
pub(super) async fn connect(context: &Context, args: McpConnect) -> Result<(), Failure> {
    let McpConnect { aid, path, options } = args;
    let tunnel = own_tunnel(context, aid, options).await?;
    let separator = if path.starts_with('/') { "" } else { "/" };
    let address = bridge::Address {
        url: format!("http://{}{separator}{path}", tunnel.listen),
        token: None,
    };
    let bridged = bridge::run(Arc::new(address), tokio::io::stdin(), tokio::io::stdout()).await;
    // Whether or not it went well; a daemon that is gone has closed it.
    let closed = context
        .client
        .delete_silently(&format!("/tunnel/{}", tunnel.id))
        .await;
    bridged.map_err(std::io::Error::other)?;
    closed
}

/// A tunnel on a port that is free: one without a port would be shared with whoever asks for the same.
///
/// The daemon is told the port after this process has let go of it, so somebody else may have it by then.
async fn own_tunnel(context: &Context, aid: Aid, options: CallOptions) -> Result<Tunnel, Failure> {
    let mut left = MAX_PORTS;
    loop {
        left -= 1;
        let request = OpenTunnel {
            local_aid: options.local_aid.map(|aid| aid.to_string()),
            local_port: Some(free_port()?.into()),
            idle_timeout_sec: Some(DAY),
            disable_relay: options.disable_relay.then_some(true),
        };
        let path = format!("/tunnel/{aid}");
        let opened = context.client.post(&path, &request).await;
        match opened {
            Err(Failure::Refused { problem, .. }) if problem.code == "port_in_use" && left > 0 => {}
            opened => return opened,
        }
    }
}

fn free_port() -> std::io::Result<u16> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    Ok(listener.local_addr()?.port())
}
