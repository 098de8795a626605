// SPDX-License-Identifier: MPL-2.0
//! Ports of this machine that lead to agents' services.

mod watch;

use a2al_protocol::Aid;
use a2al_service::model::{self, TunnelList};

use crate::cli::args::{CallOptions, Tunnel};
use crate::cli::print::{fields, table};
use crate::cli::{Context, Failure};

pub(super) async fn run(context: &Context, command: Tunnel) -> Result<(), Failure> {
    match command {
        Tunnel::Open {
            aid,
            local_port,
            idle_timeout,
            options,
        } => {
            let request = request(local_port, idle_timeout, options);
            open(context, aid, &request).await
        }
        Tunnel::List => list(context).await,
        Tunnel::Status { id, watch: false } => status(context, &id).await,
        Tunnel::Status { id, watch: true } => watch::run(context, &id).await,
        Tunnel::Close { id } => {
            context.client.delete_silently(&path(&id)?).await?;
            context.print.note(format_args!("closed {id}"));
            Ok(())
        }
        Tunnel::Reset { id } => {
            let path = format!("{}/reset", path(&id)?);
            context.client.post_silently(&path).await?;
            context.print.note(format_args!("reset {id}"));
            Ok(())
        }
    }
}

fn request(local_port: Option<u16>, idle_timeout: i64, options: CallOptions) -> model::OpenTunnel {
    model::OpenTunnel {
        local_aid: options.local_aid.map(|aid| aid.to_string()),
        local_port: local_port.map(i64::from),
        idle_timeout_sec: Some(idle_timeout),
        disable_relay: options.disable_relay.then_some(true),
    }
}

async fn open(context: &Context, aid: Aid, request: &model::OpenTunnel) -> Result<(), Failure> {
    let is_direct_only = request.disable_relay == Some(true);
    let path = format!("/tunnel/{aid}");
    let opened = context.client.post(&path, request).await;
    let tunnel: model::Tunnel =
        opened.map_err(|failure: Failure| failure.of_call(is_direct_only))?;
    context.print.data(&tunnel, |tunnel| {
        fields(&[
            ("tunnel", &tunnel.id),
            ("listen", &tunnel.listen),
            ("https", &tunnel.https_url),
        ])
    });
    Ok(())
}

async fn list(context: &Context) -> Result<(), Failure> {
    let list: TunnelList = context.client.get("/tunnel").await?;
    context.print.data(&list, |list| {
        let heading = ["TUNNEL", "AGENT", "LISTEN", "OPEN", "UP", "DOWN"];
        table(heading, &list.tunnels.iter().map(row).collect::<Vec<_>>())
    });
    if list.tunnels.is_empty() {
        context
            .print
            .note("no tunnels; `a2al tunnel open AID` opens one");
    }
    Ok(())
}

fn row(tunnel: &model::Tunnel) -> [String; 6] {
    [
        tunnel.id.clone(),
        tunnel.remote_aid.to_string(),
        tunnel.listen.clone(),
        tunnel.active_conns.to_string(),
        watch::size(tunnel.bytes_up),
        watch::size(tunnel.bytes_down),
    ]
}

async fn status(context: &Context, id: &str) -> Result<(), Failure> {
    let tunnel: model::Tunnel = context.client.get(&path(id)?).await?;
    context.print.data(&tunnel, |tunnel| {
        fields(&[
            ("tunnel", &tunnel.id),
            ("agent", &tunnel.remote_aid),
            ("as", &tunnel.local_aid),
            ("listen", &tunnel.listen),
            ("https", &tunnel.https_url),
            ("path", &state(tunnel)),
            ("opened", &tunnel.opened_at),
            ("last used", &tunnel.last_activity),
            ("connections", &tunnel.active_conns),
            ("sent", &watch::size(tunnel.bytes_up)),
            ("received", &watch::size(tunnel.bytes_down)),
        ])
    });
    Ok(())
}

fn state(tunnel: &model::Tunnel) -> &'static str {
    match (tunnel.allowed, tunnel.connected, tunnel.is_relayed) {
        (false, _, _) => "the agent does not let this caller in",
        (true, false, _) => "the agent was not reached the last time",
        (true, true, true) => "relayed",
        (true, true, false) => "direct",
    }
}

/// The route of a tunnel; what cannot be one's name is no tunnel.
fn path(id: &str) -> Result<String, Failure> {
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Failure::NoTunnel(id.to_owned()));
    }
    Ok(format!("/tunnel/{id}"))
}
