// SPDX-License-Identifier: MPL-2.0
//! MCP servers that are agents.

use std::sync::Arc;

use a2al_mcp::bridge;
use a2al_service::model::{OpenTunnel, Tunnel};

use crate::cli::args::McpConnect;
use crate::cli::{Context, Failure};

/// Seconds without a connection after which the tunnel goes, if nobody is left to close it.
const DAY: i64 = 24 * 60 * 60;

/// Passes the messages of an MCP host at stdin and stdout to the MCP server of an agent.
///
/// The way is a tunnel of its own, so that the server sees a client of its own machine: many look at
/// `Host` and `Origin`.
pub(super) async fn connect(context: &Context, args: McpConnect) -> Result<(), Failure> {
    let McpConnect { aid, path, options } = args;
    let request = OpenTunnel {
        local_aid: options.local_aid.map(|aid| aid.to_string()),
        local_port: Some(own_port()?.into()),
        idle_timeout_sec: Some(DAY),
        disable_relay: options.disable_relay.then_some(true),
    };
    let tunnel: Tunnel = context
        .client
        .post(&format!("/tunnel/{aid}"), &request)
        .await?;
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

/// A free port: a tunnel without one would be shared with whoever asks for the same.
fn own_port() -> std::io::Result<u16> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    Ok(listener.local_addr()?.port())
}
