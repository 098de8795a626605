// SPDX-License-Identifier: MPL-2.0
//! MCP servers of this machine as agents.

mod place;

use std::ffi::OsString;
use std::pin::{Pin, pin};

use a2al_mcp::exposed::{Exposed, Program};
use a2al_protocol::Aid;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::any;
use axum::serve::ListenerExt as _;
use serde::Serialize;
use tokio::net::TcpListener;

use crate::cli::args::Expose;
use crate::cli::print::harmless;
use crate::cli::{Context, Failure};
use crate::daemon::StopSignals;
use crate::output;
use place::Place;

/// What the command does while it runs.
#[derive(Serialize)]
struct Exposing {
    aid: Aid,
    service_tcp: String,
    /// What connects to it, on another node.
    connect: String,
    /// What saves the master key of a new identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    backup_command: Option<String>,
}

/// `a2al expose`.
pub(super) async fn run(context: &Context, args: Expose) -> Result<(), Failure> {
    place::check(context, args.aid).await?;
    let mut stop = pin!(StopSignals::catch()?.received());
    let exposed = Exposed::new(program(&args.command));
    let ended = tokio::select! {
        tried = exposed.try_out() => match tried {
            Ok(()) => serve(context, &exposed, &args, stop).await,
            Err(unusable) => Err(unusable.into()),
        },
        () = &mut stop => Ok(()),
    };
    exposed.end().await;
    ended
}

fn program(command: &[OsString]) -> Program {
    let mut words = command.iter().cloned();
    Program {
        path: words.next().unwrap_or_default(),
        args: words.collect(),
        hear: |line| output::note(format_args!("mcp server: {}", harmless(line))),
    }
}

/// Serves the server at an agent until the end is asked for.
async fn serve(
    context: &Context,
    exposed: &Exposed,
    args: &Expose,
    stop: Pin<&mut impl Future<Output = ()>>,
) -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let service_tcp = listener.local_addr()?.to_string();
    // What does not wait for more is sent at once; where that cannot be had, it is a little later.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let serving = axum::serve(listener, router(exposed.clone()));
    let serving = tokio::spawn(async move { serving.await });
    let mut place = Place::take(context, args.aid, service_tcp).await?;
    exposed.known_as(&place.aid().to_string());
    let begun = place
        .publish(context, args.name.as_deref(), &args.services)
        .await;
    if begun.is_ok() {
        show(context, &place);
    }
    // A new agent stays, whether or not publishing worked.
    remind(context, &place);
    if begun.is_ok() {
        context.print.note("Ctrl-C ends it");
        stop.await;
    }
    let left = place.leave(context).await;
    serving.abort();
    begun.and(left)
}

fn router(exposed: Exposed) -> Router {
    let answer = any(move |request: Request| {
        let exposed = exposed.clone();
        async move { exposed.answer(request).await.map(Body::new) }
    });
    Router::new()
        .route("/mcp", answer.clone())
        .route("/mcp/", answer)
}

fn show(context: &Context, place: &Place) {
    let aid = place.aid();
    let exposing = Exposing {
        aid,
        service_tcp: place.service_tcp().to_owned(),
        connect: format!("a2al mcp-connect {aid}"),
        backup_command: place.backup_command().map(ToOwned::to_owned),
    };
    context.print.data(&exposing, |exposing| {
        format!("aid {aid}\nconnect {}", exposing.connect)
    });
}

/// Says what to do about a new identity.
fn remind(context: &Context, place: &Place) {
    let Some(command) = place.backup_command() else {
        return;
    };
    context.print.note(format_args!(
        "the master key of the new agent waits here until you save it: `{command}`"
    ));
    context.print.note(format_args!(
        "--aid {} exposes a server at the same address the next time",
        place.aid()
    ));
}
